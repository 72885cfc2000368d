#include "contract/stock_shop.h"

#include <stdlib.h>
#include "base/clock.h"

static const struct shop *clock_shop;

static int64_t shop_wall_us(const struct clock_source *source)
{
	(void)source;
	return clock_shop->now_ms * 1000;
}

static int64_t shop_mono_ns(const struct clock_source *source)
{
	(void)source;
	return clock_shop->now_ns;
}

static void set_clock(struct shop *shop)
{
	if (shop_factory()->set_clock)
		shop_factory()->set_clock(shop->stock, shop->now_ms);
}

int shop_open(void **state)
{
	static const struct clock_source source = {shop_wall_us, shop_mono_ns};
	struct shop *shop = calloc(1, sizeof(*shop));

	if (!shop)
		return -1;
	shop->now_ns = 1000000 * MS;
	shop->now_ms = INT64_C(1800000000000);
	shop->hold_ms = SHOP_HOLD_MS;
	shop->sale = SHOP_SALE;
	shop->rules = (struct stock_rules){.sale = SHOP_SALE, .epoch = 1, .limit_per_buyer = 2};
	*state = shop;
	clock_shop = shop;
	clock_set_source(&source);
	if (shop_factory()->make(&shop->stock, SHOP_OUTBOX) < 0)
		return -1;
	set_clock(shop);
	return 0;
}

int shop_close(void **state)
{
	struct shop *shop = *state;

	shop->stock->ops->free(shop->stock);
	clock_set_source(NULL);
	free(shop);
	return 0;
}

static void note_sale(struct shop *shop)
{
	size_t i = 0;

	while (i < shop->sold_count && shop->sold[i].sale != shop->sale)
		i++;
	assert_true(i < SHOP_SALES);
	shop->sold[i] = (struct stock_refresh){.sale = shop->sale, .epoch = shop->rules.epoch, .lot_count = shop->rules.lot_count};
	if (i == shop->sold_count)
		shop->sold_count++;
}

void shop_sell(struct shop *shop, uint32_t lot_count, int64_t units)
{
	int64_t allocated[LOTS_MAX], withdrawn[LOTS_MAX] = {0};

	shop->rules.lot_count = lot_count;
	shop->rules.sale = shop->sale;
	for (uint32_t i = 0; i < lot_count; i++)
		allocated[i] = units;
	assert_int_equal(shop->stock->ops->preheat_begin(shop->stock, &shop->rules), 0);
	assert_int_equal(shop->stock->ops->arm(shop->stock, shop->sale, allocated, withdrawn), 0);
	note_sale(shop);
}

void shop_pass(struct shop *shop, int64_t ms)
{
	shop->now_ns += ms * MS;
	shop->now_ms += ms;
	set_clock(shop);
}

void shop_refresh(struct shop *shop)
{
	shop->stock->ops->refresh(shop->stock, shop->sold, shop->sold_count);
}

int64_t shop_mono(const struct shop *shop)
{
	return shop->now_ns;
}

struct uuid shop_id(struct shop *shop)
{
	return uuid_make(&shop->ids, shop->now_ms, shop->sale);
}

struct stock_reserve shop_ask(struct shop *shop, const char *buyer, const char *key, uint32_t quantity)
{
	return (struct stock_reserve){
		.event = {.sale = shop->sale,
			  .quantity = quantity,
			  .id = shop_id(shop),
			  .at_ms = shop->now_ms,
			  .hold_expires_at_ms = shop->hold_ms ? shop->now_ms + shop->hold_ms : 0,
			  .buyer = slice_of(buyer),
			  .key = slice_of(key),
			  .actor_kind = ACTOR_BUYER,
			  .actor = slice_of(buyer)},
		.now_ns = shop->now_ns,
		.hold_ns = shop->hold_ms * MS,
	};
}

struct stock_reserve shop_buy(struct shop *shop, const char *buyer, const char *key, uint32_t quantity)
{
	return shop_buy_lot(shop, 0, buyer, key, quantity);
}

struct stock_reserve shop_buy_lot(struct shop *shop, uint32_t lot, const char *buyer, const char *key, uint32_t quantity)
{
	struct stock_reserve item = shop_ask(shop, buyer, key, quantity);

	item.event.lot = lot;
	shop->stock->ops->reserve(shop->stock, &item, 1);
	return item;
}

struct stock_reserve shop_order(struct shop *shop, const char *buyer, const char *key, uint32_t quantity)
{
	struct stock_reserve item = shop_buy(shop, buyer, key, quantity);

	assert_int_equal(item.outcome, STOCK_DONE);
	shop_acknowledge(shop, &item.event);
	return item;
}

struct stock_settle shop_settle(struct shop *shop, const struct uuid *id, enum order_action action)
{
	struct stock_settle item = {
		.sale = shop->sale,
		.id = *id,
		.action = action,
		.now_ns = shop->now_ns,
		.now_ms = shop->now_ms,
		.grace_ns = SHOP_GRACE_MS * MS,
		.extend_ns = SHOP_HOLD_MS * MS,
		.actor_kind = ACTOR_OPERATOR,
		.actor = SLICE("operator"),
	};

	shop->stock->ops->settle(shop->stock, &item, 1);
	return item;
}

void shop_acknowledge(struct shop *shop, const struct event *event)
{
	stock_acknowledge(shop->stock, &event, 1);
}

bool shop_compensate(struct shop *shop, const struct event *event)
{
	bool undone = false;

	shop->stock->ops->compensate(shop->stock, &event, 1, &undone);
	return undone;
}

const struct event *shop_claimed(struct shop *shop)
{
	static struct stock_claim claim;

	shop_pass(shop, 5000);
	shop_refresh(shop);
	assert_int_equal(shop->stock->ops->claim(shop->stock, shop->now_ns - INT64_C(4000000000), shop->now_ns, &claim, 1), 1);
	return &claim.event;
}

struct stock_find shop_find(struct shop *shop, const struct uuid *id)
{
	struct stock_find item = {.sale = shop->sale, .id = *id};

	shop->stock->ops->find(shop->stock, &item, 1);
	return item;
}

size_t shop_expire(struct shop *shop, struct event *out, size_t max, int64_t *next_ns)
{
	return shop->stock->ops->expire(shop->stock, shop->now_ns, shop->now_ms, SHOP_GRACE_MS * MS, out, max, next_ns);
}

struct stock_lot_state shop_lot(struct shop *shop, uint32_t lot)
{
	struct stock_lot_state lots[LOTS_MAX];
	uint32_t count = 0;

	shop_refresh(shop);
	assert_int_equal(shop->stock->ops->snapshot(shop->stock, shop->sale, lots, &count), 0);
	assert_int_equal(count, shop->rules.lot_count);
	assert_true(lot < count);
	return lots[lot];
}

struct stock_totals shop_totals(struct shop *shop)
{
	struct stock_totals totals;

	shop_refresh(shop);
	shop->stock->ops->totals(shop->stock, &totals);
	return totals;
}

void shop_assert_lot_at(struct shop *shop, uint32_t lot, int64_t available, int64_t held, int64_t confirmed, int64_t withdrawn,
			const char *file, int line)
{
	struct stock_lot_state state = shop_lot(shop, lot);

	if (state.available != available || state.held != held || state.confirmed != confirmed || state.withdrawn != withdrawn ||
	    state.allocated != available + held + confirmed + withdrawn) {
		print_error("lot %u: available %ld held %ld confirmed %ld withdrawn %ld allocated %ld\n", lot, (long)state.available,
			    (long)state.held, (long)state.confirmed, (long)state.withdrawn, (long)state.allocated);
		_fail(file, line);
	}
}
