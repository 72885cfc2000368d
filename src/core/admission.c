#include "core/admission.h"

#include <string.h>
#include "base/clock.h"
#include "core/ack_deadline.h"
#include "model/limits.h"

enum {
	BATCH = 256
}; /* purchases handed to the stock in one call: a round trip where it is not local; 100 KiB of the caller's stack */

/*
 * A latch is one word, so that nobody reads the version of one refusal with the quantity of
 * another. Of the version it has the low 53 bits: in a shared stock two million epochs, in memory
 * more changes than anybody makes.
 */
enum { LATCH_QUANTITY_BITS = 10, LATCH_VERSION_SHIFT = LATCH_QUANTITY_BITS + 1 };
_Static_assert(LIMIT_MAX < 1 << LATCH_QUANTITY_BITS, "a quantity fits into a latch");

static uint64_t latch_word(uint64_t version, bool may_return, uint32_t quantity)
{
	return version << LATCH_VERSION_SHIFT | (uint64_t)may_return << LATCH_QUANTITY_BITS | quantity;
}

static uint32_t latch_quantity(uint64_t word)
{
	return word & ((1u << LATCH_QUANTITY_BITS) - 1);
}

static bool latch_may_return(uint64_t word)
{
	return word >> LATCH_QUANTITY_BITS & 1;
}

static uint64_t latch_version(uint64_t word)
{
	return word >> LATCH_VERSION_SHIFT;
}

static enum verdict screen_phase(const struct sale *sale, int64_t now_ms)
{
	switch (sale_phase(sale, now_ms)) {
	case SALE_PHASE_HIDDEN:
	case SALE_PHASE_COMING:
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

/*
 * To be asked before what it is about is read: a refresh in between would make what was read look
 * younger than it is.
 */
static bool is_fresh(const struct admission *admission, uint32_t sale)
{
	struct stock *stock = admission->stock;

	return !admission->shared || clock_mono_ns() - stock->ops->known_ns(stock, sale) < ADMISSION_FRESH_NS;
}

enum verdict admission_screen(const struct admission *admission, struct sale_entry *entry, uint32_t lot, uint32_t quantity,
			      int64_t now_ms, struct admission_view *view)
{
	struct stock *stock = admission->stock;
	enum verdict verdict = screen_phase(entry->sale, now_ms);
	uint64_t latched, version;
	bool fresh;

	*view = (struct admission_view){0};
	if (verdict != VERDICT_NONE)
		return verdict;
	latched = atomic_load_explicit(&entry->latches[lot].word, memory_order_acquire);
	if (latched == 0 || quantity < latch_quantity(latched))
		return VERDICT_NONE;
	fresh = is_fresh(admission, entry->sale->number);
	version = stock->ops->version(stock, entry->sale->number, lot);
	if (version == 0 || latch_version(latch_word(version, false, 0)) != latch_version(latched))
		return VERDICT_NONE;
	view->may_return = latch_may_return(latched);
	view->stale = !fresh;
	return fresh ? VERDICT_SOLD_OUT : VERDICT_NONE;
}

bool admission_may_replay(enum verdict refusal)
{
	return refusal == VERDICT_SALE_PAUSED || refusal == VERDICT_SALE_ENDED || refusal == VERDICT_SOLD_OUT ||
	       refusal == VERDICT_OVERLOADED;
}

bool admission_may_have_order(const struct admission *admission, uint32_t sale, struct slice buyer, struct admission_view *view)
{
	struct stock *stock = admission->stock;
	bool fresh = is_fresh(admission, sale);

	if (stock->ops->may_have_order(stock, sale, buyer))
		return true;
	view->stale = !fresh;
	return !fresh;
}

bool admission_ask(struct sale_latch *latch)
{
	if (atomic_fetch_add(&latch->asking, 1) < ADMISSION_ASKS_MAX)
		return true;
	atomic_fetch_sub(&latch->asking, 1);
	return false;
}

void admission_asked(struct sale_latch *latch)
{
	unsigned before = atomic_fetch_sub(&latch->asking, 1);

	ASSERT(before > 0);
}

void admission_keep(struct purchase *purchase)
{
	sale_entry_ref(purchase->entry);
	purchase->kept = true;
}

void admission_let_go(struct purchase *purchase)
{
	if (purchase->asks)
		admission_asked(&purchase->entry->latches[purchase->event.lot]);
	purchase->asks = false;
	if (purchase->kept)
		sale_entry_unref(purchase->entry);
	purchase->kept = false;
	purchase->entry = NULL;
}

static void fill(struct stock_reserve *item, const struct purchase *purchase)
{
	*item = (struct stock_reserve){
		.event = purchase->event,
		.now_ns = purchase->started_ns,
		.hold_ns = purchase->hold_ns,
		.replay_only = purchase->refusal != VERDICT_NONE,
	};
}

/*
 * A refusal of so many units says nothing about fewer: the latch keeps the least quantity that was
 * refused at its version. The version was read before the counter, so units that came back since
 * then have raised it and the latch does not hold. What was refused at an earlier version than the
 * latch's is of no use any more.
 */
static void latch(struct purchase *purchase, const struct stock_reserve *item)
{
	_Atomic uint64_t *word = &purchase->entry->latches[purchase->event.lot].word;
	uint64_t fresh = latch_word(item->version, item->may_return, item->event.quantity);
	uint64_t seen = atomic_load_explicit(word, memory_order_relaxed);

	if (item->version == 0)
		return;
	do {
		if (latch_version(seen) > latch_version(fresh))
			return;
		if (latch_version(seen) == latch_version(fresh) && latch_quantity(seen) < latch_quantity(fresh))
			return;
	} while (!atomic_compare_exchange_weak_explicit(word, &seen, fresh, memory_order_release, memory_order_relaxed));
}

static enum verdict verdict_of(const struct purchase *purchase, const struct stock_reserve *item)
{
	switch (item->outcome) {
	case STOCK_DONE:
		return VERDICT_NONE;
	case STOCK_REPLAY:
		return item->order.durable ? VERDICT_REPLAYED : VERDICT_IN_FLIGHT;
	case STOCK_NO_REPLAY:
		return purchase->refusal;
	case STOCK_UNKNOWN_SALE:
		return VERDICT_FENCED;
#define REFUSAL(name, number, bare, verdict, ...) \
	case STOCK_##name:                        \
		return VERDICT_##verdict;
		REFUSALS_BY_STOCK(REFUSAL)
#undef REFUSAL
	case STOCK_NO_ORDER:
	case STOCK_ALREADY:
	case STOCK_REFUSED:
	case STOCK_BUSY:
	case STOCK_EXPIRED:
	case STOCK_WRONG_AMOUNT:
	case STOCK_PAID_ALREADY:
	case STOCK_REFERENCE_USED:
		break; /* of settle() and find() alone */
	}
	assertion_failed("an outcome of reserve()", __FILE__, __LINE__, __func__);
}

static void take(struct purchase *purchase, const struct stock_reserve *item)
{
	struct event *event = &purchase->event;

	purchase->order = item->order;
	if (item->outcome == STOCK_RATE_LIMITED)
		purchase->retry_after_ms = item->retry_after_ms;
	purchase->rate_left = item->rate_left;
	purchase->own_count = 0;
	if (item->outcome == STOCK_BUYER_LIMIT) {
		purchase->own_count = item->own_count;
		memcpy(purchase->own, item->own, sizeof(purchase->own));
	}
	if (item->outcome == STOCK_SOLD_OUT) {
		purchase->may_return = item->may_return;
		latch(purchase, item);
	}
	event->epoch = item->event.epoch;
	event->buyer_units = item->event.buyer_units;
	event->limit_per_buyer = item->event.limit_per_buyer;
	event->hold_expires_at_ms = item->event.hold_expires_at_ms;
	event->stock_place = item->event.stock_place;
	purchase->verdict = verdict_of(purchase, item);
	if (!purchase->kept)
		purchase->entry = NULL;
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

enum verdict admission_finish(const struct admission *admission, enum journal_end end, enum epoch_proof proof, int64_t started_ns,
			      int64_t now_ns)
{
	switch (ack_deadline_end(end, proof, started_ns, admission->ack_deadline_ns, now_ns)) {
	case JOURNAL_DURABLE:
		return VERDICT_ACCEPTED;
	case JOURNAL_REFUSED:
		return VERDICT_JOURNAL_UNAVAILABLE;
	case JOURNAL_UNKNOWN:
		return VERDICT_OUTCOME_UNKNOWN;
	}
	assertion_failed("a known end", __FILE__, __LINE__, __func__);
}
