/*
 * What becomes of an order after its grant. An order has at most one event on its way: its grant,
 * or one settlement; until the end of that is known every other action is told BUSY. A settlement
 * changes nothing when it goes out but that the order is `settling` and its hold leaves the heap
 * (so a confirm and the expiry can never both win); what its end does is in sale_end.c.
 */
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/failpoint.h"
#include "stock/memory/sale_stock.h"

enum { EXPIRY_SLICE = 16 }; /* under one lock: some microseconds */

static bool in_time_only(enum order_action action)
{
	return action == ORDER_CONFIRM || action == ORDER_EXTEND || action == ORDER_REDUCE;
}

/*
 * At deadline + grace the hold is over: the housekeeper that wakes then finds it, and a confirm is
 * late.
 */
static bool over(int64_t deadline_ns, int64_t grace_ns, int64_t now_ns)
{
	return deadline_ns <= now_ns - grace_ns;
}

static bool ends(enum event_kind kind)
{
	return kind == EVENT_CANCELLED || kind == EVENT_REFUNDED || kind == EVENT_EXPIRED;
}

/* The order and its hold leave for the journal. */
static void send(struct sale_stock *sale, struct sale_shard *shard, uint32_t number, const struct event *event, int64_t now_ns,
		 struct outbox_pending *pending)
{
	struct order_record *record = buyer_book_order(&shard->book, number);

	if (record->hold_position) {
		pending->deadline_ns = deadline_heap_at(&shard->holds, record->hold_position);
		deadline_heap_remove(&shard->holds, record->hold_position);
		sale_stock_publish(sale, shard);
	}
	if (ends(event->kind) && FAILPOINT("stock.return_early")) {
		sale_stock_give_back(sale, record, record->quantity, event->units_to); /* breaks rule 1 on purpose */
		pending->returned = true;
	}
	record->settling = 1;
	record->outbox = outbox_put(sale->common->outbox, sale, now_ns, event, pending);
}

static struct event order_event(const struct sale_stock *sale, const struct order_record *record, enum event_kind kind, int64_t at_ms)
{
	return (struct event){
		.kind = kind,
		.sale = sale->rules.sale,
		.epoch = sale->rules.epoch,
		.lot = record->lot,
		.quantity = record->quantity,
		.id = record->id,
		.at_ms = at_ms,
	};
}

/* When the hold is to end, as it is told. */
static int64_t extension_ms(const struct stock_settle *item)
{
	return item->extend_to_ms ? item->extend_to_ms : item->now_ms + item->extend_ns / 1000000;
}

/*
 * The same for the heap: what was told, but no longer than was asked for, and never earlier than it
 * is.
 */
static int64_t extension_ns(const struct stock_settle *item, int64_t deadline_ns)
{
	int64_t left_ns = item->extend_ns;

	if (item->extend_to_ms && item->extend_to_ms - item->now_ms < left_ns / 1000000)
		left_ns = (item->extend_to_ms - item->now_ms) * 1000000;
	return item->now_ns + left_ns > deadline_ns ? item->now_ns + left_ns : deadline_ns;
}

/* An extension never shortens. */
static bool is_extended(const struct order_record *record, const struct stock_settle *item, int64_t deadline_ns)
{
	return item->extend_to_ms ? item->extend_to_ms <= record->hold_expires_at_ms : item->now_ns + item->extend_ns <= deadline_ns;
}

/* Whether the order is no more, or not yet, what units were to be taken from. */
static bool is_other(const struct order_record *record, const struct stock_settle *item)
{
	if (item->held_only && record->state == ORDER_CONFIRMED)
		return true;
	return item->from && (record->quantity != item->from || !order_is_live((enum order_state)record->state));
}

/* Whether the action may go out now, and the state after it. */
static enum stock_outcome decide_settlement(struct sale_stock *sale, const struct sale_shard *shard,
					    const struct order_record *record, struct stock_settle *item, enum order_state *next)
{
	enum stock_outcome outcome = STOCK_DONE;
	bool late, pays = false;
	int64_t deadline_ns;

	if (record->settling || !record->durable)
		return STOCK_BUSY;
	if (is_other(record, item))
		return STOCK_REFUSED;
	if (item->action == ORDER_CONFIRM)
		outcome = sale_stock_decide_payment(sale, record, item, &pays);
	if (outcome != STOCK_DONE)
		return outcome;
	if (record->state == ORDER_EXPIRED && in_time_only(item->action))
		return STOCK_EXPIRED;
	switch (order_next((enum order_state)record->state, item->action, next)) {
	case ORDER_MOVED:
		break;
	case ORDER_ALREADY:
		*next = (enum order_state)record->state;
		return pays ? STOCK_DONE : STOCK_ALREADY;
	case ORDER_MOVE_REFUSED:
		return STOCK_REFUSED;
	}
	if (!record->hold_position)
		return STOCK_DONE; /* a refund, a payment, units of one that is confirmed */
	deadline_ns = deadline_heap_at(&shard->holds, record->hold_position);
	late = over(deadline_ns, item->grace_ns, item->now_ns);
	if (late && in_time_only(item->action))
		return STOCK_EXPIRED;
	if (!late && item->action == ORDER_EXPIRE)
		return STOCK_REFUSED;
	return item->action == ORDER_EXTEND && is_extended(record, item, deadline_ns) ? STOCK_ALREADY : STOCK_DONE;
}

static void fill_settlement(const struct order_record *record, struct stock_settle *item)
{
	struct event *event = &item->event;

	event->actor_kind = item->actor_kind;
	event->actor = item->actor;
	event->trace = item->trace;
	event->reason = item->reason;
	if (item->action == ORDER_EXTEND)
		return;
	event->request = item->request;
	event->units_to = item->units_to;
	event->refund = item->refund;
	if (item->action == ORDER_REDUCE) {
		event->quantity = item->quantity;
		event->left = item->from - item->quantity;
	}
	if (item->payment.reference.size == 0)
		return;
	event->payment = item->payment;
	if (record->state == ORDER_CONFIRMED)
		event->kind = EVENT_PAID;
}

static enum stock_outcome settle_locked(struct sale_stock *sale, struct sale_shard *shard, uint32_t number, struct stock_settle *item)
{
	struct order_record *record = buyer_book_order(&shard->book, number);
	struct outbox_pending pending = {0};
	enum order_state next;
	enum stock_outcome outcome = decide_settlement(sale, shard, record, item, &next);

	sale_stock_tell(record, &item->order);
	if (outcome != STOCK_DONE)
		return outcome;
	if (!outbox_book(sale->common->outbox))
		return STOCK_FULL;
	if (item->action == ORDER_CONFIRM && item->payment.reference.size) {
		outcome = sale_stock_take_payment(sale, record, item);
		if (outcome != STOCK_DONE) {
			outbox_unbook(sale->common->outbox);
			return outcome;
		}
	}
	item->event = order_event(sale, record, event_kind_of(item->action), item->now_ms);
	fill_settlement(record, item);
	if (item->action == ORDER_EXTEND) {
		item->event.hold_expires_at_ms = extension_ms(item);
		pending.next_deadline_ns = extension_ns(item, deadline_heap_at(&shard->holds, record->hold_position));
	}
	send(sale, shard, number, &item->event, item->now_ns, &pending);
	sale_stock_tell(record, &item->order);
	item->order.state = next;
	if (item->action == ORDER_EXTEND)
		item->order.hold_expires_at_ms = item->event.hold_expires_at_ms;
	if (item->action == ORDER_REDUCE)
		item->order.quantity = item->event.left;
	return STOCK_DONE;
}

/* An empty buyer is the operator: any order. */
static bool belongs_to(const struct sale_stock *sale, const struct sale_shard *shard, const struct order_record *record,
		       struct slice buyer)
{
	struct hash128 owner, asked;

	if (buyer.size == 0)
		return true;
	if (buyer.size > BUYER_MAX)
		return false;
	owner = buyer_book_buyer(&shard->book, record->buyer)->name;
	asked = sale_names_buyer(sale->common, sale->rules.sale, buyer);
	return owner.low == asked.low && owner.high == asked.high;
}

void sale_stock_settle(struct sale_stock *sale, struct stock_settle *item)
{
	struct sale_shard *shard;
	uint32_t number;
	struct order_record *record = sale_stock_locate(sale, &item->id, &shard, &number);

	item->outcome = STOCK_NO_ORDER;
	if (!record)
		return;
	if (belongs_to(sale, shard, record, item->buyer))
		item->outcome = settle_locked(sale, shard, number, item);
	lock_release(&shard->lock);
}

void sale_stock_find(struct sale_stock *sale, struct stock_find *item)
{
	struct sale_shard *shard;
	uint32_t number;
	struct order_record *record = sale_stock_locate(sale, &item->id, &shard, &number);

	item->outcome = STOCK_NO_ORDER;
	if (!record)
		return;
	if (belongs_to(sale, shard, record, item->buyer)) {
		sale_stock_tell(record, &item->order);
		item->now_ms = clock_wall_ms();
		item->outcome = STOCK_DONE;
	}
	lock_release(&shard->lock);
}

_Static_assert((int)STOCK_NEWEST <= (int)BUYER_BOOK_CHAIN_MAX, "the newest orders are among those that the book tells");

static int by_falling_id(const void *a, const void *b)
{
	return memcmp(((const struct stock_order *)b)->id.bytes, ((const struct stock_order *)a)->id.bytes, sizeof(struct uuid));
}

void sale_stock_tell_newest(const struct sale_shard *shard, uint32_t buyer, struct stock_orders *item)
{
	struct stock_order orders[2 * BUYER_BOOK_CHAIN_MAX];
	uint32_t numbers[2 * BUYER_BOOK_CHAIN_MAX];
	uint32_t count = buyer_book_newest(&shard->book, buyer, numbers, &item->more);

	for (uint32_t i = 0; i < count; i++)
		sale_stock_tell(buyer_book_order(&shard->book, numbers[i]), &orders[i]);
	qsort(orders, count, sizeof(orders[0]), by_falling_id);
	for (uint32_t i = 0; i < count && i < STOCK_NEWEST; i++) {
		if (orders[i].durable)
			item->orders[item->count++] = orders[i];
		else
			item->waiting = true;
	}
	item->more |= count > STOCK_NEWEST;
}

void sale_stock_orders(struct sale_stock *sale, struct stock_orders *item)
{
	struct hash128 name = sale_names_buyer(sale->common, sale->rules.sale, item->buyer);
	struct sale_shard *shard = sale_stock_shard(sale, name);
	uint32_t buyer;

	item->outcome = STOCK_DONE;
	item->count = 0;
	item->more = item->waiting = false;
	lock_take(&shard->lock);
	buyer = buyer_book_find(&shard->book, name);
	if (buyer)
		sale_stock_tell_newest(shard, buyer, item);
	lock_release(&shard->lock);
}

/* One slice, of those that end by `until_ns`: purchases of this shard wait for no more. */
static size_t expire_shard(struct sale_stock *sale, struct sale_shard *shard, const struct sale_expiry *expiry, int64_t until_ns,
			   struct event *out, size_t max, bool *outbox_full)
{
	size_t count = 0;

	lock_take(&shard->lock);
	while (count < max && deadline_heap_first(&shard->holds) <= until_ns) {
		struct outbox_pending pending = {0};
		uint32_t number = shard->holds.entries[0].what;
		const struct order_record *record;

		if (!outbox_book(sale->common->outbox)) {
			*outbox_full = true;
			break;
		}
		record = buyer_book_order(&shard->book, number);
		out[count] = order_event(sale, record, EVENT_EXPIRED,
					 expiry->now_ms > record->hold_expires_at_ms ? expiry->now_ms : record->hold_expires_at_ms);
		out[count].actor_kind = ACTOR_CLOCK;
		out[count].actor = SLICE("clock");
		send(sale, shard, number, &out[count], expiry->now_ns, &pending);
		count++;
	}
	lock_release(&shard->lock);
	return count;
}

/* The shard whose hold ends first; *next_ns: when the first of the others does. */
static struct sale_shard *first_to_end(struct sale_stock *sale, int64_t *first_ns, int64_t *next_ns)
{
	struct sale_shard *first = NULL;

	*first_ns = *next_ns = INT64_MAX;
	for (unsigned i = 0; i < SALE_SHARDS; i++) {
		int64_t earliest_ns = atomic_load(&sale->shards[i].earliest_ns);

		if (earliest_ns < *first_ns) {
			*next_ns = *first_ns;
			*first_ns = earliest_ns;
			first = &sale->shards[i];
		} else if (earliest_ns < *next_ns) {
			*next_ns = earliest_ns;
		}
	}
	return first;
}

/*
 * In the order in which they end, over all shards: that is about the order of their ids, so those
 * that go to the ledger together lie together there, and a page of it is changed once for all of
 * its orders. Shard by shard each order would have a page to itself.
 */
size_t sale_stock_expire(struct sale_stock *sale, const struct sale_expiry *expiry, struct event *out, size_t max, bool *outbox_full)
{
	size_t count = 0;

	/* A shard's first may have left meanwhile; another call finds what this one gives up. */
	for (unsigned idle = 0; idle < SALE_SHARDS && count < max && !*outbox_full;) {
		int64_t first_ns, next_ns;
		struct sale_shard *shard = first_to_end(sale, &first_ns, &next_ns);
		size_t slice = max - count < EXPIRY_SLICE ? max - count : EXPIRY_SLICE, found;

		if (!shard || first_ns > expiry->cutoff_ns)
			break;
		found = expire_shard(sale, shard, expiry, next_ns < expiry->cutoff_ns ? next_ns : expiry->cutoff_ns, out + count,
				     slice, outbox_full);
		count += found;
		idle = found ? 0 : idle + 1;
	}
	return count;
}
