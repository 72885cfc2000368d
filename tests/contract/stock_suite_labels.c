/*
 * What a shop writes on a purchase: part of what its key is compared by, and of its event; and what
 * it cost.
 */
#include "contract/stock_shop.h"

static struct stock_reserve ask(struct shop *shop, const char *buyer, const char *key, const char *reference, const char *metadata)
{
	struct stock_reserve item = shop_ask(shop, buyer, key, 1);

	item.event.labels = (struct labels){slice_of(reference), slice_of(metadata)};
	item.event.priced = true;
	item.event.unit_price = 17900;
	return item;
}

static struct stock_reserve buy(struct shop *shop, const char *key, const char *reference, const char *metadata)
{
	struct stock_reserve item = ask(shop, "ann", key, reference, metadata);

	shop->stock->ops->reserve(shop->stock, &item, 1);
	return item;
}

static struct stock_reserve ordered(struct shop *shop, const char *key, const char *reference, const char *metadata)
{
	struct stock_reserve item = buy(shop, key, reference, metadata);

	assert_int_equal(item.outcome, STOCK_DONE);
	shop_acknowledge(shop, &item.event);
	return item;
}

static void test_same_key_with_other_labels_is_a_conflict(void **state)
{
	struct shop *shop = *state;
	struct stock_reserve item, again;

	shop_sell(shop, 1, 9);
	item = ordered(shop, "k", "INV-1", "{\"a\":\"1\"}");
	again = buy(shop, "k", "INV-1", "{\"a\":\"1\"}");
	assert_int_equal(again.outcome, STOCK_REPLAY);
	assert_true(uuid_equal(&again.order.id, &item.order.id));
	assert_int_equal(buy(shop, "k", "INV-2", "{\"a\":\"1\"}").outcome, STOCK_KEY_CONFLICT);
	assert_int_equal(buy(shop, "k", "INV-1", "{\"a\":\"2\"}").outcome, STOCK_KEY_CONFLICT);
	assert_int_equal(buy(shop, "k", "INV-1", "").outcome, STOCK_KEY_CONFLICT);
	assert_int_equal(buy(shop, "k", "", "").outcome, STOCK_KEY_CONFLICT);
	ordered(shop, "bare", "", "");
	assert_int_equal(buy(shop, "bare", "", "").outcome, STOCK_REPLAY);
	assert_int_equal(buy(shop, "bare", "INV-1", "").outcome, STOCK_KEY_CONFLICT);
	shop_assert_lot(shop, 0, 7, 2, 0, 0);
}

/*
 * Also of keys that have no place beside their buyer any more, and of orders that are confirmed,
 * paid and over.
 */
static void test_labels_are_compared_whatever_has_become_of_the_order(void **state)
{
	enum { ORDERS = 2 * STOCK_NEWEST + 1 };
	struct shop *shop = *state;
	struct stock_settle settle;
	struct uuid ids[ORDERS];
	char key[8];

	shop->rules.limit_per_buyer = ORDERS;
	shop_sell(shop, 1, ORDERS);
	for (int i = 0; i < ORDERS; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		ids[i] = ordered(shop, key, key, "").order.id;
	}
	for (int i = 0; i < ORDERS; i++) {
		settle = (struct stock_settle){
			.sale = shop->sale,
			.id = ids[i],
			.action = i % 3 ? ORDER_CONFIRM : ORDER_CANCEL,
			.now_ns = shop->now_ns,
			.now_ms = shop->now_ms,
			.grace_ns = SHOP_GRACE_MS * MS,
			.actor = SLICE("operator"),
			.actor_kind = ACTOR_OPERATOR,
		};
		snprintf(key, sizeof(key), "pi_%d", i);
		if (i % 3 == 1)
			settle.payment = (struct payment){.reference = slice_of(key), .amount = PAYMENT_NO_AMOUNT};
		shop->stock->ops->settle(shop->stock, &settle, 1);
		assert_int_equal(settle.outcome, STOCK_DONE);
		shop_acknowledge(shop, &settle.event);
	}
	for (int i = 0; i < ORDERS; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		assert_int_equal(buy(shop, key, key, "").outcome, STOCK_REPLAY);
		assert_int_equal(buy(shop, key, "other", "").outcome, STOCK_KEY_CONFLICT);
		snprintf(key, sizeof(key), "pi_%d", i);
		assert_string_equal(shop_find(shop, &ids[i]).owner[0] && i % 3 == 1 ? shop_find(shop, &ids[i]).paid : key, key);
	}
}

static void test_labels_and_price_reach_whoever_drives_it(void **state)
{
	static struct stock_claim claims[3];
	static const char *const references[] = {"INV-1", "", ""}, *const metadata[] = {"{\"a\":\"1\"}", "{\"b\":\"2\"}", ""};
	struct shop *shop = *state;

	shop->rules.limit_per_buyer = 3;
	shop_sell(shop, 1, 9);
	for (int i = 0; i < 3; i++)
		assert_int_equal(buy(shop, "", references[i], metadata[i]).outcome, STOCK_DONE);
	for (int again = 0; again < 2; again++) { /* an entry of its own from the second on */
		shop_pass(shop, 5000);
		shop_refresh(shop);
		assert_int_equal(shop->stock->ops->claim(shop->stock, shop->now_ns - INT64_C(4000000000), shop->now_ns, claims, 3), 3);
		for (int i = 0; i < 3; i++) {
			assert_true(slice_equal(claims[i].event.labels.reference, slice_of(references[i])));
			assert_true(slice_equal(claims[i].event.labels.metadata, slice_of(metadata[i])));
			assert_true(claims[i].event.priced);
			assert_int_equal(claims[i].event.unit_price, 17900);
		}
	}
	for (int i = 0; i < 3; i++)
		shop_acknowledge(shop, &claims[i].event);
	shop_assert_lot(shop, 0, 6, 3, 0, 0);
}

/* What was undone is as if it never was, labels or not. */
static void test_undone_purchase_with_labels_leaves_nothing(void **state)
{
	struct shop *shop = *state;
	struct stock_reserve item;

	shop_sell(shop, 1, 9);
	item = buy(shop, "k", "INV-1", "{\"a\":\"1\"}");
	assert_true(shop_compensate(shop, &item.event));
	assert_int_equal(buy(shop, "k", "INV-2", "").outcome, STOCK_DONE);
	shop_assert_lot(shop, 0, 8, 1, 0, 0);
}

static void test_loaded_labels_are_compared(void **state)
{
	struct shop *shop = *state;
	struct labels labels = {SLICE("INV-1"), SLICE("{\"a\":\"1\"}")};
	struct stock_load order = {.id = shop_id(shop),
				   .quantity = 1,
				   .first_quantity = 1,
				   .state = ORDER_CONFIRMED,
				   .buyer = SLICE("ann"),
				   .key = SLICE("k"),
				   .paid = SLICE("pi_1"),
				   .labels = labels_fingerprint(&labels)};
	int64_t allocated = 5, withdrawn = 0;

	shop->rules.lot_count = 1;
	shop->sale = SHOP_SALE;
	assert_int_equal(shop->stock->ops->preheat_begin(shop->stock, &shop->rules), 0);
	assert_int_equal(shop->stock->ops->preheat_load(shop->stock, SHOP_SALE, &order, 1, shop->now_ns), 0);
	order.key = order.paid = SLICE(""); /* as an event of a journal's tail brings it: it keeps what it has */
	order.labels = 0;
	order.state = ORDER_CANCELLED;
	assert_int_equal(shop->stock->ops->preheat_load(shop->stock, SHOP_SALE, &order, 1, shop->now_ns), 0);
	assert_int_equal(shop->stock->ops->arm(shop->stock, SHOP_SALE, &allocated, &withdrawn), 0);
	assert_int_equal(buy(shop, "k", "INV-1", "{\"a\":\"1\"}").outcome, STOCK_REPLAY);
	assert_int_equal(buy(shop, "k", "", "").outcome, STOCK_KEY_CONFLICT);
	assert_int_equal(buy(shop, "k", "INV-1", "").outcome, STOCK_KEY_CONFLICT);
}

static const struct event *claimed_of(const struct stock_claim *claims, size_t count, const struct uuid *id)
{
	for (size_t i = 0; i < count; i++)
		if (uuid_equal(&claims[i].event.id, id))
			return &claims[i].event;
	return NULL;
}

/*
 * Replays and refusals among the grants, a buyer twice, other holds, labels: each grant keeps what
 * is its own.
 */
static void test_what_a_mixed_call_grants_is_claimed_each_with_its_own_texts(void **state)
{
	static const struct {
		const char *buyer, *key, *reference;
		uint32_t quantity;
		int hold_factor;
		bool replay_only;
		enum stock_outcome outcome;
	} asked[] = {
		{"ann", "k1", "", 1, 1, false, STOCK_DONE},         {"ann", "k1", "", 1, 1, false, STOCK_REPLAY},
		{"bob", "k1", "", 1, 1, true, STOCK_NO_REPLAY},     {"bob", "k2", "", 2, 1, false, STOCK_DONE},
		{"bob", "k3", "", 1, 1, false, STOCK_BUYER_LIMIT},  {"ann", "k2", "", 1, 2, false, STOCK_DONE},
		{"cid", "k1", "r-7", 1, 1, false, STOCK_DONE},      {"dan", "", "", 1, 0, false, STOCK_DONE},
		{"the-eighth", "k-8", "", 1, 1, false, STOCK_DONE},
	};
	enum { ASKED = sizeof(asked) / sizeof(asked[0]), GRANTED = 6 };
	struct shop *shop = *state;
	struct stock_claim *claims = calloc(ASKED, sizeof(*claims));
	struct stock_reserve items[ASKED];

	assert_non_null(claims);
	shop_sell(shop, 1, 10);
	for (int i = 0; i < ASKED; i++) {
		items[i] = shop_ask(shop, asked[i].buyer, asked[i].key, asked[i].quantity);
		items[i].hold_ns *= asked[i].hold_factor;
		items[i].event.hold_expires_at_ms = asked[i].hold_factor ? shop->now_ms + asked[i].hold_factor * shop->hold_ms : 0;
		items[i].event.labels.reference = slice_of(asked[i].reference);
		items[i].replay_only = asked[i].replay_only;
	}
	shop->stock->ops->reserve(shop->stock, items, ASKED);
	for (int i = 0; i < ASKED; i++)
		assert_int_equal(items[i].outcome, asked[i].outcome);
	assert_true(uuid_equal(&items[1].order.id, &items[0].event.id));
	shop_assert_lot(shop, 0, 3, 6, 1, 0);
	shop_pass(shop, 5000);
	shop_refresh(shop);
	assert_int_equal(shop->stock->ops->claim(shop->stock, shop->now_ns - INT64_C(4000000000), shop->now_ns, claims, ASKED),
			 GRANTED);
	for (int i = 0; i < ASKED; i++) {
		const struct event *event = claimed_of(claims, GRANTED, &items[i].event.id);

		assert_int_equal(event != NULL, asked[i].outcome == STOCK_DONE);
		if (!event)
			continue;
		assert_true(slice_equal(event->buyer, slice_of(asked[i].buyer)));
		assert_true(slice_equal(event->actor, slice_of(asked[i].buyer)));
		assert_true(slice_equal(event->key, slice_of(asked[i].key)));
		assert_true(slice_equal(event->labels.reference, slice_of(asked[i].reference)));
		assert_int_equal(event->quantity, asked[i].quantity);
		assert_int_equal(event->hold_expires_at_ms, items[i].event.hold_expires_at_ms);
		shop_acknowledge(shop, event);
		assert_true(shop_find(shop, &event->id).order.durable);
	}
	free(claims);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test_setup_teardown(test_same_key_with_other_labels_is_a_conflict, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_labels_are_compared_whatever_has_become_of_the_order, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_labels_and_price_reach_whoever_drives_it, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_undone_purchase_with_labels_leaves_nothing, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_loaded_labels_are_compared, shop_open, shop_close),
	cmocka_unit_test_setup_teardown(test_what_a_mixed_call_grants_is_claimed_each_with_its_own_texts, shop_open, shop_close),
};
const struct shop_tests shop_tests_labels = {tests, sizeof(tests) / sizeof(tests[0])};
