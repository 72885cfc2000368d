/*
 * The disk in memory, and the SQLite ledger on it: processes die, and the power fails at each
 * write.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <cmocka.h>
#include "base/log.h"
#include "contract/ledger_kit.h"
#include "simulation/ledger/ledger_disk.h"

enum { ORDERS = KIT_SHIRTS };

static struct ledger *open_ledger(struct memory_disk *disk)
{
	struct ledger *ledger;

	assert_int_equal(ledger_disk_open(&ledger, disk, LEDGER_OPEN_LEASE), 0);
	return ledger;
}

static bool is_there(struct ledger *ledger, const struct uuid *id)
{
	struct ledger_order order;
	int result = ledger->ops->order_get(ledger, id, &order);

	assert_in_range(result, LEDGER_DONE, LEDGER_NOT_FOUND);
	return result == LEDGER_DONE;
}

/*
 * Buys until the power is off: what was told is there when it is back, and what was refused is not.
 * False: it stayed on.
 */
static bool buy_until_cut(unsigned int writes)
{
	static const char *const buyers[ORDERS] = {"ann", "ben", "cid", "dan", "eve", "fay", "gus", "hal", "ida", "jon"};
	struct memory_disk *disk = ledger_disk_new(writes);
	struct event events[ORDERS];
	int told[ORDERS];
	struct kit kit;
	size_t count = 0;
	bool off;

	kit_stock(&kit, open_ledger(disk));
	memory_disk_cut(disk, writes);
	while (count < ORDERS && !memory_disk_is_off(disk)) {
		events[count] = kit_reserved(&kit, KIT_SHIRT, 1, buyers[count]);
		told[count] = kit_apply(&kit, &events[count]);
		count++;
		kit.now_ms++;
	}
	kit.ledger->ops->free(kit.ledger); /* closes, with all that moves into the database then */
	off = memory_disk_is_off(disk);
	memory_disk_power_on(disk);
	kit.ledger = open_ledger(disk);
	for (size_t i = 0; i < count; i++) {
		bool there = is_there(kit.ledger, &events[i].id);

		if (told[i] == LEDGER_DONE)
			assert_true(there);
		else if (told[i] != -EINPROGRESS)
			assert_false(there);
	}
	kit_assert_audit(&kit);
	kit.ledger->ops->free(kit.ledger);
	memory_disk_free(disk);
	return off;
}

static void test_power_cut_at_any_write_keeps_what_was_told(void **state)
{
	unsigned int writes = 1;

	(void)state;
	while (buy_until_cut(writes))
		writes++;
	assert_in_range(writes, ORDERS, 100 * ORDERS);
}

/* The proof of the disk itself: who does not sync loses what it was told. */
static void test_power_cut_takes_what_was_not_synced(void **state)
{
	enum { SEEDS = 20 };
	size_t kept = 0;

	(void)state;
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		struct memory_disk *disk = memory_disk_new(seed);
		sqlite3_stmt *statement = NULL;
		sqlite3 *db;

		assert_int_equal(sqlite3_open_v2("/a.db", &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, memory_disk_vfs(disk)), 0);
		assert_int_equal(sqlite3_exec(db,
					      "PRAGMA journal_mode = WAL; CREATE TABLE a (b); PRAGMA wal_checkpoint(FULL);"
					      "PRAGMA synchronous = OFF; INSERT INTO a VALUES (1)",
					      NULL, NULL, NULL),
				 SQLITE_OK);
		memory_disk_power_on(disk);
		sqlite3_close(db);
		assert_int_equal(sqlite3_open_v2("/a.db", &db, SQLITE_OPEN_READWRITE, memory_disk_vfs(disk)), 0);
		assert_int_equal(sqlite3_prepare_v2(db, "SELECT * FROM a", -1, &statement, NULL), SQLITE_OK);
		kept += sqlite3_step(statement) == SQLITE_ROW;
		sqlite3_finalize(statement);
		sqlite3_close(db);
		memory_disk_free(disk);
	}
	assert_in_range(kept, 1, SEEDS - 1);
}

static void test_process_that_died_leaves_what_it_had_written(void **state)
{
	struct memory_disk *disk = ledger_disk_new(1);
	struct event ann, ben;
	struct kit kit, dead;

	(void)state;
	kit_stock(&kit, open_ledger(disk));
	ann = kit_reserve(&kit, KIT_SHIRT, 1, "ann");
	ben = kit_reserved(&kit, KIT_SHIRT, 1, "ben");
	dead = kit;
	memory_disk_leave(disk);
	kit.ledger = open_ledger(disk);
	assert_true(kit_apply(&dead, &ben) < 0);
	assert_true(is_there(kit.ledger, &ann.id));
	assert_false(is_there(kit.ledger, &ben.id));
	assert_int_equal(kit_apply(&kit, &ben), LEDGER_DONE);
	dead.ledger->ops->free(dead.ledger);
	assert_true(is_there(kit.ledger, &ben.id));
	kit_assert_audit(&kit);
	kit.ledger->ops->free(kit.ledger);
	memory_disk_free(disk);
}

static void count_cut(void *context)
{
	++*(int *)context;
}

static void test_cut_is_told_within_the_write(void **state)
{
	struct memory_disk *disk = ledger_disk_new(1);
	struct kit kit;
	struct event event;
	int told = 0;

	(void)state;
	kit_stock(&kit, open_ledger(disk));
	memory_disk_on_cut(disk, count_cut, &told);
	memory_disk_cut(disk, 1);
	event = kit_reserved(&kit, KIT_SHIRT, 1, "ann");
	assert_true(kit_apply(&kit, &event) < 0);
	assert_int_equal(told, 1);
	assert_true(memory_disk_is_off(disk));
	kit.ledger->ops->free(kit.ledger);
	memory_disk_power_on(disk);
	memory_disk_free(disk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_power_cut_at_any_write_keeps_what_was_told),
		cmocka_unit_test(test_power_cut_takes_what_was_not_synced),
		cmocka_unit_test(test_process_that_died_leaves_what_it_had_written),
		cmocka_unit_test(test_cut_is_told_within_the_write),
	};

	log_set_level(LOG_OFF);
	return cmocka_run_group_tests_name("the disk in memory", tests, NULL, NULL);
}
