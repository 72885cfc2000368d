/*
 * The journal's contract, held by a commit in PostgreSQL; and what the direct journal makes of a
 * server that fails.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "contract/journal_suite.h"
#include "contract/ledger_kit.h"
#include "contract/postgres_place.h"
#include "contract/sqlite_place.h"
#include "journal/direct/direct.h"
#include "ledger/postgres/postgres.h"

struct place {
	struct postgres_place *database;
	struct ledger *ledger;
	struct journal *journal;
	struct kit kit;
};

static void *place_new(struct journal **journal, struct ledger **ledger)
{
	struct place *place = calloc(1, sizeof(*place));

	assert_non_null(place);
	place->database = postgres_place_new();
	assert_int_equal(ledger_postgres_open(&place->ledger, place->database->url, LEDGER_OPEN_LEASE), 0);
	assert_int_equal(journal_direct_new(&place->journal, place->ledger), 0);
	*journal = place->journal;
	*ledger = place->ledger;
	return place;
}

static void place_free(void *argument)
{
	struct place *place = argument;

	failpoints_set("");
	place->journal->ops->free(place->journal);
	place->ledger->ops->free(place->ledger);
	postgres_place_free(place->database);
	free(place);
}

#ifdef PENSTOCK_TESTING
static int set_up(void **state)
{
	struct journal *journal;
	struct ledger *ledger;
	struct place *place = place_new(&journal, &ledger);

	kit_stock(&place->kit, ledger);
	*state = place;
	return 0;
}

static int tear_down(void **state)
{
	place_free(*state);
	return 0;
}

static enum journal_end append(struct place *place, const struct event *event)
{
	struct journal_entry entry = {.event = event};

	place->journal->ops->append(place->journal, &entry, 1);
	return entry.end;
}

/* Looks after the journal as its owner does, until it is well: connecting again has its pauses. */
static void wait_well(struct place *place)
{
	int64_t deadline_ns = clock_mono_ns() + INT64_C(60000000000);
	const char *reason;

	while (place->journal->ops->health(place->journal, &reason) < 0) {
		assert_true(clock_mono_ns() < deadline_ns);
		place->journal->ops->append(place->journal, NULL, 0);
	}
}

static void test_failed_transaction_refuses_but_not_what_is_there(void **state)
{
	struct place *place = *state;
	struct event there = kit_reserve(&place->kit, KIT_SHIRT, 1, "ann"), fresh = kit_reserved(&place->kit, KIT_SHIRT, 1, "ben");
	struct journal_entry entries[] = {{.event = &there}, {.event = &fresh}};
	const char *reason;

	failpoints_set("ledger.before_commit=error:28");
	place->journal->ops->append(place->journal, entries, 2);
	assert_int_equal(entries[0].end, JOURNAL_DURABLE);
	assert_int_equal(entries[1].end, JOURNAL_REFUSED);
	assert_int_equal(place->journal->ops->health(place->journal, &reason), -ENOSPC);
	assert_string_equal(reason, "the ledger's disk is full");
	failpoints_set("");
	wait_well(place);
	assert_int_equal(append(place, &fresh), JOURNAL_DURABLE);
	kit_assert_audit(&place->kit);
}

static void test_lost_answer_is_looked_up_by_its_number(void **state)
{
	struct place *place = *state;
	struct event kept = kit_reserved(&place->kit, KIT_SHIRT, 1, "ann"), lost = kit_reserved(&place->kit, KIT_SHIRT, 1, "ben");

	failpoints_set("ledger.commit_unknown=error:5x1");
	assert_int_equal(append(place, &kept), JOURNAL_DURABLE);
	failpoints_set("ledger.commit_lost=error:5x1");
	assert_int_equal(append(place, &lost), JOURNAL_REFUSED);
	failpoints_set("");
	wait_well(place);
	kit_assert_lot(&place->kit, KIT_SHIRT, KIT_SHIRTS, 1, 0, 0);
	kit_assert_audit(&place->kit);
}

static void test_unknown_end_is_said_and_resolved_when_driven_again(void **state)
{
	struct place *place = *state;
	struct event kept = kit_reserved(&place->kit, KIT_SHIRT, 1, "ann"), lost = kit_reserved(&place->kit, KIT_SHIRT, 1, "ben");

	failpoints_set("ledger.commit_unknown=error:5,ledger.reopen=error:5");
	assert_int_equal(append(place, &kept), JOURNAL_UNKNOWN);
	assert_int_equal(append(place, &lost), JOURNAL_UNKNOWN);
	failpoints_set("");
	wait_well(place);
	assert_int_equal(append(place, &kept), JOURNAL_DURABLE);
	assert_int_equal(append(place, &lost), JOURNAL_DURABLE);
	kit_assert_lot(&place->kit, KIT_SHIRT, KIT_SHIRTS, 2, 0, 0);
	kit_assert_audit(&place->kit);
}

/*
 * A session that an administrator has ended is found out by the next batch, and nobody but the log
 * hears of it.
 */
static void test_session_that_died_in_silence_costs_nothing(void **state)
{
	struct place *place = *state;
	struct event first = kit_reserved(&place->kit, KIT_SHIRT, 1, "ann"), second = kit_reserved(&place->kit, KIT_SHIRT, 1, "ben");
	struct event confirmed;

	assert_int_equal(append(place, &first), JOURNAL_DURABLE);
	for (int way = 0; way < 2; way++) {
		postgres_place_run(place->database, "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
						    " WHERE datname = current_database() AND pid <> pg_backend_pid()");
		confirmed = kit_settled(&place->kit, EVENT_CONFIRMED, &first);
		assert_int_equal(append(place, way ? &confirmed : &second), JOURNAL_DURABLE);
	}
	kit_assert_lot(&place->kit, KIT_SHIRT, KIT_SHIRTS, 1, 1, 0);
	kit_assert_audit(&place->kit);
}

/*
 * Rule 4: the short way knows the epoch from before, and is told by the server that it has risen.
 */
static void test_batch_without_reading_is_held_against_the_epoch(void **state)
{
	struct place *place = *state;
	struct event first = kit_reserved(&place->kit, KIT_SHIRT, 1, "ann"), stale = kit_reserved(&place->kit, KIT_SHIRT, 1, "ben");

	assert_int_equal(append(place, &first), JOURNAL_DURABLE);
	postgres_place_run(place->database, "UPDATE penstock.sales SET epoch = epoch + 1");
	assert_int_equal(append(place, &stale), JOURNAL_REFUSED);
	assert_int_equal(append(place, &first), JOURNAL_DURABLE);
	kit_assert_lot(&place->kit, KIT_SHIRT, KIT_SHIRTS, 1, 0, 0);
}

/*
 * The lease by number: even a session that still has its lock commits nothing once another has come
 * in.
 */
static void test_number_of_another_fences_for_good(void **state)
{
	struct place *place = *state;
	struct event event = kit_reserved(&place->kit, KIT_SHIRT, 1, "ann");
	const char *reason;

	postgres_place_run(place->database, "UPDATE penstock.commits SET lease = lease + 1");
	for (int i = 0; i < 3; i++) {
		assert_int_not_equal(append(place, &event), JOURNAL_DURABLE);
		assert_int_equal(place->journal->ops->health(place->journal, &reason), -EBUSY);
	}
	kit_assert_lot(&place->kit, KIT_SHIRT, KIT_SHIRTS, 0, 0, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#endif

int main(void)
{
	static const struct journal_suite_adapter adapter = {"journal: direct, postgres", place_new, place_free};
	int failed;

	log_set_level(LOG_OFF);
	failed = journal_suite_run(&adapter);
#ifdef PENSTOCK_TESTING
	const struct CMUnitTest tests[] = {
		TEST(test_failed_transaction_refuses_but_not_what_is_there),
		TEST(test_lost_answer_is_looked_up_by_its_number),
		TEST(test_unknown_end_is_said_and_resolved_when_driven_again),
		TEST(test_session_that_died_in_silence_costs_nothing),
		TEST(test_batch_without_reading_is_held_against_the_epoch),
		TEST(test_number_of_another_fences_for_good),
	};

	failed += cmocka_run_group_tests_name("journal: direct, postgres, failures", tests, NULL, NULL);
#endif
	return failed;
}
