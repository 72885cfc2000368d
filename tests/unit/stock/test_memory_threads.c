/*
 * Several threads on one sale, as gates, journal worker and housekeeper are: they buy, settle,
 * acknowledge, compensate, expire and claim, while one looks at the counters and another makes and
 * drops sales. Run under the thread sanitizer by `make check`.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/random.h"
#include "base/thread.h"
#include "stock/memory/memory.h"

#define MS INT64_C(1000000)

enum {
	SALE = 5,
	OTHER_SALE = 6,
	LOTS = 3,
	UNITS = 400,
	BUYER_THREADS = 3,
	ROUNDS = 6000,
	BUYERS = 500,
	LIMIT = 2,
	OUTBOX = 4096,
	HOLD_MS = 50,
	GRACE_MS = 5,
	MINE_MAX = 16
};

static struct stock *stock;
static _Atomic int64_t now_ns;
static atomic_bool stop;
static _Atomic int64_t granted_units, ended_units;
static atomic_int faults;

static void expect(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "fault: %s\n", what);
	atomic_fetch_add(&faults, 1);
}

static bool ends(enum event_kind kind)
{
	return kind == EVENT_CANCELLED || kind == EVENT_REFUNDED || kind == EVENT_EXPIRED;
}

static void acknowledge(const struct event *event)
{
	if (ends(event->kind))
		atomic_fetch_add(&ended_units, event->quantity);
	stock_acknowledge(stock, &event, 1);
}

static struct stock_reserve buy(struct uuid_generator *ids, int64_t now)
{
	char buyer[32];
	struct stock_reserve item;

	snprintf(buyer, sizeof(buyer), "buyer-%d", (int)(random_u64() % BUYERS));
	item = (struct stock_reserve){
		.event = {.sale = SALE,
			  .lot = (uint32_t)(random_u64() % LOTS),
			  .quantity = 1 + (uint32_t)(random_u64() % 2),
			  .id = uuid_make(ids, INT64_C(1800000000000) + now / MS, SALE),
			  .buyer = slice_of(buyer),
			  .key = random_u64() % 2 ? SLICE("key") : SLICE_NULL,
			  .hold_expires_at_ms = now / MS + HOLD_MS},
		.now_ns = now,
		.hold_ns = random_u64() % 4 ? HOLD_MS * MS : 0,
	};
	stock->ops->reserve(stock, &item, 1);
	if (item.outcome == STOCK_DONE) {
		expect(item.event.buyer_units <= LIMIT, "the limit holds");
		expect(stock->ops->may_have_order(stock, SALE, item.event.buyer), "the buyer may have an order");
	}
	item.event.buyer = item.event.key = SLICE_NULL; /* they were on this stack */
	return item;
}

static void settle(const struct uuid *id, int64_t now)
{
	static const enum order_action actions[] = {ORDER_CONFIRM, ORDER_CANCEL, ORDER_REFUND, ORDER_EXTEND};
	struct stock_settle item = {.sale = SALE,
				    .id = *id,
				    .action = actions[random_u64() % 4],
				    .now_ns = now,
				    .now_ms = now / MS,
				    .grace_ns = GRACE_MS * MS,
				    .extend_ns = HOLD_MS * MS};
	const struct event *event = &item.event;

	stock->ops->settle(stock, &item, 1);
	if (item.outcome != STOCK_DONE)
		return;
	if (random_u64() % 4)
		acknowledge(event);
	else
		stock->ops->compensate(stock, &event, 1, &(bool){false}); /* nothing where it is claimed: then the claimer ends it */
}

static void buyer_thread(void *argument)
{
	struct uuid_generator ids = {0};
	struct uuid mine[MINE_MAX];
	size_t count = 0;

	(void)argument;
	for (int round = 0; round < ROUNDS; round++) {
		int64_t now = atomic_fetch_add(&now_ns, MS / 50);
		struct stock_reserve item = buy(&ids, now);
		const struct event *event = &item.event;

		if (item.outcome == STOCK_DONE) {
			atomic_fetch_add(&granted_units, item.event.quantity);
			if (random_u64() % 5 == 0) {
				stock->ops->compensate(stock, &event, 1, &(bool){false});
			} else {
				acknowledge(event);
			}
			mine[count++ % MINE_MAX] = item.event.id;
		}
		if (count)
			settle(&mine[random_u64() % (count < MINE_MAX ? count : MINE_MAX)], now);
	}
}

static void expire_thread(void *argument)
{
	struct event out[16];
	int64_t next;

	(void)argument;
	while (!atomic_load(&stop)) {
		int64_t now = atomic_load(&now_ns);
		size_t count = stock->ops->expire(stock, now, now / MS, GRACE_MS * MS, out, 16, &next);

		for (size_t i = 0; i < count; i++)
			acknowledge(&out[i]);
	}
}

static void claim_thread(void *argument)
{
	struct stock_claim *claims = calloc(8, sizeof(*claims));

	(void)argument;
	while (claims && !atomic_load(&stop)) {
		int64_t now = atomic_load(&now_ns);
		size_t count = stock->ops->claim(stock, now - 2 * MS, now, claims, 8);

		for (size_t i = 0; i < count; i++)
			acknowledge(&claims[i].event);
	}
	free(claims);
}

static void watch_thread(void *argument)
{
	(void)argument;
	while (!atomic_load(&stop)) {
		struct stock_lot_state lots[LOTS_MAX];
		struct stock_totals totals;
		uint32_t count;

		expect(stock->ops->snapshot(stock, SALE, lots, &count) == 0, "a snapshot");
		for (uint32_t i = 0; i < count; i++) {
			expect(lots[i].allocated == lots[i].available + lots[i].held + lots[i].confirmed + lots[i].withdrawn,
			       "allocated = available + held + confirmed + withdrawn, at any moment");
			expect(lots[i].available >= 0 && lots[i].held >= 0 && lots[i].confirmed >= 0, "nothing below zero");
			expect(stock->ops->version(stock, SALE, i) >= lots[i].version, "versions rise");
		}
		stock->ops->totals(stock, &totals);
		expect(totals.outbox <= OUTBOX, "the outbox is bounded");
	}
}

/* Sales come and go under the feet of those who look at them. */
static void life_thread(void *argument)
{
	struct stock_rules rules = {.sale = OTHER_SALE, .limit_per_buyer = 1, .lot_count = 1};
	int64_t allocated = 10, withdrawn = 0;
	struct uuid_generator ids = {0};

	(void)argument;
	while (!atomic_load(&stop)) {
		struct stock_load load = {.id = uuid_make(&ids, 1, OTHER_SALE),
					  .quantity = 1,
					  .first_quantity = 1,
					  .state = ORDER_HELD,
					  .buyer = SLICE("ann"),
					  .hold_left_ns = 10 * MS};

		rules.epoch++;
		expect(stock->ops->preheat_begin(stock, &rules) == 0, "begin");
		expect(stock->ops->preheat_load(stock, OTHER_SALE, &load, 1, atomic_load(&now_ns)) == 0, "load");
		expect(stock->ops->arm(stock, OTHER_SALE, &allocated, &withdrawn) == 0, "arm");
		if (random_u64() % 2)
			stock->ops->drop(stock, OTHER_SALE, UINT32_MAX);
	}
}

static void visit_thread(void *argument)
{
	struct uuid_generator ids = {0};

	(void)argument;
	while (!atomic_load(&stop)) {
		struct stock_reserve item = {
			.event = {.sale = OTHER_SALE, .quantity = 1, .id = uuid_make(&ids, 2, OTHER_SALE), .buyer = SLICE("bob")},
			.now_ns = atomic_load(&now_ns),
			.hold_ns = MS};

		stock->ops->reserve(stock, &item, 1);
		if (item.outcome == STOCK_DONE) {
			const struct event *event = &item.event;

			stock_acknowledge(stock, &event, 1);
		}
		(void)stock->ops->may_have_order(stock, OTHER_SALE, SLICE("bob"));
		(void)stock->ops->version(stock, OTHER_SALE, 0);
	}
}

static void test_no_unit_is_lost_or_made_by_threads(void **state)
{
	void (*const runs[])(void *) = {expire_thread, claim_thread, watch_thread, life_thread, visit_thread};
	enum { OTHERS = sizeof(runs) / sizeof(runs[0]) };
	struct thread buyers[BUYER_THREADS] = {0}, others[OTHERS] = {0};
	struct stock_rules rules = {
		.sale = SALE, .epoch = 1, .limit_per_buyer = LIMIT, .rate_requests = 60, .rate_seconds = 1, .lot_count = LOTS};
	int64_t allocated[LOTS], withdrawn[LOTS] = {0}, next;
	struct stock_lot_state lots[LOTS_MAX];
	struct stock_claim *claims = calloc(OUTBOX, sizeof(*claims));
	struct event out[64];
	struct stock_totals totals;
	uint32_t lot_count;
	size_t count;

	(void)state;
	assert_non_null(claims);
	assert_int_equal(stock_memory_new(&stock, OUTBOX), 0);
	for (int i = 0; i < LOTS; i++)
		allocated[i] = UNITS;
	assert_int_equal(stock->ops->preheat_begin(stock, &rules), 0);
	assert_int_equal(stock->ops->arm(stock, SALE, allocated, withdrawn), 0);
	for (int i = 0; i < OTHERS; i++)
		assert_int_equal(thread_start(&others[i], "other", runs[i], NULL), 0);
	for (int i = 0; i < BUYER_THREADS; i++)
		assert_int_equal(thread_start(&buyers[i], "buyer", buyer_thread, NULL), 0);
	for (int i = 0; i < BUYER_THREADS; i++)
		thread_join(&buyers[i]);
	atomic_store(&stop, true);
	for (int i = 0; i < OTHERS; i++)
		thread_join(&others[i]);
	assert_int_equal(atomic_load(&faults), 0);
	assert_true(atomic_load(&granted_units) > 100);

	/* Everything on its way ends, every hold runs out. */
	now_ns += 1000000 * MS;
	stock->ops->drop(stock, OTHER_SALE, UINT32_MAX);
	count = stock->ops->claim(stock, INT64_MAX, now_ns, claims, OUTBOX);
	for (size_t i = 0; i < count; i++)
		acknowledge(&claims[i].event);
	while ((count = stock->ops->expire(stock, now_ns, 0, GRACE_MS * MS, out, 64, &next)) > 0)
		for (size_t i = 0; i < count; i++)
			acknowledge(&out[i]);
	assert_true(next == INT64_MAX);
	assert_int_equal(stock->ops->snapshot(stock, SALE, lots, &lot_count), 0);
	for (int i = 0; i < LOTS; i++) {
		assert_int_equal(lots[i].held, 0);
		assert_int_equal(lots[i].available + lots[i].confirmed, UNITS);
	}
	stock->ops->totals(stock, &totals);
	assert_int_equal(totals.outbox, 0);
	print_message("%ld units granted, %ld ended\n", (long)granted_units, (long)ended_units);
	stock->ops->free(stock);
	free(claims);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_unit_is_lost_or_made_by_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
