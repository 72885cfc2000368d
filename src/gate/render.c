#include "gate/render.h"

#include "base/clock.h"
#include "core/order_control.h"

static void bool_member(struct buffer *out, const char *name, bool value)
{
	render_name(out, name);
	buffer_append_text(out, value ? "true" : "false");
}

void render_time(int64_t wall_ms, struct buffer *out)
{
	char text[CLOCK_TEXT_SIZE];

	if (wall_ms == SALE_NO_TIME) {
		buffer_append_literal(out, "null");
		return;
	}
	clock_format(wall_ms, text);
	buffer_append_literal(out, "\"");
	buffer_append(out, text, CLOCK_TEXT_SIZE - 1);
	buffer_append_literal(out, "\"");
}

static void payment_member(struct buffer *out, const struct payment_row *payment)
{
	buffer_append_literal(out, ",\"payment\":{");
	render_text_member(out, "reference", slice_of(payment->reference));
	if (payment->amount != PAYMENT_NO_AMOUNT)
		render_int_member(out, "amount", payment->amount);
	if (payment->currency[0])
		render_text_member(out, "currency", slice_of(payment->currency));
	if (payment->method[0])
		render_text_member(out, "method", slice_of(payment->method));
	buffer_append_literal(out, "}");
}

static void time_member(struct buffer *out, const char *name, int64_t wall_ms)
{
	render_name(out, name);
	render_time(wall_ms, out);
}

static void price_member(struct buffer *out, int64_t amount, const char *currency)
{
	render_name(out, "price");
	buffer_append_literal(out, "{");
	render_int_member(out, "amount", amount);
	render_text_member(out, "currency", slice_of(currency));
	buffer_append_literal(out, "}");
}

void render_clock(int64_t wall_ms, struct buffer *out)
{
	buffer_append_literal(out, "{\"time\":");
	render_time(wall_ms, out);
	buffer_append_literal(out, ",\"unix_ms\":");
	buffer_append_int(out, wall_ms);
	buffer_append_literal(out, "}");
}

/* On the purchase path: no printf. */
void render_order(const struct order_view *order, struct buffer *out)
{
	char id[UUID_TEXT_SIZE];

	uuid_format(&order->id, id);
	buffer_append_literal(out, "{\"id\":\"");
	buffer_append(out, id, UUID_TEXT_SIZE - 1);
	buffer_append_literal(out, "\",\"sale\":\"");
	buffer_append_slice(out, order->sale); /* ids and SKUs have nothing to escape */
	buffer_append_literal(out, "\",\"sku\":\"");
	buffer_append_slice(out, order->sku);
	buffer_append_literal(out, "\",\"buyer\":");
	buffer_append_json_string(out, order->buyer);
	buffer_append_literal(out, ",\"quantity\":");
	buffer_append_int(out, order->quantity);
	buffer_append_literal(out, ",\"state\":\"");
	buffer_append_text(out, order_state_name(order->state));
	buffer_append_literal(out, "\",\"placed_at\":");
	render_time(uuid_wall_ms(&order->id), out);
	buffer_append_literal(out, ",\"hold_expires_at\":");
	render_time(order->hold_expires_at_ms ? order->hold_expires_at_ms : SALE_NO_TIME, out);
	if (order->currency)
		price_member(out, order->unit_price, order->currency);
	if (order->updated_at_ms)
		time_member(out, "updated_at", order->updated_at_ms);
	if (order->confirmed_at_ms)
		time_member(out, "confirmed_at", order->confirmed_at_ms);
	if (order->actor.size) {
		render_text_member(out, "actor", order->actor);
		render_text_member(out, "actor_kind", slice_of(event_actor_kind_name(order->actor_kind)));
	}
	if (order->reason.size)
		render_text_member(out, "reason", order->reason);
	if (order->labels.reference.size)
		render_text_member(out, "reference", order->labels.reference);
	if (order->labels.metadata.size) {
		render_name(out, "metadata");
		buffer_append_slice(out, order->labels.metadata);
	}
	if (order->trace.size)
		render_text_member(out, "trace", order->trace);
	if (order->payment && order->payment->reference[0])
		payment_member(out, order->payment);
	buffer_append_literal(out, "}");
}

void render_stock_order(const struct stock_order *order, const struct sale *sale, struct slice buyer,
			const struct payment_row *payment, struct buffer *out)
{
	render_order(
		&(struct order_view){
			.id = order->id,
			.sale = slice_of(sale->id),
			.sku = slice_of(sale->lots[order->lot].sku),
			.buyer = buyer,
			.quantity = order->quantity,
			.state = order->state,
			.hold_expires_at_ms = order->hold_expires_at_ms,
			.payment = payment,
			.currency = payment ? sale->currency : NULL, /* a sale that has orders keeps its price */
			.unit_price = sale->price_minor,
		},
		out);
}

void render_ledger_order(const struct ledger_order *order, struct buffer *out)
{
	render_order(
		&(struct order_view){
			.id = order->id,
			.sale = slice_of(order->sale_id),
			.sku = slice_of(order->sku),
			.buyer = slice_of(order->buyer),
			.trace = slice_of(order->trace),
			.quantity = order->quantity,
			.state = order->state,
			.hold_expires_at_ms = order->hold_expires_at_ms,
			.payment = &order->payment,
			.currency = order->priced ? order->currency : NULL,
			.unit_price = order->unit_price,
			.updated_at_ms = order->priced ? order->changed_at_ms : 0, /* what an older program has told stays as it was */
			.confirmed_at_ms = order->confirmed_at_ms,
			.actor_kind = order->actor_kind,
			.actor = slice_of(order->actor),
			.reason = slice_of(order->reason),
			.labels = {slice_of(order->reference), slice_of(order->metadata)},
		},
		out);
}

void render_hide_operators(struct ledger_order *order)
{
	order->trace[0] = '\0';
	order->payment.reference[0] = order->reference[0] = order->metadata[0] = '\0';
	order->priced = false;
	order_control_forget_change(order);
	order->confirmed_at_ms = 0;
}

static void render_terms(const struct sale *sale, const char *state, struct buffer *out)
{
	render_text_member(out, "id", slice_of(sale->id));
	render_text_member(out, "name", slice_of(sale->name));
	render_text_member(out, "state", slice_of(state));
	price_member(out, sale->price_minor, sale->currency);
	render_int_member(out, "limit_per_buyer", sale->limit_per_buyer);
	render_name(out, "rate");
	if (sale->rate_requests) {
		buffer_append_literal(out, "{");
		render_int_member(out, "requests", sale->rate_requests);
		render_int_member(out, "seconds", sale->rate_seconds);
		buffer_append_literal(out, "}");
	} else {
		buffer_append_literal(out, "null");
	}
	render_int_member(out, "hold_seconds", sale->hold_seconds);
	time_member(out, "opens_at", sale->opens_at_ms);
	time_member(out, "closes_at", sale->closes_at_ms);
}

static const char *phase_name(enum sale_phase phase)
{
	switch (phase) {
	case SALE_PHASE_HIDDEN:
		return "draft";
	case SALE_PHASE_COMING:
		return "coming";
	case SALE_PHASE_WAITING:
		return "armed";
	case SALE_PHASE_OPEN:
		return "open";
	case SALE_PHASE_PAUSED:
		return "paused";
	case SALE_PHASE_ENDED:
		return "ended";
	}
	assertion_failed("a known phase", __FILE__, __LINE__, __func__);
}

/*
 * Of a draft that is announced the public sees what a countdown needs, and nothing that may still
 * change its mind.
 */
static void render_coming(const struct sale *sale, struct buffer *out)
{
	buffer_append_literal(out, "{");
	render_text_member(out, "id", slice_of(sale->id));
	render_text_member(out, "name", slice_of(sale->name));
	render_text_member(out, "state", slice_of(phase_name(SALE_PHASE_COMING)));
	time_member(out, "opens_at", sale->opens_at_ms);
	time_member(out, "closes_at", sale->closes_at_ms);
	buffer_append_literal(out, "}");
}

void render_public_terms(const struct sale *sale, int64_t wall_ms, struct buffer *out)
{
	if (sale_phase(sale, wall_ms) == SALE_PHASE_COMING) {
		render_coming(sale, out);
		return;
	}
	buffer_append_literal(out, "{");
	render_terms(sale, phase_name(sale_phase(sale, wall_ms)), out);
	buffer_append_literal(out, "}");
}

void render_public_sale(const struct sale *sale, const struct stock_lot_state *lots, int64_t wall_ms, struct buffer *out)
{
	enum sale_phase phase = sale_phase(sale, wall_ms);

	if (phase == SALE_PHASE_COMING) {
		render_coming(sale, out);
		return;
	}
	buffer_append_literal(out, "{");
	render_terms(sale, phase_name(phase), out);
	render_name(out, "lots");
	buffer_append_literal(out, "[");
	for (uint32_t i = 0; i < sale->lot_count; i++) {
		bool sold_out = lots ? lots[i].available == 0 : phase == SALE_PHASE_ENDED;

		buffer_append_text(out, i ? ",{" : "{");
		render_text_member(out, "sku", slice_of(sale->lots[i].sku));
		bool_member(out, "sold_out", sold_out);
		bool_member(out, "may_return", sold_out && lots && lots[i].held > 0 && phase != SALE_PHASE_ENDED);
		buffer_append_literal(out, "}");
	}
	buffer_append_literal(out, "]}");
}

void render_operator_lot(const char *sku, const struct stock_lot_state *lot, struct buffer *out)
{
	buffer_append_literal(out, "{");
	render_text_member(out, "sku", slice_of(sku));
	render_int_member(out, "units", lot->allocated);
	render_int_member(out, "available", lot->available);
	render_int_member(out, "held", lot->held);
	render_int_member(out, "confirmed", lot->confirmed);
	render_int_member(out, "withdrawn", lot->withdrawn);
	buffer_append_literal(out, "}");
}

struct stock_lot_state render_lot_state_in_ledger(const struct sale_lot *lot)
{
	return (struct stock_lot_state){
		.available = lot->allocated - lot->held - lot->confirmed - lot->withdrawn,
		.held = lot->held,
		.confirmed = lot->confirmed,
		.withdrawn = lot->withdrawn,
		.allocated = lot->allocated,
	};
}

/* What can be done with it now: the paths of it. */
static void moves_member(const struct sale *sale, struct buffer *out)
{
	bool first = true;

	render_name(out, "moves");
	buffer_append_literal(out, "[");
	for (int action = SALE_ARM; action <= SALE_ACTION_LAST; action++) {
		if (!sale_allows(sale->state, sale->opened, (enum sale_action)action))
			continue;
		buffer_append_text(out, first ? "\"" : ",\"");
		buffer_append_text(out, sale_action_name((enum sale_action)action));
		buffer_append_literal(out, "\"");
		first = false;
	}
	buffer_append_literal(out, "]");
}

static void operator_members(const struct sale *sale, struct buffer *out)
{
	bool_member(out, "late_confirm", sale->late_confirm);
	bool_member(out, "schedule", sale->scheduled);
	bool_member(out, "announce", sale->announced);
	time_member(out, "created_at", sale->created_at_ms);
	time_member(out, "ended_at", sale->ended_at_ms);
	moves_member(sale, out);
}

void render_operator_terms(const struct sale *sale, struct buffer *out)
{
	buffer_append_literal(out, "{");
	render_terms(sale, sale_state_name(sale->state), out);
	render_int_member(out, "number", sale->number);
	operator_members(sale, out);
	buffer_append_literal(out, "}");
}

void render_operator_sale(const struct sale *sale, const struct stock_lot_state *lots, bool has_version, struct buffer *out)
{
	buffer_append_literal(out, "{");
	render_terms(sale, sale_state_name(sale->state), out);
	render_int_member(out, "number", sale->number);
	render_int_member(out, "epoch", sale->epoch);
	render_name(out, "version");
	if (has_version)
		buffer_append_int(out, sale->version);
	else
		buffer_append_literal(out, "null");
	operator_members(sale, out);
	render_name(out, "lots");
	buffer_append_literal(out, "[");
	for (uint32_t i = 0; i < sale->lot_count; i++) {
		const struct sale_lot *lot = &sale->lots[i];
		struct stock_lot_state state = render_lot_state_in_ledger(lot);

		if (i)
			buffer_append_literal(out, ",");
		render_operator_lot(lot->sku, lots ? &lots[i] : &state, out);
	}
	buffer_append_literal(out, "]}");
}

void render_item(const struct ledger_item *item, struct buffer *out)
{
	buffer_append_literal(out, "{");
	render_text_member(out, "sku", slice_of(item->sku));
	render_text_member(out, "name", slice_of(item->name));
	render_int_member(out, "on_hand", item->on_hand);
	buffer_append_literal(out, "}");
}
