#include "gate/buyer/settlement.h"

#include <stdlib.h>
#include "base/clock.h"
#include "core/ack_deadline.h"
#include "gate/render.h"
#include "gate/stock_round.h"

struct settlement {
	struct settle_job decision;   /* first: its job's message is what the lanes carry */
	struct pending_reply pending; /* its handle */
	struct sale_entry *entry;     /* the sale as it was when it was asked for, kept; NULL: the gates did not know it */
	char buyer[BUYER_MAX + 1];
	bool by_operator, repeated;
	enum refund refund; /* of settlement_request, as is `repeated` */
};

/* Whether the gates know the sale and the order's lot. */
static bool is_known(const struct settlement *settlement)
{
	return settlement->entry && settlement->decision.settle.order.lot < settlement->entry->sale->lot_count;
}

static const char *sku_of(const struct settlement *settlement)
{
	return settlement->entry->sale->lots[settlement->decision.settle.order.lot].sku;
}

/*
 * The order that the stock has refused to move, for who goes on with it. Nothing where the stock
 * keeps no names, or the gates do not know the sale any more.
 */
static void know(const struct settlement *settlement, struct ledger_order *known)
{
	const struct stock_settle *settle = &settlement->decision.settle;

	if ((settle->outcome != STOCK_REFUSED && settle->outcome != STOCK_EXPIRED) || settle->owner[0] == '\0' ||
	    !is_known(settlement))
		return;
	*known = (struct ledger_order){
		.id = settle->id,
		.sale = settle->sale,
		.lot = settle->order.lot,
		.quantity = settle->order.quantity,
		.state = settle->order.state,
	};
	memcpy(known->sale_id, settlement->entry->sale->id, sizeof(known->sale_id));
	memcpy(known->sku, sku_of(settlement), sizeof(known->sku));
	memcpy(known->buyer, settle->owner, sizeof(known->buyer));
}

static void say_repeated(struct reply *reply)
{
	reply_header(reply, "Idempotent-Replayed", SLICE("true"));
}

/* Whether the extension was done, whatever became of its order since: no hold is ever shortened. */
static bool has_end(int64_t extend_to_ms, int64_t hold_expires_at_ms)
{
	return extend_to_ms != 0 && hold_expires_at_ms >= extend_to_ms;
}

static void render_done(struct ledger_task *task, const struct ledger_order *order)
{
	if (task->order.repeated)
		say_repeated(&task->reply);
	render_ledger_order(order, &task->reply.body);
}

/* What is asked for was done before its sale left the stock. */
static bool is_done(const struct ledger_task *task, const struct ledger_order *order)
{
	switch (task->action) {
	case ORDER_CONFIRM:
		return order->state == ORDER_CONFIRMED;
	case ORDER_CANCEL:
		return order->state == ORDER_CANCELLED;
	case ORDER_EXTEND:
		return task->order.repeated && has_end(task->order.extend_to_ms, order->hold_expires_at_ms);
	case ORDER_REFUND:
	case ORDER_EXPIRE:
		break; /* nobody asks for these */
	}
	return false;
}

static const char done_unseen[] = "It is done, but cannot be shown now. Read the order again shortly.";

/*
 * What was done, as the ledger has it. One behind a drain may not have it yet: an order in another
 * state is no answer to a confirm.
 */
static void work_settled(struct ledger_task *task)
{
	struct ledger *ledger = ledger_task_ledger(task);
	struct ledger_order order;
	int r = ledger->ops->order_get(ledger, &task->order.id, &order);

	if (r < 0)
		ledger_task_refuse_fatal(task, r);
	else if (r == LEDGER_NOT_FOUND || (task->action == ORDER_CONFIRM && order.state != ORDER_CONFIRMED))
		reply_problem(&task->reply, PROBLEM_OUTCOME_UNKNOWN, &(struct problem_options){.detail = done_unseen});
	else
		render_done(task, &order);
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
		task->action = settle->action == ORDER_REFUND ? ORDER_CANCEL : settle->action;
		task->order.extend_to_ms = settle->extend_to_ms;
		task->order.refund = settlement->refund;
		task->request = (struct ledger_request){.id = settle->request, .body = settle->request};
		task->order.repeated = settlement->repeated && settle->outcome != STOCK_DONE;
		memcpy(task->order.buyer, settlement->buyer, sizeof(settlement->buyer));
		memcpy(task->actor, settle->actor.data, settlement->by_operator ? settle->actor.size : 0);
		if (ledger_task_send_deferred(task))
			return;
		ledger_task_free(task);
	}
	reply_clear(&thread->reply);
	if (settle->outcome == STOCK_DONE)
		reply_problem(&thread->reply, PROBLEM_OUTCOME_UNKNOWN, &(struct problem_options){.detail = done_unseen});
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
	const char *owner = settlement->by_operator ? settle->owner : settlement->buyer;

	if (*owner == '\0' || !is_known(settlement))
		return false;
	reply_clear(&thread->reply);
	if (settlement->repeated && settle->outcome != STOCK_DONE)
		say_repeated(&thread->reply);
	render_stock_order(&settle->order, settlement->entry->sale->id, sku_of(settlement), slice_of(owner), &thread->reply.body);
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
			ask_ledger(thread, settlement, work_settled);
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

/* A cancel with a key, of what is confirmed, that may not be its refund. */
static void refuse_refund(struct reply *reply, enum refund refund)
{
	if (refund == REFUND_UNDECIDED)
		reply_problem(reply, PROBLEM_LEDGER_UNAVAILABLE,
			      &(struct problem_options){.detail = "The order is confirmed. Whether this key was sent to refund it "
								  "cannot be read now. Nothing was done."});
	else
		reply_refuse(reply, PROBLEM_ORDER_STATE,
			     "The order is confirmed. It was held when this Idempotency-Key was sent first: a refund needs "
			     "another.");
}

static bool is_refund(const struct stock_settle *settle)
{
	return settle->action == ORDER_CANCEL && settle->order.state == ORDER_CONFIRMED;
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
			refuse_refund(reply, settlement->refund);
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
	case STOCK_OUTCOME_UNKNOWN:
		reply_change_unknown(reply, settlement->pending.retry);
		break;
	default:
		reply_problem(reply, PROBLEM_STOCK_UNAVAILABLE, NULL);
		break;
	}
	gate_answer_handle(thread, &settlement->pending.handle, reply);
}

/* --- When the stock has the order no more, or its hold has run out --- */

static void say_order_control(struct ledger_task *task, int r, enum problem refusal, const struct ledger_order *order)
{
	switch (r) {
	case ORDER_CONTROL_DONE:
		render_ledger_order(order, &task->reply.body);
		return;
	case ORDER_CONTROL_REFUSED:
		reply_problem(&task->reply, refusal, NULL);
		return;
	case ORDER_CONTROL_UNKNOWN:
		ledger_task_say_unknown(task);
		return;
	case ORDER_CONTROL_STOCK_AWAY:
		reply_problem(&task->reply, PROBLEM_STOCK_UNAVAILABLE, NULL);
		return;
	case ORDER_CONTROL_UNAVAILABLE:
		reply_change_refused(&task->reply);
		return;
	}
	ledger_task_refuse_fatal(task, r);
}

/*
 * The order as it stands. By the stock's word where it has names: a ledger behind a drain may not
 * know of its expiry yet, nor of the order.
 */
static int find_order(struct ledger_task *task, struct ledger_order *order)
{
	struct ledger *ledger = ledger_task_ledger(task);

	*order = task->order.known;
	return task->order.known.buyer[0] ? LEDGER_DONE : ledger->ops->order_get(ledger, &task->order.id, order);
}

/*
 * A confirm with a key, of an order that is cancelled. Where it was done, its row came with the
 * event that did it, and the refund came behind: a ledger that has the refund has the row as well.
 * One that has not is behind the stock, and knows nothing yet.
 */
static void work_confirmed_before(struct ledger_task *task)
{
	struct ledger *ledger = ledger_task_ledger(task);
	struct ledger_order order;
	int r = ledger->ops->order_get(ledger, &task->order.id, &order);
	bool is_behind = r == LEDGER_NOT_FOUND || (r == LEDGER_DONE && order.state != ORDER_CANCELLED);

	if (r == LEDGER_DONE && !is_behind)
		r = ledger->ops->request_find(ledger, &task->request);
	if (r < 0) {
		ledger_task_refuse_fatal(task, r);
	} else if (is_behind) {
		reply_problem(&task->reply, PROBLEM_OUTCOME_UNKNOWN,
			      &(struct problem_options){.detail = "The order is cancelled. Whether this request had confirmed it before "
								  "cannot be said yet. Send it again shortly: it is not done twice."});
	} else if (r == LEDGER_REPEATED) {
		say_repeated(&task->reply);
		render_ledger_order(&order, &task->reply.body);
	} else {
		reply_refuse(&task->reply, PROBLEM_ORDER_STATE, "The order is %s.", order_state_name(order.state));
	}
}

/*
 * A late confirm. One with a key is written down when it is done, so that it is known after a
 * refund of the order that it has made. Where that fails, its next retry writes it down.
 */
static void confirm_late(struct ledger_task *task, const struct ledger_order *order, const struct ledger_actor *actor)
{
	struct ledger *ledger = ledger_task_ledger(task);
	bool has_key = !uuid_is_null(&task->request.id);
	struct ledger_order fresh = {.state = ORDER_EXPIRED};
	int r = order_control_confirm_late(&task->thread->gate->settings.orders, order, actor, &fresh);

	if (r == ORDER_CONTROL_DONE && has_key) {
		(void)!ledger->ops->request_note(ledger, &task->request, actor->now_ms);
	} else if (r == ORDER_CONTROL_REFUSED && has_key && fresh.state == ORDER_CANCELLED &&
		   ledger->ops->request_find(ledger, &task->request) == LEDGER_REPEATED) {
		say_repeated(&task->reply);
		r = ORDER_CONTROL_DONE;
	}
	say_order_control(task, r, PROBLEM_HOLD_EXPIRED, &fresh);
}

/* Whether a confirm may have been done before a refund. */
static bool may_be_confirmed_before(enum order_action action, const struct uuid *request, enum order_state state)
{
	return action == ORDER_CONFIRM && state == ORDER_CANCELLED && !uuid_is_null(request);
}

/* A late confirm of an expired order, a refund of a confirmed one, or what was done already. */
static void work_without_stock(struct ledger_task *task)
{
	const struct order_control *control = &task->thread->gate->settings.orders;
	struct ledger_actor actor = ledger_task_actor(task);
	struct ledger_order order;
	int r = find_order(task, &order);

	if (task->order.buyer[0])
		order.trace[0] = '\0'; /* operators' business */
	if (r < 0)
		ledger_task_refuse_fatal(task, r);
	else if (r == LEDGER_NOT_FOUND || (task->order.buyer[0] && strcmp(task->order.buyer, order.buyer) != 0))
		reply_problem(&task->reply, PROBLEM_UNKNOWN_ORDER, NULL);
	else if (task->action == ORDER_CONFIRM && order.state == ORDER_EXPIRED)
		confirm_late(task, &order, &actor);
	else if (task->action == ORDER_CANCEL && !task->order.buyer[0] && order.state == ORDER_CONFIRMED &&
		 task->order.refund != REFUND_ALLOWED)
		refuse_refund(&task->reply, task->order.refund);
	else if (task->action == ORDER_CANCEL && !task->order.buyer[0] && order.state == ORDER_CONFIRMED)
		say_order_control(task, order_control_refund(control, &order, &actor), PROBLEM_ORDER_STATE, &order);
	else if (is_done(task, &order))
		render_done(task, &order);
	else if (may_be_confirmed_before(task->action, &task->request.id, order.state))
		work_confirmed_before(task);
	else
		reply_refuse(&task->reply, PROBLEM_ORDER_STATE, "The order is %s.", order_state_name(order.state));
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
		ask_ledger(thread, settlement, settlement->by_operator ? work_settled : work_without_stock);
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
		ask_ledger(thread, settlement, work_without_stock);
		return;
	case STOCK_NO_ORDER:
		ask_ledger(thread, settlement, work_without_stock);
		return;
	case STOCK_EXPIRED:
	case STOCK_REFUSED:
		if (is_late_confirm(thread, settlement)) {
			ask_ledger(thread, settlement, work_without_stock);
			return;
		}
		if (may_be_confirmed_before(settle->action, &settle->request, settle->order.state)) {
			ask_ledger(thread, settlement, work_confirmed_before);
			return;
		}
		if (settlement->repeated && has_end(settle->extend_to_ms, settle->order.hold_expires_at_ms)) {
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
	struct event texts = {.buyer = wanted->buyer, .actor = wanted->actor, .trace = trace_slice(&handle->trace)};

	*job = (struct job){
		.message = {.reply = thread->replies, .on_complete = on_complete},
		.kind = JOB_SETTLEMENT,
		.started_ns = clock_mono_ns(),
	};
	event_own(&texts, &settlement->decision.text);
	settlement->decision.may_refund = wanted->buyer.size == 0 && wanted->refund == REFUND_ALLOWED;
	settlement->refund = wanted->refund;
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
		.request = wanted->request,
	};
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
	fill(settlement, thread, handle, wanted);
	settlement->entry = sale_table_find_number(gate_sales(thread), settlement->decision.settle.sale);
	if (settlement->entry)
		sale_entry_ref(settlement->entry);
	settlement->pending.retry = reply_retry_of(wanted->action, wanted->extend_to_ms != 0);
	pending_reply_begin(thread, &settlement->pending, handle, PENDING_CHANGE, pending_reply_patience_ns(thread));
	stock_round_add(thread->stock, &settlement->decision.job);
}

void settlement_start(struct gate_request *request, const struct settlement_request *wanted)
{
	const struct reply_handle handle = gate_reply_handle(request);

	http_defer(request->exchange);
	settlement_go_on(request->thread, &handle, wanted);
}
