/*
 * The journal's contract, held by the ledger's commit; and what the direct journal makes of the
 * ledger's failures.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "base/failpoint.h"
#include "base/log.h"
#include "contract/journal_suite.h"
#include "contract/ledger_kit.h"
#include "contract/sqlite_place.h"
#include "journal/direct/direct.h"
#include "ledger/sqlite/sqlite.h"

struct place {
	struct sqlite_place *files;
	struct ledger *ledger;
	struct journal *journal;
	struct kit kit;
};

static void *place_new(struct journal **journal, struct ledger **ledger)
{
	struct place *place = calloc(1, sizeof(*place));

	assert_non_null(place);
	place->files = sqlite_place_new();
	assert_int_equal(ledger_sqlite_open(&place->ledger, place->files->path, LEDGER_OPEN_LEASE), 0);
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
	sqlite_place_free(place->files);
	free(place);
}

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

static enum journal_end append(struct place *place, const struct event *event, const char **reason)
{
	struct journal_entry entry = {.event = event};

	place->journal->ops->append(place->journal, &entry, 1);
	*reason = entry.reason;
	return entry.end;
}

static void test_what_the_ledger_will_not_have_is_refused(void **state)
{
	struct place *place = *state;
	struct event there = kit_reserved(&place->kit, KIT_SHIRT, 1, "ann"), stale = kit_reserved(&place->kit, KIT_SHIRT, 1, "ben");
	struct event absent = kit_settled(&place->kit, EVENT_CONFIRMED, &stale), cancelled, confirmed, bad = there;
	const char *reason;
	uint32_t epoch;

	assert_int_equal(append(place, &there, &reason), JOURNAL_DURABLE);
	cancelled = kit_settled(&place->kit, EVENT_CANCELLED, &there);
	confirmed = kit_settled(&place->kit, EVENT_CONFIRMED, &there);
	assert_int_equal(append(place, &cancelled, &reason), JOURNAL_DURABLE);
	assert_int_equal(append(place, &confirmed, &reason), JOURNAL_REFUSED);
	assert_string_equal(reason, "the order's state does not allow it");
	assert_int_equal(append(place, &absent, &reason), JOURNAL_REFUSED);
	assert_string_equal(reason, "no such order or lot");
	bad.quantity = 3;
	assert_int_equal(append(place, &bad, &reason), JOURNAL_REFUSED);
	assert_string_equal(reason, "a constraint of the ledger");
	assert_int_equal(place->ledger->ops->sale_raise_epoch(place->ledger, place->kit.sale, 0, &epoch), 0);
	assert_int_equal(append(place, &stale, &reason), JOURNAL_REFUSED);
	assert_string_equal(reason, "stale epoch");
	assert_int_equal(append(place, &there, &reason), JOURNAL_DURABLE);
}

#ifdef PENSTOCK_TESTING
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
}

static void test_unknown_end_is_said_and_resolved_when_driven_again(void **state)
{
	struct place *place = *state;
	struct event lost = kit_reserved(&place->kit, KIT_SHIRT, 1, "ann"), kept = kit_reserved(&place->kit, KIT_SHIRT, 1, "ben");
	const char *reason;

	failpoints_set("ledger.commit_unknown=error:5,ledger.reopen=error:5");
	assert_int_equal(append(place, &kept, &reason), JOURNAL_UNKNOWN);
	assert_int_equal(append(place, &lost, &reason), JOURNAL_UNKNOWN);
	assert_true(place->journal->ops->health(place->journal, &reason) < 0);
	failpoints_set("");
	assert_int_equal(append(place, &kept, &reason), JOURNAL_DURABLE);
	assert_int_equal(append(place, &lost, &reason), JOURNAL_DURABLE);
	assert_int_equal(place->journal->ops->health(place->journal, &reason), 0);
	kit_assert_audit(&place->kit);
}

static void test_unhealthy_journal_recovers_on_its_owners_look(void **state)
{
	struct place *place = *state;
	struct event event = kit_reserved(&place->kit, KIT_SHIRT, 1, "ann");
	const char *reason;

	failpoints_set("ledger.begin=error:5,ledger.reopen=error:5");
	assert_int_equal(append(place, &event, &reason), JOURNAL_UNKNOWN);
	place->journal->ops->append(place->journal, NULL, 0);
	assert_int_equal(place->journal->ops->health(place->journal, &reason), -EIO);
	failpoints_set("");
	place->journal->ops->append(place->journal, NULL, 0);
	assert_int_equal(place->journal->ops->health(place->journal, &reason), 0);
}
#endif

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	static const struct journal_suite_adapter adapter = {"journal: direct", place_new, place_free};
	const struct CMUnitTest tests[] = {
		TEST(test_what_the_ledger_will_not_have_is_refused),
#ifdef PENSTOCK_TESTING
		TEST(test_failed_transaction_refuses_but_not_what_is_there),
		TEST(test_unknown_end_is_said_and_resolved_when_driven_again),
		TEST(test_unhealthy_journal_recovers_on_its_owners_look),
#endif
	};

	log_set_level(LOG_OFF);
	return journal_suite_run(&adapter) + cmocka_run_group_tests_name("journal: direct, failures", tests, NULL, NULL);
}
