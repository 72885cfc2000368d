#include "metrics/promises.h"

#include <stdatomic.h>

static const char *const names[PROMISE_COUNT] = {"P1", "P2", "P3", "P4", "P5"};
static const char *const labels[PROMISE_COUNT] = {
	"promise=\"P1\"", "promise=\"P2\"", "promise=\"P3\"", "promise=\"P4\"", "promise=\"P5\"",
};

static const enum promise by_lots[] = {PROMISE_NEVER_OVERSOLD, PROMISE_NEVER_LEAKED}; /* what unequal lots break */

const char *promise_name(enum promise promise)
{
	ASSERT(promise < PROMISE_COUNT);
	return names[promise];
}

static double read_counter(void *context)
{
	const _Atomic uint64_t *counter = context;

	return (double)atomic_load_explicit(counter, memory_order_relaxed);
}

void promises_register(struct promises *promises, struct metrics *metrics)
{
	for (int i = 0; i < PROMISE_COUNT; i++)
		metrics_reader(metrics, "counter", "penstock_promise_broken_total",
			       "Times a promise was seen broken; must stay 0.", labels[i], read_counter, &promises->broken[i]);
	metrics_reader(metrics, "gauge", "penstock_dead_purchases",
		       "Dead letters of purchases that may have been told: P2 is broken until each is replayed or forgotten.",
		       labels[PROMISE_NEVER_LOST], read_counter, &promises->dead_purchases);
	metrics_reader(metrics, "gauge", "penstock_shared_payments",
		       "Payments that are told for several orders, as the last look at all of them found.", NULL, read_counter,
		       &promises->shared_payments);
	for (size_t i = 0; i < sizeof(by_lots) / sizeof(by_lots[0]); i++)
		metrics_reader(metrics, "gauge", "penstock_unequal_lots",
			       "Lots that were armed with other units than the ledger has at the barrier: the promise is broken until the"
			       " next rebuild.",
			       labels[by_lots[i]], read_counter, &promises->unequal_lots[by_lots[i]]);
}

void promises_break(struct promises *promises, enum promise promise, uint64_t times)
{
	ASSERT(promise < PROMISE_COUNT);
	atomic_fetch_add_explicit(&promises->broken[promise], times, memory_order_relaxed);
}

bool promises_set_dead_purchases(struct promises *promises, uint64_t count)
{
	return atomic_exchange_explicit(&promises->dead_purchases, count, memory_order_relaxed) != count;
}

bool promises_set_shared_payments(struct promises *promises, uint64_t count)
{
	return atomic_exchange_explicit(&promises->shared_payments, count, memory_order_relaxed) != count;
}

void promises_set_unequal_lots(struct promises *promises, uint64_t oversold, uint64_t leaked)
{
	atomic_store_explicit(&promises->unequal_lots[PROMISE_NEVER_OVERSOLD], oversold, memory_order_relaxed);
	atomic_store_explicit(&promises->unequal_lots[PROMISE_NEVER_LEAKED], leaked, memory_order_relaxed);
}

uint64_t promises_broken(const struct promises *promises, enum promise promise)
{
	ASSERT(promise < PROMISE_COUNT);
	return atomic_load_explicit(&promises->broken[promise], memory_order_relaxed) +
	       atomic_load_explicit(&promises->unequal_lots[promise], memory_order_relaxed) +
	       (promise == PROMISE_NEVER_LOST ? atomic_load_explicit(&promises->dead_purchases, memory_order_relaxed) : 0);
}
