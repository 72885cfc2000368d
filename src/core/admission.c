#include "core/admission.h"

#include "core/telling.h"

enum {
	BATCH = 256
}; /* purchases handed to the stock in one call: a round trip where it is not local; 100 KiB of the caller's stack */

static enum verdict screen_phase(const struct sale *sale, int64_t now_ms)
{
	switch (sale_phase(sale, now_ms)) {
	case SALE_PHASE_HIDDEN:
	case SALE_PHASE_WAITING:
		return VERDICT_SALE_NOT_OPEN;
	case SALE_PHASE_PAUSED:
		return VERDICT_SALE_PAUSED;
	case SALE_PHASE_ENDED:
		return VERDICT_SALE_ENDED;
	case SALE_PHASE_OPEN:
		break;
	}
	return VERDICT_NONE;
}

enum verdict admission_screen(const struct admission *admission, struct sale_entry *entry, uint32_t lot, int64_t now_ms,
			      bool *may_return)
{
	struct stock *stock = admission->stock;
	struct sale_latch *latch = &entry->latches[lot];
	enum verdict verdict = screen_phase(entry->sale, now_ms);
	uint64_t latched;

	if (verdict != VERDICT_NONE)
		return verdict;
	latched = atomic_load_explicit(&latch->version, memory_order_acquire);
	if (latched == 0 || latched != stock->ops->version(stock, entry->sale->number, lot))
		return VERDICT_NONE;
	*may_return = atomic_load_explicit(&latch->may_return, memory_order_relaxed);
	return VERDICT_SOLD_OUT;
}

bool admission_may_replay(enum verdict refusal)
{
	return refusal == VERDICT_SALE_PAUSED || refusal == VERDICT_SALE_ENDED || refusal == VERDICT_SOLD_OUT;
}

static void fill(struct stock_reserve *item, const struct purchase *purchase)
{
	*item = (struct stock_reserve){
		.event = purchase->job.event,
		.now_ns = purchase->job.started_ns,
		.hold_ns = purchase->hold_ns,
		.replay_only = purchase->refusal != VERDICT_NONE,
	};
}

/*
 * A lot is latched only for one unit: a refusal of a larger order says nothing about smaller ones. The version was read before the
 * counter, so units that came back since then have raised it and the latch does not hold.
 */
static void latch(struct purchase *purchase, const struct stock_reserve *item)
{
	if (item->event.quantity != 1)
		return;
	atomic_store_explicit(&purchase->latch->may_return, item->may_return, memory_order_relaxed);
	atomic_store_explicit(&purchase->latch->version, item->version, memory_order_release);
}

static enum verdict judge(struct purchase *purchase, const struct stock_reserve *item)
{
	switch (item->outcome) {
	case STOCK_DONE:
		return VERDICT_NONE;
	case STOCK_REPLAY:
		return item->order.durable ? VERDICT_REPLAYED : VERDICT_IN_FLIGHT;
	case STOCK_KEY_CONFLICT:
		return VERDICT_KEY_CONFLICT;
	case STOCK_NO_REPLAY:
		return purchase->refusal;
	case STOCK_RATE_LIMITED:
		return VERDICT_RATE_LIMITED;
	case STOCK_BUYER_LIMIT:
		return VERDICT_BUYER_LIMIT;
	case STOCK_SOLD_OUT:
		latch(purchase, item);
		return VERDICT_SOLD_OUT;
	case STOCK_UNKNOWN_SALE:
	case STOCK_FENCED:
		return VERDICT_FENCED;
	case STOCK_FULL:
		return VERDICT_OVERLOADED;
	case STOCK_UNAVAILABLE:
		return VERDICT_STOCK_UNAVAILABLE;
	case STOCK_OUTCOME_UNKNOWN:
		return VERDICT_OUTCOME_UNKNOWN;
	case STOCK_NO_ORDER:
	case STOCK_ALREADY:
	case STOCK_REFUSED:
	case STOCK_BUSY:
	case STOCK_EXPIRED:
		break; /* of settle() and find() alone */
	}
	assertion_failed("an outcome of reserve()", __FILE__, __LINE__, __func__);
}

static void take(struct purchase *purchase, const struct stock_reserve *item)
{
	struct event *event = &purchase->job.event;

	purchase->order = item->order;
	purchase->retry_after_ms = item->retry_after_ms;
	purchase->rate_left = item->rate_left;
	if (item->outcome == STOCK_SOLD_OUT)
		purchase->may_return = item->may_return;
	event->epoch = item->event.epoch;
	event->buyer_units = item->event.buyer_units;
	event->limit_per_buyer = item->event.limit_per_buyer;
	event->hold_expires_at_ms = item->event.hold_expires_at_ms;
	purchase->verdict = judge(purchase, item);
	purchase->latch = NULL;
}

void admission_reserve(const struct admission *admission, struct purchase *const *purchases, size_t count)
{
	struct stock *stock = admission->stock;
	struct stock_reserve items[BATCH];

	for (size_t start = 0; start < count; start += BATCH) {
		size_t size = count - start < BATCH ? count - start : BATCH;

		for (size_t i = 0; i < size; i++)
			fill(&items[i], purchases[start + i]);
		stock->ops->reserve(stock, items, size);
		for (size_t i = 0; i < size; i++)
			take(purchases[start + i], &items[i]);
	}
}

void admission_abandon(const struct admission *admission, struct purchase *purchase)
{
	const struct event *event = &purchase->job.event;
	bool undone;

	admission->stock->ops->compensate(admission->stock, &event, 1, &undone);
	purchase->verdict = undone ? VERDICT_OVERLOADED : VERDICT_OUTCOME_UNKNOWN;
}

enum verdict admission_finish(const struct admission *admission, const struct job *job, int64_t now_ns)
{
	switch (telling_end(job->end, job->started_ns, admission->ack_deadline_ns, now_ns)) {
	case JOURNAL_DURABLE:
		return VERDICT_ACCEPTED;
	case JOURNAL_REFUSED:
		return VERDICT_JOURNAL_UNAVAILABLE;
	case JOURNAL_UNKNOWN:
		return VERDICT_OUTCOME_UNKNOWN;
	}
	assertion_failed("a known end", __FILE__, __LINE__, __func__);
}
