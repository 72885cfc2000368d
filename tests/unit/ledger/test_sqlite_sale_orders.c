/*
 * A sale's orders are found whole, each once and in order: those that are in its rows, and those
 * whose turn has not come, whatever the order in which their ids came.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/failpoint.h"
#include "base/log.h"
#include "contract/ledger_kit.h"
#include "contract/sqlite_place.h"
#include "ledger/sqlite/sale_orders.h"
#include "ledger/sqlite/sqlite.h"

enum { SALES = 5, ORDERS_MAX = 40000, ROW_IDS_MAX = 64, BATCH = 500 };

/* The rows alone, on a ledger's tables, and what they must come to. */
struct fixture {
	struct sqlite_place *place;
	struct sqlite_connection connection;
	struct uuid orders[SALES][ORDERS_MAX]; /* sorted */
	size_t count[SALES];
	uint64_t random;
};

static struct uuid first;

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct ledger *ledger;

	assert_non_null(fixture);
	fixture->place = sqlite_place_new();
	assert_int_equal(ledger_sqlite_open(&ledger, fixture->place->path, LEDGER_OPEN_LEASE), 0);
	ledger->ops->free(ledger);
	assert_int_equal(sqlite_connection_open(&fixture->connection, fixture->place->path, NULL, false), 0);
	fixture->random = 1;
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	sqlite_connection_close(&fixture->connection, false);
	sqlite_place_free(fixture->place);
	free(fixture);
	return 0;
}

static uint64_t below(struct fixture *fixture, uint64_t limit)
{
	fixture->random = fixture->random * 6364136223846793005 + 1442695040888963407;
	return (fixture->random >> 33) % limit;
}

static struct uuid id_of(uint64_t time, uint32_t sale)
{
	struct uuid_generator generator = {0};

	return uuid_make(&generator, (int64_t)time, sale);
}

static void add_movement(struct fixture *fixture, uint32_t sale, const struct uuid *id, int cause)
{
	sqlite3_stmt *statement;

	assert_int_equal(sqlite_connection_prepare(&fixture->connection,
						   "INSERT INTO movements (at_ms, cause, sale, lot, order_id, on_hand, allocated, held, confirmed,"
						   " withdrawn) VALUES (1, ?3, ?1, 0, ?2, 0, 0, 1, 0, 0)",
						   &statement),
			 0);
	sqlite_bind_int(statement, 1, sale);
	sqlite_bind_uuid(statement, 2, id);
	sqlite_bind_int(statement, 3, cause);
	assert_int_equal(sqlite_step_once(&fixture->connection, statement), STEP_DONE);
}

static int by_id(const void *left, const void *right)
{
	return uuid_compare(left, right);
}

/* `count` orders of sales in no order, at times from..from + span; each is settled too. */
static void sell(struct fixture *fixture, size_t count, uint64_t from, uint64_t span)
{
	assert_int_equal(sqlite_connection_run(&fixture->connection, "BEGIN"), 0);
	for (size_t i = 0; i < count; i++) {
		uint32_t sale = (uint32_t)below(fixture, SALES - 1) + 1;
		struct uuid id = id_of(from + below(fixture, span), sale);

		assert_true(fixture->count[sale] < ORDERS_MAX);
		fixture->orders[sale][fixture->count[sale]++] = id;
		add_movement(fixture, sale, &id, 5);
		add_movement(fixture, sale, &id, 6);
	}
	assert_int_equal(sqlite_connection_run(&fixture->connection, "COMMIT"), 0);
	for (size_t sale = 1; sale < SALES; sale++)
		qsort(fixture->orders[sale], fixture->count[sale], sizeof(struct uuid), by_id);
}

static void put(struct fixture *fixture, size_t times)
{
	int64_t movement;

	for (size_t i = 0; i < times; i++) {
		assert_int_equal(sqlite_connection_run(&fixture->connection, "BEGIN IMMEDIATE"), 0);
		assert_int_equal(sale_orders_put(&fixture->connection, &movement), 0);
		assert_int_equal(sqlite_connection_run(&fixture->connection, "COMMIT"), 0);
	}
}

static void assert_found(struct fixture *fixture, uint32_t sale, size_t after, size_t max)
{
	const struct uuid *expected = fixture->orders[sale] + after;
	size_t left = fixture->count[sale] - after, count;
	struct uuid *ids;

	assert_int_equal(sale_orders_find(&fixture->connection, sale, after ? &expected[-1] : &first, max, &ids, &count), 0);
	assert_int_equal(count, left < max ? left : max);
	assert_memory_equal(ids, expected, count * sizeof(*ids));
	free(ids);
}

static void assert_all_found(struct fixture *fixture)
{
	for (uint32_t sale = 0; sale < SALES; sale++) {
		assert_found(fixture, sale, 0, SIZE_MAX);
		for (int i = 0; i < 20 && fixture->count[sale]; i++)
			assert_found(fixture, sale, below(fixture, fixture->count[sale] + 1), below(fixture, 300) + 1);
	}
}

static int64_t number(struct fixture *fixture, const char *sql)
{
	int64_t value = -1;

	assert_int_equal(sqlite_connection_read_number(&fixture->connection, sql, &value), 0);
	return value;
}

/*
 * They are as long as they may be and end where they say, and none begins before the one before it
 * has ended.
 */
static void assert_rows_whole(struct fixture *fixture)
{
	assert_int_equal(number(fixture, "SELECT count(*) FROM sale_orders WHERE length(ids) NOT BETWEEN 16 AND 16 * 64"
					 " OR length(ids) % 16 OR substr(ids, -16) <> last"),
			 0);
	assert_int_equal(number(fixture,
				"SELECT count(*) FROM (SELECT substr(ids, 1, 16) AS begins,"
				" lag(last) OVER (PARTITION BY sale ORDER BY last) AS before FROM sale_orders) WHERE begins <= before"),
			 0);
}

static void test_orders_are_found_before_and_after_they_are_in_rows(void **state)
{
	struct fixture *fixture = *state;

	assert_all_found(fixture);
	sell(fixture, 3000, 1000000, 1000);
	assert_all_found(fixture);
	put(fixture, 1);
	assert_rows_whole(fixture);
	assert_int_equal(number(fixture, "SELECT sum(length(ids)) / 16 FROM sale_orders"), 3000);
	assert_all_found(fixture);
	sell(fixture, 3000, 1001000, 1000);
	assert_all_found(fixture);
}

/* A clock that was put back, and gates whose orders come late. */
static void test_ids_that_come_late_get_their_place(void **state)
{
	struct fixture *fixture = *state;

	for (uint64_t round = 0; round < 30; round++) {
		sell(fixture, 700, round % 3 ? 1000000 - 100 * round : 1000000 + 1000 * round, 3000);
		if (round % 4)
			put(fixture, 1);
		assert_rows_whole(fixture);
		assert_all_found(fixture);
	}
}

static void test_rows_that_are_far_behind_catch_up(void **state)
{
	struct fixture *fixture = *state;
	int64_t behind;

	sell(fixture, 20000, 1000000, 5000);
	assert_int_equal(sale_orders_behind(&fixture->connection, &behind), 0);
	assert_int_equal(behind, 40000);
	for (int i = 0; i < 40000 / SALE_ORDERS_A_TIME + 1; i++) {
		put(fixture, 1);
		assert_rows_whole(fixture);
		assert_all_found(fixture);
	}
	assert_int_equal(sale_orders_behind(&fixture->connection, &behind), 0);
	assert_int_equal(behind, 0);
	put(fixture, 1); /* of nothing */
	assert_all_found(fixture);
}

/* Only a damaged ledger has one. */
static void test_an_order_that_was_reserved_twice_is_found_once(void **state)
{
	struct fixture *fixture = *state;

	sell(fixture, 200, 1000000, 100);
	add_movement(fixture, 1, &fixture->orders[1][3], 5);
	assert_all_found(fixture);
	put(fixture, 1);
	assert_all_found(fixture);
	add_movement(fixture, 1, &fixture->orders[1][4], 5);
	assert_all_found(fixture);
	put(fixture, 1);
	assert_rows_whole(fixture);
	assert_all_found(fixture);
}

/* --- In a ledger --- */

struct of_sale {
	struct uuid ids[8 * BATCH];
	size_t count;
};

static void sell_in(struct kit *kit, uint32_t sale, size_t count, struct of_sale *sold)
{
	static struct event events[BATCH];
	static struct ledger_entry entries[BATCH];

	for (size_t i = 0; i < count; i++) {
		events[i] = kit_reserved(kit, 0, 1, "ann");
		kit_in_sale(kit, &events[i], sale);
		events[i].key = SLICE_NULL;
		entries[i] = (struct ledger_entry){&events[i], -1};
		sold->ids[sold->count++] = events[i].id;
	}
	assert_int_equal(kit->ledger->ops->apply(kit->ledger, entries, count), 0);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(entries[i].outcome, LEDGER_DONE);
}

static int take_page(void *context, const struct ledger_snapshot *snapshot, const struct ledger_order *orders, size_t count)
{
	struct of_sale *seen = context;

	(void)snapshot;
	for (size_t i = 0; i < count; i++)
		seen->ids[seen->count++] = orders[i].id;
	return 0;
}

static void assert_sold(struct ledger *ledger, uint32_t sale, const struct of_sale *sold)
{
	static struct ledger_order page[BATCH];
	static struct of_sale seen;
	struct ledger_order_filter filter = {.sale = sale};
	struct ledger_snapshot snapshot;
	size_t count, total = 0;

	seen.count = 0;
	assert_int_equal(ledger->ops->sale_snapshot(ledger, sale, &snapshot, take_page, &seen), LEDGER_DONE);
	ledger_snapshot_deinit(&snapshot);
	assert_int_equal(seen.count, sold->count);
	assert_memory_equal(seen.ids, sold->ids, sold->count * sizeof(sold->ids[0]));
	do {
		assert_int_equal(ledger->ops->orders(ledger, &filter, page, 99, &count), 0);
		assert_true(total + count <= sold->count);
		for (size_t i = 0; i < count; i++)
			assert_true(uuid_equal(&page[i].id, &sold->ids[total++]));
		if (count)
			filter.after = page[count - 1].id;
	} while (count == 99);
	assert_int_equal(total, sold->count);
}

/*
 * What fails in a commit of its own, of which nobody waits for an answer, loses no order and keeps
 * nobody from the next.
 */
static void test_rows_that_are_not_written_are_written_later(void **state)
{
	static const char *const faults[] = {"", "ledger.before_commit=error:5x1,", "ledger.commit_lost=error:5x1,",
					     "ledger.commit_unknown=error:5x1,", "ledger.begin=error:5x1,"};
	static struct of_sale one, other;
	struct sqlite_place *place = ((struct fixture *)*state)->place;
	struct ledger_audit audit;
	struct kit kit;
	uint32_t big;

	assert_int_equal(ledger_sqlite_open(&kit.ledger, place->path, LEDGER_OPEN_LEASE), 0);
	kit_stock(&kit, kit.ledger);
	kit.now_ms = KIT_NOW_MS;
	big = kit_big_sale(&kit, 1000000);
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		char points[64];

		sell_in(&kit, big, BATCH, &one);
		sell_in(&kit, kit.sale, 1, &other);
		snprintf(points, sizeof(points), "%sledger.put_soon=on", faults[i]);
		failpoints_set(points);
		kit.ledger->ops->tidy(kit.ledger);
		failpoints_set("");
		assert_sold(kit.ledger, big, &one);
		assert_sold(kit.ledger, kit.sale, &other);
	}
	assert_int_equal(kit.ledger->ops->audit(kit.ledger, &audit), 0);
	assert_int_equal(audit.p2_broken, 0);
	kit.ledger->ops->free(kit.ledger);
	assert_int_equal(ledger_sqlite_open(&kit.ledger, place->path, LEDGER_OPEN_LEASE), 0);
	assert_int_equal(number(*state, "SELECT sum(length(ids)) / 16 FROM sale_orders"), one.count + other.count);
	assert_sold(kit.ledger, big, &one);
	assert_sold(kit.ledger, kit.sale, &other);
	kit.ledger->ops->free(kit.ledger);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_orders_are_found_before_and_after_they_are_in_rows),
		TEST(test_ids_that_come_late_get_their_place),
		TEST(test_rows_that_are_far_behind_catch_up),
		TEST(test_an_order_that_was_reserved_twice_is_found_once),
		TEST(test_rows_that_are_not_written_are_written_later),
	};

	log_set_level(LOG_OFF);
	return cmocka_run_group_tests_name("ledger: sqlite sale orders", tests, NULL, NULL);
}
