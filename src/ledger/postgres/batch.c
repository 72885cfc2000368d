#include "ledger/postgres/batch.h"

#include <stdlib.h>
#include "base/failpoint.h"
#include "ledger/log_detail.h"

enum { LOTS_KEPT_MAX = 65536, ORDERS_START = 256 };

/* --- Memory --- */

struct columns {
	struct pg_array *arrays;
	const enum pg_kind *kinds;
	size_t count;
};

static const enum pg_kind new_kinds[NEW_COLUMNS] = {[NEW_ID] = PG_UUID,  [NEW_BUYER] = PG_TEXT,     [NEW_TRACE] = PG_TEXT,
						    [NEW_KEY] = PG_TEXT, [NEW_REFERENCE] = PG_TEXT, [NEW_METADATA] = PG_TEXT};
static const enum pg_kind move_kinds[MOVE_COLUMNS] = {
	[MOVE_ORDER] = PG_UUID, [MOVE_ID] = PG_UUID, [MOVE_ACTOR] = PG_TEXT, [MOVE_REASON] = PG_TEXT, [MOVE_REFUND] = PG_TEXT};
static const enum pg_kind change_kinds[CHANGE_COLUMNS] = {[CHANGE_ID] = PG_UUID, [CHANGE_ACTOR] = PG_TEXT, [CHANGE_REASON] = PG_TEXT};
static const enum pg_kind int_kinds[LOT_COLUMNS] = {PG_INT};
static const enum pg_kind log_kinds[LOG_COLUMNS] = {[LOG_ACTOR] = PG_TEXT,  [LOG_ACTION] = PG_TEXT, [LOG_SUBJECT] = PG_TEXT,
						    [LOG_DETAIL] = PG_TEXT, [LOG_TRACE] = PG_TEXT,  [LOG_HASH] = PG_TEXT};
static const enum pg_kind request_kinds[REQUEST_COLUMNS] = {[REQUEST_ID] = PG_UUID, [REQUEST_BODY] = PG_UUID};
static const enum pg_kind payment_kinds[PAYMENT_COLUMNS] = {
	[PAYMENT_ORDER] = PG_UUID, [PAYMENT_REFERENCE] = PG_TEXT, [PAYMENT_CURRENCY] = PG_TEXT, [PAYMENT_METHOD] = PG_TEXT};
static const enum pg_kind asked_kinds[ASK_COLUMNS] = {[ASK_ID] = PG_UUID};
static const enum pg_kind dead_kinds[DEAD_COLUMNS] = {[DEAD_REASON] = PG_TEXT, [DEAD_EVENT] = PG_TEXT};

enum { TABLES = 15 };
static void tables_of(struct pg_batch *batch, struct columns tables[static TABLES])
{
	const struct columns all[TABLES] = {
		{batch->new, new_kinds, NEW_COLUMNS},
		{batch->moves, move_kinds, MOVE_COLUMNS},
		{batch->changes, change_kinds, CHANGE_COLUMNS},
		{batch->lot_changes, int_kinds, LOT_COLUMNS},
		{batch->returns, int_kinds, RETURN_COLUMNS},
		{batch->log, log_kinds, LOG_COLUMNS},
		{batch->epochs, int_kinds, EPOCH_COLUMNS},
		{batch->barriers, int_kinds, EPOCH_COLUMNS},
		{batch->barrier_sums, int_kinds, LOT_COLUMNS},
		{batch->dead, dead_kinds, DEAD_COLUMNS},
		{batch->positions, int_kinds, POSITION_COLUMNS},
		{batch->asked, asked_kinds, ASK_COLUMNS},
		{&batch->sales, int_kinds, 1},
		{batch->requests, request_kinds, REQUEST_COLUMNS},
		{batch->payments, payment_kinds, PAYMENT_COLUMNS},
	};

	memcpy(tables, all, sizeof(all));
}

static struct pg_batch *batch_new(void)
{
	struct pg_batch *batch = calloc(1, sizeof(*batch));
	struct columns tables[TABLES];

	if (!batch)
		return NULL;
	tables_of(batch, tables);
	for (size_t i = 0; i < TABLES; i++)
		for (size_t j = 0; j < tables[i].count; j++)
			pg_array_init(&tables[i].arrays[j], tables[i].kinds[j]);
	return batch;
}

void pg_batch_free(struct pg_batch *batch)
{
	struct columns tables[TABLES];

	if (!batch)
		return;
	tables_of(batch, tables);
	for (size_t i = 0; i < TABLES; i++)
		for (size_t j = 0; j < tables[i].count; j++)
			pg_array_deinit(&tables[i].arrays[j]);
	pg_batch_forget_lots(batch);
	free(batch->orders);
	free(batch->order_slots);
	free(batch);
}

int pg_batch_fit(struct pg_batch **out, size_t events)
{
	size_t capacity = ORDERS_START;
	struct batch_order *orders;
	struct pg_batch *batch;
	size_t *slots;

	if (!*out && !(*out = batch_new()))
		return error_origin(-ENOMEM);
	batch = *out;
	while (capacity < 2 * events)
		capacity *= 2;
	if (capacity <= batch->order_capacity)
		return 0;
	orders = calloc(capacity, sizeof(*orders));
	slots = calloc(capacity / 2, sizeof(*slots));
	if (!orders || !slots) {
		free(orders);
		free(slots);
		return error_origin(-ENOMEM);
	}
	free(batch->orders);
	free(batch->order_slots);
	batch->orders = orders;
	batch->order_slots = slots;
	batch->order_capacity = capacity;
	batch->order_count = 0;
	return 0;
}

void pg_batch_clear(struct pg_batch *batch, bool by_barrier)
{
	struct columns tables[TABLES];

	for (size_t i = 0; i < batch->order_count; i++)
		batch->orders[batch->order_slots[i]].used = false;
	batch->order_count = 0;
	if (batch->lot_count > LOTS_KEPT_MAX)
		pg_batch_forget_lots(batch);
	for (size_t i = 0; i < batch->lot_capacity; i++) {
		struct batch_lot *lot = &batch->lots[i];

		lot->held = lot->confirmed = lot->withdrawn = 0;
		lot->touched = lot->met_barrier = false;
	}
	tables_of(batch, tables);
	for (size_t i = 0; i < TABLES; i++)
		for (size_t j = 0; j < tables[i].count; j++)
			pg_array_clear(&tables[i].arrays[j]);
	batch->has_new = batch->has_moves = batch->has_changes = batch->has_lots = batch->has_returns = batch->has_log = false;
	batch->has_requests = batch->has_barriers = batch->has_dead = batch->has_payments = false;
	batch->by_barrier = by_barrier;
}

/* --- Orders --- */

struct batch_order *pg_batch_order(struct pg_batch *batch, const struct uuid *id)
{
	uint64_t words[2];
	size_t at;

	memcpy(words, id->bytes, sizeof(words));
	at = (((words[0] ^ words[1]) * 0x9e3779b97f4a7c15u) >> 20) & (batch->order_capacity - 1);
	while (batch->orders[at].used && !uuid_equal(&batch->orders[at].id, id))
		at = (at + 1) & (batch->order_capacity - 1);
	if (!batch->orders[at].used) {
		batch->orders[at] = (struct batch_order){.id = *id, .used = true};
		batch->order_slots[batch->order_count++] = at;
	}
	return &batch->orders[at];
}

/* --- Rows --- */

static void add_int_or_null(struct pg_array *array, int64_t value, bool present)
{
	if (present)
		pg_array_int(array, value);
	else
		pg_array_null(array);
}

static void add_text_or_null(struct pg_array *array, struct slice text)
{
	if (text.size)
		pg_array_text(array, text);
	else
		pg_array_null(array);
}

static void add_uuid_or_null(struct pg_array *array, const struct uuid *id)
{
	if (id)
		pg_array_uuid(array, id);
	else
		pg_array_null(array);
}

static void add_order(struct pg_batch *batch, const struct event *event)
{
	struct pg_array *new = batch->new;

	pg_array_uuid(&new[NEW_ID], &event->id);
	pg_array_int(&new[NEW_SALE], event->sale);
	pg_array_int(&new[NEW_LOT], event->lot);
	pg_array_int(&new[NEW_QUANTITY], event->quantity);
	pg_array_int(&new[NEW_STATE], event->hold_expires_at_ms ? ORDER_HELD : ORDER_CONFIRMED);
	pg_array_int(&new[NEW_EPOCH], event->epoch);
	pg_array_int(&new[NEW_BUYER_UNITS], event->buyer_units);
	pg_array_int(&new[NEW_LIMIT], event->limit_per_buyer);
	pg_array_int(&new[NEW_AT], event->at_ms);
	add_int_or_null(&new[NEW_HOLD], event->hold_expires_at_ms, event->hold_expires_at_ms);
	pg_array_text(&new[NEW_BUYER], event->buyer);
	add_text_or_null(&new[NEW_TRACE], event->trace);
	add_text_or_null(&new[NEW_KEY], event->key);
	add_int_or_null(&new[NEW_PRICE], event->unit_price, event->priced);
	add_text_or_null(&new[NEW_REFERENCE], event->labels.reference);
	add_text_or_null(&new[NEW_METADATA], event->labels.metadata);
	add_int_or_null(&new[NEW_CONFIRMED], event->at_ms, event->hold_expires_at_ms == 0);
	batch->has_new = true;
}

/* Adds to the lot's sums and makes the movement's row. */
static void add_movement(struct pg_batch *batch, struct batch_lot *lot, const struct movement *movement)
{
	struct pg_array *moves = batch->moves;

	lot->held += movement->held;
	lot->confirmed += movement->confirmed;
	lot->withdrawn += movement->withdrawn;
	lot->touched = true;
	if (FAILPOINT("ledger.drop_movement") > 0)
		return;
	pg_array_int(&moves[MOVE_AT], movement->at_ms);
	pg_array_int(&moves[MOVE_CAUSE], movement->cause);
	add_int_or_null(&moves[MOVE_ITEM], movement->item, movement->item != 0);
	pg_array_int(&moves[MOVE_SALE], movement->sale);
	pg_array_int(&moves[MOVE_LOT], movement->lot);
	add_uuid_or_null(&moves[MOVE_ORDER], movement->order);
	add_uuid_or_null(&moves[MOVE_ID], movement->movement);
	pg_array_int(&moves[MOVE_ON_HAND], movement->on_hand);
	pg_array_int(&moves[MOVE_HELD], movement->held);
	pg_array_int(&moves[MOVE_CONFIRMED], movement->confirmed);
	pg_array_int(&moves[MOVE_WITHDRAWN], movement->withdrawn);
	add_text_or_null(&moves[MOVE_ACTOR], movement->actor);
	pg_array_int(&moves[MOVE_EPOCH], movement->epoch);
	add_int_or_null(&moves[MOVE_HOLD], movement->hold_expires_at_ms, movement->hold_expires_at_ms != 0);
	add_text_or_null(&moves[MOVE_REASON], movement->reason);
	add_int_or_null(&moves[MOVE_LEFT], movement->left, movement->left != 0);
	add_text_or_null(&moves[MOVE_REFUND], movement->refund);
	batch->has_moves = true;
}

static void add_return(struct pg_batch *batch, const struct movement *movement)
{
	pg_array_int(&batch->returns[RETURN_ITEM], movement->item);
	pg_array_int(&batch->returns[RETURN_UNITS], movement->on_hand);
	batch->has_returns = true;
}

static void add_barrier(struct pg_batch *batch, const struct event *event)
{
	for (size_t i = 0; i < batch->lot_capacity; i++) {
		struct batch_lot *lot = &batch->lots[i];

		if (!lot->used || lot->sale != event->sale)
			continue;
		lot->barrier = event->epoch;
		lot->barrier_held = lot->held;
		lot->barrier_confirmed = lot->confirmed;
		lot->barrier_withdrawn = lot->withdrawn;
		lot->met_barrier = true;
	}
	pg_array_int(&batch->barriers[EPOCH_SALE], event->sale);
	pg_array_int(&batch->barriers[EPOCH_EPOCH], event->epoch);
	batch->has_barriers = true;
}

/* The row of the operator log for what is an operator's. */
static int add_log_row(struct pg_batch *batch, const struct batch_lot *lot, const struct event *event)
{
	struct ledger_actor actor = {.name = event->actor, .trace = event->trace, .now_ms = event->at_ms};
	bool withdrawn = event->kind == EVENT_WITHDRAWN;
	char detail[LOG_DETAIL_SIZE], id[UUID_TEXT_SIZE], hash[SHA256_TEXT_SIZE];
	struct pg_array *log = batch->log;
	struct log_fields row;
	struct slice json;
	int result;

	uuid_format(&event->id, id);
	json = withdrawn ? log_detail_units(detail, lot->sku, event->quantity, &event->id)
			 : log_detail_order(detail, lot->sale_id, lot->sku, event);
	row = log_fields_of(&actor, log_action_of_event(event->kind), slice_of(withdrawn ? lot->sale_id : id), json);
	row.number = batch->head.number + 1;
	result = log_chain_hash(slice_of(batch->head.hash), &row, hash);
	if (result < 0)
		return result;
	pg_array_int(&log[LOG_NUMBER], row.number);
	pg_array_int(&log[LOG_AT], row.at_ms);
	pg_array_text(&log[LOG_ACTOR], row.actor);
	pg_array_text(&log[LOG_ACTION], row.action);
	pg_array_text(&log[LOG_SUBJECT], row.subject);
	pg_array_text(&log[LOG_DETAIL], row.detail);
	pg_array_text(&log[LOG_TRACE], row.trace);
	pg_array_text(&log[LOG_HASH], slice_of(hash));
	batch->head.number = row.number;
	memcpy(batch->head.hash, hash, sizeof(hash));
	batch->has_log = true;
	return 0;
}

/* The request that asked for it. */
static void add_request(struct pg_batch *batch, const struct event *event)
{
	struct ledger_request request = ledger_event_request(event);

	pg_array_uuid(&batch->requests[REQUEST_ID], &request.id);
	pg_array_uuid(&batch->requests[REQUEST_BODY], &request.body);
	pg_array_int(&batch->requests[REQUEST_OUTCOME], request.outcome);
	pg_array_int(&batch->requests[REQUEST_AT], event->at_ms);
	batch->has_requests = true;
}

static void add_payment(struct pg_batch *batch, const struct event *event)
{
	const struct payment *payment = &event->payment;
	struct pg_array *rows = batch->payments;
	struct batch_order *order = pg_batch_order(batch, &event->id);

	ASSERT(payment->reference.size < sizeof(order->paid));
	memcpy(order->paid, payment->reference.data, payment->reference.size);
	order->paid[payment->reference.size] = '\0';
	pg_array_int(&rows[PAYMENT_SALE], event->sale);
	pg_array_uuid(&rows[PAYMENT_ORDER], &event->id);
	pg_array_int(&rows[PAYMENT_AT], event->at_ms);
	pg_array_text(&rows[PAYMENT_REFERENCE], payment->reference);
	add_int_or_null(&rows[PAYMENT_AMOUNT], payment->amount, payment->amount != PAYMENT_NO_AMOUNT);
	add_text_or_null(&rows[PAYMENT_CURRENCY], slice_of(payment->currency));
	add_text_or_null(&rows[PAYMENT_METHOD], payment->method);
	batch->has_payments = true;
}

/* --- Event by event --- */

struct event_facts pg_batch_facts(struct pg_batch *batch, const struct event *event)
{
	const struct batch_order *order = pg_batch_order(batch, &event->id);
	struct event_facts facts = {
		.order = order->is_order ? &order->row : NULL, .has_movement = order->is_movement, .paid = slice_of(order->paid)};
	uint32_t place = event_settles(event->kind) && facts.order ? facts.order->lot : event->lot;
	const struct batch_lot *lot = pg_batch_lot(batch, event->sale, place);

	facts.has_lot = lot != NULL;
	if (!lot)
		lot = pg_batch_lot(batch, event->sale, 0); /* every sale has one */
	facts.has_sale = lot != NULL;
	if (lot) {
		facts.item = lot->item;
		facts.barrier = lot->barrier;
		facts.oldest = batch->by_barrier ? lot->barrier : lot->epoch;
	}
	return facts;
}

/* The order's row as it is after the event. */
static void change_order(struct pg_batch *batch, const struct event *event, const struct event_change *change)
{
	struct batch_order *order = pg_batch_order(batch, &event->id);

	if (event->kind == EVENT_RESERVED) {
		ASSERT(event->buyer.size <= BUYER_MAX);
		order->is_order = true;
		order->row = (struct order_row){
			.sale = event->sale, .lot = event->lot, .quantity = event->quantity, .first_quantity = event->quantity};
		memcpy(order->row.buyer, event->buyer.data, event->buyer.size);
		add_order(batch, event);
	}
	/* Who has made an order is its buyer, or says so in a change behind it. */
	if (event->kind != EVENT_RESERVED || change->by.size) {
		order->changed_at_ms = event->at_ms;
		order->changed = batch->has_changes = true;
		order->by = change->by;
		order->reason = event->reason;
		if (event->kind == EVENT_EXTENDED)
			order->extended_to_ms = event->hold_expires_at_ms;
		if (event->kind == EVENT_CONFIRMED)
			order->confirmed_at_ms = event->at_ms;
	}
	order->row.quantity -= change->leaves;
	order->reduced |= change->leaves > 0;
	order->withdrawn += change->movement.withdrawn;
	order->row.state = change->state;
	order->row.hold_expires_at_ms = change->hold_expires_at_ms;
}

int pg_batch_apply(struct pg_batch *batch, const struct event *event)
{
	struct event_facts facts = pg_batch_facts(batch, event);
	struct event_change change;
	struct batch_lot *lot;
	uint32_t place = event->lot;
	int result = FAILPOINT("ledger.insert");

	if (result < 0)
		return result;
	result = event_judge(event, &facts, &change);
	if (result != LEDGER_DONE)
		return result;
	if (event_settles(event->kind)) {
		ASSERT(facts.order); /* the judge has seen it */
		place = facts.order->lot;
	}
	lot = pg_batch_lot(batch, event->sale, place);
	if (event->kind == EVENT_BARRIER)
		add_barrier(batch, event);
	else if (event->kind == EVENT_WITHDRAWN)
		pg_batch_order(batch, &event->id)->is_movement = true;
	else
		change_order(batch, event, &change);
	if (change.pays)
		add_payment(batch, event);
	if (change.moves)
		add_movement(batch, lot, &change.movement);
	if (change.movement.on_hand)
		add_return(batch, &change.movement);
	if (!uuid_is_null(&event->request))
		add_request(batch, event);
	return change.logged ? add_log_row(batch, lot, event) : LEDGER_DONE;
}

static void add_lot(struct pg_array *columns, const struct batch_lot *lot, int64_t held, int64_t confirmed, int64_t withdrawn)
{
	pg_array_int(&columns[LOT_SALE], lot->sale);
	pg_array_int(&columns[LOT_PLACE], lot->lot);
	pg_array_int(&columns[LOT_HELD], held);
	pg_array_int(&columns[LOT_CONFIRMED], confirmed);
	pg_array_int(&columns[LOT_WITHDRAWN], withdrawn);
}

void pg_batch_finish(struct pg_batch *batch)
{
	for (size_t i = 0; i < batch->order_count; i++) {
		const struct batch_order *order = &batch->orders[batch->order_slots[i]];

		if (!order->changed)
			continue;
		pg_array_int(&batch->changes[CHANGE_SALE], order->row.sale);
		pg_array_uuid(&batch->changes[CHANGE_ID], &order->id);
		pg_array_int(&batch->changes[CHANGE_STATE], order->row.state);
		pg_array_int(&batch->changes[CHANGE_AT], order->changed_at_ms);
		add_int_or_null(&batch->changes[CHANGE_HOLD], order->extended_to_ms, order->extended_to_ms);
		add_int_or_null(&batch->changes[CHANGE_CONFIRMED], order->confirmed_at_ms, order->confirmed_at_ms);
		add_text_or_null(&batch->changes[CHANGE_ACTOR], order->by);
		add_text_or_null(&batch->changes[CHANGE_REASON], order->reason);
		add_int_or_null(&batch->changes[CHANGE_QUANTITY], order->row.quantity, order->reduced);
		add_int_or_null(&batch->changes[CHANGE_WITHDRAWN], order->withdrawn, order->withdrawn != 0);
	}
	for (size_t i = 0, count = pg_batch_sort_lots(batch); i < count; i++) {
		const struct batch_lot *lot = &batch->lots[batch->lot_order[i]];

		/* The epoch of each, for a batch that is written without reading first. */
		pg_array_int(&batch->epochs[EPOCH_SALE], lot->sale);
		pg_array_int(&batch->epochs[EPOCH_EPOCH], batch->by_barrier ? lot->barrier : lot->epoch);
		if (lot->met_barrier)
			add_lot(batch->barrier_sums, lot, lot->barrier_held, lot->barrier_confirmed, lot->barrier_withdrawn);
		if (!lot->held && !lot->confirmed && !lot->withdrawn)
			continue;
		add_lot(batch->lot_changes, lot, lot->held, lot->confirmed, lot->withdrawn);
		batch->has_lots = true;
	}
}

bool pg_batch_wrote(const struct pg_batch *batch)
{
	return batch->has_new || batch->has_moves || batch->has_changes || batch->has_barriers;
}

void pg_batch_dead_letter(struct pg_batch *batch, int64_t at_ms, const char *reason, struct slice json)
{
	pg_array_int(&batch->dead[DEAD_AT], at_ms);
	pg_array_text(&batch->dead[DEAD_REASON], slice_of(reason));
	pg_array_text(&batch->dead[DEAD_EVENT], json);
	batch->has_dead = true;
}
