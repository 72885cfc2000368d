#include "recovery/tail.h"

#include <stdlib.h>
#include "base/array.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "ledger/event_judge.h"

enum {
	BATCH = JOURNAL_READ_MAX,
	SLOTS = 4 * BATCH, /* a power of two */
	SALE_KEY_MAX = 9,  /* digits */
};

/* An order that events of the batch are about. */
struct tail_order {
	struct uuid id;
	bool known, changed;
	struct order_row row;
	int64_t first_hold_expires_at_ms;
	struct slice key;  /* of one that the batch brings: in its record */
	struct slice paid; /* likewise */
	uint64_t labels;
};

struct tail_batch {
	struct tail_order orders[BATCH];
	size_t order_count;
	uint16_t slots[SLOTS]; /* place in `orders` plus one; 0: free */
	struct stock_find finds[BATCH];
	struct stock_load loads[BATCH];
};

static const char would_break[] = "an event of the journal's tail would break a constraint of the ledger";
static const char unreadable[] = "a record of the journal's tail cannot be read; the drain decides about it";

/* --- Sales --- */

void tail_sale_init(struct tail_sale *sale, uint32_t number, uint32_t partition)
{
	*sale = (struct tail_sale){.number = number, .partition = partition, .last = -1, .last_bad = -1};
}

void tail_sale_deinit(struct tail_sale *sale)
{
	ledger_snapshot_deinit(&sale->snapshot);
	free(sale->withdrawals);
	sale->withdrawals = NULL;
}

static int fit_withdrawals(struct tail_sale *sale, size_t count)
{
	return array_fit(&sale->withdrawals, &sale->withdrawal_room, count, sizeof(*sale->withdrawals)) ? error_origin(-ENOMEM) : 0;
}

int tail_sale_start(struct tail_sale *sale, struct ledger_snapshot *snapshot)
{
	int r;

	ledger_snapshot_deinit(&sale->snapshot);
	sale->snapshot = *snapshot;
	*snapshot = (struct ledger_snapshot){0};
	sale->next = 0;
	sale->mark = 0;
	for (size_t i = 0; i < sale->snapshot.position_count; i++) {
		if (sale->snapshot.positions[i].partition != sale->partition)
			continue;
		sale->next = sale->snapshot.positions[i].next;
		sale->mark = sale->snapshot.positions[i].mark;
	}
	sale->oldest = sale->snapshot.sale->barrier;
	sale->overtaken = sale->overtaken || sale->oldest > sale->epoch;
	sale->ended = sale->oldest >= sale->epoch;
	sale->applied = sale->withdrawal_count = 0;
	sale->fault = NULL;
	r = fit_withdrawals(sale, sale->snapshot.withdrawal_count);
	if (r < 0)
		return r;
	for (size_t i = 0; i < sale->snapshot.withdrawal_count; i++)
		sale->withdrawals[sale->withdrawal_count++].movement = sale->snapshot.withdrawals[i].movement;
	return 0;
}

bool tail_sale_has_tail(const struct tail_sale *sale)
{
	return !sale->ended && (sale->last >= sale->next || sale->last_bad >= sale->next);
}

static bool is_withdrawn(const struct tail_sale *sale, const struct uuid *id)
{
	for (size_t i = sale->withdrawal_count; i > 0; i--)
		if (uuid_equal(&sale->withdrawals[i - 1].movement, id))
			return true;
	return false;
}

/* --- Tails --- */

int tail_init(struct tail *tail, struct stock *stock, struct tail_sale **sales, size_t count)
{
	*tail = (struct tail){.stock = stock, .sales = sales, .count = count, .batch = calloc(1, sizeof(*tail->batch))};
	return tail->batch ? 0 : error_origin(-ENOMEM);
}

void tail_deinit(struct tail *tail)
{
	free(tail->batch);
	tail->batch = NULL;
}

static struct tail_sale *find_sale(const struct tail *tail, uint32_t number)
{
	size_t low = 0, high = tail->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (tail->sales[middle]->number == number)
			return tail->sales[middle];
		if (tail->sales[middle]->number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* The sale that a record is about; of one that cannot be read its key says it. 0: none. */
static uint32_t sale_of(const struct journal_record *record)
{
	uint32_t number = 0;

	if (!record->reason)
		return record->event.sale;
	if (record->key.size == 0 || record->key.size > SALE_KEY_MAX)
		return 0;
	for (size_t i = 0; i < record->key.size; i++) {
		if (record->key.data[i] < '0' || record->key.data[i] > '9')
			return 0;
		number = number * 10 + (uint32_t)(record->key.data[i] - '0');
	}
	return number;
}

/*
 * A ledger that was restored after the tail was read gives an epoch a second time: what was granted
 * under it by the other one's stock would be taken for ours.
 */
static bool is_of_another(const struct tail_sale *sale, const struct event *event)
{
	return event->epoch > sale->epoch || (event->epoch == sale->epoch && !uuid_equal(&event->id, &sale->barrier));
}

static void learn(struct tail_sale *sale, const struct journal_record *record)
{
	const struct event *event = &record->event;

	if (!record->reason && event->kind == EVENT_BARRIER && sale->epoch && is_of_another(sale, event))
		sale->overtaken = true;
	if (sale->barrier_met)
		return;
	if (record->reason) {
		sale->last_bad = record->offset;
		return;
	}
	if (event->epoch > sale->highest)
		sale->highest = event->epoch;
	sale->reserved |= event->kind == EVENT_RESERVED;
	sale->withdrawn |= event->kind == EVENT_WITHDRAWN;
	if (event->kind != EVENT_BARRIER)
		sale->last = record->offset;
	else if (sale->epoch && event->epoch == sale->epoch)
		sale->barrier_met = true;
}

int tail_learn(void *context, struct journal_record *records, size_t count)
{
	struct tail *tail = context;

	for (size_t i = 0; i < count; i++) {
		struct tail_sale *sale = find_sale(tail, sale_of(&records[i]));

		if (sale)
			learn(sale, &records[i]);
		tail->mark = records[i].mark;
	}
	return 0;
}

/* --- Applying a batch to one sale --- */

static struct tail_order *order_of(struct tail_batch *batch, const struct uuid *id)
{
	uint64_t words[2];
	size_t at;

	memcpy(words, id->bytes, sizeof(words));
	at = (((words[0] ^ words[1]) * 0x9e3779b97f4a7c15u) >> 20) & (SLOTS - 1);
	while (batch->slots[at] && !uuid_equal(&batch->orders[batch->slots[at] - 1].id, id))
		at = (at + 1) & (SLOTS - 1);
	if (!batch->slots[at]) {
		ASSERT(batch->order_count < BATCH);
		batch->orders[batch->order_count] = (struct tail_order){.id = *id};
		batch->slots[at] = (uint16_t)++batch->order_count;
	}
	return &batch->orders[batch->slots[at] - 1];
}

static bool is_of_order(const struct event *event)
{
	return event->kind == EVENT_RESERVED || event_settles(event->kind);
}

/* What the stock has of the orders of these events. 0 or negative. */
static int ask(struct tail *tail, const struct tail_sale *sale, struct journal_record *const *records, size_t count)
{
	struct tail_batch *batch = tail->batch;

	batch->order_count = 0;
	memset(batch->slots, 0, sizeof(batch->slots));
	for (size_t i = 0; i < count; i++)
		if (!records[i]->reason && is_of_order(&records[i]->event))
			(void)order_of(batch, &records[i]->event.id);
	for (size_t i = 0; i < batch->order_count; i++)
		batch->finds[i] = (struct stock_find){.sale = sale->number, .id = batch->orders[i].id};
	tail->stock->ops->preheat_find(tail->stock, batch->finds, batch->order_count);
	for (size_t i = 0; i < batch->order_count; i++) {
		const struct stock_find *found = &batch->finds[i];
		struct tail_order *order = &batch->orders[i];

		if (found->outcome == STOCK_NO_ORDER)
			continue;
		if (found->outcome != STOCK_DONE)
			return error_origin(found->outcome == STOCK_UNAVAILABLE ? -ENOTCONN : -EAGAIN);
		order->known = true;
		order->first_hold_expires_at_ms = found->order.first_hold_expires_at_ms;
		order->row = (struct order_row){
			.sale = sale->number,
			.lot = found->order.lot,
			.quantity = found->order.quantity,
			.first_quantity = found->order.first_quantity,
			.state = found->order.state,
			.hold_expires_at_ms = found->order.hold_expires_at_ms,
		};
		memcpy(order->row.buyer, found->owner, sizeof(order->row.buyer));
	}
	return 0;
}

static void change_order(struct tail_order *order, const struct event *event, const struct event_change *change)
{
	if (event->kind == EVENT_RESERVED) {
		order->known = true;
		order->row = (struct order_row){
			.sale = event->sale, .lot = event->lot, .quantity = event->quantity, .first_quantity = event->quantity};
		memcpy(order->row.buyer, event->buyer.data, event->buyer.size);
		order->first_hold_expires_at_ms = event->hold_expires_at_ms;
		order->key = event->key;
		order->labels = labels_fingerprint(&event->labels);
	}
	if (change->pays)
		order->paid = event->payment.reference;
	order->row.state = change->state;
	order->row.quantity -= change->leaves;
	order->row.hold_expires_at_ms = change->hold_expires_at_ms;
	order->changed = true;
}

/*
 * Its change in the sums, and what it changes. 0, -ENOMEM. A constraint that would fire becomes the
 * sale's fault.
 */
static int change(struct tail_sale *sale, struct tail_order *order, const struct event *event, const struct event_change *change)
{
	uint32_t number = change->movement.lot;
	struct sale_lot *lot = &sale->snapshot.sale->lots[number];
	struct lot_sums sums = {lot->allocated, lot->held, lot->confirmed, lot->withdrawn};
	int r = 0;

	if (change->moves)
		ledger_lot_sums_add(&sums, &change->movement);
	if (change->moves && !event_fits(event, &sums)) {
		sale->fault = would_break;
		return 0;
	}
	if (event->kind == EVENT_BARRIER)
		sale->oldest = event->epoch;
	else if (order)
		change_order(order, event, change);
	else
		r = fit_withdrawals(sale, sale->withdrawal_count + 1);
	if (r < 0)
		return r;
	if (event->kind == EVENT_WITHDRAWN)
		sale->withdrawals[sale->withdrawal_count++] = (struct stock_withdrawn){event->id, number, event->quantity};
	if (change->moves) {
		lot->held = sums.held;
		lot->confirmed = sums.confirmed;
		lot->withdrawn = sums.withdrawn;
	}
	sale->applied++;
	return 0;
}

static int apply_event(struct tail *tail, struct tail_sale *sale, const struct event *event)
{
	struct tail_order *order = is_of_order(event) ? order_of(tail->batch, &event->id) : NULL;
	bool known = order && order->known;
	uint32_t lot_count = sale->snapshot.sale->lot_count;
	struct event_facts facts = {
		.has_sale = true,
		.has_lot = event_settles(event->kind) ? known && order->row.lot < lot_count : event->lot < lot_count,
		.oldest = sale->oldest,
		.barrier = sale->oldest,
		.order = known ? &order->row : NULL,
		.has_movement = event->kind == EVENT_WITHDRAWN && is_withdrawn(sale, &event->id),
		.paid = order ? order->paid : SLICE_NULL,
	};
	struct event_change what;
	int outcome;

	if (FAILPOINT("rebuild.lose_event") > 0) /* the loss that the sums at the barrier are there to find */
		return 0;
	/* A stock that keeps no names has none to compare. */
	if (event->kind == EVENT_RESERVED && known && order->row.buyer[0] == '\0')
		memcpy(order->row.buyer, event->buyer.data, event->buyer.size);
	outcome = event_judge(event, &facts, &what);
	if (outcome == LEDGER_CONSTRAINT)
		sale->fault = would_break;
	return outcome == LEDGER_DONE ? change(sale, order, event, &what) : 0;
}

static void to_load(const struct tail_order *order, int64_t now_ms, struct stock_load *load)
{
	int64_t left_ms = order->row.hold_expires_at_ms - now_ms;

	*load = (struct stock_load){
		.id = order->id,
		.lot = order->row.lot,
		.quantity = order->row.quantity,
		.first_quantity = order->row.first_quantity,
		.state = order->row.state,
		.buyer = slice_of(order->row.buyer),
		.key = order->key,
		.labels = order->labels,
		.hold_expires_at_ms = order->row.hold_expires_at_ms,
		.first_hold_expires_at_ms = order->first_hold_expires_at_ms,
		.hold_left_ns = left_ms > 0 ? left_ms * 1000000 : 0,
		.paid = order->paid,
	};
}

/*
 * In the order in which they were first met: a buyer's units come back before they are taken again.
 */
static int load_changed(struct tail *tail, const struct tail_sale *sale)
{
	struct tail_batch *batch = tail->batch;
	int64_t now_ms = clock_wall_ms(), now_ns = clock_mono_ns();
	size_t count = 0;

	for (size_t i = 0; i < batch->order_count; i++)
		if (batch->orders[i].changed)
			to_load(&batch->orders[i], now_ms, &batch->loads[count++]);
	return count ? tail->stock->ops->preheat_load(tail->stock, sale->number, batch->loads, count, now_ns) : 0;
}

/* Those behind the first `known`. */
static int load_withdrawn(struct tail *tail, const struct tail_sale *sale, size_t known)
{
	return tail->stock->ops->preheat_withdrawals(tail->stock, sale->number, sale->withdrawals + known,
						     sale->withdrawal_count - known);
}

static int apply_some(struct tail *tail, struct tail_sale *sale, struct journal_record *const *records, size_t count)
{
	size_t known = sale->withdrawal_count;
	int r = ask(tail, sale, records, count);

	for (size_t i = 0; i < count && r == 0 && !sale->ended && !sale->fault; i++) {
		const struct event *event = &records[i]->event;

		if (records[i]->reason)
			sale->fault = unreadable;
		else
			r = apply_event(tail, sale, event);
		sale->ended = !records[i]->reason && event->kind == EVENT_BARRIER && event->epoch == sale->epoch;
	}
	if (r < 0 || sale->fault)
		return r;
	r = load_changed(tail, sale);
	return r == 0 && sale->withdrawal_count > known ? load_withdrawn(tail, sale, known) : r;
}

/* The records of one sale, from the first of them on. */
static int apply_to(struct tail *tail, struct tail_sale *sale, struct journal_record *records, size_t count)
{
	struct journal_record *its[BATCH];
	size_t size = 0;

	for (size_t i = 0; i < count; i++)
		if (sale_of(&records[i]) == sale->number && records[i].offset >= sale->next)
			its[size++] = &records[i];
	if (size == 0)
		return 0;
	sale->next = its[size - 1]->offset + 1; /* so it is not met again from a later record of the batch */
	return apply_some(tail, sale, its, size);
}

int tail_apply(void *context, struct journal_record *records, size_t count)
{
	struct tail *tail = context;
	int r = 0;

	ASSERT(count <= BATCH);
	for (size_t i = 0; i < count && r == 0; i++) {
		struct tail_sale *sale = find_sale(tail, sale_of(&records[i]));

		if (sale && records[i].offset >= sale->next && !sale->ended && !sale->fault)
			r = apply_to(tail, sale, records + i, count - i);
	}
	return r;
}
