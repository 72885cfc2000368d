/*
 * A stock with one sale, a clock of its own, and short words for what tests do to it. Time passes
 * only by shop_pass(), for the stock's own clock and the program's too; ids rise. What a stock
 * tells without I/O is asked after a refresh().
 */
#pragma once

/* cmocka wants these first */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include "base/uuid.h"
#include "contract/stock_suite.h"

enum { SHOP_SALES = 8, SHOP_SALE = 7, SHOP_HOLD_MS = 120000, SHOP_GRACE_MS = 2000, SHOP_OUTBOX = 64 };
#define MS INT64_C(1000000)

struct shop {
	struct stock *stock;
	struct stock_rules rules;
	struct uuid_generator ids;
	int64_t now_ns, now_ms; /* monotonic; wall */
	int64_t hold_ms;        /* of orders to come; 0: born confirmed */
	uint32_t sale;
	struct stock_refresh sold[SHOP_SALES]; /* by shop_sell() */
	size_t sold_count;
};

/* What the suites of one file bring. */
struct shop_tests {
	const struct CMUnitTest *tests;
	size_t count;
};
extern const struct shop_tests shop_tests_reserve, shop_tests_rate, shop_tests_settle, shop_tests_pay, shop_tests_labels,
	shop_tests_outbox, shop_tests_life, shop_tests_brake, shop_tests_reduce;

const struct stock_factory *shop_factory(void); /* the one under test */
/* cmocka's set-up and tear-down: *state is a struct shop without a sale. */
int shop_open(void **state);
int shop_close(void **state);

/*
 * Replaces the shop's sale: lots of `units` each; limit 2 a buyer, no rate limit, epoch 1, unless
 * shop->rules say otherwise before.
 */
void shop_sell(struct shop *shop, uint32_t lot_count, int64_t units);
void shop_pass(struct shop *shop, int64_t ms);
void shop_refresh(struct shop *shop);
int64_t shop_mono(const struct shop *shop);

/* A purchase of lot 0 unless told; key "" is none. The event's texts are the caller's. */
struct stock_reserve shop_ask(struct shop *shop, const char *buyer, const char *key, uint32_t quantity);
struct stock_reserve shop_buy(struct shop *shop, const char *buyer, const char *key, uint32_t quantity);
struct stock_reserve shop_buy_lot(struct shop *shop, uint32_t lot, const char *buyer, const char *key, uint32_t quantity);
/* Bought and acknowledged; fails the test unless it was granted. */
struct stock_reserve shop_order(struct shop *shop, const char *buyer, const char *key, uint32_t quantity);
struct stock_settle shop_settle(struct shop *shop, const struct uuid *id, enum order_action action);
void shop_acknowledge(struct shop *shop, const struct event *event);
bool shop_compensate(struct shop *shop, const struct event *event); /* whether nothing of it is left */
/* The one entry of the outbox, taken over from a gate that has left it. Until the next call. */
const struct event *shop_claimed(struct shop *shop);
struct stock_find shop_find(struct shop *shop, const struct uuid *id);
size_t shop_expire(struct shop *shop, struct event *out, size_t max, int64_t *next_ns);
struct stock_lot_state shop_lot(struct shop *shop, uint32_t lot);
struct stock_totals shop_totals(struct shop *shop);
struct uuid shop_id(struct shop *shop);

/* available, held, confirmed, withdrawn of a lot, and that they add up to what is allocated. */
#define shop_assert_lot(shop, lot, a, h, c, w) shop_assert_lot_at((shop), (lot), (a), (h), (c), (w), __FILE__, __LINE__)
void shop_assert_lot_at(struct shop *shop, uint32_t lot, int64_t available, int64_t held, int64_t confirmed, int64_t withdrawn,
			const char *file, int line);
