/* What becomes of an order: confirm, cancel, refund, extend, expire. */
#include "contract/stock_shop.h"

static void settle_done(struct shop *shop, const struct uuid *id, enum order_action action)
{
	struct stock_settle settle = shop_settle(shop, id, action);

	assert_int_equal(settle.outcome, STOCK_DONE);
	shop_acknowledge(shop, &settle.event);
}

static void test_confirm_makes_an_order_confirmed_once_durable(void **state)
{
	struct shop *shop = *state;
	struct stock_reserve item;
	struct stock_settle settle;
	struct stock_find found;

	shop_sell(shop, 1, 5);
	item = shop_order(shop, "ann", "k", 2);
	shop_pass(shop, 1000);
	settle = shop_settle(shop, &item.order.id, ORDER_CONFIRM);
	assert_int_equal(settle.outcome, STOCK_DONE);
	assert_int_equal(settle.order.state, ORDER_CONFIRMED); /* as it will be */
	assert_int_equal(settle.event.kind, EVENT_CONFIRMED);
	assert_int_equal(settle.event.sale, SHOP_SALE);
	assert_int_equal(settle.event.epoch, 1);
	assert_int_equal(settle.event.quantity, 2);
	assert_true(settle.event.at_ms == shop->now_ms);
	assert_true(uuid_equal(&settle.event.id, &item.order.id));
	found = shop_find(shop, &item.order.id);
	assert_int_equal(found.order.state, ORDER_HELD);
	assert_true(found.order.settling);
	shop_acknowledge(shop, &settle.event);
	found = shop_find(shop, &item.order.id);
	assert_int_equal(found.order.state, ORDER_CONFIRMED);
	assert_false(found.order.settling);
	shop_assert_lot(shop, 0, 3, 0, 2, 0);
	assert_int_equal(shop_settle(shop, &item.order.id, ORDER_CONFIRM).outcome, STOCK_ALREADY);
}

static void test_a_confirm_carries_its_request_to_whoever_drives_it(void **state)
{
	struct shop *shop = *state;
	struct stock_reserve item;
	struct stock_settle settle;
	const struct event *claim;

	shop_sell(shop, 1, 5);
	item = shop_order(shop, "ann", "k", 2);
	settle = (struct stock_settle){
		.sale = shop->sale,
		.id = item.order.id,
		.action = ORDER_CONFIRM,
		.now_ns = shop->now_ns,
		.now_ms = shop->now_ms,
		.actor_kind = ACTOR_OPERATOR,
		.actor = SLICE("operator"),
		.trace = SLICE("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
		.request = shop_id(shop),
	};
	shop->stock->ops->settle(shop->stock, &settle, 1);
	assert_int_equal(settle.outcome, STOCK_DONE);
	assert_true(uuid_equal(&settle.event.request, &settle.request));
	claim = shop_claimed(shop);
	assert_int_equal(claim->kind, EVENT_CONFIRMED);
	assert_true(uuid_equal(&claim->id, &item.order.id));
	assert_true(uuid_equal(&claim->request, &settle.request));
	assert_true(slice_equal(claim->trace, settle.trace));
}

static void test_cancel_returns_units_only_once_durable(void **state)
{
	struct shop *shop = *state;
	uint64_t version;
	struct stock_reserve item;
	struct stock_settle settle;

	shop_sell(shop, 1, 2);
	item = shop_order(shop, "ann", "k", 2);
	version = shop->stock->ops->version(shop->stock, SHOP_SALE, 0);
	settle = shop_settle(shop, &item.order.id, ORDER_CANCEL);
	assert_int_equal(settle.outcome, STOCK_DONE);
	shop_assert_lot(shop, 0, 0, 2, 0, 0);
	assert_int_equal(shop_buy(shop, "bob", "", 1).outcome, STOCK_SOLD_OUT);
	assert_true(shop->stock->ops->version(shop->stock, SHOP_SALE, 0) == version);
	shop_acknowledge(shop, &settle.event);
	shop_assert_lot(shop, 0, 2, 0, 0, 0);
	assert_true(shop->stock->ops->version(shop->stock, SHOP_SALE, 0) > version);
	shop_acknowledge(shop, &settle.event);
	shop_assert_lot(shop, 0, 2, 0, 0, 0);
	assert_int_equal(shop_settle(shop, &item.order.id, ORDER_CANCEL).outcome, STOCK_ALREADY);
	assert_int_equal(shop_settle(shop, &item.order.id, ORDER_CONFIRM).outcome, STOCK_REFUSED);
}

static void test_refund_returns_a_confirmed_order(void **state)
{
	struct shop *shop = *state;
	struct stock_reserve item;

	shop_sell(shop, 1, 2);
	item = shop_order(shop, "ann", "k", 2);
	assert_int_equal(shop_settle(shop, &item.order.id, ORDER_REFUND).outcome, STOCK_REFUSED);
	settle_done(shop, &item.order.id, ORDER_CONFIRM);
	assert_int_equal(shop_settle(shop, &item.order.id, ORDER_CANCEL).outcome, STOCK_REFUSED);
	settle_done(shop, &item.order.id, ORDER_REFUND);
	shop_assert_lot(shop, 0, 2, 0, 0, 0);
	assert_int_equal(shop_find(shop, &item.order.id).order.state, ORDER_CANCELLED);
	assert_int_equal(shop_settle(shop, &item.order.id, ORDER_REFUND).outcome, STOCK_ALREADY);
	assert_int_equal(shop_buy(shop, "ann", "", 2).outcome, STOCK_DONE); /* the limit has room again */
}

static void test_an_order_is_busy_while_anything_of_it_is_on_its_way(void **state)
{
	struct shop *shop = *state;
	struct stock_reserve item;
	struct stock_settle settle;

	shop_sell(shop, 1, 2);
	item = shop_buy(shop, "ann", "k", 1);
	assert_int_equal(shop_settle(shop, &item.order.id, ORDER_CONFIRM).outcome, STOCK_BUSY);
	shop_acknowledge(shop, &item.event);
	settle = shop_settle(shop, &item.order.id, ORDER_CONFIRM);
	assert_int_equal(settle.outcome, STOCK_DONE);
	assert_int_equal(shop_settle(shop, &item.order.id, ORDER_CANCEL).outcome, STOCK_BUSY);
	assert_int_equal(shop_settle(shop, &item.order.id, ORDER_CONFIRM).outcome, STOCK_BUSY);
	shop_acknowledge(shop, &settle.event);
	shop_assert_lot(shop, 0, 1, 0, 1, 0);
}

static void test_only_the_buyer_or_the_operator_finds_and_settles(void **state)
{
	struct shop *shop = *state;
	struct stock_reserve item;
	struct stock_settle settle = {.sale = SHOP_SALE, .action = ORDER_CANCEL, .buyer = SLICE("bob")};
	struct stock_find find = {.sale = SHOP_SALE, .buyer = SLICE("bob")};
	struct uuid unknown;

	shop_sell(shop, 1, 2);
	item = shop_order(shop, "ann", "k", 1);
	settle.id = find.id = item.order.id;
	shop->stock->ops->settle(shop->stock, &settle, 1);
	assert_int_equal(settle.outcome, STOCK_NO_ORDER);
	shop->stock->ops->find(shop->stock, &find, 1);
	assert_int_equal(find.outcome, STOCK_NO_ORDER);
	find.buyer = settle.buyer = SLICE("ann");
	shop->stock->ops->find(shop->stock, &find, 1);
	assert_int_equal(find.outcome, STOCK_DONE);
	settle.now_ns = shop->now_ns;
	shop->stock->ops->settle(shop->stock, &settle, 1);
	assert_int_equal(settle.outcome, STOCK_DONE);
	unknown = shop_id(shop);
	assert_int_equal(shop_find(shop, &unknown).outcome, STOCK_NO_ORDER);
	assert_int_equal(shop_settle(shop, &unknown, ORDER_CONFIRM).outcome, STOCK_NO_ORDER);
	find.sale = settle.sale = 99;
	shop->stock->ops->find(shop->stock, &find, 1);
	assert_int_equal(find.outcome, STOCK_UNKNOWN_SALE);
	shop->stock->ops->settle(shop->stock, &settle, 1);
	assert_int_equal(settle.outcome, STOCK_UNKNOWN_SALE);
}

static void assert_driven(struct shop *shop, const struct event *event, struct slice reason)
{
	assert_true(slice_equal(event->reason, reason));
	for (int again = 0; again < 2; again++) {
		const struct event *driven = shop_claimed(shop);

		assert_int_equal(driven->kind, event->kind);
		assert_true(uuid_equal(&driven->id, &event->id));
		assert_int_equal(driven->actor_kind, event->actor_kind);
		assert_true(slice_equal(driven->actor, event->actor));
		assert_true(slice_equal(driven->reason, reason));
		assert_true(slice_equal(driven->payment.reference, event->payment.reference));
	}
	shop_acknowledge(shop, event);
}

/* Of each action, with a payment and without; none was said: there is none. */
static void test_who_and_why_reach_whoever_drives_it(void **state)
{
	static const struct {
		enum order_action action;
		const char *payment, *reason;
	} steps[] = {{ORDER_EXTEND, "", "the bank is slow"}, {ORDER_CONFIRM, "", ""},
		     {ORDER_CONFIRM, "pi_1", "by hand"},     {ORDER_REFUND, "", "torn"},
		     {ORDER_CONFIRM, "pi_2", "both"},        {ORDER_CANCEL, "", "a robot"}};
	static const int of_order[] = {0, 0, 0, 0, 1, 2};
	char longest[REASON_MAX];
	struct shop *shop = *state;
	struct stock_settle settle;
	struct uuid ids[3];

	memset(longest, 'x', sizeof(longest));
	shop->rules.limit_per_buyer = 3;
	shop_sell(shop, 1, 5);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct slice reason =
			steps[i].action == ORDER_CANCEL ? (struct slice){longest, sizeof(longest)} : slice_of(steps[i].reason);

		if (i == 0 || of_order[i] != of_order[i - 1])
			ids[of_order[i]] = shop_order(shop, "ann", "", 1).order.id;
		settle = (struct stock_settle){
			.sale = shop->sale,
			.id = ids[of_order[i]],
			.action = steps[i].action,
			.now_ns = shop->now_ns,
			.now_ms = shop->now_ms,
			.grace_ns = SHOP_GRACE_MS * MS,
			.extend_ns = 2 * SHOP_HOLD_MS * MS,
			.actor_kind = ACTOR_OPERATOR,
			.actor = SLICE("olga"),
			.reason = reason,
			.payment = {.reference = slice_of(steps[i].payment), .amount = PAYMENT_NO_AMOUNT},
		};
		shop->stock->ops->settle(shop->stock, &settle, 1);
		assert_int_equal(settle.outcome, STOCK_DONE);
		assert_driven(shop, &settle.event, reason);
	}
	/* A hold that runs out gives no reason. */
	ids[0] = shop_order(shop, "ann", "", 1).order.id;
	shop_pass(shop, SHOP_HOLD_MS + SHOP_GRACE_MS);
	assert_int_equal(shop_expire(shop, &settle.event, 1, &(int64_t){0}), 1);
	assert_int_equal(settle.event.actor_kind, ACTOR_CLOCK);
	assert_driven(shop, &settle.event, SLICE(""));
}

/* An order that a late confirm makes says why, too, with labels and without. */
static void test_a_late_confirm_says_why_to_whoever_drives_it(void **state)
{
	static const char *const references[] = {"INV-1", ""};
	struct shop *shop = *state;

	shop->rules.limit_per_buyer = 3;
	shop_sell(shop, 1, 5);
	for (int i = 0; i < 2; i++) {
		struct stock_reserve item = shop_ask(shop, "ann", i ? "k2" : "k1", 1), again;

		item.event.actor_kind = ACTOR_OPERATOR;
		item.event.actor = SLICE("olga");
		item.event.reason = SLICE("paid late");
		item.event.labels.reference = slice_of(references[i]);
		item.hold_ns = 0;
		again = item;
		shop->stock->ops->reserve(shop->stock, &item, 1);
		assert_int_equal(item.outcome, STOCK_DONE);
		assert_driven(shop, &item.event, SLICE("paid late"));
		again.event.reason = SLICE("another"); /* which is no part of what the key is compared by */
		shop->stock->ops->reserve(shop->stock, &again, 1);
		assert_int_equal(again.outcome, STOCK_REPLAY);
	}
}

static void test_expire_finds_each_hold_at_its_time(void **state)
{
	struct shop *shop = *state;
	struct event out[8];
	struct stock_reserve first, second;
	int64_t next, start;

	shop_sell(shop, 1, 5);
	assert_int_equal(shop_expire(shop, out, 8, &next), 0);
	assert_true(next == INT64_MAX);
	start = shop->now_ns;
	first = shop_order(shop, "ann", "", 1);
	shop_pass(shop, 10);
	second = shop_order(shop, "bob", "", 2);
	assert_int_equal(shop_expire(shop, out, 8, &next), 0);
	assert_true(next == start + (SHOP_HOLD_MS + SHOP_GRACE_MS) * MS);
	shop_pass(shop, SHOP_HOLD_MS + SHOP_GRACE_MS - 11);
	assert_int_equal(shop_expire(shop, out, 8, &next), 0);
	shop_pass(shop, 1);
	assert_true(next == shop->now_ns);
	assert_int_equal(shop_expire(shop, out, 8, &next), 1);
	assert_true(next == shop->now_ns + 10 * MS);
	assert_int_equal(out[0].kind, EVENT_EXPIRED);
	assert_true(uuid_equal(&out[0].id, &first.order.id));
	assert_int_equal(out[0].actor_kind, ACTOR_CLOCK);
	assert_true(slice_equal(out[0].actor, SLICE("clock")));
	shop_assert_lot(shop, 0, 2, 3, 0, 0); /* releasing is still held */
	shop_acknowledge(shop, &out[0]);
	shop_assert_lot(shop, 0, 3, 2, 0, 0);
	assert_int_equal(shop_find(shop, &first.order.id).order.state, ORDER_EXPIRED);
	assert_int_equal(shop_find(shop, &second.order.id).order.state, ORDER_HELD);
}

static void test_expire_gives_at_most_so_many_and_says_that_more_are_due(void **state)
{
	struct shop *shop = *state;
	struct event out[4];
	char buyer[32];
	size_t expired = 0, count;
	int64_t next;

	shop_sell(shop, 1, 50);
	for (int i = 0; i < 30; i++) {
		snprintf(buyer, sizeof(buyer), "b%d", i);
		shop_order(shop, buyer, "", 1);
	}
	shop_pass(shop, SHOP_HOLD_MS + SHOP_GRACE_MS);
	while ((count = shop_expire(shop, out, 4, &next)) > 0) {
		expired += count;
		assert_true(expired == 30 ? next == INT64_MAX : next <= shop->now_ns);
		for (size_t i = 0; i < count; i++)
			shop_acknowledge(shop, &out[i]);
	}
	assert_int_equal(expired, 30);
	shop_assert_lot(shop, 0, 50, 0, 0, 0);
}

/* What goes to the ledger together lies together there: orders are in the order of their ids. */
static void test_holds_end_in_the_order_of_their_times(void **state)
{
	enum { HOLDS = 40 };
	struct shop *shop = *state;
	struct uuid ids[HOLDS];
	struct event out[HOLDS];
	char buyer[32];
	size_t ended = 0, count;
	int64_t next;

	shop_sell(shop, 1, HOLDS);
	for (int i = 0; i < HOLDS; i++) {
		snprintf(buyer, sizeof(buyer), "b%d", i);
		ids[i] = shop_order(shop, buyer, "", 1).order.id;
		shop_pass(shop, 1);
	}
	shop_pass(shop, SHOP_HOLD_MS + SHOP_GRACE_MS);
	while ((count = shop_expire(shop, out, 7, &next)) > 0) {
		for (size_t i = 0; i < count; i++)
			assert_true(uuid_equal(&out[i].id, &ids[ended + i]));
		ended += count;
	}
	assert_int_equal(ended, HOLDS);
}

static void test_confirm_within_the_grace_is_in_time(void **state)
{
	struct shop *shop = *state;
	struct stock_reserve item;
	struct event out[1];
	int64_t next;

	shop_sell(shop, 1, 5);
	item = shop_order(shop, "ann", "", 1);
	shop_pass(shop, SHOP_HOLD_MS + SHOP_GRACE_MS - 1);
	assert_int_equal(shop_settle(shop, &item.order.id, ORDER_CONFIRM).outcome, STOCK_DONE);
	shop_pass(shop, 1);
	assert_int_equal(shop_expire(shop, out, 1, &next), 0);
	assert_true(next == INT64_MAX);
}

/* Asked for one at a time, so that each call leaves the others for the next. */
static void test_holds_that_were_granted_together_end_each_by_its_own(void **state)
{
	enum { CONFIRMED, EXTENDED, CANCELLED, LATE, PLAIN, UNDONE, COUNT };
	struct shop *shop = *state;
	struct stock_reserve items[COUNT];
	struct event out[1];
	char buyers[COUNT][8];
	int64_t next;

	shop_sell(shop, 1, COUNT);
	for (int i = 0; i < COUNT; i++) {
		snprintf(buyers[i], sizeof(buyers[i]), "b%d", i);
		items[i] = shop_ask(shop, buyers[i], "", 1);
	}
	shop->stock->ops->reserve(shop->stock, items, COUNT);
	for (int i = 0; i < COUNT; i++)
		if (i != LATE && i != UNDONE)
			shop_acknowledge(shop, &items[i].event);
	assert_true(shop_compensate(shop, &items[UNDONE].event));
	shop_pass(shop, 1000);
	settle_done(shop, &items[CONFIRMED].order.id, ORDER_CONFIRM);
	settle_done(shop, &items[CANCELLED].order.id, ORDER_CANCEL);
	settle_done(shop, &items[EXTENDED].order.id, ORDER_EXTEND);
	shop_pass(shop, SHOP_HOLD_MS + SHOP_GRACE_MS - 1000);
	assert_int_equal(shop_expire(shop, out, 1, &next), 1);
	assert_true(uuid_equal(&out[0].id, &items[PLAIN].order.id));
	shop_acknowledge(shop, &out[0]);
	assert_int_equal(shop_expire(shop, out, 1, &next), 0); /* the late one is not in the journal */
	shop_acknowledge(shop, &items[LATE].event);
	assert_int_equal(shop_expire(shop, out, 1, &next), 1);
	assert_true(uuid_equal(&out[0].id, &items[LATE].order.id));
	shop_acknowledge(shop, &out[0]);
	shop_pass(shop, 999);
	assert_int_equal(shop_expire(shop, out, 1, &next), 0);
	assert_true(next == shop->now_ns + MS);
	shop_pass(shop, 1);
	assert_int_equal(shop_expire(shop, out, 1, &next), 1);
	assert_true(uuid_equal(&out[0].id, &items[EXTENDED].order.id));
	shop_acknowledge(shop, &out[0]);
	shop_assert_lot(shop, 0, COUNT - 1, 0, 1, 0);
}

static void test_late_confirm_is_told_that_the_hold_expired(void **state)
{
	struct shop *shop = *state;
	struct stock_reserve item;
	struct event out[1];
	int64_t next;

	shop_sell(shop, 1, 5);
	item = shop_order(shop, "ann", "", 1);
	shop_pass(shop, SHOP_HOLD_MS + SHOP_GRACE_MS);
	assert_int_equal(shop_settle(shop, &item.order.id, ORDER_CONFIRM).outcome, STOCK_EXPIRED); /* before the housekeeper */
	assert_int_equal(shop_settle(shop, &item.order.id, ORDER_EXTEND).outcome, STOCK_EXPIRED);
	assert_int_equal(shop_expire(shop, out, 1, &next), 1);
	assert_int_equal(shop_settle(shop, &item.order.id, ORDER_CONFIRM).outcome, STOCK_BUSY);
	shop_acknowledge(shop, &out[0]);
	assert_int_equal(shop_settle(shop, &item.order.id, ORDER_CONFIRM).outcome, STOCK_EXPIRED); /* and after */
	assert_int_equal(shop_settle(shop, &item.order.id, ORDER_CANCEL).outcome, STOCK_REFUSED);
	shop_assert_lot(shop, 0, 5, 0, 0, 0);
}

static void test_a_hold_in_doubt_does_not_expire(void **state)
{
	struct shop *shop = *state;
	struct stock_reserve item;
	struct event out[1];
	int64_t next;

	shop_sell(shop, 1, 5);
	item = shop_buy(shop, "ann", "", 1);
	shop_pass(shop, 2 * (SHOP_HOLD_MS + SHOP_GRACE_MS));
	assert_int_equal(shop_expire(shop, out, 1, &next), 0);
	shop_acknowledge(shop, &item.event);
	assert_int_equal(shop_expire(shop, out, 1, &next), 1);
}

static void test_extend_moves_the_deadline_but_not_what_a_replay_says(void **state)
{
	struct shop *shop = *state;
	struct stock_reserve item, again;
	struct stock_settle settle;
	struct event out[1];
	int64_t next;

	shop_sell(shop, 1, 5);
	item = shop_order(shop, "ann", "k", 1);
	shop_pass(shop, 60000);
	settle = shop_settle(shop, &item.order.id, ORDER_EXTEND);
	assert_int_equal(settle.outcome, STOCK_DONE);
	assert_int_equal(settle.event.kind, EVENT_EXTENDED);
	assert_true(settle.event.hold_expires_at_ms == shop->now_ms + SHOP_HOLD_MS);
	assert_true(settle.order.hold_expires_at_ms == shop->now_ms + SHOP_HOLD_MS);
	shop_acknowledge(shop, &settle.event);
	again = shop_buy(shop, "ann", "k", 1);
	assert_true(again.order.hold_expires_at_ms == shop->now_ms + SHOP_HOLD_MS);
	assert_true(again.order.first_hold_expires_at_ms == item.order.first_hold_expires_at_ms);
	shop_pass(shop, SHOP_HOLD_MS);
	assert_int_equal(shop_expire(shop, out, 1, &next), 0);
	assert_true(next == shop->now_ns + SHOP_GRACE_MS * MS);
}

static void test_extension_never_shortens(void **state)
{
	struct shop *shop = *state;
	struct stock_reserve item;
	struct stock_settle settle;

	shop_sell(shop, 1, 5);
	item = shop_order(shop, "ann", "k", 1);
	settle = (struct stock_settle){.sale = SHOP_SALE,
				       .id = item.order.id,
				       .action = ORDER_EXTEND,
				       .now_ns = shop->now_ns,
				       .now_ms = shop->now_ms,
				       .extend_ns = (SHOP_HOLD_MS - 1) * MS};
	shop->stock->ops->settle(shop->stock, &settle, 1);
	assert_int_equal(settle.outcome, STOCK_ALREADY);
	assert_true(settle.order.hold_expires_at_ms == item.order.hold_expires_at_ms);
	assert_int_equal(shop_totals(shop).outbox, 0);
}

static struct stock_settle extend_to(struct shop *shop, const struct uuid *id, int64_t end_ms)
{
	struct stock_settle settle = {
		.sale = SHOP_SALE,
		.id = *id,
		.action = ORDER_EXTEND,
		.now_ns = shop->now_ns,
		.now_ms = shop->now_ms,
		.grace_ns = SHOP_GRACE_MS * MS,
		.extend_ns = 2 * SHOP_HOLD_MS * MS,
		.extend_to_ms = end_ms,
	};

	shop->stock->ops->settle(shop->stock, &settle, 1);
	return settle;
}

/* A retry that comes later would else count from its own moment. */
static void test_an_extension_to_an_end_is_the_same_whenever_it_is_asked(void **state)
{
	struct shop *shop = *state;
	struct stock_reserve item;
	struct stock_settle settle;
	struct event out[1];
	int64_t next, end_ms;

	shop_sell(shop, 1, 5);
	item = shop_order(shop, "ann", "k", 1);
	end_ms = shop->now_ms + 2 * SHOP_HOLD_MS;
	shop_pass(shop, 60000);
	settle = extend_to(shop, &item.order.id, end_ms);
	assert_int_equal(settle.outcome, STOCK_DONE);
	assert_true(settle.event.hold_expires_at_ms == end_ms);
	assert_true(settle.order.hold_expires_at_ms == end_ms);
	shop_acknowledge(shop, &settle.event);
	shop_pass(shop, 60000);
	settle = extend_to(shop, &item.order.id, end_ms);
	assert_int_equal(settle.outcome, STOCK_ALREADY);
	assert_true(settle.order.hold_expires_at_ms == end_ms);
	assert_int_equal(extend_to(shop, &item.order.id, end_ms - 1).outcome, STOCK_ALREADY);
	assert_int_equal(shop_totals(shop).outbox, 0);
	shop_pass(shop, 2 * SHOP_HOLD_MS - 120000 - 1);
	assert_int_equal(shop_expire(shop, out, 1, &next), 0);
	assert_true(next == shop->now_ns + (SHOP_GRACE_MS + 1) * MS);
	shop_pass(shop, SHOP_GRACE_MS + 1);
	assert_int_equal(shop_expire(shop, out, 1, &next), 1);
}

static void test_two_extensions_are_told_apart(void **state)
{
	struct shop *shop = *state;
	struct stock_reserve item;
	struct stock_settle first, second;

	shop_sell(shop, 1, 5);
	item = shop_order(shop, "ann", "k", 1);
	shop_pass(shop, 10);
	first = shop_settle(shop, &item.order.id, ORDER_EXTEND);
	shop_acknowledge(shop, &first.event);
	shop_pass(shop, 10);
	second = shop_settle(shop, &item.order.id, ORDER_EXTEND);
	assert_int_equal(second.outcome, STOCK_DONE);
	shop_acknowledge(shop, &first.event); /* a second time */
	assert_true(shop_find(shop, &item.order.id).order.settling);
	shop_acknowledge(shop, &second.event);
	assert_true(shop_find(shop, &item.order.id).order.hold_expires_at_ms == shop->now_ms + SHOP_HOLD_MS);
}

static void test_cancel_of_a_late_hold_is_allowed(void **state)
{
	struct shop *shop = *state;
	struct stock_reserve item;

	shop_sell(shop, 1, 5);
	item = shop_order(shop, "ann", "", 1);
	shop_pass(shop, 2 * SHOP_HOLD_MS);
	settle_done(shop, &item.order.id, ORDER_CANCEL);
	shop_assert_lot(shop, 0, 5, 0, 0, 0);
}

/* The wall clock of whoever asks is an hour behind. */
static void test_an_expiry_is_dated_not_before_its_hold_ends(void **state)
{
	struct shop *shop = *state;
	struct stock_reserve item;
	struct event out[1];
	int64_t next_ns;

	shop_sell(shop, 1, 1);
	item = shop_order(shop, "ann", "k", 1);
	shop_pass(shop, SHOP_HOLD_MS + SHOP_GRACE_MS);
	assert_int_equal(
		shop->stock->ops->expire(shop->stock, shop->now_ns, shop->now_ms - 3600000, SHOP_GRACE_MS * MS, out, 1, &next_ns), 1);
	assert_true(out[0].at_ms >= item.order.hold_expires_at_ms);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(test_confirm_makes_an_order_confirmed_once_durable, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_cancel_returns_units_only_once_durable, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_refund_returns_a_confirmed_order, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_an_order_is_busy_while_anything_of_it_is_on_its_way, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_only_the_buyer_or_the_operator_finds_and_settles, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_a_confirm_carries_its_request_to_whoever_drives_it, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_who_and_why_reach_whoever_drives_it, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_a_late_confirm_says_why_to_whoever_drives_it, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_expire_finds_each_hold_at_its_time, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_expire_gives_at_most_so_many_and_says_that_more_are_due, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_holds_end_in_the_order_of_their_times, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_confirm_within_the_grace_is_in_time, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_holds_that_were_granted_together_end_each_by_its_own, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_late_confirm_is_told_that_the_hold_expired, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_a_hold_in_doubt_does_not_expire, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_extend_moves_the_deadline_but_not_what_a_replay_says, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_an_extension_to_an_end_is_the_same_whenever_it_is_asked, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_extension_never_shortens, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_two_extensions_are_told_apart, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_cancel_of_a_late_hold_is_allowed, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_an_expiry_is_dated_not_before_its_hold_ends, shop_open, shop_close),
};
const struct shop_tests shop_tests_settle = {tests, sizeof(tests) / sizeof(tests[0])};
