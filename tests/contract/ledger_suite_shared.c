#include "contract/ledger_suite_shared.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "base/clock.h"
#include "contract/ledger_kit.h"
#include "model/limits.h"

enum { WRITERS = 2 };

static const struct ledger_shared_adapter *adapter;

struct shared_fixture {
	void *place;
	struct ledger *ledgers[WRITERS];
	struct kit kit; /* over the first */
};

static struct ledger *open_as(struct shared_fixture *fixture, int flags)
{
	struct ledger *ledger;

	assert_int_equal(adapter->open(fixture->place, flags, &ledger), 0);
	return ledger;
}

static int set_up(void **state)
{
	struct shared_fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	fixture->place = adapter->place_new();
	for (size_t i = 0; i < WRITERS; i++)
		fixture->ledgers[i] = open_as(fixture, LEDGER_OPEN_SHARED);
	kit_stock(&fixture->kit, fixture->ledgers[0]);
	*state = fixture;
	return 0;
}

static void close_all(struct shared_fixture *fixture)
{
	for (size_t i = 0; i < WRITERS; i++) {
		if (fixture->ledgers[i])
			fixture->ledgers[i]->ops->free(fixture->ledgers[i]);
		fixture->ledgers[i] = NULL;
	}
}

static int tear_down(void **state)
{
	struct shared_fixture *fixture = *state;

	close_all(fixture);
	adapter->place_free(fixture->place);
	free(fixture);
	return 0;
}

/* The same warehouse through another handle. */
static struct kit kit_over(const struct shared_fixture *fixture, size_t writer)
{
	struct kit kit = fixture->kit;

	kit.ledger = fixture->ledgers[writer];
	kit.ids = (struct uuid_generator){0};
	return kit;
}

static int elect(struct shared_fixture *fixture, size_t writer)
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

/* --- The lease --- */

static void test_shared_lease_and_one_alone_keep_each_other_out(void **state)
{
	struct shared_fixture *fixture = *state;
	struct ledger *other, *third = open_as(fixture, LEDGER_OPEN_SHARED);

	third->ops->free(third);
	assert_int_equal(adapter->open(fixture->place, LEDGER_OPEN_LEASE, &other), LEDGER_LEASE_HELD);
	close_all(fixture);
	third = open_as(fixture, LEDGER_OPEN_LEASE);
	assert_int_equal(adapter->open(fixture->place, LEDGER_OPEN_SHARED, &other), LEDGER_LEASE_HELD);
	third->ops->free(third);
	fixture->ledgers[0] = open_as(fixture, LEDGER_OPEN_SHARED);
}

/* Whoever shared, and slept through another's having had the ledger alone, commits nothing more. */
static void test_one_alone_fences_those_who_shared(void **state)
{
	struct shared_fixture *fixture = *state;
	struct event event = kit_reserved(&fixture->kit, KIT_SHIRT, 1, "ann");
	int64_t deadline_ns = clock_mono_ns() + INT64_C(60000000000);
	struct ledger *alone;
	const char *reason;

	adapter->end_sessions(fixture->place);
	alone = open_as(fixture, LEDGER_OPEN_LEASE);
	assert_int_equal(kit_apply(&fixture->kit, &event), -EBUSY);
	alone->ops->free(alone);
	/*
	 * It connects again after a pause, and then knows for good: also that others had better
	 * care for the sales.
	 */
	do {
		assert_int_equal(kit_apply(&fixture->kit, &event), -EBUSY);
		assert_int_equal(fixture->ledgers[0]->ops->health(fixture->ledgers[0], &reason), -EBUSY);
		assert_true(clock_mono_ns() < deadline_ns);
	} while (elect(fixture, 0) != -EBUSY);
	assert_int_equal(kit_apply(&fixture->kit, &event), -EBUSY);
	assert_string_equal(reason, "another process has the lease of the ledger");
	assert_int_equal(orders_count(fixture->ledgers[0]), 0);
}

static void test_those_who_share_fence_one_alone(void **state)
{
	struct shared_fixture *fixture = *state;
	struct event event = kit_reserved(&fixture->kit, KIT_SHIRT, 1, "ann");
	struct ledger *alone, *shared;

	close_all(fixture);
	alone = open_as(fixture, LEDGER_OPEN_LEASE);
	adapter->end_sessions(fixture->place);
	shared = open_as(fixture, LEDGER_OPEN_SHARED);
	fixture->kit.ledger = alone;
	assert_int_equal(kit_apply(&fixture->kit, &event), -EBUSY);
	fixture->kit.ledger = shared;
	assert_int_equal(kit_apply(&fixture->kit, &event), LEDGER_DONE);
	shared->ops->free(shared);
	fixture->kit.ledger = alone;
	assert_int_equal(kit_apply(&fixture->kit, &event), -EBUSY);
	alone->ops->free(alone);
}

static void test_sessions_that_died_in_silence_cost_nothing(void **state)
{
	struct shared_fixture *fixture = *state;
	struct kit second = kit_over(fixture, 1);
	struct event ann, ben;

	for (int round = 0; round < 2; round++) {
		ann = kit_reserved(&fixture->kit, KIT_SHIRT, 1, round ? "ann" : "cid");
		ben = kit_reserved(&second, KIT_SHIRT, 1, round ? "ben" : "dan");
		adapter->end_sessions(fixture->place);
		assert_int_equal(kit_apply(&fixture->kit, &ann), LEDGER_DONE);
		assert_int_equal(kit_apply(&second, &ben), LEDGER_DONE);
	}
	kit_assert_audit(&fixture->kit);
}

/* --- Several writers --- */

/*
 * Buyers that go on until they are told to stop buy as much as they find time for: so many units
 * that none of them sees the end of a sale, however slow the thread is that they wait for.
 */
enum { BATCH = 8, UNITS = UNITS_MAX / 2 };

/* Buys from the big sale, batch by batch, until it is told that its epoch is past. */
struct buyer {
	struct kit kit;
	uint32_t sale, epoch;
	_Atomic int64_t *bought;
	int64_t done;
	int failed;
};

static void *buy(void *argument)
{
	struct buyer *buyer = argument;
	struct event events[BATCH];
	struct ledger_entry entries[BATCH];
	bool past = false;

	while (!past && !buyer->failed) {
		for (size_t i = 0; i < BATCH; i++) {
			events[i] = kit_reserved(&buyer->kit, 0, 1, "ann");
			kit_in_sale(&buyer->kit, &events[i], buyer->sale);
			events[i].epoch = buyer->epoch;
			events[i].key = SLICE_NULL;
			events[i].buyer_units = 0;
			entries[i] = (struct ledger_entry){&events[i], -1};
		}
		buyer->failed = kit_drive(&buyer->kit, entries, BATCH);
		for (size_t i = 0; i < BATCH && !buyer->failed; i++) {
			bool done = entries[i].outcome == LEDGER_DONE || entries[i].outcome == LEDGER_ALREADY;

			past |= entries[i].outcome == LEDGER_STALE_EPOCH;
			buyer->done += done;
			if (!done && entries[i].outcome != LEDGER_STALE_EPOCH)
				buyer->failed = 1000 + entries[i].outcome;
		}
		atomic_store(buyer->bought, buyer->done);
	}
	atomic_store(buyer->bought, INT64_MAX);
	return NULL;
}

/*
 * Rule 4 with the direct journal: what raise_epoch() comes back to is all there will ever be of the
 * older epochs. The stock is built again from it, so one order more would be sold twice.
 */
static void test_epoch_that_was_raised_lets_nothing_older_through(void **state)
{
	enum { ROUNDS = 12 };
	struct shared_fixture *fixture = *state;
	struct buyer buyers[WRITERS] = {0};
	_Atomic int64_t bought[WRITERS];
	uint32_t sale = kit_big_sale(&fixture->kit, UNITS), epoch = 1, before, tries;
	pthread_t threads[WRITERS];
	int64_t total = 0, seen;

	for (int round = 0; round < ROUNDS; round++) {
		struct kit raiser = kit_over(fixture, (size_t)round % WRITERS);
		struct ledger *reader = fixture->ledgers[(round + 1) % WRITERS];

		for (size_t i = 0; i < WRITERS; i++) {
			atomic_store(&bought[i], 0);
			buyers[i] = (struct buyer){.kit = kit_over(fixture, i), .sale = sale, .epoch = epoch, .bought = &bought[i]};
			must(pthread_create(&threads[i], NULL, buy, &buyers[i]));
		}
		for (size_t i = 0; i < WRITERS; i++)
			while (atomic_load(&bought[i]) < 5 * BATCH)
				sched_yield();
		before = epoch;
		assert_int_equal(kit_raise_epoch(&raiser, sale, &epoch, &tries), LEDGER_DONE);
		assert_in_range(epoch, before + 1, before + tries);
		seen = orders_count(reader);
		for (size_t i = 0; i < WRITERS; i++) {
			must(pthread_join(threads[i], NULL));
			assert_int_equal(buyers[i].failed, 0);
			total += buyers[i].done;
		}
		assert_int_equal(orders_count(reader), seen);
		assert_int_equal(total, seen);
	}
}

/*
 * Reads the feed's next page: how many changes behind `after`, each behind the one before it. 0 at
 * its end, which somebody who reads slower than others write does not come to.
 */
static int64_t read_page(struct ledger *ledger, struct ledger_change_filter *filter)
{
	enum { PAGE = 64 };
	struct ledger_change *page = calloc(PAGE, sizeof(*page));
	size_t count;

	assert_non_null(page);
	assert_int_equal(ledger->ops->changes(ledger, filter, page, PAGE, &count, &(struct ledger_cursor){0}), LEDGER_DONE);
	for (size_t i = 0; i < count; i++) {
		assert_true(page[i].at.number > filter->after.number);
		filter->after = page[i].at;
	}
	free(page);
	return (int64_t)count;
}

/*
 * Reads what is left of so many changes, and that nothing comes behind them. Whoever has a
 * transaction at the server, a vacuum too, may hold the end back for a while: a minute, and not
 * what the reading takes.
 */
static void read_rest(struct ledger *ledger, struct ledger_change_filter *filter, int64_t left)
{
	int64_t deadline_ns = clock_mono_ns() + INT64_C(60000000000);

	while (left > 0) {
		int64_t count = read_page(ledger, filter);

		left -= count;
		if (count > 0)
			deadline_ns = clock_mono_ns() + INT64_C(60000000000);
		assert_true(clock_mono_ns() < deadline_ns);
	}
	assert_int_equal(left + read_page(ledger, filter), 0);
}

/* Numbers are drawn before they are committed, and two writers do not commit in their order. */
static void test_feed_is_whole_while_several_write(void **state)
{
	struct shared_fixture *fixture = *state;
	struct ledger *reader = fixture->ledgers[0];
	struct ledger_change_filter filter = {0};
	struct buyer buyers[WRITERS] = {0};
	_Atomic int64_t bought[WRITERS];
	uint32_t sale = kit_big_sale(&fixture->kit, UNITS), epoch, tries;
	int64_t told = 0, total = 0;
	pthread_t threads[WRITERS];

	for (size_t i = 0; i < WRITERS; i++) {
		atomic_store(&bought[i], 0);
		buyers[i] = (struct buyer){.kit = kit_over(fixture, i), .sale = sale, .epoch = 1, .bought = &bought[i]};
		must(pthread_create(&threads[i], NULL, buy, &buyers[i]));
	}
	for (size_t i = 0; i < WRITERS; i++)
		while (atomic_load(&bought[i]) < 40 * BATCH)
			told += read_page(reader, &filter);
	assert_int_equal(kit_raise_epoch(&fixture->kit, sale, &epoch, &tries), LEDGER_DONE);
	for (size_t i = 0; i < WRITERS; i++) {
		must(pthread_join(threads[i], NULL));
		assert_int_equal(buyers[i].failed, 0);
		total += buyers[i].done;
	}
	assert_int_equal(total, orders_count(reader));
	read_rest(reader, &filter, total - told);
}

/* Drives one batch; the second of them from its other end. */
struct driver {
	struct ledger *ledger;
	struct ledger_entry entries[BATCH];
	pthread_barrier_t *start;
	int result;
};

static void *drive(void *argument)
{
	struct driver *driver = argument;

	pthread_barrier_wait(driver->start);
	driver->result = driver->ledger->ops->apply(driver->ledger, driver->entries, BATCH);
	return NULL;
}

/* 0 where each event was done by one of the two and found by the other. */
static void drive_twice(struct shared_fixture *fixture, const struct event *events, bool reversed)
{
	struct driver drivers[WRITERS];
	pthread_t threads[WRITERS];
	pthread_barrier_t start;

	must(pthread_barrier_init(&start, NULL, WRITERS));
	for (size_t i = 0; i < WRITERS; i++) {
		drivers[i] = (struct driver){.ledger = fixture->ledgers[i], .start = &start};
		for (size_t j = 0; j < BATCH; j++)
			drivers[i].entries[j] = (struct ledger_entry){&events[reversed && i ? BATCH - 1 - j : j], -1};
		must(pthread_create(&threads[i], NULL, drive, &drivers[i]));
	}
	for (size_t i = 0; i < WRITERS; i++)
		must(pthread_join(threads[i], NULL));
	must(pthread_barrier_destroy(&start));
	for (size_t j = 0; j < BATCH; j++) {
		int first = drivers[0].entries[j].outcome, second = drivers[1].entries[reversed ? BATCH - 1 - j : j].outcome;

		assert_int_equal(drivers[0].result, 0);
		assert_int_equal(drivers[1].result, 0);
		assert_true((first == LEDGER_DONE && second == LEDGER_ALREADY) || (first == LEDGER_ALREADY && second == LEDGER_DONE));
	}
}

/*
 * An outbox entry that two gates drive at once: each finds what the other has done, and the log's
 * chain stays whole.
 */
static void test_two_who_drive_the_same_events_do_them_once(void **state)
{
	enum { ROUNDS = 6 };
	struct shared_fixture *fixture = *state;
	struct kit *kit = &fixture->kit;
	uint32_t sale = kit_big_sale(kit, UNITS);
	struct event reserved[BATCH], settled[BATCH], withdrawn[BATCH];

	for (int round = 0; round < ROUNDS; round++) {
		for (size_t i = 0; i < BATCH; i++) {
			reserved[i] = kit_reserved(kit, 0, 1, "ann");
			kit_in_sale(kit, &reserved[i], sale);
			reserved[i].key = SLICE_NULL;
			reserved[i].buyer_units = 0;
			settled[i] = kit_settled(kit, i % 2 ? EVENT_CONFIRMED : EVENT_CANCELLED, &reserved[i]);
			withdrawn[i] = kit_withdrawn(kit, 0, 1);
			kit_in_sale(kit, &withdrawn[i], sale);
		}
		drive_twice(fixture, reserved, round % 2);
		drive_twice(fixture, settled, round % 2);
		drive_twice(fixture, withdrawn, round % 2);
	}
	assert_int_equal(orders_count(kit->ledger), ROUNDS * BATCH);
}

/* Operators at two gates: units come and go, sales change, and the log is one chain. */
struct operator
{
	struct kit kit;
	uint32_t sale;
	int failed;
};

static void *operate(void *argument)
{
	enum { ROUNDS = 20 };
	struct operator* operator= argument;
	struct kit *kit = &operator->kit;
	struct ledger *ledger = kit->ledger;
	struct ledger_actor actor = kit_actor(kit);
	int64_t on_hand;
	uint32_t epoch;

	for (int round = 0; round < ROUNDS && !operator->failed; round++) {
		struct uuid movement = kit_id(kit);
		struct event withdrawn = kit_withdrawn(kit, 0, 1), reserved, settled;
		char buyer[32];

		snprintf(buyer, sizeof(buyer), "%d-%p", round, argument);
		reserved = kit_reserved(kit, 0, 1, buyer);
		operator->failed = ledger->ops->item_receive(ledger, SLICE("BIG"), 1, &movement, &actor, &on_hand);
		movement = kit_id(kit);
		if (!operator->failed)
			operator->failed = ledger->ops->lot_add(ledger, operator->sale, 0, 1, &movement, &actor);
		if (!operator->failed)
			operator->failed = ledger->ops->sale_raise_epoch(ledger, operator->sale, 0, &epoch);
		kit_in_sale(kit, &reserved, operator->sale);
		withdrawn.sale = operator->sale;
		withdrawn.epoch = reserved.epoch = UINT32_MAX; /* of a ledger from before a restore: let through */
		settled = kit_settled(kit, EVENT_CONFIRMED, &reserved);
		if (!operator->failed)
			operator->failed = kit_apply(kit, &withdrawn);
		if (!operator->failed)
			operator->failed = kit_apply(kit, &reserved);
		if (!operator->failed)
			operator->failed = kit_apply(kit, &settled);
	}
	return NULL;
}

static void test_operators_at_two_gates_leave_one_log_and_whole_balances(void **state)
{
	struct shared_fixture *fixture = *state;
	struct operator operators[WRITERS];
	uint32_t sale = kit_big_sale(&fixture->kit, UNITS);
	pthread_t threads[WRITERS];
	struct ledger_audit audit;

	for (size_t i = 0; i < WRITERS; i++) {
		operators[i] = (struct operator){.kit = kit_over(fixture, i), .sale = sale};
		must(pthread_create(&threads[i], NULL, operate, &operators[i]));
	}
	for (size_t i = 0; i < WRITERS; i++) {
		must(pthread_join(threads[i], NULL));
		assert_int_equal(operators[i].failed, 0);
	}
	assert_int_equal(fixture->kit.ledger->ops->audit(fixture->kit.ledger, &audit), 0);
	assert_string_equal(audit.first, "");
	assert_int_equal(audit.log_rows, 5 + WRITERS * 20 * 4);
	assert_int_equal(audit.orders, WRITERS * 20);
}

/* Raises the epoch of a sale of its own. */
struct changer {
	struct ledger *ledger;
	uint32_t sale, epoch;
	_Atomic int running;
	int failed;
};

static void *change(void *argument)
{
	struct changer *changer = argument;

	for (int i = 0; i < 60 && !changer->failed; i++)
		changer->failed = changer->ledger->ops->sale_raise_epoch(changer->ledger, changer->sale, 0, &changer->epoch);
	atomic_store(&changer->running, 0);
	return NULL;
}

/* Numbers become visible in their order: who polls by the last one it saw misses none. */
static void test_no_change_is_missed_by_who_polls(void **state)
{
	struct shared_fixture *fixture = *state;
	struct changer changers[WRITERS];
	uint32_t seen[WRITERS] = {1, 1};
	pthread_t threads[WRITERS];
	struct sale *sales[4];
	uint64_t after = 0;
	size_t count, running = WRITERS;

	for (size_t i = 0; i < WRITERS; i++) {
		uint32_t sale = i ? kit_big_sale(&fixture->kit, 1) : fixture->kit.sale;

		changers[i] = (struct changer){.ledger = fixture->ledgers[i], .sale = sale, .running = 1};
	}
	for (size_t i = 0; i < WRITERS; i++)
		must(pthread_create(&threads[i], NULL, change, &changers[i]));
	while (running) {
		/* Before the poll: what was done before it must be in it. */
		running = 0;
		for (size_t i = 0; i < WRITERS; i++)
			running += (size_t)atomic_load(&changers[i].running);
		assert_int_equal(fixture->ledgers[0]->ops->sales_changed(fixture->ledgers[0], after, sales, 4, &count), 0);
		for (size_t i = 0; i < count; i++) {
			for (size_t j = 0; j < WRITERS; j++)
				if (sales[i]->number == changers[j].sale)
					seen[j] = sales[i]->epoch;
			assert_true(sales[i]->change > after);
			after = sales[i]->change;
			free(sales[i]);
		}
	}
	for (size_t i = 0; i < WRITERS; i++) {
		must(pthread_join(threads[i], NULL));
		assert_int_equal(changers[i].failed, 0);
		assert_int_equal(seen[i], changers[i].epoch);
	}
}

/* --- Drains --- */

struct drainer {
	struct kit kit;
	const struct event *events;
	int64_t taken, lost;
	int failed;
};

enum { STEPS = 40 };

/*
 * Drains the log from end to end as if it were alone; where the other was faster, it asks where
 * that is.
 */
static void *drain_log(void *argument)
{
	struct drainer *drainer = argument;
	struct ledger *ledger = drainer->kit.ledger;
	int64_t at = 0;
	uint64_t mark;

	while (at < STEPS && !drainer->failed) {
		struct ledger_entry entry = {&drainer->events[at], -1};
		int result = kit_drain(&drainer->kit, at, &entry, 1);

		if (result == LEDGER_DONE && entry.outcome == LEDGER_DONE) {
			drainer->taken++;
			at++;
		} else if (result == LEDGER_STALE_POSITION) {
			drainer->lost++;
			drainer->failed = ledger->ops->journal_position(ledger, 0, &at, &mark);
		} else {
			drainer->failed = result ? result : 1000 + entry.outcome;
		}
	}
	return NULL;
}

static void test_of_two_drains_of_a_partition_one_wins_each_step(void **state)
{
	struct shared_fixture *fixture = *state;
	struct event events[STEPS];
	struct drainer drainers[WRITERS];
	pthread_t threads[WRITERS];
	uint32_t sale = kit_big_sale(&fixture->kit, UNITS);

	for (size_t i = 0; i < STEPS; i++) {
		events[i] = kit_reserved(&fixture->kit, 0, 1, "ann");
		kit_in_sale(&fixture->kit, &events[i], sale);
		events[i].key = SLICE_NULL;
		events[i].buyer_units = 0;
	}
	for (size_t i = 0; i < WRITERS; i++) {
		drainers[i] = (struct drainer){.kit = kit_over(fixture, i), .events = events};
		must(pthread_create(&threads[i], NULL, drain_log, &drainers[i]));
	}
	for (size_t i = 0; i < WRITERS; i++) {
		must(pthread_join(threads[i], NULL));
		assert_int_equal(drainers[i].failed, 0);
	}
	assert_int_equal(drainers[0].taken + drainers[1].taken, STEPS);
	kit_assert_position(&fixture->kit, 0, STEPS);
	assert_int_equal(orders_count(fixture->kit.ledger), STEPS);
}

/* --- The election --- */

static void test_one_is_elected_and_the_other_follows_it(void **state)
{
	struct shared_fixture *fixture = *state;

	for (int i = 0; i < 2; i++) {
		assert_int_equal(elect(fixture, 0), LEDGER_DONE);
		assert_int_equal(elect(fixture, 1), LEDGER_LEASE_HELD);
	}
	fixture->ledgers[0]->ops->free(fixture->ledgers[0]);
	fixture->ledgers[0] = open_as(fixture, LEDGER_OPEN_SHARED);
	/* The server sees the end of a session a moment later. */
	while (elect(fixture, 1) == LEDGER_LEASE_HELD)
		;
	assert_int_equal(elect(fixture, 1), LEDGER_DONE);
	assert_int_equal(elect(fixture, 0), LEDGER_LEASE_HELD);
}

static void test_elected_one_whose_session_has_died_finds_out(void **state)
{
	struct shared_fixture *fixture = *state;

	assert_int_equal(elect(fixture, 0), LEDGER_DONE);
	adapter->end_sessions(fixture->place);
	assert_int_equal(elect(fixture, 1), LEDGER_DONE);
	assert_int_equal(elect(fixture, 0), LEDGER_LEASE_HELD);
	assert_int_equal(elect(fixture, 1), LEDGER_DONE);
}

static void test_who_does_not_stand_leaves_it_to_the_other(void **state)
{
	struct shared_fixture *fixture = *state;
	struct ledger *first = fixture->ledgers[0];

	assert_int_equal(first->ops->elect(first, false), LEDGER_LEASE_HELD);
	assert_int_equal(elect(fixture, 0), LEDGER_DONE);
	assert_int_equal(first->ops->elect(first, false), LEDGER_LEASE_HELD);
	assert_int_equal(elect(fixture, 1), LEDGER_DONE);
	assert_int_equal(elect(fixture, 0), LEDGER_LEASE_HELD);
}
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int ledger_suite_shared_run(const struct ledger_shared_adapter *which)
{
	const struct CMUnitTest tests[] = {
		TEST(test_shared_lease_and_one_alone_keep_each_other_out),
		TEST(test_one_alone_fences_those_who_shared),
		TEST(test_those_who_share_fence_one_alone),
		TEST(test_sessions_that_died_in_silence_cost_nothing),
		TEST(test_epoch_that_was_raised_lets_nothing_older_through),
		TEST(test_feed_is_whole_while_several_write),
		TEST(test_two_who_drive_the_same_events_do_them_once),
		TEST(test_operators_at_two_gates_leave_one_log_and_whole_balances),
		TEST(test_no_change_is_missed_by_who_polls),
		TEST(test_of_two_drains_of_a_partition_one_wins_each_step),
		TEST(test_one_is_elected_and_the_other_follows_it),
		TEST(test_elected_one_whose_session_has_died_finds_out),
		TEST(test_who_does_not_stand_leaves_it_to_the_other),
	};

	adapter = which;
	return cmocka_run_group_tests_name(which->name, tests, NULL, NULL);
}
