/*
 * Who has changed an order, and why: kept with the order of its newest change, and told by the feed
 * of each.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "contract/ledger_suite.h"

enum { MANY = 300 }; /* so many that PostgreSQL gets them by COPY */

static struct kit *kit_of(void **state)
{
	return &((struct ledger_fixture *)*state)->kit;
}

static struct event by(struct event event, enum actor_kind kind, const char *name, const char *reason)
{
	event.actor_kind = kind;
	event.actor = slice_of(name);
	event.reason = slice_of(reason);
	event.priced = event.kind == EVENT_RESERVED; /* as every order of a program that keeps who */
	return event;
}

static struct ledger_order read_order(struct kit *kit, const struct uuid *id)
{
	struct ledger_order order;

	assert_int_equal(kit->ledger->ops->order_get(kit->ledger, id, &order), LEDGER_DONE);
	return order;
}

static void assert_who(const struct ledger_order *order, enum actor_kind kind, const char *name, const char *reason)
{
	assert_int_equal(order->actor_kind, kind);
	assert_string_equal(order->actor, name);
	assert_string_equal(order->reason, reason);
}

static void assert_who_of(struct kit *kit, const struct event *event, enum actor_kind kind, const char *name, const char *reason)
{
	struct ledger_order order = read_order(kit, &event->id);

	assert_who(&order, kind, name, reason);
}

static void test_an_order_says_who_has_changed_it_last_and_why(void **state)
{
	struct ledger_fixture *fixture = *state;
	struct kit *kit = kit_of(state);
	struct event reserved = by(kit_reserved(kit, KIT_SHIRT, 1, "ann"), ACTOR_BUYER, "ann", "");
	struct event extended = by(kit_settled(kit, EVENT_EXTENDED, &reserved), ACTOR_OPERATOR, "olga", "the bank is slow");
	struct event confirmed = by(kit_settled(kit, EVENT_CONFIRMED, &reserved), ACTOR_OPERATOR, "paula", "");
	struct event refunded = by(kit_settled(kit, EVENT_REFUNDED, &reserved), ACTOR_OPERATOR, "olga", "\xc3\xbc \"torn\" \\");

	assert_int_equal(kit_apply(kit, &reserved), LEDGER_DONE);
	assert_who_of(kit, &reserved, ACTOR_BUYER, "ann", "");
	assert_int_equal(kit_apply(kit, &extended), LEDGER_DONE);
	assert_who_of(kit, &reserved, ACTOR_OPERATOR, "olga", "the bank is slow");
	assert_int_equal(kit_apply(kit, &confirmed), LEDGER_DONE);
	assert_who_of(kit, &reserved, ACTOR_OPERATOR, "paula", "");
	assert_int_equal(kit_apply(kit, &refunded), LEDGER_DONE);
	ledger_suite_restart(fixture);
	assert_who_of(kit, &reserved, ACTOR_OPERATOR, "olga", "\xc3\xbc \"torn\" \\");
	/* Driven again with another reason it is what it was. */
	refunded.reason = SLICE("another");
	assert_int_equal(kit_apply(kit, &refunded), LEDGER_ALREADY);
	assert_who_of(kit, &reserved, ACTOR_OPERATOR, "olga", "\xc3\xbc \"torn\" \\");
	kit_assert_audit(kit);
}

/* Names do not tell: an operator may be called as the buyer, or "clock". */
static void test_buyer_operator_and_clock_are_told_apart_whatever_they_are_called(void **state)
{
	static const char *const names[] = {"ann", "ben", "cid", "clock"};
	struct kit *kit = kit_of(state);
	struct event events[4];

	for (int i = 0; i < 4; i++) {
		events[i] = by(kit_reserved(kit, KIT_SHIRT, 1, names[i]), ACTOR_BUYER, names[i], "");
		assert_int_equal(kit_apply(kit, &events[i]), LEDGER_DONE);
	}
	events[0] = by(kit_settled(kit, EVENT_CANCELLED, &events[0]), ACTOR_BUYER, "ann", "changed my mind");
	events[1] = by(kit_settled(kit, EVENT_CANCELLED, &events[1]), ACTOR_OPERATOR, "ben", "");
	events[2] = by(kit_settled(kit, EVENT_CANCELLED, &events[2]), ACTOR_OPERATOR, "clock", "late");
	events[3] = by(kit_settled(kit, EVENT_EXPIRED, &events[3]), ACTOR_CLOCK, "clock", "");
	for (int i = 0; i < 4; i++)
		assert_int_equal(kit_apply(kit, &events[i]), LEDGER_DONE);
	assert_who_of(kit, &events[0], ACTOR_BUYER, "ann", "changed my mind");
	assert_who_of(kit, &events[1], ACTOR_OPERATOR, "ben", "");
	assert_who_of(kit, &events[2], ACTOR_OPERATOR, "clock", "late");
	assert_who_of(kit, &events[3], ACTOR_CLOCK, "clock", "");
}

/* An older program's order has no price; who had changed it was not kept. */
static void test_nobody_knows_who_has_changed_an_older_programs_order(void **state)
{
	struct kit *kit = kit_of(state);
	struct event reserved = kit_reserved(kit, KIT_SHIRT, 1, "ann"), confirmed;

	assert_int_equal(kit_apply(kit, &reserved), LEDGER_DONE);
	assert_who_of(kit, &reserved, ACTOR_UNSAID, "", "");
	confirmed = by(kit_settled(kit, EVENT_CONFIRMED, &reserved), ACTOR_OPERATOR, "olga", "paid");
	assert_int_equal(kit_apply(kit, &confirmed), LEDGER_DONE);
	assert_who_of(kit, &reserved, ACTOR_OPERATOR, "olga", "paid");
}

/*
 * A late confirm: the order is born of an operator. Several changes of an order in one batch: the
 * last of them counts.
 */
static void test_many_at_once_say_who_and_why(void **state)
{
	struct kit *kit = kit_of(state);
	struct event *events = calloc((size_t)2 * MANY, sizeof(*events));
	struct ledger_entry *entries = calloc((size_t)2 * MANY, sizeof(*entries));
	char(*names)[16] = calloc(MANY, sizeof(*names));
	uint32_t sale = kit_big_sale(kit, MANY);
	size_t count = 0;

	assert_non_null(events);
	assert_non_null(entries);
	assert_non_null(names);
	for (int i = 0; i < MANY; i++) {
		struct event reserved;

		snprintf(names[i], sizeof(names[i]), "b%d", i);
		reserved = by(kit_reserved(kit, 0, 1, names[i]), ACTOR_BUYER, names[i], "");
		kit_in_sale(kit, &reserved, sale);
		reserved.key = SLICE_NULL;
		if (i % 3 == 0) {
			reserved = by(reserved, ACTOR_OPERATOR, "olga", "paid late");
			reserved.hold_expires_at_ms = 0;
		}
		events[count++] = reserved;
		if (i % 3 == 1)
			events[count++] = by(kit_settled(kit, EVENT_CANCELLED, &reserved), ACTOR_OPERATOR, "paula", "a robot");
	}
	for (size_t i = 0; i < count; i++)
		entries[i].event = &events[i];
	assert_int_equal(kit->ledger->ops->apply(kit->ledger, entries, count), 0);
	for (size_t i = 0; i < count; i++) {
		bool last = i + 1 == count || !uuid_equal(&events[i].id, &events[i + 1].id);

		assert_int_equal(entries[i].outcome, LEDGER_DONE);
		if (last)
			assert_who_of(kit, &events[i], events[i].actor_kind, events[i].actor.data, events[i].reason.data);
	}
	kit_assert_audit(kit);
	free(events);
	free(entries);
	free(names);
}

static void test_the_feed_tells_who_and_why_of_each_change(void **state)
{
	struct kit *kit = kit_of(state);
	struct event events[] = {
		by(kit_reserved(kit, KIT_SHIRT, 1, "ann"), ACTOR_OPERATOR, "olga", "paid late"),
		{0},
		by(kit_reserved(kit, KIT_SHIRT, 1, "ben"), ACTOR_BUYER, "ben", ""),
		{0},
	};
	struct ledger_change_filter filter = {{0}, 0};
	struct ledger_change *changes = calloc(8, sizeof(*changes));
	size_t count = 0;

	assert_non_null(changes);
	events[0].hold_expires_at_ms = 0;
	events[1] = by(kit_settled(kit, EVENT_REFUNDED, &events[0]), ACTOR_OPERATOR, "paula", "torn");
	events[3] = by(kit_settled(kit, EVENT_CANCELLED, &events[2]), ACTOR_BUYER, "ben", "changed my mind");
	for (int i = 0; i < 4; i++)
		assert_int_equal(kit_apply(kit, &events[i]), LEDGER_DONE);
	assert_int_equal(kit->ledger->ops->changes(kit->ledger, &filter, changes, 8, &count, &(struct ledger_cursor){0}), LEDGER_DONE);
	assert_int_equal(count, 4);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(changes[i].event.kind, events[i].kind);
		assert_int_equal(changes[i].event.actor_kind, events[i].actor_kind);
		assert_true(slice_equal(changes[i].event.actor, events[i].actor));
		assert_true(slice_equal(changes[i].event.reason, events[i].reason));
	}
	assert_who(&changes[0].order, ACTOR_OPERATOR, "paula", "torn"); /* as the order is now */
	assert_who(&changes[2].order, ACTOR_BUYER, "ben", "changed my mind");
	free(changes);
}

/* The longest, of what JSON writes with two bytes: the row of the log has room for it. */
static void test_the_log_says_why_an_operator_has_changed_an_order(void **state)
{
	struct kit *kit = kit_of(state);
	struct event reserved = by(kit_reserved(kit, KIT_SHIRT, 1, "ann"), ACTOR_BUYER, "ann", ""), confirmed;
	struct ledger_log_filter filter = {.newest_first = true};
	char reason[REASON_MAX + 1], detail[2 * REASON_MAX + 128];
	struct ledger_log_row row;
	size_t count = 0, size;

	memset(reason, '"', REASON_MAX);
	reason[REASON_MAX] = '\0';
	assert_int_equal(kit_apply(kit, &reserved), LEDGER_DONE);
	confirmed = by(kit_settled(kit, EVENT_CONFIRMED, &reserved), ACTOR_OPERATOR, "olga", reason);
	assert_int_equal(kit_apply(kit, &confirmed), LEDGER_DONE);
	assert_who_of(kit, &reserved, ACTOR_OPERATOR, "olga", reason);
	assert_int_equal(kit->ledger->ops->log_rows(kit->ledger, &filter, &row, 1, &count), 0);
	assert_int_equal(count, 1);
	assert_string_equal(row.action, "order.confirm");
	size = (size_t)snprintf(detail, sizeof(detail), "{\"sale\":\"drop\",\"sku\":\"SHIRT\",\"reason\":\"");
	for (int i = 0; i < REASON_MAX; i++)
		size += (size_t)snprintf(detail + size, sizeof(detail) - size, "\\\"");
	snprintf(detail + size, sizeof(detail) - size, "\"}");
	assert_string_equal(row.detail, detail);
	kit_assert_audit(kit);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, ledger_suite_set_up, ledger_suite_tear_down)

int ledger_suite_who_run(const char *name)
{
	const struct CMUnitTest tests[] = {
		TEST(test_an_order_says_who_has_changed_it_last_and_why),
		TEST(test_buyer_operator_and_clock_are_told_apart_whatever_they_are_called),
		TEST(test_nobody_knows_who_has_changed_an_older_programs_order),
		TEST(test_many_at_once_say_who_and_why),
		TEST(test_the_feed_tells_who_and_why_of_each_change),
		TEST(test_the_log_says_why_an_operator_has_changed_an_order),
	};

	return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}
