#include "contract/journal_suite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "contract/ledger_kit.h"

static const struct journal_suite_adapter *adapter;

struct fixture {
	void *place;
	struct journal *journal;
	struct kit kit;
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct ledger *ledger;

	assert_non_null(fixture);
	fixture->place = adapter->place_new(&fixture->journal, &ledger);
	kit_stock(&fixture->kit, ledger);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	adapter->place_free(fixture->place);
	free(fixture);
	return 0;
}

static enum journal_end append(struct fixture *fixture, const struct event *event)
{
	struct journal_entry entry = {.event = event};

	fixture->journal->ops->append(fixture->journal, &entry, 1);
	if (entry.end != JOURNAL_DURABLE)
		assert_non_null(entry.reason);
	return entry.end;
}

static void test_event_is_durable_once_and_again(void **state)
{
	struct fixture *fixture = *state;
	struct event reserved = kit_reserved(&fixture->kit, KIT_SHIRT, 1, "ann");
	struct event confirmed = kit_settled(&fixture->kit, EVENT_CONFIRMED, &reserved);

	assert_int_equal(append(fixture, &reserved), JOURNAL_DURABLE);
	assert_int_equal(append(fixture, &reserved), JOURNAL_DURABLE);
	assert_int_equal(append(fixture, &confirmed), JOURNAL_DURABLE);
	assert_int_equal(append(fixture, &confirmed), JOURNAL_DURABLE);
	assert_int_equal(append(fixture, &reserved), JOURNAL_DURABLE);
}

static void test_batch_larger_than_any_before_is_taken_whole(void **state)
{
	enum { BATCH = 3000 };
	struct fixture *fixture = *state;
	struct event *events = calloc(BATCH, sizeof(*events));
	struct journal_entry *entries = calloc(BATCH, sizeof(*entries));

	assert_non_null(events);
	assert_non_null(entries);
	events[0] = kit_reserved(&fixture->kit, KIT_SHIRT, 1, "ann");
	for (size_t i = 1; i < BATCH; i++)
		events[i] = kit_settled(&fixture->kit, EVENT_CONFIRMED, &events[0]);
	for (size_t i = 0; i < BATCH; i++)
		entries[i].event = &events[i];
	fixture->journal->ops->append(fixture->journal, entries, BATCH);
	for (size_t i = 0; i < BATCH; i++)
		assert_int_equal(entries[i].end, JOURNAL_DURABLE);
	free(events);
	free(entries);
}

static void test_barrier_and_health_are_well(void **state)
{
	struct fixture *fixture = *state;
	const char *reason;

	assert_int_equal(fixture->journal->ops->barrier(fixture->journal, fixture->kit.sale, 2, &(struct uuid){{0}}), 0);
	assert_int_equal(fixture->journal->ops->health(fixture->journal, &reason), 0);
	fixture->journal->ops->append(fixture->journal, NULL, 0);
	assert_int_equal(fixture->journal->ops->health(fixture->journal, &reason), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int journal_suite_run(const struct journal_suite_adapter *which)
{
	const struct CMUnitTest tests[] = {
		TEST(test_event_is_durable_once_and_again),
		TEST(test_batch_larger_than_any_before_is_taken_whole),
		TEST(test_barrier_and_health_are_well),
	};

	adapter = which;
	return cmocka_run_group_tests_name(which->name, tests, NULL, NULL);
}
