/* The outbox: acknowledge, compensate, claim. */
#include "contract/stock_shop.h"

#include <stdlib.h>

static size_t claim(struct shop *shop, int64_t older_than_ms, struct stock_claim *out, size_t max)
{
	shop_refresh(shop);
	return shop->stock->ops->claim(shop->stock, shop->now_ns - older_than_ms * MS, shop->now_ns, out, max);
}

static void test_acknowledge_makes_an_order_durable_and_may_be_repeated(void **state)
{
	struct shop *shop = *state;
	struct stock_reserve item;

	shop_sell(shop, 1, 5);
	item = shop_buy(shop, "ann", "k", 1);
	assert_false(shop_find(shop, &item.order.id).order.durable);
	shop_acknowledge(shop, &item.event);
	shop_acknowledge(shop, &item.event);
	assert_true(shop_find(shop, &item.order.id).order.durable);
	assert_int_equal(shop_totals(shop).outbox, 0);
	assert_false(shop_compensate(shop, &item.event)); /* too late: nothing */
	shop_assert_lot(shop, 0, 4, 1, 0, 0);
}

/* Whoever is told between the two halves may cancel at once. */
static void test_an_acknowledgement_on_its_way_is_before_whatever_is_asked_later(void **state)
{
	struct shop *shop = *state;
	struct stock_reserve item;
	struct stock_settle settle;
	const struct event *event = &item.event;
	enum stock_ack answer;

	shop_sell(shop, 1, 5);
	for (int i = 0; i < 50; i++) {
		char buyer[16];

		snprintf(buyer, sizeof(buyer), "b%d", i);
		item = shop_buy(shop, buyer, "k", 1);
		assert_int_equal(item.outcome, STOCK_DONE);
		settle.id = item.order.id;
		shop->stock->ops->acknowledge_send(shop->stock, &event, 1, &answer);
		memset(&item, 0xee, sizeof(item)); /* it has gone home with its answer */
		settle = shop_settle(shop, &settle.id, ORDER_CANCEL);
		assert_int_equal(settle.outcome, STOCK_DONE);
		shop->stock->ops->acknowledge_wait(shop->stock);
		assert_int_equal(answer, STOCK_ACK_DONE);
		shop_acknowledge(shop, &settle.event);
	}
	shop->stock->ops->acknowledge_send(shop->stock, NULL, 0, NULL); /* nothing to tell, nothing to wait for */
	shop->stock->ops->acknowledge_wait(shop->stock);
	shop_assert_lot(shop, 0, 5, 0, 0, 0);
}

static enum stock_ack ask(struct shop *shop, const struct event *event)
{
	enum stock_ack answer = STOCK_ACK_UNANSWERED;

	shop->stock->ops->acknowledge_send(shop->stock, &event, 1, &answer);
	shop->stock->ops->acknowledge_wait(shop->stock);
	return answer;
}

/* It is on its way, and was not granted under this epoch. */
static enum stock_ack ask_under(struct shop *shop, struct event event, uint32_t epoch)
{
	event.epoch = epoch;
	return ask(shop, &event);
}

/*
 * What is told rests on it: "yes, again", "I know nothing of it" and "not under this epoch" are
 * three answers.
 */
static void test_an_acknowledgement_tells_done_already_unknown_and_another_epoch_apart(void **state)
{
	static const enum order_action actions[] = {ORDER_EXTEND, ORDER_CONFIRM, ORDER_REFUND};
	struct shop *shop = *state;
	struct stock_reserve item, other;
	struct stock_settle settle;
	struct stock_withdrawal withdrawal = {
		.sale = SHOP_SALE, .units = 1, .movement = shop_id(shop), .now_ns = shop->now_ns, .actor = SLICE("olga")};
	struct event event;

	shop_sell(shop, 1, 9);
	item = shop_buy(shop, "ann", "k", 1);
	other = shop_buy(shop, "ben", "k", 1);
	assert_int_equal(ask_under(shop, item.event, item.event.epoch + 1), STOCK_ACK_OTHER_EPOCH);
	assert_int_equal(ask_under(shop, item.event, item.event.epoch - 1), STOCK_ACK_OTHER_EPOCH);
	assert_int_equal(ask(shop, &item.event), STOCK_ACK_DONE);
	assert_int_equal(ask(shop, &item.event), STOCK_ACK_ALREADY);
	assert_true(shop_compensate(shop, &other.event));
	assert_int_equal(ask(shop, &other.event), STOCK_ACK_UNKNOWN);
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		event = item.event;
		event.kind = event_kind_of(actions[i]);
		event.hold_expires_at_ms = INT64_MAX;
		assert_int_equal(ask(shop, &event), STOCK_ACK_UNKNOWN); /* it never went out */
		shop_pass(shop, 100);
		settle = shop_settle(shop, &item.order.id, actions[i]);
		assert_int_equal(settle.outcome, STOCK_DONE);
		assert_int_equal(ask_under(shop, settle.event, settle.event.epoch - 1), STOCK_ACK_OTHER_EPOCH);
		assert_int_equal(ask(shop, &settle.event), STOCK_ACK_DONE);
		assert_int_equal(ask(shop, &settle.event), STOCK_ACK_ALREADY);
	}
	assert_int_equal(shop->stock->ops->withdraw(shop->stock, &withdrawal), 0);
	assert_int_equal(ask_under(shop, withdrawal.event, withdrawal.event.epoch - 1), STOCK_ACK_OTHER_EPOCH);
	assert_int_equal(ask(shop, &withdrawal.event), STOCK_ACK_DONE);
	assert_int_equal(ask(shop, &withdrawal.event), STOCK_ACK_ALREADY);
	withdrawal.event.id = shop_id(shop);
	assert_int_equal(ask(shop, &withdrawal.event), STOCK_ACK_UNKNOWN);
	event = item.event;
	event.sale = 99;
	assert_int_equal(ask(shop, &event), STOCK_ACK_NO_SALE);
	shop_assert_lot(shop, 0, 8, 0, 0, 1);
}

static void test_events_that_nobody_knows_change_nothing(void **state)
{
	struct shop *shop = *state;
	struct event event = {.kind = EVENT_CANCELLED, .sale = SHOP_SALE, .quantity = 1};
	struct stock_reserve item;

	shop_sell(shop, 1, 5);
	item = shop_order(shop, "ann", "k", 1);
	event.id = item.order.id; /* a cancel that never went out */
	shop_acknowledge(shop, &event);
	event.id = shop_id(shop);
	shop_acknowledge(shop, &event);
	shop_compensate(shop, &event);
	event.kind = EVENT_WITHDRAWN;
	shop_acknowledge(shop, &event);
	shop_compensate(shop, &event);
	event.sale = 99;
	shop_acknowledge(shop, &event);
	shop_compensate(shop, &event);
	shop_assert_lot(shop, 0, 4, 1, 0, 0);
}

static void test_compensate_undoes_a_grant_whole(void **state)
{
	struct shop *shop = *state;
	struct stock_reserve item;
	uint64_t version;

	shop_sell(shop, 1, 2);
	version = shop->stock->ops->version(shop->stock, SHOP_SALE, 0);
	item = shop_buy(shop, "ann", "k", 2);
	assert_true(shop_compensate(shop, &item.event));
	shop_assert_lot(shop, 0, 2, 0, 0, 0);
	assert_true(shop->stock->ops->version(shop->stock, SHOP_SALE, 0) > version);
	assert_int_equal(shop_find(shop, &item.order.id).outcome, STOCK_NO_ORDER);
	assert_int_equal(shop_totals(shop).outbox, 0);
	assert_int_equal(shop_totals(shop).orders, 0);
	assert_true(shop_compensate(shop, &item.event));
	shop_assert_lot(shop, 0, 2, 0, 0, 0);
	item = shop_buy(shop, "ann", "k", 1); /* the key is free again, with other content too */
	assert_int_equal(item.outcome, STOCK_DONE);
	assert_int_equal(item.event.buyer_units, 1);
}

static void test_compensate_undoes_a_grant_that_was_born_confirmed(void **state)
{
	struct shop *shop = *state;
	struct stock_reserve item;

	shop->hold_ms = 0;
	shop_sell(shop, 1, 2);
	item = shop_buy(shop, "ann", "k", 2);
	assert_true(shop_compensate(shop, &item.event));
	shop_assert_lot(shop, 0, 2, 0, 0, 0);
}

static void test_compensate_takes_a_settlement_back(void **state)
{
	static const enum order_action actions[] = {ORDER_CONFIRM, ORDER_CANCEL, ORDER_EXTEND};
	struct shop *shop = *state;
	struct stock_reserve item;
	struct stock_settle settle;
	struct event out[1];
	int64_t next, deadline;

	shop_sell(shop, 1, 5);
	item = shop_order(shop, "ann", "k", 1);
	deadline = shop->now_ns + (SHOP_HOLD_MS + SHOP_GRACE_MS) * MS;
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		shop_pass(shop, 100);
		settle = shop_settle(shop, &item.order.id, actions[i]);
		assert_int_equal(settle.outcome, STOCK_DONE);
		shop_compensate(shop, &settle.event);
		assert_int_equal(shop_find(shop, &item.order.id).order.state, ORDER_HELD);
		assert_false(shop_find(shop, &item.order.id).order.settling);
		assert_true(shop_find(shop, &item.order.id).order.hold_expires_at_ms == item.order.hold_expires_at_ms);
		assert_int_equal(shop_expire(shop, out, 1, &next), 0);
		assert_true(next == deadline);
	}
	shop_assert_lot(shop, 0, 4, 1, 0, 0);
}

static void test_compensate_takes_a_refund_back(void **state)
{
	struct shop *shop = *state;
	struct stock_reserve item;
	struct stock_settle settle;

	shop->hold_ms = 0;
	shop_sell(shop, 1, 5);
	item = shop_order(shop, "ann", "k", 1);
	settle = shop_settle(shop, &item.order.id, ORDER_REFUND);
	shop_compensate(shop, &settle.event);
	shop_assert_lot(shop, 0, 4, 0, 1, 0);
	assert_int_equal(shop_settle(shop, &item.order.id, ORDER_REFUND).outcome, STOCK_DONE);
}

static void test_compensate_takes_an_expiry_back_to_be_seen_again(void **state)
{
	struct shop *shop = *state;
	struct event out[2];
	int64_t next;

	shop_sell(shop, 1, 5);
	shop_order(shop, "ann", "k", 1);
	shop_pass(shop, 2 * SHOP_HOLD_MS);
	assert_int_equal(shop_expire(shop, out, 2, &next), 1);
	shop_compensate(shop, &out[0]);
	assert_int_equal(shop_expire(shop, out, 2, &next), 1);
}

/*
 * Grants of several calls, told together, and each to another end than those that it was granted
 * with.
 */
static void test_ends_of_grants_that_were_made_together_differ(void **state)
{
	enum { CALLS = 2, EACH = 4 };
	struct shop *shop = *state;
	struct stock_claim *claims = calloc(1, sizeof(*claims));
	struct stock_reserve items[CALLS][EACH];
	const struct event *durable[2], *refused[2];
	enum stock_ack answers[2];
	char buyers[CALLS * EACH][8];
	bool undone[2];

	assert_non_null(claims);
	shop_sell(shop, 1, CALLS * EACH);
	for (int i = 0; i < CALLS * EACH; i++) {
		snprintf(buyers[i], sizeof(buyers[i]), "b%d", i);
		items[i / EACH][i % EACH] = shop_ask(shop, buyers[i], "k", 1);
	}
	for (int i = 0; i < CALLS; i++)
		shop->stock->ops->reserve(shop->stock, items[i], EACH);
	for (int i = 0; i < CALLS; i++) {
		durable[i] = &items[i][1].event;
		refused[i] = &items[i][2].event;
	}
	shop->stock->ops->acknowledge_send(shop->stock, durable, CALLS, answers);
	shop->stock->ops->acknowledge_wait(shop->stock);
	shop->stock->ops->compensate(shop->stock, refused, CALLS, undone);
	for (int i = 0; i < CALLS; i++) {
		assert_int_equal(answers[i], STOCK_ACK_DONE);
		assert_true(undone[i]);
		assert_false(shop_find(shop, &items[i][0].event.id).order.durable);
		assert_true(shop_find(shop, &items[i][1].event.id).order.durable);
		assert_int_equal(shop_find(shop, &items[i][2].event.id).outcome, STOCK_NO_ORDER);
		assert_int_equal(shop_settle(shop, &items[i][0].event.id, ORDER_CONFIRM).outcome, STOCK_BUSY);
	}
	assert_int_equal(shop_totals(shop).outbox, 4);
	shop_pass(shop, 5000);
	for (int i = 0; i < 4; i++) { /* those of one call one after another: who asks for few gets few, and no one of them twice */
		const struct event *event = &claims[0].event;

		assert_int_equal(claim(shop, 4000, claims, 1), 1);
		assert_false(shop_compensate(shop, event));
		assert_int_equal(shop_totals(shop).outbox, 4);
		shop_acknowledge(shop, event);
		assert_true(shop_find(shop, &event->id).order.durable);
		assert_int_equal(shop_settle(shop, &event->id, ORDER_CONFIRM).outcome, STOCK_DONE);
		assert_int_equal(shop_totals(shop).outbox, 4); /* the settlement in the grant's place */
		shop_pass(shop, 1);
	}
	assert_int_equal(shop_totals(shop).orders, 6);
	shop_assert_lot(shop, 0, 2, 6, 0, 0);
	free(claims);
}

/*
 * Told as one while they are all as they were granted; here one of them has come to its end before,
 * and another is not there any more.
 */
static void test_grants_that_are_acknowledged_together_have_each_their_own_answer(void **state)
{
	enum { EACH = 5, EARLIER = 1, UNDONE = 3 };
	struct shop *shop = *state;
	struct stock_reserve items[EACH];
	const struct event *events[EACH];
	enum stock_ack answers[EACH];
	char buyers[EACH][8];

	shop_sell(shop, 1, EACH);
	for (int i = 0; i < EACH; i++) {
		snprintf(buyers[i], sizeof(buyers[i]), "b%d", i);
		items[i] = shop_ask(shop, buyers[i], "k", 1);
		events[i] = &items[i].event;
	}
	shop->stock->ops->reserve(shop->stock, items, EACH);
	shop_acknowledge(shop, events[EARLIER]);
	assert_true(shop_compensate(shop, events[UNDONE]));
	shop->stock->ops->acknowledge_send(shop->stock, events, EACH, answers);
	shop->stock->ops->acknowledge_wait(shop->stock);
	for (int i = 0; i < EACH; i++)
		assert_int_equal(answers[i], i == EARLIER ? STOCK_ACK_ALREADY : i == UNDONE ? STOCK_ACK_UNKNOWN : STOCK_ACK_DONE);
	assert_int_equal(shop_totals(shop).outbox, 0);
	shop_assert_lot(shop, 0, 1, 4, 0, 0);
}

static void test_claim_hands_out_old_entries_oldest_first_with_their_texts(void **state)
{
	struct shop *shop = *state;
	struct stock_claim *claims = calloc(4, sizeof(*claims));
	struct stock_reserve a, b;
	char buyer[] = "ann", key[] = "key-1";

	assert_non_null(claims);
	shop_sell(shop, 1, 5);
	a = shop_ask(shop, buyer, key, 1);
	a.event.trace = SLICE("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
	shop->stock->ops->reserve(shop->stock, &a, 1);
	memset(buyer, 'x', 3); /* the stock keeps its own copy */
	memset(key, 'x', 5);
	shop_pass(shop, 1000);
	b = shop_ask(shop, "bob", "", 1);
	b.event.trace = SLICE("004bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-"); /* of its characters, and no traceparent */
	shop->stock->ops->reserve(shop->stock, &b, 1);
	shop_pass(shop, 1000);
	shop_buy(shop, "cid", "", 1);
	assert_int_equal(claim(shop, 2001, claims, 4), 0);
	assert_int_equal(claim(shop, 500, claims, 4), 2);
	assert_true(uuid_equal(&claims[0].event.id, &a.event.id));
	assert_true(uuid_equal(&claims[1].event.id, &b.event.id));
	assert_int_equal(claims[0].event.kind, EVENT_RESERVED);
	assert_int_equal(claims[0].event.buyer_units, 1);
	assert_int_equal(claims[0].event.limit_per_buyer, 2);
	assert_int_equal(claims[0].event.epoch, 1);
	assert_true(slice_equal(claims[0].event.buyer, SLICE("ann")));
	assert_true(slice_equal(claims[0].event.key, SLICE("key-1")));
	assert_int_equal(claims[0].event.actor_kind, ACTOR_BUYER);
	assert_true(slice_equal(claims[0].event.actor, SLICE("ann")));
	assert_true(slice_equal(claims[0].event.trace, SLICE("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")));
	assert_true(slice_equal(claims[1].event.trace, SLICE("004bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-")));
	free(claims);
}

static void test_claimed_entries_are_driven_again_but_never_compensated(void **state)
{
	struct shop *shop = *state;
	struct stock_claim *claims = calloc(4, sizeof(*claims));
	struct stock_reserve item;

	assert_non_null(claims);
	shop_sell(shop, 1, 5);
	item = shop_buy(shop, "ann", "k", 1);
	shop_pass(shop, 5000);
	assert_int_equal(claim(shop, 4000, claims, 4), 1);
	assert_int_equal(claim(shop, 4000, claims, 4), 0); /* its time has begun again */
	assert_false(shop_compensate(shop, &item.event));
	shop_assert_lot(shop, 0, 4, 1, 0, 0);
	assert_int_equal(shop_totals(shop).outbox, 1);
	shop_pass(shop, 5000);
	assert_int_equal(claim(shop, 4000, claims, 4), 1);
	shop_acknowledge(shop, &claims[0].event);
	assert_true(shop_find(shop, &item.order.id).order.durable);
	assert_int_equal(shop_totals(shop).outbox, 0);
	free(claims);
}

/*
 * Whatever is driven again says who acted, as it would have the first time: the names alone do not
 * tell.
 */
static void test_the_outbox_keeps_who_acted(void **state)
{
	struct shop *shop = *state;
	struct stock_claim *claims = calloc(8, sizeof(*claims));
	struct stock_withdrawal withdrawal = {.sale = SHOP_SALE, .units = 1, .movement = shop_id(shop)};
	struct stock_settle by_buyer, by_operator;
	struct stock_reserve orders[3];
	struct event expired[1];
	int64_t next;

	assert_non_null(claims);
	shop->rules.limit_per_buyer = 3;
	shop_sell(shop, 1, 9);
	for (size_t i = 0; i < 3; i++)
		orders[i] = shop_order(shop, "clock", "", 1);
	shop_pass(shop, SHOP_HOLD_MS + SHOP_GRACE_MS);
	assert_int_equal(shop_expire(shop, expired, 1, &next), 1);
	shop_pass(shop, 1000);
	by_buyer = (struct stock_settle){.sale = SHOP_SALE,
					 .action = ORDER_CANCEL,
					 .buyer = SLICE("clock"),
					 .now_ns = shop->now_ns,
					 .now_ms = shop->now_ms,
					 .actor_kind = ACTOR_BUYER,
					 .actor = SLICE("clock")};
	by_operator = by_buyer;
	by_operator.buyer = SLICE_NULL;
	by_operator.actor_kind = ACTOR_OPERATOR;
	for (size_t i = 0, asked = 0; i < 3; i++) {
		struct stock_settle *settle = asked == 0 ? &by_buyer : &by_operator;

		if (uuid_equal(&orders[i].order.id, &expired[0].id))
			continue;
		settle->id = orders[i].order.id;
		shop->stock->ops->settle(shop->stock, settle, 1);
		assert_int_equal(settle->outcome, STOCK_DONE);
		shop_pass(shop, 1000);
		asked++;
	}
	withdrawal.now_ns = shop->now_ns;
	withdrawal.now_ms = shop->now_ms;
	withdrawal.actor_kind = ACTOR_CLOCK;
	withdrawal.actor = SLICE("clock");
	assert_int_equal(shop->stock->ops->withdraw(shop->stock, &withdrawal), 0);
	assert_int_equal(withdrawal.event.actor_kind, ACTOR_CLOCK);
	shop_pass(shop, 5000);
	assert_int_equal(claim(shop, 4000, claims, 8), 4);
	for (size_t i = 0; i < 4; i++) {
		static const enum event_kind kinds[] = {EVENT_EXPIRED, EVENT_CANCELLED, EVENT_CANCELLED, EVENT_WITHDRAWN};
		static const enum actor_kind actors[] = {ACTOR_CLOCK, ACTOR_BUYER, ACTOR_OPERATOR, ACTOR_CLOCK};

		assert_int_equal(claims[i].event.kind, kinds[i]);
		assert_int_equal(claims[i].event.actor_kind, actors[i]);
		assert_true(slice_equal(claims[i].event.actor, SLICE("clock")));
	}
	free(claims);
}

static void test_claimed_settlements_stay_on_their_way(void **state)
{
	struct shop *shop = *state;
	struct stock_claim *claims = calloc(1, sizeof(*claims));
	struct stock_reserve item;
	struct stock_settle settle;

	assert_non_null(claims);
	shop_sell(shop, 1, 5);
	item = shop_order(shop, "ann", "k", 1);
	settle = shop_settle(shop, &item.order.id, ORDER_CANCEL);
	shop_pass(shop, 5000);
	assert_int_equal(claim(shop, 4000, claims, 1), 1);
	assert_int_equal(claims[0].event.kind, EVENT_CANCELLED);
	assert_int_equal(settle.event.actor_kind, ACTOR_OPERATOR);
	assert_int_equal(claims[0].event.actor_kind, ACTOR_OPERATOR);
	assert_true(slice_equal(claims[0].event.actor, SLICE("operator")));
	assert_false(shop_compensate(shop, &settle.event));
	assert_true(shop_find(shop, &item.order.id).order.settling);
	shop_acknowledge(shop, &claims[0].event);
	shop_assert_lot(shop, 0, 5, 0, 0, 0);
	free(claims);
}

static void test_a_full_outbox_refuses_before_anything_is_taken(void **state)
{
	struct shop *shop = *state;
	struct stock_reserve first = {0}, item;
	struct stock_withdrawal withdrawal;
	struct uuid movement;
	char buyer[32];

	shop->rules.limit_per_buyer = 1;
	shop_sell(shop, 1, SHOP_OUTBOX + 5);
	for (int i = 0; i < SHOP_OUTBOX; i++) {
		snprintf(buyer, sizeof(buyer), "b%d", i);
		item = shop_buy(shop, buyer, "k", 1);
		assert_int_equal(item.outcome, STOCK_DONE);
		if (i == 0)
			first = item;
	}
	assert_int_equal(shop_buy(shop, "late", "k", 1).outcome, STOCK_FULL);
	shop_assert_lot(shop, 0, 5, SHOP_OUTBOX, 0, 0);
	movement = shop_id(shop);
	withdrawal = (struct stock_withdrawal){.sale = SHOP_SALE, .units = 1, .movement = movement, .now_ns = shop->now_ns};
	assert_int_equal(shop->stock->ops->withdraw(shop->stock, &withdrawal), STOCK_FULL);
	shop_assert_lot(shop, 0, 5, SHOP_OUTBOX, 0, 0);
	shop_acknowledge(shop, &first.event);
	assert_int_equal(shop_buy(shop, "late", "k", 1).outcome, STOCK_DONE);
	assert_int_equal(shop_settle(shop, &first.order.id, ORDER_CONFIRM).outcome, STOCK_FULL);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(test_acknowledge_makes_an_order_durable_and_may_be_repeated, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_an_acknowledgement_on_its_way_is_before_whatever_is_asked_later, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_an_acknowledgement_tells_done_already_unknown_and_another_epoch_apart, shop_open,
					shop_close),
	cmocka_unit_test_setup_teardown(test_events_that_nobody_knows_change_nothing, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_compensate_undoes_a_grant_whole, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_compensate_undoes_a_grant_that_was_born_confirmed, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_compensate_takes_a_settlement_back, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_compensate_takes_a_refund_back, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_compensate_takes_an_expiry_back_to_be_seen_again, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_ends_of_grants_that_were_made_together_differ, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_grants_that_are_acknowledged_together_have_each_their_own_answer, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_claim_hands_out_old_entries_oldest_first_with_their_texts, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_claimed_entries_are_driven_again_but_never_compensated, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_the_outbox_keeps_who_acted, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_claimed_settlements_stay_on_their_way, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_a_full_outbox_refuses_before_anything_is_taken, shop_open, shop_close),
};
const struct shop_tests shop_tests_outbox = {tests, sizeof(tests) / sizeof(tests[0])};
