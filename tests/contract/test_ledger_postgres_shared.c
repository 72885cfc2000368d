/*
 * Several processes on one PostgreSQL ledger, here as several handles: what all must keep, and what
 * is PostgreSQL's own.
 */
#include <libpq-fe.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "contract/ledger_kit.h"
#include "contract/ledger_suite_shared.h"
#include "contract/postgres_place.h"
#include "contract/sqlite_place.h"
#include "ledger/postgres/postgres.h"

enum { WRITERS = 2 };

struct fixture {
	struct postgres_place *place;
	struct ledger *ledgers[WRITERS];
	struct kit kit; /* over the first */
};

static struct ledger *open_as(struct fixture *fixture, int flags)
{
	struct ledger *ledger;

	assert_int_equal(ledger_postgres_open(&ledger, fixture->place->url, flags), 0);
	return ledger;
}

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	fixture->place = postgres_place_new();
	for (size_t i = 0; i < WRITERS; i++)
		fixture->ledgers[i] = open_as(fixture, LEDGER_OPEN_SHARED);
	kit_stock(&fixture->kit, fixture->ledgers[0]);
	*state = fixture;
	return 0;
}

static void close_all(struct fixture *fixture)
{
	for (size_t i = 0; i < WRITERS; i++) {
		if (fixture->ledgers[i])
			fixture->ledgers[i]->ops->free(fixture->ledgers[i]);
		fixture->ledgers[i] = NULL;
	}
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	failpoints_set("");
	close_all(fixture);
	postgres_place_free(fixture->place);
	free(fixture);
	return 0;
}

/* The same warehouse through another handle. */
static struct kit kit_over(const struct fixture *fixture, size_t writer)
{
	struct kit kit = fixture->kit;

	kit.ledger = fixture->ledgers[writer];
	kit.ids = (struct uuid_generator){0};
	return kit;
}

static void end_sessions(void *place)
{
	postgres_place_run(place, "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
				  " WHERE datname = current_database() AND pid <> pg_backend_pid()");
}

static int elect(struct fixture *fixture, size_t writer)
{
	return fixture->ledgers[writer]->ops->elect(fixture->ledgers[writer], true);
}

static void must(int code)
{
	if (code != 0)
		abort();
}

static int64_t orders_count(struct ledger *ledger)
{
	struct ledger_audit audit;

	assert_int_equal(ledger->ops->audit(ledger, &audit), 0);
	return audit.orders;
}

static int count_page(void *context, const struct ledger_snapshot *snapshot, const struct ledger_order *orders, size_t count)
{
	(void)snapshot;
	(void)orders;
	*(size_t *)context += count;
	return 0;
}

/*
 * Of a table that nobody has analyzed since it was filled the planner thinks that it is small: left
 * to itself it fetches, for each page, all that is left of the sale, and sorts it.
 */
static void test_snapshot_reads_each_order_of_a_new_sale_once(void **state)
{
	enum { ORDERS = 12000, BATCH = 1000 };
	struct fixture *fixture = *state;
	struct kit *kit = &fixture->kit;
	struct event *events = calloc(BATCH, sizeof(*events));
	struct ledger_entry *entries = calloc(BATCH, sizeof(*entries));
	uint32_t sale = kit_big_sale(kit, ORDERS);
	struct ledger_snapshot snapshot;
	size_t read = 0;

	assert_non_null(events);
	assert_non_null(entries);
	for (size_t done = 0; done < ORDERS; done += BATCH) {
		for (size_t i = 0; i < BATCH; i++) {
			events[i] = kit_reserved(kit, 0, 1, "ann");
			kit_in_sale(kit, &events[i], sale);
			events[i].key = SLICE_NULL;
			entries[i] = (struct ledger_entry){&events[i], -1};
		}
		assert_int_equal(kit->ledger->ops->apply(kit->ledger, entries, BATCH), 0);
	}
	free(events);
	free(entries);
	close_all(fixture);
	end_sessions(fixture->place); /* a session tells what it has read when it ends */
	postgres_place_run(fixture->place, "SELECT pg_stat_reset()");
	fixture->ledgers[0] = open_as(fixture, LEDGER_OPEN_SHARED);
	assert_int_equal(fixture->ledgers[0]->ops->sale_snapshot(fixture->ledgers[0], sale, &snapshot, count_page, &read),
			 LEDGER_DONE);
	assert_int_equal(read, ORDERS);
	ledger_snapshot_deinit(&snapshot);
	close_all(fixture);
	end_sessions(fixture->place);
	postgres_place_run(fixture->place,
			   "DO $$ DECLARE entries bigint := (SELECT idx_tup_read FROM pg_stat_user_indexes WHERE indexrelname = 'orders_pkey');"
			   " BEGIN ASSERT entries BETWEEN 12000 AND 13000, entries; END $$");
}

/*
 * A row by its key is given up soon, and whoever has the connection next does not hear of it: each
 * audit of a large ledger failed.
 */
static void test_audit_may_take_longer_than_a_row_by_its_key(void **state)
{
	struct fixture *fixture = *state;
	struct ledger *ledger = fixture->ledgers[0];
	struct sale *sale;

	postgres_place_run(fixture->place, "SET search_path = penstock; ALTER TABLE dead_letters RENAME TO dead_rows;"
					   "CREATE FUNCTION slow_rows() RETURNS SETOF dead_rows LANGUAGE plpgsql AS"
					   " 'BEGIN PERFORM pg_sleep(5.5); RETURN QUERY SELECT * FROM penstock.dead_rows; END';"
					   "CREATE VIEW dead_letters AS SELECT * FROM slow_rows()");
	assert_int_equal(ledger->ops->sale_get(ledger, 1, SLICE_NULL, &sale), LEDGER_DONE);
	free(sale);
	assert_int_equal(orders_count(ledger), 0);
}

/* --- The lease --- */

/*
 * Who waits four seconds for another's migration is told so, and starts again: on a busy machine
 * the tables may take that long.
 */
static void *open_in_thread(void *url)
{
	int64_t deadline_ns = clock_mono_ns() + INT64_C(60000000000);
	struct ledger *ledger = NULL;
	int result;

	do
		result = ledger_postgres_open(&ledger, url, LEDGER_OPEN_SHARED);
	while (result == -EBUSY && clock_mono_ns() < deadline_ns);
	return result == 0 ? ledger : NULL;
}

static void test_starters_at_once_all_come_up(void **state)
{
	enum { STARTERS = 4, ROUNDS = 3 };
	struct fixture *fixture = *state;
	pthread_t threads[STARTERS];

	close_all(fixture);
	for (int round = 0; round < ROUNDS; round++) {
		void *opened[STARTERS];

		postgres_place_run(fixture->place, "SET client_min_messages = warning; DROP SCHEMA penstock CASCADE");
		for (size_t i = 0; i < STARTERS; i++)
			must(pthread_create(&threads[i], NULL, open_in_thread, fixture->place->url));
		for (size_t i = 0; i < STARTERS; i++)
			must(pthread_join(threads[i], &opened[i]));
		for (size_t i = 0; i < STARTERS; i++) {
			struct ledger *ledger = opened[i];

			assert_non_null(ledger);
			ledger->ops->free(ledger);
		}
	}
}

/* The same where the session of one who shared is still there, and only its lock has gone. */
static void test_row_of_a_writer_that_is_gone_fences_its_session(void **state)
{
	struct fixture *fixture = *state;
	struct event event = kit_reserved(&fixture->kit, KIT_SHIRT, 1, "ann");

	postgres_place_run(fixture->place, "SET search_path = penstock; SELECT open_alone()");
	assert_int_equal(kit_apply(&fixture->kit, &event), -EBUSY);
	assert_int_equal(kit_apply(&fixture->kit, &event), -EBUSY);
	assert_int_equal(orders_count(fixture->ledgers[0]), 0);
}

/*
 * A row is swept out when its writer was away for long: the writer goes on with another. What
 * became of a transaction that was on its way, only those know who drive it again.
 */
static void test_writer_whose_row_was_swept_out_joins_again(void **state)
{
	struct fixture *fixture = *state;
	struct event ann = kit_reserved(&fixture->kit, KIT_SHIRT, 1, "ann"), ben = kit_reserved(&fixture->kit, KIT_SHIRT, 1, "ben");
	struct ledger *third;

	postgres_place_run(fixture->place, "UPDATE penstock.writers SET seen = now() - interval '2 hours'");
	third = open_as(fixture, LEDGER_OPEN_SHARED); /* sweeps, but nobody whose session is there */
	assert_int_equal(kit_apply(&fixture->kit, &ann), LEDGER_DONE);
	third->ops->free(third);
	end_sessions(fixture->place);
	third = open_as(fixture, LEDGER_OPEN_SHARED);
	third->ops->free(third);
	assert_int_equal(kit_apply(&fixture->kit, &ben), -EINPROGRESS);
	assert_int_equal(kit_apply(&fixture->kit, &ben), LEDGER_DONE);
	kit_assert_lot(&fixture->kit, KIT_SHIRT, KIT_SHIRTS, 2, 0, 0);
}

#ifdef PENSTOCK_TESTING
/* Under a lock that is tried for with pauses. */
static void wait_well(struct ledger *ledger)
{
	int64_t deadline_ns = clock_mono_ns() + INT64_C(60000000000);

	while (ledger->ops->recover(ledger) < 0)
		assert_true(clock_mono_ns() < deadline_ns);
}

static void test_lost_answer_of_a_writer_who_shares_is_looked_up_by_its_own_number(void **state)
{
	struct fixture *fixture = *state;
	struct kit *kit = &fixture->kit, second = kit_over(fixture, 1);
	struct event kept = kit_reserved(kit, KIT_SHIRT, 1, "ann"), lost = kit_reserved(kit, KIT_SHIRT, 1, "ben");
	struct event others = kit_reserved(&second, KIT_SHIRT, 1, "cid");

	failpoints_set("ledger.commit_unknown=error:5x1");
	assert_int_equal(kit_apply(kit, &kept), LEDGER_DONE);
	assert_int_equal(kit_apply(&second, &others), LEDGER_DONE);
	failpoints_set("ledger.commit_lost=error:5x1");
	assert_int_equal(kit_apply(kit, &lost), -EIO);
	failpoints_set("");
	wait_well(kit->ledger);
	assert_int_equal(kit_apply(kit, &lost), LEDGER_DONE);
	kit_assert_lot(kit, KIT_SHIRT, KIT_SHIRTS, 3, 0, 0);
	kit_assert_audit(kit);
}
#endif

#ifdef PENSTOCK_TESTING
/* --- The feed --- */

enum { STALLED = 300 }; /* so many that they are sent before the commit */

struct stalled {
	struct kit *kit;
	struct event *events;
	struct ledger_entry *entries;
	int result;
};

static void *drain_and_stall(void *argument)
{
	struct stalled *stalled = argument;

	stalled->result = kit_drain(stalled->kit, 0, stalled->entries, STALLED);
	return NULL;
}

static size_t feed_behind(struct ledger *ledger, struct ledger_cursor *after)
{
	struct ledger_change *changes = calloc(STALLED + 2, sizeof(*changes));
	const struct ledger_change_filter filter = {.after = *after};
	size_t count;

	assert_non_null(changes);
	assert_int_equal(ledger->ops->changes(ledger, &filter, changes, STALLED + 2, &count, &(struct ledger_cursor){0}), LEDGER_DONE);
	if (count)
		*after = changes[count - 1].at;
	free(changes);
	return count;
}

/*
 * Until the first who commits is held there. The numbers alone do not say so: they are drawn
 * before, and then the one hold could be taken by who commits next, which is this thread.
 */
static void wait_for_hold(const char *hits)
{
	int64_t deadline_ns = clock_mono_ns() + INT64_C(60000000000);

	while (access(hits, F_OK) < 0)
		assert_true(clock_mono_ns() < deadline_ns);
	unlink(hits);
}

/*
 * A drain stands between the numbers that it has drawn and its commit; another, of a later sale,
 * commits above them. Who reads the feed then must not go on behind the later one.
 */
static void test_change_that_is_committed_late_is_not_skipped(void **state)
{
	struct fixture *fixture = *state;
	struct kit *kit = &fixture->kit, second = kit_over(fixture, 1);
	struct stalled stalled = {kit, calloc(STALLED, sizeof(struct event)), calloc(STALLED, sizeof(struct ledger_entry)), -1};
	uint32_t sale = kit_big_sale(kit, STALLED);
	char folder[] = "/tmp/penstock-hits-XXXXXX", hits[sizeof(folder) + 8];
	struct ledger_cursor after = {0};
	struct event ann = kit_reserved(&second, KIT_SHIRT, 1, "ann");
	pthread_t thread;

	assert_non_null(stalled.events);
	assert_non_null(stalled.entries);
	for (size_t i = 0; i < STALLED; i++) {
		stalled.events[i] = kit_reserved(kit, 0, 1, "ben");
		kit_in_sale(kit, &stalled.events[i], sale);
		stalled.events[i].key = SLICE_NULL;
		stalled.entries[i] = (struct ledger_entry){&stalled.events[i], -1};
	}
	assert_non_null(mkdtemp(folder));
	snprintf(hits, sizeof(hits), "%s/hits", folder);
	setenv("PENSTOCK_FAILPOINTS_HITS", hits, 1);
	failpoints_set("ledger.before_commit=holdx1");
	must(pthread_create(&thread, NULL, drain_and_stall, &stalled));
	wait_for_hold(hits);
	rmdir(folder);
	unsetenv("PENSTOCK_FAILPOINTS_HITS");
	assert_int_equal(kit_apply(&second, &ann), LEDGER_DONE);
	for (int looks = 0; looks < 3; looks++)
		assert_int_equal(feed_behind(second.ledger, &after), 0);
	failpoints_set("");
	must(pthread_join(thread, NULL));
	assert_int_equal(stalled.result, LEDGER_DONE);
	assert_int_equal(feed_behind(second.ledger, &after), STALLED + 1);
	free(stalled.events);
	free(stalled.entries);
}
#endif

/* --- Deadlocks: with somebody who locks in another order --- */

static void say(PGconn *person, const char *sql)
{
	PGresult *result = PQexec(person, sql);

	if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK)
		fail_msg("%s: %s", sql, PQerrorMessage(person));
	PQclear(result);
}

/* Until somebody else waits for a lock. */
static void wait_for_waiter(PGconn *person)
{
	int64_t deadline_ns = clock_mono_ns() + INT64_C(60000000000);
	bool waits = false;

	while (!waits) {
		PGresult *result = PQexec(person, "SELECT 1 FROM pg_locks WHERE NOT granted");

		waits = PQntuples(result) > 0;
		PQclear(result);
		assert_true(clock_mono_ns() < deadline_ns);
	}
}

struct victim {
	struct kit kit;
	struct event event;
	bool adds;
	int result;
};

static void *be_victim(void *argument)
{
	struct victim *victim = argument;
	struct ledger_actor actor = kit_actor(&victim->kit);
	struct uuid movement;

	if (!victim->adds) {
		victim->result = kit_apply(&victim->kit, &victim->event);
		return NULL;
	}
	movement = kit_id(&victim->kit);
	victim->result = victim->kit.ledger->ops->lot_add(victim->kit.ledger, victim->kit.sale, KIT_SHIRT, 1, &movement, &actor);
	return NULL;
}

/* What the victim's transaction came to, whom a deadlock with this person has ended. */
static int end_by_deadlock(PGconn *person, struct victim *victim)
{
	pthread_t thread;

	say(person, "BEGIN");
	say(person, "SELECT 1 FROM lots FOR UPDATE");
	must(pthread_create(&thread, NULL, be_victim, victim));
	wait_for_waiter(person);
	say(person, victim->adds ? "SELECT 1 FROM items FOR UPDATE" : "SELECT 1 FROM orders FOR UPDATE");
	say(person, "COMMIT");
	must(pthread_join(thread, NULL));
	return victim->result;
}

static void test_transaction_that_a_deadlock_has_ended_is_done_again(void **state)
{
	struct fixture *fixture = *state;
	struct event reserved = kit_reserve(&fixture->kit, KIT_SHIRT, 1, "ann");
	struct victim victim = {.event = kit_settled(&fixture->kit, EVENT_CONFIRMED, &reserved)};
	PGconn *person = PQconnectdb(fixture->place->url);
	const int64_t deadline_ns = clock_mono_ns() + INT64_C(60000000000);

	say(person, "SET search_path = penstock; SET deadlock_timeout = '1min'"); /* so that the other one finds out */
	for (int round = 0; round < 2; round++) {
		int result;

		victim.kit = kit_over(fixture, 0);
		victim.adds = round == 1;
		do /* on a busy machine the writer may have waited its 2 s for the first lock before the second is asked for */
			result = end_by_deadlock(person, &victim);
		while (result == -EBUSY && clock_mono_ns() < deadline_ns);
		assert_int_equal(result, LEDGER_DONE);
	}
	PQfinish(person);
	kit_assert_lot(&fixture->kit, KIT_SHIRT, KIT_SHIRTS + 1, 0, 1, 0);
	kit_assert_audit(&fixture->kit);
}

/* --- The election --- */

/* A process that is stopped keeps its session, and does nothing. */
static void test_elected_one_that_is_silent_is_so_no_longer(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(elect(fixture, 0), LEDGER_DONE);
	while (elect(fixture, 1) == LEDGER_LEASE_HELD)
		;
	assert_int_equal(elect(fixture, 1), LEDGER_DONE);
	assert_int_equal(elect(fixture, 0), LEDGER_LEASE_HELD);
}

/* --- A ledger of the schema before --- */

/* What a program of that schema made: tests/whole/test_upgrade.py tells of it. */
static char *old_ledger(void)
{
	const char *root = getenv("SOURCE_ROOT");
	char path[4096], *text;
	size_t size;
	FILE *file;

	snprintf(path, sizeof(path), "%s/tests/whole/ledgers/postgres_2.sql", root ? root : ".");
	file = fopen(path, "re");
	assert_non_null(file);
	text = calloc(1, 1024 * 1024);
	assert_non_null(text);
	size = fread(text, 1, 1024 * 1024 - 1, file);
	assert_true(size > 0);
	fclose(file);
	return text;
}

/* It joins as one who shares the lease, and goes on writing while the first new one starts. */
static void test_writer_of_an_older_schema_is_refused_in_its_next_transaction(void **state)
{
	struct fixture *fixture = *state;
	char *text = old_ledger();
	struct ledger_audit audit;

	close_all(fixture);
	postgres_place_run(fixture->place, "SET client_min_messages = warning; DROP SCHEMA penstock CASCADE");
	postgres_place_run(fixture->place, text);
	postgres_place_run(fixture->place,
			   "SET search_path = penstock; SELECT * FROM open_shared(); SELECT take_turn(max(id), 1) FROM writers;"
			   "CREATE TABLE public.older AS SELECT id, (SELECT lease FROM commits) FROM writers");
	fixture->ledgers[0] = open_as(fixture, LEDGER_OPEN_SHARED);
	postgres_place_run(fixture->place,
			   "SET search_path = penstock; DO $$ BEGIN PERFORM take_turn((SELECT id FROM public.older), 2);"
			   " RAISE 'it was let in'; EXCEPTION WHEN SQLSTATE 'PS001' THEN NULL; END $$;"
			   "DO $$ BEGIN ASSERT (SELECT lease FROM commits) > (SELECT lease FROM public.older), 'it would come back'; END $$;"
			   "DROP TABLE public.older");
	assert_int_equal(fixture->ledgers[0]->ops->audit(fixture->ledgers[0], &audit), 0);
	assert_string_equal(audit.first, "");
	assert_int_equal(audit.orders, 10);
	free(text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static void *place_new(void)
{
	return postgres_place_new();
}

static int open_place(void *place, int flags, struct ledger **ledger)
{
	return ledger_postgres_open(ledger, ((struct postgres_place *)place)->url, flags);
}

static void place_free(void *place)
{
	postgres_place_free(place);
}

int main(void)
{
	static const struct ledger_shared_adapter adapter = {"ledger: postgres, shared", place_new, open_place, end_sessions,
							     place_free};
	const struct CMUnitTest tests[] = {
		TEST(test_snapshot_reads_each_order_of_a_new_sale_once),
		TEST(test_audit_may_take_longer_than_a_row_by_its_key),
		TEST(test_starters_at_once_all_come_up),
		TEST(test_row_of_a_writer_that_is_gone_fences_its_session),
		TEST(test_writer_whose_row_was_swept_out_joins_again),
#ifdef PENSTOCK_TESTING
		TEST(test_lost_answer_of_a_writer_who_shares_is_looked_up_by_its_own_number),
		TEST(test_change_that_is_committed_late_is_not_skipped),
#endif
		TEST(test_transaction_that_a_deadlock_has_ended_is_done_again),
		TEST(test_elected_one_that_is_silent_is_so_no_longer),
		TEST(test_writer_of_an_older_schema_is_refused_in_its_next_transaction),
	};

	log_set_level(LOG_OFF);
	return ledger_suite_shared_run(&adapter) + cmocka_run_group_tests_name("ledger: postgres, shared: its own", tests, NULL, NULL);
}
