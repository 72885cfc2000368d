#include "gate/buyer/settlement.h"
#include "gate/buyer/settlement_ledger.h"

#include <stdlib.h>
#include "base/clock.h"
#include "core/ack_deadline.h"
#include "gate/buyer/lookup.h"
#include "gate/render.h"
#include "gate/stock_round.h"

struct settlement {
	struct settle_job decision;   /* first: its job's message is what the lanes carry */
	struct pending_reply pending; /* its handle */
	struct sale_entry *entry;     /* the sale as it was when it was asked for, kept; NULL: the gates did not know it */
	char buyer[BUYER_MAX + 1];
	bool by_operator, repeated;
	uint32_t quantity;
	enum refund refund; /* of settlement_request, as are `repeated` and `quantity` */
};

/* Whether the gates know the sale and the order's lot. */
static bool is_known(const struct settlement *settlement)
{
	return settlement->entry && settlement->decision.settle.order.lot < settlement->entry->sale->lot_count;
}

/*
 * The order that the stock has refused to move, for who goes on with it. Nothing where the stock
 * keeps no names, or the gates do not know the sale any more.
 */
static void know(const struct settlement *settlement, struct ledger_order *known)
{
	const struct stock_settle *settle = &settlement->decision.settle;

	if ((settle->outcome != STOCK_REFUSED && settle->outcome != STOCK_EXPIRED && settle->outcome != STOCK_REFERENCE_USED) ||
	    settle->owner[0] == '\0' || !is_known(settlement))
		return;
	lookup_know(&settle->order, settlement->entry->sale, settle->owner, known);
}

/* An answer from the ledger's row, to who was deferred already. The settlement is over. */
static void ask_ledger(struct gate_thread *thread, struct settlement *settlement, void (*work)(struct ledger_task *))
{
	const struct reply_handle handle = settlement->pending.handle;
	const struct stock_settle *settle = &settlement->decision.settle;
	struct ledger_task *task = ledger_task_new_deferred(thread, &handle, TASK_SETTLE, work);

	if (task) {
		task->order.id = settle->id;
		know(settlement, &task->order.known);
		task->action = settle->action == ORDER_REFUND || settle->action == ORDER_REDUCE ? ORDER_CANCEL : settle->action;
		task->order.extend_to_ms = settle->extend_to_ms;
		payment_row_set(&task->order.payment, &settle->payment);
		if (settle->outcome == STOCK_REFERENCE_USED)
			task->order.payer = settle->payer;
		task->order.refund = settlement->refund;
		task->order.from = settle->from;
		task->order.quantity = settlement->quantity;
		task->order.units_to = settle->units_to;
		if (settle->refund.size)
			memcpy(task->order.refunded, settle->refund.data, settle->refund.size);
		task->request = (struct ledger_request){.id = settle->request, .body = settle->request};
		task->order.repeated = settlement->repeated && settle->outcome != STOCK_DONE;
		memcpy(task->order.buyer, settlement->buyer, sizeof(settlement->buyer));
		memcpy(task->order.reason, settle->reason.data, settle->reason.size);
		memcpy(task->actor, settle->actor.data, settlement->by_operator ? settle->actor.size : 0);
		if (ledger_task_send_deferred(task))
			return;
		ledger_task_free(task);
	}
	reply_clear(&thread->reply);
	if (settle->outcome == STOCK_DONE)
		reply_problem(&thread->reply, PROBLEM_OUTCOME_UNKNOWN, &(struct problem_options){.detail = settlement_done_unseen});
	else
		reply_problem(&thread->reply, PROBLEM_OVERLOADED, NULL);
	gate_answer_handle(thread, &handle, &thread->reply);
}

/*
 * The order as the stock has it. False: the stock keeps no names (an operator's answer names the
 * buyer), or the gates do not know the sale any more.
 */
static bool say_from_stock(struct gate_thread *thread, struct settlement *settlement)
{
	const struct stock_settle *settle = &settlement->decision.settle;
	struct payment_row payment = {.amount = PAYMENT_NO_AMOUNT};
	const char *owner = settlement->by_operator ? settle->owner : settlement->buyer;

	if (*owner == '\0' || !is_known(settlement))
		return false;
	reply_clear(&thread->reply);
	if (settlement->repeated && settle->outcome != STOCK_DONE)
		settlement_say_repeated(&thread->reply);
	if (settlement->by_operator && settle->outcome == STOCK_DONE && settle->event.payment.reference.size)
		payment_row_set(&payment, &settle->event.payment);
	else if (settlement->by_operator)
		memcpy(payment.reference, settle->paid, sizeof(payment.reference));
	render_stock_order(&settle->order, settlement->entry->sale, slice_of(owner), settlement->by_operator ? &payment : NULL,
			   &thread->reply.body);
	gate_answer_handle(thread, &settlement->pending.handle, &thread->reply);
	return true;
}

/* The journal's end is known. */
static void finish(struct gate_thread *thread, struct settlement *settlement)
{
	const struct job *job = &settlement->decision.job;
	struct reply *reply = &thread->reply;

	reply_clear(reply);
	switch (ack_deadline_end(job->end, job->proof, job->started_ns, thread->gate->settings.admission->ack_deadline_ns,
				 clock_mono_ns())) {
	case JOURNAL_DURABLE:
		if (!say_from_stock(thread, settlement))
			ask_ledger(thread, settlement, settlement_work_settled);
		return;
	case JOURNAL_REFUSED:
		reply_change_refused(reply);
		break;
	case JOURNAL_UNKNOWN:
		reply_change_unknown(reply, settlement->pending.retry);
		break;
	}
	gate_answer_handle(thread, &settlement->pending.handle, reply);
}

static bool is_refund(const struct stock_settle *settle)
{
	return (settle->action == ORDER_CANCEL || settle->action == ORDER_REDUCE) && settle->order.state == ORDER_CONFIRMED;
}

static void refuse(struct gate_thread *thread, const struct settlement *settlement)
{
	const struct stock_settle *settle = &settlement->decision.settle;
	struct reply *reply = &thread->reply;

	reply_clear(reply);
	switch (settle->outcome) {
	case STOCK_EXPIRED:
		reply_problem(reply, PROBLEM_HOLD_EXPIRED, NULL);
		break;
	case STOCK_REFUSED:
		if (settle->order.state == ORDER_EXPIRED && settle->action != ORDER_CANCEL)
			reply_problem(reply, PROBLEM_HOLD_EXPIRED, NULL);
		else if (is_refund(settle) && settlement->refund != REFUND_ALLOWED)
			settlement_refuse_refund(reply, settlement->refund);
		else
			reply_refuse(reply, PROBLEM_ORDER_STATE, "The order is %s.", order_state_name(settle->order.state));
		break;
	case STOCK_WRONG_AMOUNT:
		settlement_say_wrong_amount(reply, settlement->entry->sale, settle->order.quantity); /* nobody else has a price */
		break;
	case STOCK_PAID_ALREADY:
		settlement_say_paid_already(reply, settle->paid);
		break;
	case STOCK_REFERENCE_USED:
		settlement_say_reference_used(reply, &settle->payer);
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
	case STOCK_OUTCOME_UNKNOWN:
		reply_change_unknown(reply, settlement->pending.retry);
		break;
	default:
		reply_problem(reply, PROBLEM_STOCK_UNAVAILABLE, NULL);
		break;
	}
	gate_answer_handle(thread, &settlement->pending.handle, reply);
}

/*
 * Whether units were to be taken from what the order does not have any more: by an earlier try, or
 * by somebody else.
 */
static bool is_taken_from(const struct stock_settle *settle)
{
	return settle->from && (settle->order.quantity != settle->from || !order_is_live(settle->order.state));
}

/*
 * Whether a confirm that came too late goes on: the sale says so, and the expiry is done (until
 * then its units are not free).
 */
static bool is_late_confirm(struct gate_thread *thread, const struct settlement *settlement)
{
	const struct stock_settle *settle = &settlement->decision.settle;
	struct sale_entry *entry = sale_table_find_number(gate_sales(thread), settle->sale);

	return settle->action == ORDER_CONFIRM && settlement->by_operator && settle->order.state == ORDER_EXPIRED &&
	       !settle->order.settling && entry && entry->sale->late_confirm;
}

/* --- The way --- */

/*
 * A shared stock that does not have a sale which the catalog has is one that is being loaded, or
 * has forgotten it: what the ledger says of its orders is not the last word, and a refund by way of
 * the ledger alone would return its units a second time.
 */
static bool is_fenced(struct gate_thread *thread, const struct settlement *settlement)
{
	return thread->gate->settings.admission->shared &&
	       sale_table_find_number(gate_sales(thread), settlement->decision.settle.sale);
}

static void answer_already(struct gate_thread *thread, struct settlement *settlement)
{
	if (!say_from_stock(thread, settlement))
		ask_ledger(thread, settlement, settlement->by_operator ? settlement_work_settled : settlement_work_without_stock);
}

/* It is over for the stock: answers, or asks the ledger. */
static void end(struct gate_thread *thread, struct settlement *settlement)
{
	struct stock_settle *settle = &settlement->decision.settle;

	switch (settle->outcome) {
	case STOCK_DONE:
		finish(thread, settlement);
		return;
	case STOCK_ALREADY:
		answer_already(thread, settlement);
		return;
	case STOCK_UNKNOWN_SALE:
		if (is_fenced(thread, settlement)) {
			settle->outcome = STOCK_FENCED;
			break;
		}
		ask_ledger(thread, settlement, settlement_work_without_stock);
		return;
	case STOCK_NO_ORDER:
		ask_ledger(thread, settlement, settlement_work_without_stock);
		return;
	case STOCK_PAID_ALREADY:
		if (settle->paid[0] == '\0') {
			ask_ledger(thread, settlement, settlement_work_paid_already);
			return;
		}
		break;
	case STOCK_EXPIRED:
	case STOCK_REFUSED:
	case STOCK_REFERENCE_USED:
		if (is_taken_from(settle)) {
			ask_ledger(thread, settlement, settlement_work_given_back);
			return;
		}
		if (is_late_confirm(thread, settlement)) {
			ask_ledger(thread, settlement, settlement_work_without_stock);
			return;
		}
		if (settlement_may_be_confirmed_before(settle->action, &settle->request, settle->order.state)) {
			ask_ledger(thread, settlement, settlement_work_confirmed_before);
			return;
		}
		if (settlement->repeated && settlement_has_end(settle->extend_to_ms, settle->order.hold_expires_at_ms)) {
			answer_already(thread, settlement);
			return;
		}
		break;
	default:
		break;
	}
	refuse(thread, settlement);
}

static void on_complete(struct message *message, void *receiver)
{
	struct settlement *settlement = (struct settlement *)message;
	struct gate_thread *thread = receiver;

	if (pending_reply_end(thread, &settlement->pending))
		end(thread, settlement);
	sale_entry_unref(settlement->entry);
	free(settlement);
}

static void fill(struct settlement *settlement, const struct gate_thread *thread, const struct reply_handle *handle,
		 const struct settlement_request *wanted)
{
	struct job *job = &settlement->decision.job;
	struct event texts = {.buyer = wanted->buyer,
			      .payment = wanted->payment,
			      .refund = wanted->give.refund,
			      .actor = wanted->actor,
			      .trace = trace_slice(&handle->trace),
			      .reason = wanted->reason};

	*job = (struct job){
		.message = {.reply = thread->replies, .on_complete = on_complete},
		.kind = JOB_SETTLEMENT,
		.started_ns = clock_mono_ns(),
	};
	event_own(&texts, &settlement->decision.text);
	settlement->decision.may_refund = wanted->buyer.size == 0 && wanted->refund == REFUND_ALLOWED;
	settlement->refund = wanted->refund;
	settlement->quantity = wanted->give.quantity;
	settlement->by_operator = wanted->buyer.size == 0;
	settlement->repeated = wanted->repeated;
	if (wanted->buyer.size)
		memcpy(settlement->buyer, wanted->buyer.data, wanted->buyer.size);
	settlement->decision.settle = (struct stock_settle){
		.sale = uuid_tag(&wanted->id),
		.id = wanted->id,
		.action = wanted->action,
		.buyer = texts.buyer,
		.now_ns = job->started_ns,
		.now_ms = clock_wall_ms(),
		.grace_ns = thread->gate->settings.settings->sale.hold_grace_ns,
		.extend_ns = wanted->extend_ns,
		.extend_to_ms = wanted->extend_to_ms,
		.actor_kind = settlement->by_operator ? ACTOR_OPERATOR : ACTOR_BUYER,
		.actor = texts.actor,
		.trace = texts.trace,
		.reason = texts.reason,
		.request = wanted->request,
		.from = wanted->give.from,
		.quantity = wanted->action == ORDER_REDUCE ? wanted->give.quantity : 0,
		.held_only = wanted->action == ORDER_REDUCE && wanted->refund != REFUND_ALLOWED,
		.units_to = wanted->give.units_to,
		.refund = texts.refund,
		.payment = texts.payment,
	};
	if (settlement->entry && wanted->action == ORDER_CONFIRM)
		order_control_price(settlement->entry->sale, &texts.payment, &settlement->decision.settle);
}

void settlement_go_on(struct gate_thread *thread, const struct reply_handle *handle, const struct settlement_request *wanted)
{
	struct settlement *settlement = pending_reply_has_room(thread) ? calloc(1, sizeof(*settlement)) : NULL;

	if (!settlement) {
		reply_clear(&thread->reply);
		reply_problem(&thread->reply, PROBLEM_OVERLOADED, NULL);
		gate_answer_handle(thread, handle, &thread->reply);
		return;
	}
	settlement->entry = sale_table_find_number(gate_sales(thread), uuid_tag(&wanted->id));
	if (settlement->entry)
		sale_entry_ref(settlement->entry);
	fill(settlement, thread, handle, wanted);
	settlement->pending.retry = reply_retry_of(wanted->action, wanted->extend_to_ms != 0);
	pending_reply_begin(thread, &settlement->pending, handle, PENDING_CHANGE);
	stock_round_add(thread->stock, &settlement->decision.job);
}

void settlement_start(struct gate_request *request, const struct settlement_request *wanted)
{
	const struct reply_handle handle = gate_reply_handle(request);

	http_defer(request->exchange);
	settlement_go_on(request->thread, &handle, wanted);
}
