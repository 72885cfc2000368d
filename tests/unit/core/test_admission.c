/*
 * The purchase decision in its order, over the memory stock; what that stock never says is said by
 * one that has its answer ready.
 */
#include "unit/core/house.h"

#include <string.h>

enum { ACK_NS = 2000000000 };

struct shop {
	struct house *house;
	struct admission admission;
	const struct sale_table *table;
	struct sale_entry *entry;
};

static struct shop open_shop(struct house *house)
{
	struct shop shop = {.house = house, .admission = {.stock = house->stock, .ack_deadline_ns = ACK_NS}};

	shop.table = sale_catalog_ref(house->catalog);
	shop.entry = sale_table_find(shop.table, SLICE("drop"));
	assert_non_null(shop.entry);
	return shop;
}

static void close_shop(struct shop *shop)
{
	sale_table_unref(shop->table);
}

static void ask(struct shop *shop, struct purchase *purchase, uint32_t lot, const char *buyer, const char *key, uint32_t quantity,
		enum verdict refusal)
{
	const struct sale *sale = shop->entry->sale;
	int64_t now_ms = clock_wall_ms();

	*purchase = (struct purchase){
		.hold_ns = (int64_t)sale->hold_seconds * 1000000000,
		.entry = shop->entry,
		.refusal = refusal,
		.started_ns = clock_mono_ns(),
		.event = {.kind = EVENT_RESERVED,
			  .sale = sale->number,
			  .lot = lot,
			  .quantity = quantity,
			  .id = uuid_make(&shop->house->ids, now_ms, sale->number),
			  .at_ms = now_ms,
			  .hold_expires_at_ms = sale->hold_seconds ? now_ms + (int64_t)sale->hold_seconds * 1000 : 0,
			  .buyer = slice_of(buyer),
			  .key = slice_of(key),
			  .actor = slice_of(buyer)},
	};
}

static enum verdict reserve(struct shop *shop, struct purchase *purchase)
{
	struct purchase *purchases[] = {purchase};

	admission_reserve(&shop->admission, purchases, 1);
	return purchase->verdict;
}

static enum verdict buy(struct shop *shop, struct purchase *purchase, uint32_t lot, const char *buyer, const char *key,
			uint32_t quantity)
{
	ask(shop, purchase, lot, buyer, key, quantity, VERDICT_NONE);
	return reserve(shop, purchase);
}

static enum verdict screen_for(struct shop *shop, uint32_t lot, uint32_t quantity, bool *may_return)
{
	struct admission_view view;
	enum verdict verdict = admission_screen(&shop->admission, shop->entry, lot, quantity, clock_wall_ms(), &view);

	assert_false(view.stale); /* of a stock in memory nothing is only remembered */
	if (verdict == VERDICT_SOLD_OUT)
		*may_return = view.may_return;
	return verdict;
}

static enum verdict screen(struct shop *shop, uint32_t lot, bool *may_return)
{
	return screen_for(shop, lot, 1, may_return);
}

/* --- Screen --- */

static void test_the_window_is_asked_first(void **state)
{
	struct house *house = *state;
	struct sale *draft = house_draft("drop");
	bool may_return = false;
	struct shop shop;

	draft->opens_at_ms = HOUSE_NOW_MS + 1000;
	draft->closes_at_ms = HOUSE_NOW_MS + 5000;
	house_create(house, draft);
	shop = open_shop(house);
	assert_int_equal(screen(&shop, 0, &may_return), VERDICT_SALE_NOT_OPEN);
	close_shop(&shop);
	assert_int_equal(house_move(house, "drop", SALE_ARM), SALE_CONTROL_DONE);
	shop = open_shop(house);
	assert_int_equal(screen(&shop, 0, &may_return), VERDICT_SALE_NOT_OPEN);
	house_pass(999);
	assert_int_equal(screen(&shop, 0, &may_return), VERDICT_SALE_NOT_OPEN);
	house_pass(1); /* to the millisecond, before the housekeeper has been by */
	assert_int_equal(screen(&shop, 0, &may_return), VERDICT_NONE);
	house_pass(3999);
	assert_int_equal(screen(&shop, 0, &may_return), VERDICT_NONE);
	house_pass(1);
	assert_int_equal(screen(&shop, 0, &may_return), VERDICT_SALE_ENDED);
	close_shop(&shop);
}

static void test_a_paused_and_an_ended_sale_say_so(void **state)
{
	struct house *house = *state;
	bool may_return = false;
	struct shop shop;

	house_sell(house, "drop");
	assert_int_equal(house_move(house, "drop", SALE_PAUSE), SALE_CONTROL_DONE);
	shop = open_shop(house);
	assert_int_equal(screen(&shop, 0, &may_return), VERDICT_SALE_PAUSED);
	close_shop(&shop);
	assert_int_equal(house_move(house, "drop", SALE_END), SALE_CONTROL_DONE);
	shop = open_shop(house);
	assert_int_equal(screen(&shop, 0, &may_return), VERDICT_SALE_ENDED);
	close_shop(&shop);
}

static void test_only_some_refusals_may_be_passed_by_a_replay(void **state)
{
	(void)state;
	for (int verdict = VERDICT_NONE; verdict < VERDICT_COUNT; verdict++)
		assert_int_equal(admission_may_replay((enum verdict)verdict),
				 verdict == VERDICT_SALE_PAUSED || verdict == VERDICT_SALE_ENDED || verdict == VERDICT_SOLD_OUT ||
					 verdict == VERDICT_OVERLOADED);
}

/* --- The latch --- */

/* Sells all of lot 1 to held orders. */
static void sell_out(struct shop *shop, struct uuid ids[2])
{
	ids[0] = house_buy(shop->house, "drop", 1, "ann", "", 3);
	ids[1] = house_buy(shop->house, "drop", 1, "ben", "", 2);
}

static void test_a_lot_seen_as_sold_out_is_latched_until_units_come_back(void **state)
{
	struct house *house = *state;
	struct purchase purchase;
	struct uuid ids[2];
	struct shop shop;
	bool may_return = false;

	house_sell(house, "drop");
	shop = open_shop(house);
	sell_out(&shop, ids);
	assert_int_equal(screen(&shop, 1, &may_return), VERDICT_NONE); /* nobody has seen it yet */
	assert_int_equal(buy(&shop, &purchase, 1, "cid", "", 1), VERDICT_SOLD_OUT);
	assert_true(purchase.may_return);
	assert_int_equal(screen(&shop, 1, &may_return), VERDICT_SOLD_OUT);
	assert_true(may_return);
	assert_int_equal(screen(&shop, 0, &may_return), VERDICT_NONE); /* the other lot is its own */

	house_settle(house, &ids[0], ORDER_CANCEL); /* the version has moved on */
	assert_int_equal(screen(&shop, 1, &may_return), VERDICT_NONE);
	assert_int_equal(buy(&shop, &purchase, 1, "cid", "", 1), VERDICT_NONE);
	close_shop(&shop);
}

static void test_added_units_lift_the_latch(void **state)
{
	struct house *house = *state;
	struct ledger_actor actor = house_actor();
	struct purchase purchase;
	struct uuid ids[2];
	struct shop shop;
	bool may_return;

	house_sell(house, "drop");
	shop = open_shop(house);
	sell_out(&shop, ids);
	assert_int_equal(buy(&shop, &purchase, 1, "cid", "", 1), VERDICT_SOLD_OUT);
	assert_int_equal(sale_control_add(house->control, SLICE("drop"), SLICE("SHOE"), 1, &actor), SALE_CONTROL_DONE);
	assert_int_equal(screen(&shop, 1, &may_return), VERDICT_NONE);
	close_shop(&shop);
}

static void test_the_latch_tells_whether_holds_may_return_units(void **state)
{
	struct house *house = *state;
	struct purchase purchase;
	struct uuid ids[2];
	struct shop shop;
	bool may_return = true;

	house_sell(house, "drop");
	shop = open_shop(house);
	sell_out(&shop, ids);
	house_settle(house, &ids[0], ORDER_CONFIRM);
	house_settle(house, &ids[1], ORDER_CONFIRM);
	assert_int_equal(buy(&shop, &purchase, 1, "cid", "", 1), VERDICT_SOLD_OUT);
	assert_false(purchase.may_return);
	assert_int_equal(screen(&shop, 1, &may_return), VERDICT_SOLD_OUT);
	assert_false(may_return);
	close_shop(&shop);
}

static void test_a_latch_keeps_the_least_quantity_that_was_refused(void **state)
{
	struct house *house = *state;
	struct purchase purchase;
	struct shop shop;
	bool may_return;

	house_sell(house, "drop");
	shop = open_shop(house);
	(void)house_buy(house, "drop", 1, "ann", "", 3); /* of five */
	assert_int_equal(buy(&shop, &purchase, 1, "ben", "", 3), VERDICT_SOLD_OUT);
	assert_int_equal(screen_for(&shop, 1, 3, &may_return), VERDICT_SOLD_OUT);
	assert_int_equal(screen_for(&shop, 1, 2, &may_return), VERDICT_NONE);
	assert_int_equal(buy(&shop, &purchase, 1, "ben", "", 1), VERDICT_NONE);
	assert_int_equal(buy(&shop, &purchase, 1, "cid", "", 2), VERDICT_SOLD_OUT);
	assert_int_equal(buy(&shop, &purchase, 1, "cid", "", 3), VERDICT_SOLD_OUT); /* takes nothing of the latch away */
	assert_int_equal(screen_for(&shop, 1, 2, &may_return), VERDICT_SOLD_OUT);
	assert_int_equal(screen_for(&shop, 1, 1, &may_return), VERDICT_NONE);
	assert_int_equal(buy(&shop, &purchase, 1, "cid", "", 1), VERDICT_NONE);
	close_shop(&shop);
}

/*
 * The word's two parts: a refusal of few at an old version must not stand beside the version of a
 * refusal of many.
 */
static void test_a_latch_of_an_old_version_says_nothing_of_a_new_one(void **state)
{
	struct house *house = *state;
	struct purchase late, purchase;
	struct purchase *purchases[] = {&late};
	struct uuid ids[2];
	struct shop shop;
	bool may_return;

	house_sell(house, "drop");
	shop = open_shop(house);
	sell_out(&shop, ids);
	assert_int_equal(buy(&shop, &purchase, 1, "cid", "", 1), VERDICT_SOLD_OUT);
	house_settle(house, &ids[1], ORDER_CANCEL); /* two are back */
	assert_int_equal(buy(&shop, &purchase, 1, "cid", "", 3), VERDICT_SOLD_OUT);
	assert_int_equal(screen_for(&shop, 1, 3, &may_return), VERDICT_SOLD_OUT);
	assert_int_equal(screen_for(&shop, 1, 1, &may_return), VERDICT_NONE);
	ask(&shop, &late, 1, "dan", "", 1, VERDICT_NONE);
	admission_reserve(&shop.admission, purchases, 1);
	assert_int_equal(late.verdict, VERDICT_NONE);
	close_shop(&shop);
}

/* --- What is remembered of a shared stock --- */

static int64_t known_ns; /* when the last refresh was sent */

static int64_t tell_known(struct stock *stock, uint32_t sale)
{
	(void)stock;
	(void)sale;
	return known_ns;
}

/* The house's stock, as if other gates had it too. */
static void share(struct shop *shop, struct stock_ops *ops)
{
	*ops = *shop->house->stock->ops;
	shop->admission.shared = true;
	ops->known_ns = tell_known;
	shop->house->stock->ops = ops;
	known_ns = clock_mono_ns();
}

/*
 * Found: a gate that had slept, or was cut off from Redis, said "sold out" of units that were for
 * sale.
 */
static void test_a_latch_of_a_shared_stock_is_said_only_while_the_last_refresh_is_young(void **state)
{
	struct house *house = *state;
	const struct stock_ops *honest = house->stock->ops;
	struct admission_view view;
	struct purchase purchase;
	struct stock_ops ops;
	struct uuid ids[2];
	struct shop shop;

	house_sell(house, "drop");
	shop = open_shop(house);
	sell_out(&shop, ids);
	assert_int_equal(buy(&shop, &purchase, 1, "cid", "", 1), VERDICT_SOLD_OUT);
	share(&shop, &ops);
	house_pass(99);
	assert_int_equal(admission_screen(&shop.admission, shop.entry, 1, 1, clock_wall_ms(), &view), VERDICT_SOLD_OUT);
	assert_false(view.stale);
	assert_true(view.may_return);
	house_pass(1);
	assert_int_equal(admission_screen(&shop.admission, shop.entry, 1, 1, clock_wall_ms(), &view), VERDICT_NONE);
	assert_true(view.stale);
	known_ns = clock_mono_ns(); /* refreshed, and nothing has changed */
	assert_int_equal(admission_screen(&shop.admission, shop.entry, 1, 1, clock_wall_ms(), &view), VERDICT_SOLD_OUT);
	known_ns = 0; /* an entry that was made anew */
	assert_int_equal(admission_screen(&shop.admission, shop.entry, 1, 1, clock_wall_ms(), &view), VERDICT_NONE);
	assert_true(view.stale);
	/* A lot that nobody has seen as sold out is asked for as ever, by as many as like. */
	assert_int_equal(admission_screen(&shop.admission, shop.entry, 0, 1, clock_wall_ms(), &view), VERDICT_NONE);
	assert_false(view.stale);
	house->stock->ops = honest;
	close_shop(&shop);
}

/* Found: such a gate also said "sold out" to buyers whose orders it had not heard of. */
static void test_who_has_bought_from_a_shared_stock_is_known_only_while_the_last_refresh_is_young(void **state)
{
	struct house *house = *state;
	const struct stock_ops *honest = house->stock->ops;
	struct admission_view view = {0};
	struct stock_ops ops;
	struct shop shop;
	uint32_t number;

	house_sell(house, "drop");
	number = house_number(house, "drop");
	(void)house_buy(house, "drop", 0, "ann", "k", 1);
	shop = open_shop(house);
	share(&shop, &ops);
	assert_true(admission_may_have_order(&shop.admission, number, SLICE("ann"), &view));
	assert_false(admission_may_have_order(&shop.admission, number, SLICE("stranger"), &view));
	assert_false(view.stale);
	house_pass(100);
	assert_true(admission_may_have_order(&shop.admission, number, SLICE("stranger"), &view));
	assert_true(view.stale);
	house->stock->ops = honest;
	close_shop(&shop);
}

static void test_those_who_ask_because_nothing_young_is_known_are_bounded(void **state)
{
	struct house *house = *state;
	struct shop shop;

	house_sell(house, "drop");
	shop = open_shop(house);
	for (int i = 0; i < ADMISSION_ASKS_MAX; i++)
		assert_true(admission_ask(&shop.entry->latches[1]));
	assert_false(admission_ask(&shop.entry->latches[1]));
	assert_true(admission_ask(&shop.entry->latches[0])); /* each lot has its own */
	admission_asked(&shop.entry->latches[0]);
	admission_asked(&shop.entry->latches[1]);
	assert_true(admission_ask(&shop.entry->latches[1]));
	assert_false(admission_ask(&shop.entry->latches[1]));
	close_shop(&shop);
}

/* --- Reserve --- */

static void test_a_granted_purchase_carries_what_the_journal_needs(void **state)
{
	struct house *house = *state;
	struct purchase purchase;
	struct shop shop;

	house_sell(house, "drop");
	shop = open_shop(house);
	assert_int_equal(buy(&shop, &purchase, 0, "ann", "k", 2), VERDICT_NONE);
	assert_int_equal(purchase.event.buyer_units, 2);
	assert_int_equal(purchase.event.limit_per_buyer, 3);
	assert_true(purchase.event.epoch > 0);
	assert_int_equal(purchase.order.state, ORDER_HELD);
	assert_true(uuid_equal(&purchase.order.id, &purchase.event.id));
	assert_null(purchase.entry); /* nothing that the snapshot owns is kept */
	assert_int_equal(house_append(house, &purchase.event, clock_mono_ns(), NULL), JOURNAL_DURABLE);
	house_assert_lot(house, "drop", 0, 8, 2, 0, 0);
	house_assert_audit(house);
	close_shop(&shop);
}

static void test_a_key_is_in_flight_then_replayed_then_in_conflict(void **state)
{
	struct house *house = *state;
	struct purchase first, second;
	struct shop shop;

	house_sell(house, "drop");
	shop = open_shop(house);
	assert_int_equal(buy(&shop, &first, 0, "ann", "k", 1), VERDICT_NONE);
	assert_int_equal(buy(&shop, &second, 0, "ann", "k", 1), VERDICT_IN_FLIGHT);
	assert_int_equal(house_append(house, &first.event, clock_mono_ns(), NULL), JOURNAL_DURABLE);
	assert_int_equal(buy(&shop, &second, 0, "ann", "k", 1), VERDICT_REPLAYED);
	assert_true(uuid_equal(&second.order.id, &first.order.id));
	assert_int_equal(buy(&shop, &second, 0, "ann", "k", 2), VERDICT_KEY_CONFLICT);
	assert_int_equal(buy(&shop, &second, 1, "ann", "k", 1), VERDICT_KEY_CONFLICT);
	assert_int_equal(buy(&shop, &second, 0, "ben", "k", 1), VERDICT_NONE); /* another buyer's key is another key */
	close_shop(&shop);
}

static void test_limit_and_rate_are_asked_before_the_units(void **state)
{
	struct house *house = *state;
	struct sale *draft = house_draft("drop");
	struct purchase purchase;
	struct shop shop;

	draft->rate_requests = 2;
	draft->rate_seconds = 60;
	house_create(house, draft);
	assert_int_equal(house_move(house, "drop", SALE_START), SALE_CONTROL_DONE);
	shop = open_shop(house);
	assert_int_equal(buy(&shop, &purchase, 0, "ann", "", 3), VERDICT_NONE);
	assert_int_equal(purchase.rate_left, 1);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(buy(&shop, &purchase, 0, "ann", "", 1), VERDICT_BUYER_LIMIT);
		assert_int_equal(purchase.rate_left, 1); /* a refusal consumes nothing */
	}
	assert_int_equal(buy(&shop, &purchase, 0, "ben", "", 1), VERDICT_NONE);
	assert_int_equal(buy(&shop, &purchase, 0, "ben", "", 1), VERDICT_NONE);
	house_pass(10000);
	assert_int_equal(buy(&shop, &purchase, 0, "ben", "", 1), VERDICT_RATE_LIMITED);
	assert_int_equal(purchase.retry_after_ms, 50000);
	house_pass(50000);
	assert_int_equal(buy(&shop, &purchase, 0, "ben", "", 1), VERDICT_NONE);
	close_shop(&shop);
}

static void test_a_replay_alone_passes_a_refusal(void **state)
{
	struct house *house = *state;
	struct purchase purchase;
	struct shop shop;
	struct uuid id;

	house_sell(house, "drop");
	id = house_buy(house, "drop", 0, "ann", "k", 1);
	shop = open_shop(house);
	ask(&shop, &purchase, 0, "ann", "k", 1, VERDICT_SALE_ENDED);
	assert_int_equal(reserve(&shop, &purchase), VERDICT_REPLAYED);
	assert_true(uuid_equal(&purchase.order.id, &id));
	/*
	 * Another key, no key, another buyer: the refusal stands, and nothing is taken or counted.
	 */
	ask(&shop, &purchase, 0, "ann", "other", 1, VERDICT_SALE_ENDED);
	assert_int_equal(reserve(&shop, &purchase), VERDICT_SALE_ENDED);
	ask(&shop, &purchase, 0, "ann", "", 1, VERDICT_SOLD_OUT);
	assert_int_equal(reserve(&shop, &purchase), VERDICT_SOLD_OUT);
	ask(&shop, &purchase, 0, "ben", "k", 1, VERDICT_SALE_PAUSED);
	assert_int_equal(reserve(&shop, &purchase), VERDICT_SALE_PAUSED);
	ask(&shop, &purchase, 0, "ann", "k", 2, VERDICT_SOLD_OUT);
	assert_int_equal(reserve(&shop, &purchase), VERDICT_KEY_CONFLICT);
	house_assert_lot(house, "drop", 0, 9, 1, 0, 0);
	close_shop(&shop);
}

static void test_a_batch_larger_than_one_call_gives_each_its_own_verdict(void **state)
{
	enum { MANY = 150 };
	struct house *house = *state;
	struct purchase *purchases[MANY];
	char buyers[MANY][16];
	struct shop shop;
	int granted = 0, sold_out = 0;

	house_sell(house, "drop");
	shop = open_shop(house);
	for (int i = 0; i < MANY; i++) {
		purchases[i] = malloc(sizeof(*purchases[i]));
		assert_non_null(purchases[i]);
		snprintf(buyers[i], sizeof(buyers[i]), "buyer-%d", i);
		/* Every 15th asks for shirts, so that grants are spread over all calls. */
		ask(&shop, purchases[i], i % 15 ? 1 : 0, buyers[i], "", 1, VERDICT_NONE);
	}
	admission_reserve(&shop.admission, purchases, MANY);
	for (int i = 0; i < MANY; i++) {
		enum verdict verdict = purchases[i]->verdict;

		granted += verdict == VERDICT_NONE;
		sold_out += verdict == VERDICT_SOLD_OUT;
		if (i % 15 == 0)
			assert_int_equal(verdict, VERDICT_NONE);
		if (verdict == VERDICT_NONE)
			assert_true(uuid_equal(&purchases[i]->order.id, &purchases[i]->event.id));
	}
	assert_int_equal(granted, 10 + 5);
	assert_int_equal(sold_out, MANY - 15);
	assert_int_equal(house_lot(house, "drop", 0).held, 10);
	assert_int_equal(house_lot(house, "drop", 1).held, 5);
	for (int i = 0; i < MANY; i++)
		free(purchases[i]);
	admission_reserve(&shop.admission, NULL, 0);
	close_shop(&shop);
}

static void test_a_full_outbox_is_overload(void **state)
{
	struct house *house = *state;
	struct sale *draft = house_draft("drop");
	struct purchase purchase;
	struct shop shop;
	char buyer[16];
	int taken = 0;

	draft->lots[0].allocated = HOUSE_ON_HAND;
	house_create(house, draft);
	assert_int_equal(house_move(house, "drop", SALE_START), SALE_CONTROL_DONE);
	shop = open_shop(house);
	do {
		snprintf(buyer, sizeof(buyer), "buyer-%d", taken++);
	} while (buy(&shop, &purchase, 0, buyer, "", 1) == VERDICT_NONE && taken < HOUSE_ON_HAND);
	assert_int_equal(purchase.verdict, VERDICT_OVERLOADED);
	assert_int_equal(house_lot(house, "drop", 0).held, taken - 1);
	close_shop(&shop);
}

static void test_a_sale_without_stock_is_fenced(void **state)
{
	struct house *house = *state;
	struct purchase purchase;
	struct shop shop;

	house_sell(house, "drop");
	shop = open_shop(house);
	house->stock->ops->drop(house->stock, shop.entry->sale->number, UINT32_MAX);
	assert_int_equal(buy(&shop, &purchase, 0, "ann", "k", 1), VERDICT_FENCED);
	close_shop(&shop);
}

/* A stock of another kind (one that is asked over a network) says what memory never says. */
static enum stock_outcome ready;

static void answer_ready(struct stock *stock, struct stock_reserve *items, size_t count)
{
	(void)stock;
	for (size_t i = 0; i < count; i++)
		items[i].outcome = ready;
}

static void test_what_a_remote_stock_says(void **state)
{
	static const struct {
		enum stock_outcome outcome;
		enum verdict verdict;
	} answers[] = {
		{STOCK_FENCED, VERDICT_FENCED},
		{STOCK_FULL, VERDICT_OVERLOADED},
		{STOCK_UNAVAILABLE, VERDICT_STOCK_UNAVAILABLE},
		{STOCK_OUTCOME_UNKNOWN, VERDICT_OUTCOME_UNKNOWN},
		{STOCK_UNKNOWN_SALE, VERDICT_FENCED},
		{STOCK_KEY_CONFLICT, VERDICT_KEY_CONFLICT},
		{STOCK_RATE_LIMITED, VERDICT_RATE_LIMITED},
		{STOCK_BUYER_LIMIT, VERDICT_BUYER_LIMIT},
		{STOCK_PAUSED, VERDICT_SALE_PAUSED},
	};
	static const struct stock_ops ops = {.name = "ready", .reserve = answer_ready};
	struct stock stock = {.ops = &ops};
	struct house *house = *state;
	struct purchase purchase;
	struct shop shop;

	house_sell(house, "drop");
	shop = open_shop(house);
	shop.admission.stock = &stock;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		ready = answers[i].outcome;
		assert_int_equal(buy(&shop, &purchase, 0, "ann", "k", 1), answers[i].verdict);
	}
	close_shop(&shop);
}

static void grant_with_a_place(struct stock *stock, struct stock_reserve *items, size_t count)
{
	(void)stock;
	for (size_t i = 0; i < count; i++) {
		items[i].outcome = STOCK_DONE;
		items[i].event.stock_place = 77;
	}
}

/* By it a stock finds the grant again that is acknowledged. */
static void test_a_grant_is_acknowledged_by_where_the_stock_has_it(void **state)
{
	static const struct stock_ops ops = {.name = "with a place", .reserve = grant_with_a_place};
	struct stock stock = {.ops = &ops};
	struct house *house = *state;
	struct purchase purchase;
	struct shop shop;

	house_sell(house, "drop");
	shop = open_shop(house);
	shop.admission.stock = &stock;
	assert_int_equal(buy(&shop, &purchase, 0, "ann", "k", 1), VERDICT_NONE);
	assert_int_equal(purchase.event.stock_place, 77);
	close_shop(&shop);
}

/* Redis answers with these, and gates of an older version read them. */
static void test_the_numbers_of_what_a_stock_says_stay(void **state)
{
	static const int numbers[][2] = {
		{STOCK_DONE, 0},         {STOCK_REPLAY, 1},      {STOCK_KEY_CONFLICT, 2}, {STOCK_NO_REPLAY, 3},
		{STOCK_RATE_LIMITED, 4}, {STOCK_BUYER_LIMIT, 5}, {STOCK_SOLD_OUT, 6},     {STOCK_UNKNOWN_SALE, 7},
		{STOCK_FENCED, 8},       {STOCK_FULL, 9},        {STOCK_UNAVAILABLE, 10}, {STOCK_OUTCOME_UNKNOWN, 11},
		{STOCK_NO_ORDER, 12},    {STOCK_ALREADY, 13},    {STOCK_REFUSED, 14},     {STOCK_BUSY, 15},
		{STOCK_EXPIRED, 16},     {STOCK_PAUSED, 17},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		assert_int_equal(numbers[i][0], numbers[i][1]);
}

/* --- Finish --- */

/* The verdict on a purchase that began at 5000. */
static enum verdict finish(enum journal_end end, enum epoch_proof proof, int64_t now_ns)
{
	const struct admission admission = {.ack_deadline_ns = ACK_NS};

	return admission_finish(&admission, end, proof, 5000, now_ns);
}

static void test_success_is_told_only_within_the_deadline(void **state)
{
	(void)state;
	assert_int_equal(finish(JOURNAL_DURABLE, EPOCH_PROVEN, 5000), VERDICT_ACCEPTED);
	assert_int_equal(finish(JOURNAL_DURABLE, EPOCH_PROVEN, 5000 + (int64_t)ACK_NS), VERDICT_ACCEPTED);
	assert_int_equal(finish(JOURNAL_DURABLE, EPOCH_PROVEN, 5001 + (int64_t)ACK_NS), VERDICT_OUTCOME_UNKNOWN);
	assert_int_equal(finish(JOURNAL_REFUSED, EPOCH_PROVEN, 5000), VERDICT_JOURNAL_UNAVAILABLE);
	assert_int_equal(finish(JOURNAL_REFUSED, EPOCH_PROVEN, 5001 + (int64_t)ACK_NS), VERDICT_JOURNAL_UNAVAILABLE);
	assert_int_equal(finish(JOURNAL_UNKNOWN, EPOCH_PROVEN, 5000), VERDICT_OUTCOME_UNKNOWN);
}

/*
 * The journal has it, but perhaps behind the barrier of a newer epoch: a paused machine's clock
 * says nothing about that.
 */
static void test_success_is_told_only_where_the_epoch_is_proven(void **state)
{
	static const struct {
		enum stock_ack answer;
		enum verdict verdict;
	} cases[] = {
		{STOCK_ACK_DONE, VERDICT_ACCEPTED},           {STOCK_ACK_ALREADY, VERDICT_ACCEPTED},
		{STOCK_ACK_UNKNOWN, VERDICT_OUTCOME_UNKNOWN}, {STOCK_ACK_OTHER_EPOCH, VERDICT_OUTCOME_UNKNOWN},
		{STOCK_ACK_NO_SALE, VERDICT_OUTCOME_UNKNOWN}, {STOCK_ACK_UNANSWERED, VERDICT_OUTCOME_UNKNOWN},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum epoch_proof proof = ack_deadline_proof_of(cases[i].answer);

		assert_int_equal(finish(JOURNAL_DURABLE, proof, 5000), cases[i].verdict);
		assert_int_equal(finish(JOURNAL_REFUSED, proof, 5000), VERDICT_JOURNAL_UNAVAILABLE);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, house_open, house_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_the_window_is_asked_first),
		TEST(test_a_paused_and_an_ended_sale_say_so),
		TEST(test_a_lot_seen_as_sold_out_is_latched_until_units_come_back),
		TEST(test_added_units_lift_the_latch),
		TEST(test_the_latch_tells_whether_holds_may_return_units),
		TEST(test_a_latch_keeps_the_least_quantity_that_was_refused),
		TEST(test_a_latch_of_an_old_version_says_nothing_of_a_new_one),
		TEST(test_a_latch_of_a_shared_stock_is_said_only_while_the_last_refresh_is_young),
		TEST(test_who_has_bought_from_a_shared_stock_is_known_only_while_the_last_refresh_is_young),
		TEST(test_those_who_ask_because_nothing_young_is_known_are_bounded),
		TEST(test_a_granted_purchase_carries_what_the_journal_needs),
		TEST(test_a_key_is_in_flight_then_replayed_then_in_conflict),
		TEST(test_limit_and_rate_are_asked_before_the_units),
		TEST(test_a_replay_alone_passes_a_refusal),
		TEST(test_a_batch_larger_than_one_call_gives_each_its_own_verdict),
		TEST(test_a_full_outbox_is_overload),
		TEST(test_a_sale_without_stock_is_fenced),
		TEST(test_what_a_remote_stock_says),
		TEST(test_a_grant_is_acknowledged_by_where_the_stock_has_it),
		cmocka_unit_test(test_the_numbers_of_what_a_stock_says_stay),
		cmocka_unit_test(test_only_some_refusals_may_be_passed_by_a_replay),
		cmocka_unit_test(test_success_is_told_only_within_the_deadline),
		cmocka_unit_test(test_success_is_told_only_where_the_epoch_is_proven),
	};

	return cmocka_run_group_tests_name("core: admission", tests, NULL, NULL);
}
