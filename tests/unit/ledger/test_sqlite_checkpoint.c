/*
 * Checkpoints: no commit that somebody waits for makes one, they are made in slices when everybody
 * is answered, and one that fails loses nothing. And the log that they begin anew.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>
#include "base/log.h"
#include "contract/fault_vfs.h"
#include "contract/ledger_kit.h"
#include "contract/sqlite_place.h"
#include "ledger/sqlite/sqlite.h"

enum { BATCH = 200, UNITS = 1000000, SLICE = 40, OVERDUE = 400 }; /* commits: some 3 MiB of log, and some 30 */
enum { GROWTH = SLICE * BATCH * 100 };                            /* at least so much of a slice is in the database then */

struct fixture {
	struct sqlite_place *place;
	struct kit kit;
	uint32_t sale;
};

static void reopen(struct fixture *fixture)
{
	if (fixture->kit.ledger)
		fixture->kit.ledger->ops->free(fixture->kit.ledger);
	fixture->kit.ledger = NULL;
	assert_int_equal(ledger_sqlite_open(&fixture->kit.ledger, fixture->place->path, LEDGER_OPEN_LEASE), 0);
}

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	fixture->place = sqlite_place_new();
	reopen(fixture);
	kit_stock(&fixture->kit, fixture->kit.ledger);
	fixture->sale = kit_big_sale(&fixture->kit, UNITS);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	fault_vfs_arm(FAULT_NONE, 0, 0);
	fixture->kit.ledger->ops->free(fixture->kit.ledger);
	sqlite_place_free(fixture->place);
	free(fixture);
	return 0;
}

static int64_t size_at(const char *path, const char *ending)
{
	char name[256];
	struct stat file;

	snprintf(name, sizeof(name), "%s%s", path, ending);
	assert_int_equal(stat(name, &file), 0);
	return file.st_size;
}

static int64_t size_of(const struct fixture *fixture)
{
	return size_at(fixture->place->path, "");
}

/* Each of BATCH orders. */
static void commit(struct fixture *fixture, size_t count)
{
	static struct event events[BATCH];
	static struct ledger_entry entries[BATCH];
	struct kit *kit = &fixture->kit;

	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < BATCH; j++) {
			events[j] = kit_reserved(kit, 0, 1, "ann");
			kit_in_sale(kit, &events[j], fixture->sale);
			events[j].key = SLICE_NULL;
			entries[j] = (struct ledger_entry){&events[j], -1};
		}
		assert_int_equal(kit->ledger->ops->apply(kit->ledger, entries, BATCH), 0);
		assert_int_equal(entries[BATCH - 1].outcome, LEDGER_DONE);
	}
}

static void tidy(struct fixture *fixture)
{
	fixture->kit.ledger->ops->tidy(fixture->kit.ledger);
}

/* It was made within a commit: whoever waited for that commit waited for it too. */
static void test_a_checkpoint_is_made_when_it_is_tidied_and_by_no_commit(void **state)
{
	struct fixture *fixture = *state;
	int64_t before = size_of(fixture);

	commit(fixture, SLICE);
	assert_true(size_of(fixture) == before);
	tidy(fixture);
	assert_true(size_of(fixture) >= before + GROWTH);
}

/* Each syncs twice: where commits are few and large they would cost as much as the commits. */
static void test_few_commits_are_not_worth_a_checkpoint(void **state)
{
	struct fixture *fixture = *state;
	int64_t before = size_of(fixture);

	commit(fixture, SLICE / 2);
	tidy(fixture);
	assert_true(size_of(fixture) == before);
	commit(fixture, SLICE / 2);
	tidy(fixture);
	assert_true(size_of(fixture) > before);
}

static void test_a_ledger_that_nobody_tidies_is_checkpointed_all_the_same(void **state)
{
	struct fixture *fixture = *state;
	int64_t before = size_of(fixture);

	commit(fixture, OVERDUE);
	assert_true(size_of(fixture) > before);
}

static void test_a_checkpoint_that_fails_loses_nothing_and_is_made_by_another_handle(void **state)
{
	struct fixture *fixture = *state;
	struct kit *kit = &fixture->kit;
	struct event event = kit_reserved(kit, KIT_SHIRT, 1, "ben");
	struct ledger_order order;
	int64_t before;

	assert_int_equal(kit_apply(kit, &event), LEDGER_DONE);
	commit(fixture, SLICE);
	fault_vfs_arm(FAULT_SYNC, 1, 1000);
	tidy(fixture);
	assert_true(fault_vfs_seen() >= 1);
	fault_vfs_arm(FAULT_NONE, 0, 0);
	before = size_of(fixture);
	commit(fixture, SLICE);
	tidy(fixture);
	assert_true(size_of(fixture) >= before + GROWTH);
	for (int restarted = 0; restarted < 2; restarted++) {
		assert_int_equal(kit->ledger->ops->order_get(kit->ledger, &event.id, &order), LEDGER_DONE);
		reopen(fixture);
	}
}

/* A log that grows makes the file system write its own journal at each sync. */
static void test_log_has_its_room_before_the_first_orders(void **state)
{
	enum { LONE = 100 };
	struct fixture *fixture = *state;
	struct kit *kit = &fixture->kit;
	int64_t before = size_at(fixture->place->path, "-wal");

	assert_true(before > 1024 * 1024);
	for (size_t i = 0; i < LONE; i++) {
		struct event event = kit_reserved(kit, 0, 1, "ann");

		kit_in_sale(kit, &event, fixture->sale);
		event.key = SLICE_NULL;
		assert_int_equal(kit_apply(kit, &event), LEDGER_DONE);
	}
	tidy(fixture);
	assert_int_equal(size_at(fixture->place->path, "-wal"), before);
}

/* As a killed server leaves it: what it told is read out of the log up to where the room begins. */
static void test_room_behind_the_orders_is_nothing_to_the_next_start(void **state)
{
	struct fixture *fixture = *state, after = {.place = sqlite_place_new()};
	struct kit *kit = &fixture->kit;
	struct event event = kit_reserved(kit, KIT_SHIRT, 1, "ben");
	struct ledger_order order;
	char command[512];

	assert_int_equal(kit_apply(kit, &event), LEDGER_DONE);
	snprintf(command, sizeof(command), "cp %s %s && cp %s-wal %s-wal", fixture->place->path, after.place->path,
		 fixture->place->path, after.place->path);
	assert_int_equal(system(command), 0);
	reopen(&after);
	assert_int_equal(after.kit.ledger->ops->order_get(after.kit.ledger, &event.id, &order), LEDGER_DONE);
	kit_assert_audit(&after.kit);
	after.kit.ledger->ops->free(after.kit.ledger);
	sqlite_place_free(after.place);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_checkpoint_is_made_when_it_is_tidied_and_by_no_commit),
		TEST(test_few_commits_are_not_worth_a_checkpoint),
		TEST(test_a_ledger_that_nobody_tidies_is_checkpointed_all_the_same),
		TEST(test_a_checkpoint_that_fails_loses_nothing_and_is_made_by_another_handle),
		TEST(test_log_has_its_room_before_the_first_orders),
		TEST(test_room_behind_the_orders_is_nothing_to_the_next_start),
	};

	log_set_level(LOG_OFF);
	fault_vfs_install();
	return cmocka_run_group_tests_name("ledger: sqlite checkpoint", tests, NULL, NULL);
}
