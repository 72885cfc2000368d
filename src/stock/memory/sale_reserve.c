/*
 * The purchase decision (step 7 of the way of a purchase), one item under its buyer's shard:
 *
 *   same key -> the same order · replay only -> no more · the buyer's rate · the buyer's limit ·
 *   units · take
 *
 * Everything that can fail for want of memory is made ready before the units leave the counter;
 * after that nothing fails. So a purchase either has its units, its order, its key, its hold, its
 * outbox entry and its place in the rate window, or it has changed nothing.
 */
#include "base/failpoint.h"
#include "stock/memory/sale_stock.h"

struct decision {
	struct sale_stock *sale;
	struct sale_shard *shard;
	struct stock_reserve *item;
	const struct sale_names *names;
	uint32_t buyer; /* record; 0: unknown yet */
};

static enum stock_outcome replay(const struct order_record *record, struct stock_reserve *item, const struct sale_names *names)
{
	if (record->lot != item->event.lot || record->first_quantity != item->event.quantity)
		return STOCK_KEY_CONFLICT;
	if (record->has_key && names->has_key && record->key.high != names->key.high) /* other labels */
		return STOCK_KEY_CONFLICT;
	sale_stock_tell(record, &item->order);
	return STOCK_REPLAY;
}

static void fill_order(const struct decision *d, struct order_record *record)
{
	const struct event *event = &d->item->event;

	record->id = event->id;
	record->lot = event->lot & 0xff;
	record->quantity = event->quantity & 0x3ff;
	record->first_quantity = record->quantity;
	record->state = d->item->hold_ns > 0 ? ORDER_HELD : ORDER_CONFIRMED;
	record->hold_expires_at_ms = record->first_hold_expires_at_ms = event->hold_expires_at_ms;
}

/* An operator's purchase is neither asked nor counted. */
static bool is_rated(const struct decision *d)
{
	return d->sale->rate.requests > 0 && !d->item->unlimited_rate;
}

/* The units are taken: nothing here can fail. */
static void take(const struct decision *d, uint32_t number)
{
	struct order_record *record = buyer_book_order(&d->shard->book, number);
	struct buyer_record *buyer = buyer_book_buyer(&d->shard->book, d->buyer);
	struct stock_reserve *item = d->item;
	struct outbox_pending pending = {.deadline_ns = item->now_ns + item->hold_ns, .counted = is_rated(d)};

	fill_order(d, record);
	if (pending.counted) {
		pending.stamp = buyer_book_rate_count(&d->shard->book, d->buyer, item->now_ns);
		item->rate_left--;
	}
	if (record->state == ORDER_CONFIRMED)
		lot_units_confirm(&d->sale->lots[record->lot], record->quantity);
	buyer_book_order_link(&d->shard->book, number);
	item->event.kind = EVENT_RESERVED;
	item->event.epoch = d->sale->rules.epoch;
	item->event.limit_per_buyer = d->sale->rules.limit_per_buyer;
	item->event.buyer_units = buyer->live + record->quantity;
	item->event.stock_place = sale_stock_place(d->sale, d->shard, number);
	if (!FAILPOINT("stock.forget_buyer")) { /* breaks P3 on purpose: the units do not count against the limit */
		buyer->live = (uint16_t)(buyer->live + record->quantity);
		record->counted = 1;
	}
	buyer_filter_add(&d->sale->filter, d->names->buyer);
	record->outbox = outbox_put(d->sale->common->outbox, d->sale, item->now_ns, &item->event, &pending);
	sale_stock_tell(record, &item->order);
}

static enum stock_outcome sold_out(const struct decision *d)
{
	d->item->may_return = lot_units_any_held(&d->sale->lots[d->item->event.lot]);
	return STOCK_SOLD_OUT;
}

static enum stock_outcome grant(struct decision *d)
{
	struct lot_units *lot = &d->sale->lots[d->item->event.lot];
	struct outbox *outbox = d->sale->common->outbox;
	enum stock_outcome outcome = STOCK_FULL;
	bool holds = d->item->hold_ns > 0;
	uint32_t number;

	if (!lot_units_enough(lot, d->item->event.quantity, &d->item->version))
		return sold_out(d);
	if (!d->buyer)
		d->buyer = buyer_book_add(&d->shard->book, d->names->buyer);
	if (!d->buyer || (is_rated(d) && !buyer_book_rate_book(&d->shard->book, d->buyer)))
		return STOCK_FULL;
	number = buyer_book_order_new(&d->shard->book, d->buyer, d->names->has_key ? &d->names->key : NULL);
	if (!number)
		return STOCK_FULL;
	if (holds && !deadline_heap_book(&d->shard->holds))
		goto forget;
	if (!sale_stock_directory_add(d->sale, d->names->id_hash, d->shard, number))
		goto unbook_hold;
	if (!outbox_book(outbox))
		goto leave_directory;
	if (!lot_units_take(lot, d->item->event.quantity, &d->item->version)) {
		outcome = sold_out(d);
		goto unbook_outbox;
	}
	take(d, number);
	return STOCK_DONE;

unbook_outbox:
	outbox_unbook(outbox);
leave_directory:
	sale_stock_directory_remove(d->sale, d->names->id_hash, d->shard, number);
unbook_hold:
	if (holds)
		deadline_heap_unbook(&d->shard->holds);
forget:
	buyer_book_order_forget(&d->shard->book, number);
	return outcome;
}

/* What the buyer has. */
static enum stock_outcome over_limit(const struct decision *d)
{
	struct stock_orders has = {0};

	if (d->buyer)
		sale_stock_tell_newest(d->shard, d->buyer, &has);
	d->item->own_count = 0;
	for (uint32_t i = 0; i < has.count; i++)
		if (order_is_live(has.orders[i].state))
			d->item->own[d->item->own_count++] = has.orders[i].id;
	return STOCK_BUYER_LIMIT;
}

static enum stock_outcome decide(struct decision *d)
{
	struct buyer_book *book = &d->shard->book;
	struct stock_reserve *item = d->item;
	uint32_t live;

	d->buyer = buyer_book_find(book, d->names->buyer);
	item->rate_left = buyer_book_rate_left(book, &d->sale->rate, d->buyer, item->now_ns);
	if (d->buyer && d->names->has_key) {
		uint32_t earlier = buyer_book_find_key(book, d->buyer, d->names->key);

		if (earlier)
			return replay(buyer_book_order(book, earlier), item, d->names);
	}
	if (item->replay_only)
		return STOCK_NO_REPLAY;
	if (atomic_load_explicit(&d->sale->stopped, memory_order_acquire) && !item->unlimited_rate)
		return STOCK_PAUSED;
	if (is_rated(d) && item->rate_left == 0) {
		item->retry_after_ms = buyer_book_rate_wait_ms(book, &d->sale->rate, d->buyer, item->now_ns);
		return STOCK_RATE_LIMITED;
	}
	live = d->buyer ? buyer_book_buyer(book, d->buyer)->live : 0;
	if (live + item->event.quantity > d->sale->rules.limit_per_buyer)
		return over_limit(d);
	return grant(d);
}

/* The same order id again: the call was repeated. */
static bool repeated(struct sale_stock *sale, struct stock_reserve *item, const struct sale_names *names)
{
	struct sale_shard *shard;
	uint32_t number;
	struct order_record *record = sale_stock_locate(sale, &item->event.id, &shard, &number);
	struct hash128 owner;

	if (!record)
		return false;
	owner = buyer_book_buyer(&shard->book, record->buyer)->name;
	if (owner.low == names->buyer.low && owner.high == names->buyer.high)
		item->outcome = replay(record, item, names);
	else
		item->outcome = STOCK_KEY_CONFLICT;
	lock_release(&shard->lock);
	return true;
}

void sale_stock_reserve(struct sale_stock *sale, struct stock_reserve *item, const struct sale_names *names)
{
	struct decision d = {sale, sale_stock_shard(sale, names->buyer), item, names, 0};

	ASSERT(item->event.lot < sale->rules.lot_count);
	ASSERT(item->event.quantity >= 1);
	ASSERT(item->event.quantity <= LIMIT_MAX);
	if (repeated(sale, item, names))
		return;
	lock_take(&d.shard->lock);
	item->outcome = decide(&d);
	if (d.buyer)
		buyer_book_leave(&d.shard->book, d.buyer);
	lock_release(&d.shard->lock);
}
