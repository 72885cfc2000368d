/*
 * The ends of what sale_reserve.c and sale_settle.c have sent out: the acknowledgement makes it
 * true, the compensation takes it back.
 */
#include "stock/memory/sale_stock.h"

void sale_stock_give_back(struct sale_stock *sale, const struct order_record *record, uint32_t quantity, enum units_to to)
{
	struct lot_units *lot = &sale->lots[record->lot];

	if (record->state == ORDER_CONFIRMED)
		lot_units_unconfirm(lot, quantity);
	if (to == UNITS_TO_SALE) {
		lot_units_return(lot, quantity);
		return;
	}
	lock_take(&sale->movement_lock);
	lot_units_withdraw_taken(lot, quantity);
	lock_release(&sale->movement_lock);
}

static void uncount(struct sale_shard *shard, struct order_record *record)
{
	struct buyer_record *buyer = buyer_book_buyer(&shard->book, record->buyer);

	if (!record->counted)
		return;
	ASSERT(buyer->live >= record->quantity);
	buyer->live = (uint16_t)(buyer->live - record->quantity);
	record->counted = 0;
}

static void hold_again(struct sale_stock *sale, struct sale_shard *shard, uint32_t number, int64_t deadline_ns)
{
	deadline_heap_push(&shard->holds, deadline_ns, number);
	sale_stock_publish(sale, shard);
}

static void end(struct sale_stock *sale, struct sale_shard *shard, struct order_record *record, enum order_state state,
		enum units_to to, const struct outbox_pending *pending)
{
	if (!pending->returned)
		sale_stock_give_back(sale, record, record->quantity, to);
	uncount(shard, record);
	if (record->state == ORDER_HELD)
		deadline_heap_unbook(&shard->holds);
	record->state = state & 7;
}

static void reduce(struct sale_stock *sale, struct sale_shard *shard, uint32_t number, const struct event *event,
		   const struct outbox_pending *pending)
{
	struct order_record *record = buyer_book_order(&shard->book, number);
	struct buyer_record *buyer = buyer_book_buyer(&shard->book, record->buyer);

	ASSERT(record->quantity == event->left + event->quantity);
	sale_stock_give_back(sale, record, event->quantity, event->units_to);
	if (record->counted)
		buyer->live = (uint16_t)(buyer->live - event->quantity);
	record->quantity = event->left & 0x3ff;
	if (record->state == ORDER_HELD)
		hold_again(sale, shard, number, pending->deadline_ns);
}

/* The journal has the order's event: it becomes true. */
static void apply(struct sale_stock *sale, struct sale_shard *shard, uint32_t number, const struct event *event,
		  const struct outbox_pending *pending)
{
	struct order_record *record = buyer_book_order(&shard->book, number);

	record->outbox = 0;
	record->settling = 0;
	switch (event->kind) {
	case EVENT_RESERVED:
		record->durable = 1;
		if (record->state == ORDER_HELD)
			hold_again(sale, shard, number, pending->deadline_ns);
		return;
	case EVENT_CONFIRMED:
		lot_units_confirm(&sale->lots[record->lot], record->quantity);
		deadline_heap_unbook(&shard->holds);
		record->state = ORDER_CONFIRMED;
		if (event->payment.reference.size)
			payment_book_settle(&sale->payments, &record->id);
		return;
	case EVENT_PAID:
		payment_book_settle(&sale->payments, &record->id);
		return;
	case EVENT_EXTENDED:
		record->hold_expires_at_ms = event->hold_expires_at_ms;
		hold_again(sale, shard, number, pending->next_deadline_ns);
		return;
	case EVENT_CANCELLED:
	case EVENT_REFUNDED:
		end(sale, shard, record, ORDER_CANCELLED, event->units_to, pending);
		return;
	case EVENT_EXPIRED:
		end(sale, shard, record, ORDER_EXPIRED, UNITS_TO_SALE, pending);
		return;
	case EVENT_REDUCED:
		reduce(sale, shard, number, event, pending);
		return;
	case EVENT_WITHDRAWN:
	case EVENT_BARRIER:
		break; /* not an order's */
	}
	assertion_failed("an order's event", __FILE__, __LINE__, __func__);
}

/* An event that is not on its way: whether it has become true before. */
static bool has_become(struct sale_stock *sale, const struct order_record *record, const struct event *event)
{
	switch (event->kind) {
	case EVENT_RESERVED:
		return record->durable;
	case EVENT_CONFIRMED:
		return record->state == ORDER_CONFIRMED;
	case EVENT_PAID:
		return payment_book_is_paid(&sale->payments, &record->id);
	case EVENT_CANCELLED:
	case EVENT_REFUNDED:
		return record->state == ORDER_CANCELLED;
	case EVENT_EXPIRED:
		return record->state == ORDER_EXPIRED;
	case EVENT_EXTENDED:
		return event->hold_expires_at_ms <= record->hold_expires_at_ms;
	case EVENT_REDUCED:
		return record->quantity <= event->left;
	case EVENT_WITHDRAWN:
	case EVENT_BARRIER:
		break; /* not an order's */
	}
	return false;
}

enum stock_ack sale_stock_acknowledge(struct sale_stock *sale, const struct event *event)
{
	enum stock_ack answer = STOCK_ACK_UNKNOWN;
	struct sale_shard *shard;
	uint32_t number;
	struct order_record *record = sale_stock_locate_event(sale, event, &shard, &number);
	struct outbox_pending pending;

	if (!record)
		return answer;
	if (outbox_take(sale->common->outbox, record->outbox, event, false, &pending)) {
		apply(sale, shard, number, event, &pending);
		answer = STOCK_ACK_DONE;
	} else if (has_become(sale, record, event)) {
		answer = STOCK_ACK_ALREADY;
	}
	lock_release(&shard->lock);
	return answer;
}

/* The grant never happened: units, limit, rate, key and order are as before. */
static void revoke(struct sale_stock *sale, struct sale_shard *shard, uint32_t number, const struct outbox_pending *pending)
{
	struct order_record *record = buyer_book_order(&shard->book, number);
	uint64_t id_hash = siphash64(&sale->common->id_key, record->id.bytes, sizeof(record->id.bytes));
	uint32_t buyer = record->buyer;

	sale_stock_give_back(sale, record, record->quantity, UNITS_TO_SALE);
	uncount(shard, record);
	if (pending->counted)
		buyer_book_rate_return(&shard->book, buyer, pending->stamp);
	if (record->state == ORDER_HELD)
		deadline_heap_unbook(&shard->holds);
	sale_stock_directory_remove(sale, id_hash, shard, number);
	buyer_book_order_forget(&shard->book, number);
	buyer_book_leave(&shard->book, buyer);
}

bool sale_stock_compensate(struct sale_stock *sale, const struct event *event)
{
	struct sale_shard *shard;
	uint32_t number;
	struct order_record *record = sale_stock_locate(sale, &event->id, &shard, &number);
	struct outbox_pending pending;
	bool undone;

	if (!record)
		return true;
	undone = outbox_take(sale->common->outbox, record->outbox, event, true, &pending);
	if (undone) {
		record->outbox = 0;
		record->settling = 0;
		if (event->payment.reference.size)
			payment_book_forget(&sale->payments, &record->id);
		if (event->kind == EVENT_RESERVED)
			revoke(sale, shard, number, &pending);
		else if (record->state == ORDER_HELD)
			hold_again(sale, shard, number, pending.deadline_ns);
	}
	lock_release(&shard->lock);
	return undone;
}
