/*
 * The feed of what happened: every event as it was applied, in its order, behind a cursor that
 * knows its ledger.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "contract/ledger_suite.h"

enum { CHANGES_MAX = 32 };

static struct kit *kit_of(void **state)
{
	return &((struct ledger_fixture *)*state)->kit;
}

static size_t read_feed(struct kit *kit, const struct ledger_change_filter *filter, struct ledger_change *changes, size_t max)
{
	struct ledger_cursor next;
	size_t count = 0;

	assert_int_equal(kit->ledger->ops->changes(kit->ledger, filter, changes, max, &count, &next), LEDGER_DONE);
	if (count)
		assert_true(next.number == changes[count - 1].at.number && next.mark == changes[count - 1].at.mark);
	return count;
}

static struct ledger_change *room(void)
{
	struct ledger_change *changes = calloc(CHANGES_MAX, sizeof(*changes));

	assert_non_null(changes);
	return changes;
}

static void by(struct event *event, enum actor_kind kind, const char *name)
{
	event->actor_kind = kind;
	event->actor = slice_of(name);
}

/* The event was told as it was applied: of a settlement the trace is not kept. */
static void assert_told(const struct ledger_change *told, const struct event *event)
{
	struct event expected = *event;
	struct buffer one, other;

	if (event->kind != EVENT_RESERVED)
		expected.trace = SLICE_NULL;
	buffer_init(&one, 4096);
	buffer_init(&other, 4096);
	event_encode(&expected, &one);
	event_encode(&told->event, &other);
	buffer_append(&one, "", 1);
	buffer_append(&other, "", 1);
	assert_string_equal(other.data, one.data);
	buffer_deinit(&one);
	buffer_deinit(&other);
}

enum { KINDS = 10 };

/* One event of each kind, by each who acts. */
static void apply_kinds(struct kit *kit, struct event events[static KINDS])
{
	events[0] = kit_reserved(kit, KIT_SHIRT, 2, "ann");
	events[1] = kit_settled(kit, EVENT_EXTENDED, &events[0]);
	events[2] = kit_settled(kit, EVENT_CONFIRMED, &events[0]);
	events[3] = kit_settled(kit, EVENT_REFUNDED, &events[0]);
	events[4] = kit_reserved(kit, KIT_SHOE, 1, "ben");
	events[5] = kit_settled(kit, EVENT_EXPIRED, &events[4]);
	events[6] = kit_reserved(kit, KIT_SHOE, 1, "cid");
	events[7] = kit_settled(kit, EVENT_CANCELLED, &events[6]);
	events[8] = kit_withdrawn(kit, KIT_SHIRT, 3);
	events[9] = kit_reserved(kit, KIT_SHIRT, 1, "dan");
	events[9].hold_expires_at_ms = 0;
	events[9].key = SLICE_NULL;
	for (size_t i = 0; i < KINDS; i++) {
		events[i].at_ms = kit->now_ms += 10;
		by(&events[i], ACTOR_OPERATOR, "olga");
		if (events[i].kind == EVENT_RESERVED)
			events[i].hold_expires_at_ms += events[i].hold_expires_at_ms ? 10 : 0;
	}
	by(&events[0], ACTOR_BUYER, "ann");
	by(&events[4], ACTOR_BUYER, "ben");
	by(&events[5], ACTOR_CLOCK, "clock");
	by(&events[6], ACTOR_BUYER, "cid");
	by(&events[7], ACTOR_BUYER, "cid");
	for (size_t i = 0; i < KINDS; i++)
		assert_int_equal(kit_apply(kit, &events[i]), LEDGER_DONE);
}

static void test_every_event_is_told_as_it_was_applied(void **state)
{
	static const enum order_state states[KINDS] = {ORDER_CANCELLED, ORDER_CANCELLED, ORDER_CANCELLED,
						       ORDER_CANCELLED, ORDER_EXPIRED,   ORDER_EXPIRED,
						       ORDER_CANCELLED, ORDER_CANCELLED, 0,
						       ORDER_CONFIRMED};
	struct kit *kit = kit_of(state);
	struct ledger_change *told = room();
	const struct ledger_change_filter all = {0};
	struct event events[KINDS];

	apply_kinds(kit, events);
	for (int opened = 0; opened < 2; opened++) {
		/* What was received and allocated before is no event. */
		assert_int_equal(read_feed(kit, &all, told, CHANGES_MAX), KINDS);
		for (size_t i = 0; i < KINDS; i++) {
			assert_told(&told[i], &events[i]);
			assert_int_equal(told[i].order.state, states[i]);
			assert_string_equal(told[i].order.sale_id, "drop");
			assert_string_equal(told[i].order.sku,
					    events[i].kind == EVENT_WITHDRAWN || i < 4 || i == 9 ? "SHIRT" : "SHOE");
			assert_int_equal(uuid_is_null(&told[i].order.id), events[i].kind == EVENT_WITHDRAWN);
		}
		ledger_suite_restart(*state);
	}
	kit_assert_audit(kit);
	free(told);
}

static void test_feed_goes_on_behind_its_cursor(void **state)
{
	struct kit *kit = kit_of(state);
	struct ledger_change *told = room();
	struct ledger_change_filter filter = {0};
	struct event events[KINDS], more;
	size_t at = 0, count;

	assert_int_equal(read_feed(kit, &filter, told, CHANGES_MAX), 0);
	apply_kinds(kit, events);
	while ((count = read_feed(kit, &filter, told, 3)) > 0) {
		for (size_t i = 0; i < count; i++)
			assert_told(&told[i], &events[at++]);
		filter.after = told[count - 1].at;
		ledger_suite_restart(*state);
	}
	assert_int_equal(at, KINDS);
	more = kit_reserved(kit, KIT_SHIRT, 1, "eve");
	by(&more, ACTOR_BUYER, "eve");
	assert_int_equal(kit_apply(kit, &more), LEDGER_DONE);
	assert_int_equal(read_feed(kit, &filter, told, CHANGES_MAX), 1);
	assert_told(&told[0], &more);
	free(told);
}

/* Gates' clocks differ: what is applied later may have happened before. */
static void test_feed_is_in_the_order_of_what_was_applied_and_not_of_times(void **state)
{
	static const int64_t ahead_ms[] = {1000, -500, 0, 2000, 500};
	enum { COUNT = sizeof(ahead_ms) / sizeof(ahead_ms[0]) };
	struct kit *kit = kit_of(state);
	struct ledger_change *told = room();
	struct ledger_change_filter filter = {0};
	struct event events[COUNT];
	size_t at = 0, count;

	for (size_t i = 0; i < COUNT; i++) {
		events[i] = kit_reserved(kit, KIT_SHIRT, 1, "ann");
		events[i].at_ms += ahead_ms[i];
		by(&events[i], ACTOR_BUYER, "ann");
		assert_int_equal(kit_apply(kit, &events[i]), LEDGER_DONE);
	}
	while ((count = read_feed(kit, &filter, told, 3)) > 0) {
		for (size_t i = 0; i < count; i++)
			assert_told(&told[i], &events[at++]);
		filter.after = told[count - 1].at;
	}
	assert_int_equal(at, COUNT);
	free(told);
}

static void test_feed_begins_at_a_time(void **state)
{
	struct kit *kit = kit_of(state);
	struct ledger_change *told = room();
	struct event events[KINDS];

	apply_kinds(kit, events);
	assert_int_equal(read_feed(kit, &(struct ledger_change_filter){.since_ms = events[6].at_ms}, told, CHANGES_MAX), KINDS - 6);
	assert_told(&told[0], &events[6]);
	free(told);
}

/*
 * Found: who waited at a time behind the last change got no place to go on from, so each look read
 * all that there is.
 */
static void test_an_empty_page_of_a_time_is_behind_all_that_was_looked_at(void **state)
{
	struct kit *kit = kit_of(state);
	struct ledger_change *told = room();
	struct ledger_change_filter late = {.since_ms = INT64_MAX};
	struct ledger_cursor next = {1, 1};
	struct event events[KINDS], ann;
	size_t count;

	assert_int_equal(kit->ledger->ops->changes(kit->ledger, &late, told, CHANGES_MAX, &count, &next), LEDGER_DONE);
	assert_true(count == 0 && next.number == 0); /* nothing has happened yet */
	apply_kinds(kit, events);
	assert_int_equal(read_feed(kit, &(struct ledger_change_filter){0}, told, CHANGES_MAX), KINDS);
	assert_int_equal(kit->ledger->ops->changes(kit->ledger, &late, told, CHANGES_MAX, &count, &next), LEDGER_DONE);
	assert_int_equal(count, 0);
	assert_true(next.number == told[KINDS - 1].at.number && next.mark == told[KINDS - 1].at.mark);
	late.after = next;
	assert_int_equal(kit->ledger->ops->changes(kit->ledger, &late, told, CHANGES_MAX, &count, &next), LEDGER_DONE);
	assert_true(count == 0 && next.number == late.after.number && next.mark == late.after.mark);
	ann = kit_reserved(kit, KIT_SHIRT, 1, "ann");
	assert_int_equal(kit_apply(kit, &ann), LEDGER_DONE);
	assert_int_equal(read_feed(kit, &(struct ledger_change_filter){.after = next}, told, CHANGES_MAX), 1);
	free(told);
}

/*
 * A ledger that was restored from a backup has given its numbers out anew: who goes on there would
 * miss what happened since.
 */
static void test_cursor_of_another_ledger_is_not_taken(void **state)
{
	struct kit *kit = kit_of(state);
	struct ledger_change *told = room();
	struct ledger_change_filter filter = {0};
	struct event events[KINDS];
	struct ledger_cursor next;
	size_t count;

	apply_kinds(kit, events);
	assert_int_equal(read_feed(kit, &filter, told, CHANGES_MAX), KINDS);
	filter.after = told[KINDS - 1].at;
	filter.after.mark ^= 1;
	assert_int_equal(kit->ledger->ops->changes(kit->ledger, &filter, told, CHANGES_MAX, &count, &next), LEDGER_NOT_FOUND);
	filter.after.mark ^= 1;
	assert_int_equal(kit->ledger->ops->changes(kit->ledger, &filter, told, CHANGES_MAX, &count, &next), LEDGER_DONE);
	filter.after.number += 1000;
	assert_int_equal(kit->ledger->ops->changes(kit->ledger, &filter, told, CHANGES_MAX, &count, &next), LEDGER_NOT_FOUND);
	assert_int_equal(count, 0);
	free(told);
}

/* A log has copies, void records and barriers: none of them happened. */
static void test_what_a_drain_leaves_out_is_not_told(void **state)
{
	struct kit *kit = kit_of(state);
	struct ledger_change *told = room();
	struct event ann = kit_reserved(kit, KIT_SHIRT, 1, "ann"), barrier = kit_barrier(kit, 2);
	struct event late = kit_reserved(kit, KIT_SHIRT, 1, "ben"), fresh = kit_reserved(kit, KIT_SHIRT, 1, "cid");
	struct ledger_entry entries[] = {{&ann, -1}, {&ann, -1}, {&barrier, -1}, {&late, -1}, {&fresh, -1}};

	fresh.epoch = 2;
	by(&ann, ACTOR_BUYER, "ann");
	by(&fresh, ACTOR_BUYER, "cid");
	assert_int_equal(kit_drain(kit, 0, entries, 5), LEDGER_DONE);
	assert_int_equal(read_feed(kit, &(struct ledger_change_filter){0}, told, CHANGES_MAX), 2);
	assert_told(&told[0], &ann);
	assert_told(&told[1], &fresh);
	free(told);
}

/* --- How far a relay has come --- */

static struct ledger_relay relay_of(struct kit *kit)
{
	struct ledger_relay relay;

	assert_int_equal(kit->ledger->ops->relay_get(kit->ledger, SLICE("shop"), &relay), LEDGER_DONE);
	return relay;
}

static void test_position_of_a_relay_is_kept_and_of_two_processes_one_is_told(void **state)
{
	struct kit *kit = kit_of(state);
	struct ledger_relay first = relay_of(kit), second = first;

	assert_int_equal(first.version, 0);
	assert_string_equal(first.position, "");
	strcpy(first.position, "{\"after\":\"1.2.3\"}");
	assert_int_equal(kit->ledger->ops->relay_put(kit->ledger, &first), LEDGER_DONE);
	assert_int_equal(first.version, 1);
	strcpy(second.position, "{\"after\":\"1.1.1\"}");
	assert_int_equal(kit->ledger->ops->relay_put(kit->ledger, &second), LEDGER_CONFLICT);
	strcpy(first.position, "{\"after\":\"1.3.4\"}");
	assert_int_equal(kit->ledger->ops->relay_put(kit->ledger, &first), LEDGER_DONE);
	ledger_suite_restart(*state);
	second = relay_of(kit);
	assert_int_equal(second.version, 2);
	assert_string_equal(second.position, first.position);
}

static void test_what_an_operator_skips_stays_with_the_relay_and_in_the_log(void **state)
{
	struct kit *kit = kit_of(state);
	struct ledger_actor actor = kit_actor(kit);
	struct ledger_relay relay = relay_of(kit);
	const struct ledger_log_filter filter = {.action = SLICE("relay.skip")};
	struct ledger_log_row *rows = calloc(LEDGER_RELAY_SKIPS_MAX + 8, sizeof(*rows));
	char id[16];
	size_t count;

	assert_non_null(rows);
	for (int i = 0; i < LEDGER_RELAY_SKIPS_MAX + 4; i++) {
		snprintf(id, sizeof(id), "change-%d", i);
		assert_int_equal(kit->ledger->ops->relay_skip(kit->ledger, SLICE("shop"), slice_of(id), &actor, SLICE("{}")),
				 LEDGER_DONE);
		assert_int_equal(kit->ledger->ops->relay_skip(kit->ledger, SLICE("shop"), slice_of(id), &actor, SLICE("{}")),
				 LEDGER_ALREADY);
	}
	/* Its process finds out: what it knew is not the ledger's any more. */
	assert_int_equal(kit->ledger->ops->relay_put(kit->ledger, &relay), LEDGER_CONFLICT);
	relay = relay_of(kit);
	assert_memory_equal(relay.skipped, "change-4 change-5 ", 18);
	assert_string_equal(strrchr(relay.skipped, ' '), " change-19");
	strcpy(relay.position, "{}");
	assert_int_equal(kit->ledger->ops->relay_put(kit->ledger, &relay), LEDGER_DONE);
	assert_string_equal(relay_of(kit).skipped, relay.skipped);
	assert_int_equal(kit->ledger->ops->log_rows(kit->ledger, &filter, rows, LEDGER_RELAY_SKIPS_MAX + 8, &count), 0);
	assert_int_equal(count, LEDGER_RELAY_SKIPS_MAX + 4);
	assert_string_equal(rows[0].subject, "shop");
	kit_assert_audit(kit);
	free(rows);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, ledger_suite_set_up, ledger_suite_tear_down)

int ledger_suite_changes_run(const char *name)
{
	const struct CMUnitTest tests[] = {
		TEST(test_every_event_is_told_as_it_was_applied),
		TEST(test_feed_goes_on_behind_its_cursor),
		TEST(test_feed_is_in_the_order_of_what_was_applied_and_not_of_times),
		TEST(test_feed_begins_at_a_time),
		TEST(test_an_empty_page_of_a_time_is_behind_all_that_was_looked_at),
		TEST(test_cursor_of_another_ledger_is_not_taken),
		TEST(test_what_a_drain_leaves_out_is_not_told),
		TEST(test_position_of_a_relay_is_kept_and_of_two_processes_one_is_told),
		TEST(test_what_an_operator_skips_stays_with_the_relay_and_in_the_log),
	};
	char title[64];

	snprintf(title, sizeof(title), "%s, changes", name);
	return cmocka_run_group_tests_name(title, tests, NULL, NULL);
}
