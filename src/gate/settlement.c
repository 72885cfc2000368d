#include "gate/settlement.h"

#include <stdlib.h>
#include "base/clock.h"
#include "gate/errand.h"
#include "gate/render.h"

enum { MARGIN_NS = 500000000 }; /* beyond T_ack, for the journal worker to refuse by itself what waited too long */

struct settlement {
	struct job job;           /* first */
	struct away away;         /* its ticket */
	struct stock_order order; /* as it is when the journal has it */
	char sale_id[SALE_ID_MAX + 1], sku[SKU_MAX + 1], buyer[BUYER_MAX + 1];
	bool by_operator;
};

/* A buyer knows who it is: the stock's memory is enough. */
static void say_order(const struct stock_order *order, const char *sale_id, const char *sku, struct slice buyer, struct reply *reply)
{
	render_order(
		&(struct order_view){
			.id = order->id,
			.sale = slice_of(sale_id),
			.sku = slice_of(sku),
			.buyer = buyer,
			.quantity = order->quantity,
			.state = order->state,
			.hold_expires_at_ms = order->hold_expires_at_ms,
		},
		&reply->body);
}

/* An operator's answer names the buyer, whom the stock knows by fingerprint alone: the clerk reads the row. */
static void answer_from_ledger(struct gate_request *request, const struct uuid *id)
{
	struct gate_errand *errand = errand_new(request, errand_work_order);

	if (!errand)
		return;
	errand->order = *id;
	errand_send(request, errand);
}

static void finish(struct gate_thread *thread, struct settlement *settlement)
{
	struct reply *reply = &thread->reply;

	reply_clear(reply);
	switch (settlement->job.end) {
	case JOURNAL_DURABLE:
		say_order(&settlement->order, settlement->sale_id, settlement->sku, slice_of(settlement->buyer), reply);
		break;
	case JOURNAL_REFUSED:
		reply_problem(reply, PROBLEM_JOURNAL_UNAVAILABLE,
			      &(struct problem_options){.detail = "The change could not be made durable. Nothing was done."});
		break;
	case JOURNAL_UNKNOWN:
		reply_problem(reply, PROBLEM_OUTCOME_UNKNOWN,
			      &(struct problem_options){.detail = "It cannot be said yet whether this was done. Ask again shortly."});
		break;
	}
	gate_answer_ticket(thread, &settlement->away.ticket, reply);
}

/* The row is there: with the direct journal the acknowledgement was its commit. */
static bool finish_from_ledger(struct gate_thread *thread, const struct settlement *settlement)
{
	struct gate_errand *errand;

	if (settlement->job.end != JOURNAL_DURABLE || !settlement->by_operator)
		return false;
	errand = errand_new_deferred(thread, &settlement->away.ticket, errand_work_order);
	if (!errand)
		return false;
	errand->order = settlement->job.event.id;
	if (errand_send_deferred(errand))
		return true;
	errand_free(errand);
	return false;
}

static void come_home(struct message *message, void *receiver)
{
	struct settlement *settlement = (struct settlement *)message;
	struct gate_thread *thread = receiver;

	if (away_end(thread, &settlement->away) && !finish_from_ledger(thread, settlement))
		finish(thread, settlement);
	free(settlement);
}

static void refuse(struct gate_request *request, const struct settlement_request *wanted, const struct stock_settle *settle)
{
	struct reply *reply = &request->thread->reply;

	switch (settle->outcome) {
	case STOCK_EXPIRED:
		reply_problem(reply, PROBLEM_HOLD_EXPIRED, NULL);
		break;
	case STOCK_REFUSED:
		if (settle->order.state == ORDER_EXPIRED && wanted->action != ORDER_CANCEL)
			reply_problem(reply, PROBLEM_HOLD_EXPIRED, NULL);
		else
			reply_refuse(reply, PROBLEM_ORDER_STATE, "The order is %s.", order_state_name(settle->order.state));
		break;
	case STOCK_BUSY:
		reply_problem(reply, PROBLEM_IN_FLIGHT, &(struct problem_options){.retry_after_ms = 1000});
		break;
	case STOCK_FENCED:
		reply_problem(reply, PROBLEM_FENCED, NULL);
		break;
	case STOCK_FULL:
		reply_problem(reply, PROBLEM_OVERLOADED, NULL);
		break;
	default:
		reply_problem(reply, PROBLEM_STOCK_UNAVAILABLE, NULL);
		break;
	}
	gate_answer(request, reply);
}

/* The sale and the order's lot, where the gates still know the sale. */
static bool describe(struct gate_request *request, const struct stock_order *order, const char **sale_id, const char **sku)
{
	struct sale_entry *entry = sale_table_find_number(gate_sales(request->thread), uuid_tag(&order->id));

	if (!entry || order->lot >= entry->sale->lot_count)
		return false;
	*sale_id = entry->sale->id;
	*sku = entry->sale->lots[order->lot].sku;
	return true;
}

static void answer_already(struct gate_request *request, const struct settlement_request *wanted, const struct stock_order *order)
{
	const char *sale_id, *sku;

	if (wanted->buyer.size == 0) {
		answer_from_ledger(request, &wanted->id);
	} else if (describe(request, order, &sale_id, &sku)) {
		say_order(order, sale_id, sku, wanted->buyer, &request->thread->reply);
		gate_answer(request, &request->thread->reply);
	} else {
		gate_refuse(request, PROBLEM_UNKNOWN_ORDER, NULL);
	}
}

/* Sends the event that the stock has made. Where there is no room it is undone: it never left. */
static void send_event(struct gate_request *request, const struct settlement_request *wanted, const struct stock_settle *settle,
		       int64_t now_ns)
{
	struct gate_thread *thread = request->thread;
	struct stock *stock = thread->gate->settings.admission->stock;
	struct settlement *settlement = away_has_room(thread) ? calloc(1, sizeof(*settlement)) : NULL;
	const struct ticket ticket = gate_ticket(request);
	const struct event *event = &settle->event;
	const char *sale_id = "", *sku = "";
	void *item = settlement;

	if (settlement) {
		settlement->job = (struct job){
			.message = {.reply = thread->replies, .deliver = come_home}, .event = *event, .started_ns = now_ns};
		event_own(&settlement->job.event, &settlement->job.text);
		settlement->order = settle->order;
		settlement->by_operator = wanted->buyer.size == 0;
		(void)describe(request, &settle->order, &sale_id, &sku);
		memcpy(settlement->sale_id, sale_id, strlen(sale_id) + 1);
		memcpy(settlement->sku, sku, strlen(sku) + 1);
		if (wanted->buyer.size)
			memcpy(settlement->buyer, wanted->buyer.data, wanted->buyer.size);
		away_begin(thread, &settlement->away, &ticket, thread->gate->settings.admission->ack_deadline_ns + MARGIN_NS);
		if (lane_push(thread->gate->settings.journal_lane, LANE_URGENT, &item, 1) == 1) {
			http_defer(request->exchange);
			return;
		}
		(void)!away_end(thread, &settlement->away);
	}
	stock->ops->compensate(stock, &event, 1);
	free(settlement);
	gate_refuse(request, PROBLEM_OVERLOADED, NULL);
}

/* --- When the stock has the order no more, or its hold has run out --- */

static void say_order_control(struct gate_errand *errand, int r, enum problem refusal, const struct uuid *id)
{
	switch (r) {
	case ORDER_CONTROL_DONE:
		errand->order = *id;
		errand_work_order(errand);
		return;
	case ORDER_CONTROL_REFUSED:
		reply_problem(&errand->reply, refusal, NULL);
		return;
	case ORDER_CONTROL_UNKNOWN:
		reply_problem(&errand->reply, PROBLEM_OUTCOME_UNKNOWN,
			      &(struct problem_options){.detail = "It cannot be said yet whether this was done. Ask again shortly."});
		return;
	case ORDER_CONTROL_UNAVAILABLE:
		reply_problem(&errand->reply, PROBLEM_JOURNAL_UNAVAILABLE,
			      &(struct problem_options){.detail = "The change could not be made durable. Nothing was done."});
		return;
	}
	errand_refuse_fatal(errand, r);
}

/* The ledger's row decides: a late confirm of an expired order, a refund of a confirmed one, or what was done already. */
static void work_without_stock(struct gate_errand *errand)
{
	const struct order_control *control = &errand->thread->gate->settings.orders;
	struct ledger *ledger = errand_ledger(errand);
	struct ledger_actor actor = errand_actor(errand);
	struct ledger_order order;
	struct uuid fresh;
	int r = ledger->ops->order_get(ledger, &errand->order, &order);

	if (errand->buyer[0])
		order.trace[0] = '\0'; /* operators' business */
	if (r < 0)
		errand_refuse_fatal(errand, r);
	else if (r == LEDGER_NOT_FOUND || (errand->buyer[0] && strcmp(errand->buyer, order.buyer) != 0))
		reply_problem(&errand->reply, PROBLEM_UNKNOWN_ORDER, NULL);
	else if (errand->action == ORDER_CONFIRM && order.state == ORDER_EXPIRED)
		say_order_control(errand, order_control_confirm_late(control, &order, &actor, &fresh), PROBLEM_HOLD_EXPIRED, &fresh);
	else if (errand->action == ORDER_CANCEL && !errand->buyer[0] && order.state == ORDER_CONFIRMED)
		say_order_control(errand, order_control_refund(control, &order, &actor), PROBLEM_ORDER_STATE, &order.id);
	else if ((errand->action == ORDER_CONFIRM && order.state == ORDER_CONFIRMED) ||
		 (errand->action != ORDER_CONFIRM && order.state == ORDER_CANCELLED))
		render_ledger_order(&order, &errand->reply.body);
	else
		reply_refuse(&errand->reply, PROBLEM_ORDER_STATE, "The order is %s.", order_state_name(order.state));
}

static void settle_without_stock(struct gate_request *request, const struct settlement_request *wanted)
{
	struct gate_errand *errand = errand_new(request, work_without_stock);

	if (!errand)
		return;
	errand->order = wanted->id;
	errand->action = wanted->action;
	if (wanted->buyer.size)
		memcpy(errand->buyer, wanted->buyer.data, wanted->buyer.size);
	errand_send(request, errand);
}

/* Whether a confirm that came too late goes on: the sale says so, and the expiry is done (until then its units are not free). */
static bool is_late_confirm(struct gate_request *request, const struct settlement_request *wanted, const struct stock_settle *settle)
{
	struct sale_entry *entry = sale_table_find_number(gate_sales(request->thread), settle->sale);

	return wanted->action == ORDER_CONFIRM && wanted->buyer.size == 0 && settle->order.state == ORDER_EXPIRED &&
	       !settle->order.settling && entry && entry->sale->late_confirm;
}

void settlement_start(struct gate_request *request, const struct settlement_request *wanted)
{
	struct gate *gate = request->thread->gate;
	struct stock *stock = gate->settings.admission->stock;
	int64_t now_ns = clock_mono_ns();
	struct stock_settle settle = {
		.sale = uuid_tag(&wanted->id),
		.id = wanted->id,
		.action = wanted->action,
		.buyer = wanted->buyer,
		.now_ns = now_ns,
		.now_ms = clock_wall_ms(),
		.grace_ns = gate->settings.settings->sale.hold_grace_ns,
		.extend_ns = wanted->extend_ns,
		.actor = wanted->actor,
		.trace = trace_slice(&request->trace),
	};

	stock->ops->settle(stock, &settle, 1);
	if (settle.outcome == STOCK_REFUSED && wanted->action == ORDER_CANCEL && wanted->buyer.size == 0 &&
	    settle.order.state == ORDER_CONFIRMED) {
		settle.action = ORDER_REFUND; /* an operator may cancel what is confirmed, too */
		stock->ops->settle(stock, &settle, 1);
	}
	switch (settle.outcome) {
	case STOCK_DONE:
		send_event(request, wanted, &settle, now_ns);
		return;
	case STOCK_ALREADY:
		answer_already(request, wanted, &settle.order);
		return;
	case STOCK_NO_ORDER:
	case STOCK_UNKNOWN_SALE:
		settle_without_stock(request, wanted);
		return;
	case STOCK_EXPIRED:
	case STOCK_REFUSED:
		if (is_late_confirm(request, wanted, &settle))
			settle_without_stock(request, wanted);
		else
			refuse(request, wanted, &settle);
		return;
	default:
		refuse(request, wanted, &settle);
		return;
	}
}
