/* Orders that give back some of their units, and where units go that leave an order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include "contract/ledger_suite.h"

static struct kit *kit_of(void **state)
{
	return &((struct ledger_fixture *)*state)->kit;
}

static struct ledger_order read_order(struct kit *kit, const struct uuid *id)
{
	struct ledger_order order;

	assert_int_equal(kit->ledger->ops->order_get(kit->ledger, id, &order), LEDGER_DONE);
	return order;
}

static void assert_quantity(struct kit *kit, const struct uuid *id, enum order_state state, uint32_t quantity, uint32_t first)
{
	struct ledger_order order = read_order(kit, id);

	assert_int_equal(order.state, state);
	assert_int_equal(order.quantity, quantity);
	assert_int_equal(order.first_quantity, first);
}

/* What `request` says of itself is made of its number. */
static struct event reduced(struct kit *kit, const struct event *reserved, uint32_t quantity, uint32_t left, unsigned char request)
{
	struct event event = kit_settled(kit, EVENT_REDUCED, reserved);

	event.at_ms = kit->now_ms += 10;
	event.quantity = quantity;
	event.left = left;
	event.actor_kind = ACTOR_OPERATOR;
	if (request)
		event.request = (struct uuid){{request, 7}};
	return event;
}

/* Whether the event of this request, and no other one, was applied. */
static bool is_done(struct kit *kit, const struct event *event)
{
	struct ledger_request done = {.id = event_request_done(&event->request), .body = event->request};

	return kit->ledger->ops->request_find(kit->ledger, &done) == LEDGER_REPEATED;
}

static void test_units_leave_an_order_that_lives_on(void **state)
{
	struct kit *kit = kit_of(state);
	struct event ann = kit_reserve(kit, KIT_SHIRT, 3, "ann"), first = reduced(kit, &ann, 1, 2, 1);
	struct event confirmed = kit_settled(kit, EVENT_CONFIRMED, &ann), second = reduced(kit, &ann, 1, 1, 2);
	struct event refunded = kit_settled(kit, EVENT_REFUNDED, &ann);

	assert_int_equal(kit_apply(kit, &first), LEDGER_DONE);
	assert_quantity(kit, &ann.id, ORDER_HELD, 2, 3);
	kit_assert_lot(kit, KIT_SHIRT, KIT_SHIRTS, 2, 0, 0);
	assert_int_equal(kit_apply(kit, &confirmed), LEDGER_DONE);
	assert_int_equal(kit_apply(kit, &second), LEDGER_DONE);
	ledger_suite_restart(*state);
	assert_quantity(kit, &ann.id, ORDER_CONFIRMED, 1, 3);
	kit_assert_lot(kit, KIT_SHIRT, KIT_SHIRTS, 0, 1, 0);
	kit_assert_audit(kit);
	refunded.quantity = 1;
	assert_int_equal(kit_apply(kit, &refunded), LEDGER_DONE);
	assert_quantity(kit, &ann.id, ORDER_CANCELLED, 1, 3);
	kit_assert_lot(kit, KIT_SHIRT, KIT_SHIRTS, 0, 0, 0);
	kit_assert_audit(kit);
}

static void test_an_event_that_comes_again_finds_itself_done(void **state)
{
	struct kit *kit = kit_of(state);
	struct event ann = kit_reserve(kit, KIT_SHIRT, 3, "ann"), first = reduced(kit, &ann, 1, 2, 1),
		     second = reduced(kit, &ann, 1, 1, 2);
	struct event expired = kit_settled(kit, EVENT_EXPIRED, &ann);

	assert_int_equal(kit_apply(kit, &first), LEDGER_DONE);
	assert_int_equal(kit_apply(kit, &first), LEDGER_ALREADY);
	assert_int_equal(kit_apply(kit, &second), LEDGER_DONE);
	assert_int_equal(kit_apply(kit, &first), LEDGER_ALREADY);
	assert_int_equal(kit_apply(kit, &ann), LEDGER_ALREADY); /* a late copy of the purchase: of what was granted */
	assert_int_equal(kit_apply(kit, &expired), LEDGER_DONE);
	assert_int_equal(kit_apply(kit, &second), LEDGER_ALREADY);
	assert_quantity(kit, &ann.id, ORDER_EXPIRED, 1, 3);
	kit_assert_lot(kit, KIT_SHIRT, KIT_SHIRTS, 0, 0, 0);
	kit_assert_audit(kit);
}

/*
 * Decided over the same units, where no stock was there to decide: the second row tells whose it
 * was.
 */
static void test_of_two_over_the_same_units_one_is_done(void **state)
{
	struct kit *kit = kit_of(state);
	struct event ann = kit_reserve(kit, KIT_SHIRT, 3, "ann"), mine = reduced(kit, &ann, 1, 2, 1),
		     theirs = reduced(kit, &ann, 1, 2, 2);
	struct event more = reduced(kit, &ann, 2, 1, 3), all = kit_settled(kit, EVENT_CANCELLED, &ann);

	all.request = (struct uuid){{4, 7}};
	all.actor_kind = ACTOR_OPERATOR;
	assert_int_equal(kit_apply(kit, &mine), LEDGER_DONE);
	assert_int_equal(kit_apply(kit, &theirs), LEDGER_ALREADY);
	assert_int_equal(kit_apply(kit, &more), LEDGER_WRONG_STATE);
	assert_int_equal(kit_apply(kit, &all), LEDGER_WRONG_STATE); /* it says three */
	assert_true(is_done(kit, &mine));
	assert_false(is_done(kit, &theirs));
	assert_false(is_done(kit, &more));
	assert_false(is_done(kit, &all));
	all.quantity = 2;
	assert_int_equal(kit_apply(kit, &all), LEDGER_DONE);
	assert_true(is_done(kit, &all));
	all.request = (struct uuid){{5, 7}};
	assert_int_equal(kit_apply(kit, &all), LEDGER_ALREADY);
	assert_false(is_done(kit, &all));
	assert_int_equal(kit_apply(kit, &more), LEDGER_WRONG_STATE);
	assert_quantity(kit, &ann.id, ORDER_CANCELLED, 2, 3);
	kit_assert_audit(kit);
}

/* An event before it is missing: nothing that works writes this. */
static void test_a_reduction_of_more_than_is_known_is_a_constraint(void **state)
{
	struct kit *kit = kit_of(state);
	struct event ann = kit_reserve(kit, KIT_SHIRT, 3, "ann"), event = reduced(kit, &ann, 1, 1, 1);

	assert_int_equal(kit_apply(kit, &event), LEDGER_CONSTRAINT);
	assert_false(is_done(kit, &event));
	assert_quantity(kit, &ann.id, ORDER_HELD, 3, 3);
	kit_assert_audit(kit);
}

/* The whole life in one transaction, as a drain meets it. */
static void test_reductions_in_one_batch(void **state)
{
	struct kit *kit = kit_of(state);
	struct event ann = kit_reserved(kit, KIT_SHIRT, 3, "ann"), first = reduced(kit, &ann, 1, 2, 1);
	struct event confirmed = kit_settled(kit, EVENT_CONFIRMED, &ann), second = reduced(kit, &ann, 1, 1, 2);
	struct event theirs = reduced(kit, &ann, 1, 1, 3);
	struct ledger_entry entries[] = {{&ann, -1}, {&first, -1}, {&first, -1}, {&confirmed, -1}, {&second, -1}, {&theirs, -1}};
	static const int outcomes[] = {LEDGER_DONE, LEDGER_DONE, LEDGER_ALREADY, LEDGER_DONE, LEDGER_DONE, LEDGER_ALREADY};

	second.units_to = UNITS_GONE;
	assert_int_equal(kit->ledger->ops->apply(kit->ledger, entries, 6), 0);
	for (int i = 0; i < 6; i++)
		assert_int_equal(entries[i].outcome, outcomes[i]);
	assert_quantity(kit, &ann.id, ORDER_CONFIRMED, 1, 3);
	kit_assert_lot(kit, KIT_SHIRT, KIT_SHIRTS, 0, 1, 1);
	assert_true(is_done(kit, &second));
	assert_false(is_done(kit, &theirs));
	kit_assert_audit(kit);
}

/* Every unit is somewhere: for sale, withdrawn and on hand, or withdrawn and counted as gone. */
static void test_units_go_where_they_are_sent(void **state)
{
	struct kit *kit = kit_of(state);
	struct event ann = kit_reserve(kit, KIT_SHOE, 3, "ann"), ben = kit_reserve(kit, KIT_SHOE, 2, "ben");
	struct event stored = reduced(kit, &ann, 1, 2, 1), lost = reduced(kit, &ann, 1, 1, 2);
	struct event cancelled = kit_settled(kit, EVENT_CANCELLED, &ann), confirmed = kit_settled(kit, EVENT_CONFIRMED, &ben);
	struct event refunded = kit_settled(kit, EVENT_REFUNDED, &ben);
	struct ledger_audit audit;

	stored.units_to = cancelled.units_to = UNITS_TO_WAREHOUSE;
	lost.units_to = refunded.units_to = UNITS_GONE;
	cancelled.quantity = 1;
	assert_int_equal(kit_apply(kit, &stored), LEDGER_DONE);
	kit_assert_lot(kit, KIT_SHOE, KIT_SHOES, 4, 0, 1);
	kit_assert_item(kit, "SHOE", KIT_ON_HAND - KIT_SHOES + 1, KIT_SHOES - 1);
	assert_int_equal(kit_apply(kit, &lost), LEDGER_DONE);
	kit_assert_lot(kit, KIT_SHOE, KIT_SHOES, 3, 0, 2);
	kit_assert_item(kit, "SHOE", KIT_ON_HAND - KIT_SHOES + 1, KIT_SHOES - 2);
	assert_int_equal(kit_apply(kit, &cancelled), LEDGER_DONE);
	assert_int_equal(kit_apply(kit, &confirmed), LEDGER_DONE);
	assert_int_equal(kit_apply(kit, &refunded), LEDGER_DONE);
	kit_assert_lot(kit, KIT_SHOE, KIT_SHOES, 0, 0, 5);
	kit_assert_item(kit, "SHOE", KIT_ON_HAND - KIT_SHOES + 2, 0);
	assert_int_equal(kit->ledger->ops->audit(kit->ledger, &audit), 0);
	assert_int_equal(audit.units_gone, 3);
	assert_int_equal(audit.units_withdrawn, 5);
	kit_assert_audit(kit);
}

static void assert_told(const struct ledger_change *told, const struct event *event)
{
	assert_int_equal(told->event.kind, event->kind);
	assert_int_equal(told->event.quantity, event->quantity);
	assert_int_equal(told->event.left, event->left);
	assert_int_equal(told->event.units_to, event->units_to);
	assert_true(slice_equal(told->event.refund, event->refund));
	assert_true(slice_equal(told->event.reason, event->reason));
}

static void test_the_feed_tells_what_left_and_where_it_went(void **state)
{
	struct kit *kit = kit_of(state);
	struct event ann = kit_reserve(kit, KIT_SHIRT, 3, "ann"), first = reduced(kit, &ann, 1, 2, 1);
	struct event confirmed = kit_settled(kit, EVENT_CONFIRMED, &ann), second = reduced(kit, &ann, 1, 1, 2);
	struct event refunded = kit_settled(kit, EVENT_REFUNDED, &ann);
	struct ledger_change *told = calloc(5, sizeof(*told));
	const struct ledger_change_filter all = {0};
	size_t count = 0;

	first.units_to = UNITS_TO_WAREHOUSE;
	second.units_to = UNITS_GONE;
	second.refund = SLICE("re_1");
	second.reason = SLICE("torn");
	refunded.quantity = 1;
	refunded.refund = SLICE("re_2");
	assert_int_equal(kit_apply(kit, &first), LEDGER_DONE);
	assert_int_equal(kit_apply(kit, &confirmed), LEDGER_DONE);
	assert_int_equal(kit_apply(kit, &second), LEDGER_DONE);
	assert_int_equal(kit_apply(kit, &refunded), LEDGER_DONE);
	assert_non_null(told);
	assert_int_equal(kit->ledger->ops->changes(kit->ledger, &all, told, 5, &count, &(struct ledger_cursor){0}), LEDGER_DONE);
	assert_int_equal(count, 5);
	assert_int_equal(told[0].event.quantity, 3); /* as it was granted */
	assert_told(&told[1], &first);
	assert_int_equal(told[1].state, ORDER_HELD);
	assert_told(&told[3], &second);
	assert_int_equal(told[3].state, ORDER_CONFIRMED);
	assert_told(&told[4], &refunded);
	assert_int_equal(told[4].order.quantity, 1);
	free(told);
}

/* The first page of the sale's orders. */
static int take_page(void *context, const struct ledger_snapshot *snapshot, const struct ledger_order *orders, size_t count)
{
	struct ledger_order *order = context;

	(void)snapshot;
	assert_int_equal(count, 1);
	*order = orders[0];
	return 0;
}

static void test_a_rebuild_is_given_what_is_left_and_what_was_granted(void **state)
{
	struct kit *kit = kit_of(state);
	struct event ann = kit_reserve(kit, KIT_SHIRT, 3, "ann"), event = reduced(kit, &ann, 2, 1, 1);
	struct ledger_snapshot snapshot;
	struct ledger_order order = {0};

	event.units_to = UNITS_TO_WAREHOUSE;
	assert_int_equal(kit_apply(kit, &event), LEDGER_DONE);
	assert_int_equal(kit->ledger->ops->sale_snapshot(kit->ledger, kit->sale, &snapshot, take_page, &order), LEDGER_DONE);
	assert_int_equal(order.quantity, 1);
	assert_int_equal(order.first_quantity, 3);
	assert_int_equal(order.withdrawn, 2); /* with the withdrawals they come to the lot's sum */
	assert_int_equal(snapshot.sale->lots[KIT_SHIRT].held, 1);
	assert_int_equal(snapshot.sale->lots[KIT_SHIRT].withdrawn, 2);
	assert_int_equal(snapshot.withdrawal_count, 0); /* a stock gives no such movement of its own */
	ledger_snapshot_deinit(&snapshot);
}

static void test_the_operator_log_says_how_many_and_where(void **state)
{
	struct kit *kit = kit_of(state);
	struct event ann = kit_reserve(kit, KIT_SHIRT, 3, "ann"), event = reduced(kit, &ann, 2, 1, 1);
	const struct ledger_log_filter newest = {.newest_first = true};
	struct ledger_log_row row;
	size_t count = 0;

	event.units_to = UNITS_GONE;
	event.refund = SLICE("re_1");
	assert_int_equal(kit_apply(kit, &event), LEDGER_DONE);
	assert_int_equal(kit->ledger->ops->log_rows(kit->ledger, &newest, &row, 1, &count), LEDGER_DONE);
	assert_int_equal(count, 1);
	assert_string_equal(row.action, "order.reduce");
	assert_string_equal(row.detail,
			    "{\"sale\":\"drop\",\"sku\":\"SHIRT\",\"quantity\":2,\"left\":1,\"units\":\"gone\",\"reference\":\"re_1\"}");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, ledger_suite_set_up, ledger_suite_tear_down)

int ledger_suite_reduce_run(const char *name)
{
	const struct CMUnitTest tests[] = {
		TEST(test_units_leave_an_order_that_lives_on),
		TEST(test_an_event_that_comes_again_finds_itself_done),
		TEST(test_of_two_over_the_same_units_one_is_done),
		TEST(test_a_reduction_of_more_than_is_known_is_a_constraint),
		TEST(test_reductions_in_one_batch),
		TEST(test_units_go_where_they_are_sent),
		TEST(test_the_feed_tells_what_left_and_where_it_went),
		TEST(test_a_rebuild_is_given_what_is_left_and_what_was_granted),
		TEST(test_the_operator_log_says_how_many_and_where),
	};

	return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}
