#include "gate/buyer/settlement_ledger.h"

#include <stdio.h>
#include <stdlib.h>
#include "gate/render.h"

/* A shared stock that has not a sale which is on sale is loading it. */
static bool is_on_sale(const struct ledger_task *task, uint32_t sale)
{
	const struct gate_settings *settings = &task->thread->gate->settings;
	const struct sale_table *sales;
	bool there;

	if (!settings->admission->shared)
		return false;
	sales = sale_catalog_ref(settings->catalog);
	there = sale_table_find_number(sales, sale);
	sale_table_unref(sales);
	return there;
}

bool settlement_stock_says(struct ledger_task *task, const struct stock_find *find)
{
	switch (find->outcome) {
	case STOCK_DONE:
	case STOCK_NO_ORDER:
		return true;
	case STOCK_UNKNOWN_SALE:
		if (!is_on_sale(task, find->sale))
			return true;
		break;
	case STOCK_FENCED:
		break;
	default:
		reply_problem(&task->reply, PROBLEM_STOCK_UNAVAILABLE, NULL);
		return false;
	}
	reply_problem(&task->reply, PROBLEM_FENCED, NULL);
	return false;
}

void settlement_say_repeated(struct reply *reply)
{
	reply_header(reply, "Idempotent-Replayed", SLICE("true"));
}

bool settlement_has_end(int64_t extend_to_ms, int64_t hold_expires_at_ms)
{
	return extend_to_ms != 0 && hold_expires_at_ms >= extend_to_ms;
}

static void render_done(struct ledger_task *task, const struct ledger_order *order)
{
	if (task->order.repeated)
		settlement_say_repeated(&task->reply);
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
		return task->order.repeated && settlement_has_end(task->order.extend_to_ms, order->hold_expires_at_ms);
	case ORDER_REFUND:
	case ORDER_EXPIRE:
	case ORDER_REDUCE:
		break; /* nobody asks for these */
	}
	return false;
}

const char settlement_done_unseen[] = "It is done, but cannot be shown now. Read the order again shortly.";

void settlement_work_settled(struct ledger_task *task)
{
	struct ledger *ledger = ledger_task_ledger(task);
	struct ledger_order order;
	int r = ledger->ops->order_get(ledger, &task->order.id, &order);

	if (r < 0)
		ledger_task_refuse_fatal(task, r);
	else if (r == LEDGER_NOT_FOUND || (task->action == ORDER_CONFIRM && order.state != ORDER_CONFIRMED))
		reply_problem(&task->reply, PROBLEM_OUTCOME_UNKNOWN, &(struct problem_options){.detail = settlement_done_unseen});
	else
		render_done(task, &order);
}

/* --- What a payment is refused with --- */

void settlement_say_wrong_amount(struct reply *reply, const struct sale *sale, uint32_t quantity)
{
	char members[96];
	int size = snprintf(members, sizeof(members), ",\"due\":{\"amount\":%lld,\"currency\":\"%s\"}",
			    (long long)sale->price_minor * quantity, sale->currency);

	reply_problem(reply, PROBLEM_WRONG_AMOUNT, &(struct problem_options){.members = {members, (size_t)size}});
}

void settlement_say_paid_already(struct reply *reply, const char *paid)
{
	struct buffer members;

	if (!*paid) {
		reply_problem(reply, PROBLEM_PAID_ALREADY, NULL);
		return;
	}
	buffer_init(&members, 1024);
	buffer_append_literal(&members, ",\"payment\":");
	buffer_append_json_string(&members, slice_of(paid));
	reply_problem(reply, PROBLEM_PAID_ALREADY, &(struct problem_options){.members = buffer_slice(&members)});
	buffer_deinit(&members);
}

void settlement_say_reference_used(struct reply *reply, const struct uuid *payer)
{
	char members[UUID_TEXT_SIZE + 16], id[UUID_TEXT_SIZE];
	int size;

	uuid_format(payer, id);
	size = snprintf(members, sizeof(members), ",\"order\":\"%s\"", id);
	reply_problem(reply, PROBLEM_REFERENCE_USED, &(struct problem_options){.members = {members, (size_t)size}});
}

void settlement_work_paid_already(struct ledger_task *task)
{
	struct ledger *ledger = ledger_task_ledger(task);
	struct ledger_order order;
	int r = ledger->ops->order_get(ledger, &task->order.id, &order);

	settlement_say_paid_already(&task->reply, r == LEDGER_DONE ? order.payment.reference : "");
}

void settlement_refuse_refund(struct reply *reply, enum refund refund)
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

/* --- What gives back a number of units --- */

void settlement_say_quantity(struct reply *reply, uint32_t quantity, const char *detail)
{
	char members[32], has[96];
	int size = snprintf(members, sizeof(members), ",\"quantity\":%u", quantity);

	snprintf(has, sizeof(has), "The order has %u unit%s. Nothing was done: ask for no more.", quantity, quantity == 1 ? "" : "s");
	reply_problem(reply, PROBLEM_ORDER_QUANTITY,
		      &(struct problem_options){.members = {members, (size_t)size}, .detail = detail ? detail : has});
}

static struct order_give_back give_back_of(const struct ledger_task *task)
{
	return (struct order_give_back){
		.from = task->order.from,
		.quantity = task->order.quantity,
		.units_to = task->order.units_to,
		.refund = slice_of(task->order.refunded),
		.request = task->order.from ? task->request.id : (struct uuid){{0}},
	};
}

/* Its key stays refused, whatever the order has left: what is to be done next. */
static const char *overtaken(bool enough)
{
#define OVERTAKEN \
	"Others have given units of the order back since this Idempotency-Key was sent first, so that it stays refused. Nothing was done"
	return enough ? OVERTAKEN ": the order still has as many, so send it again with another key and the same reference."
		      : OVERTAKEN ", and the order does not have so many any more: ask for what it has, with another key.";
#undef OVERTAKEN
}

static void say_given_back(struct ledger_task *task, int r, const struct ledger_order *order)
{
	switch (r) {
	case ORDER_CONTROL_DONE:
		render_done(task, order);
		return;
	case ORDER_CONTROL_REFUSED:
		if (order_is_live(order->state))
			settlement_say_quantity(&task->reply, order->quantity, overtaken(order->quantity >= task->order.quantity));
		else
			reply_refuse(&task->reply, PROBLEM_ORDER_STATE, "The order is %s, and not by this request.",
				     order_state_name(order->state));
		return;
	case ORDER_CONTROL_UNKNOWN:
		reply_problem(&task->reply, PROBLEM_OUTCOME_UNKNOWN,
			      &(struct problem_options){.detail = "Whether this request has given the units back cannot be said yet. "
								  "Send it again shortly with the same key: it is not done twice."});
		return;
	case ORDER_CONTROL_UNAVAILABLE:
		reply_change_refused(&task->reply);
		return;
	}
	ledger_task_refuse_fatal(task, r);
}

void settlement_work_given_back(struct ledger_task *task)
{
	struct order_give_back wanted = give_back_of(task);
	struct ledger_order order;
	int r = order_control_was_given_back(&task->thread->gate->settings.orders, &task->order.id, &wanted, &order);

	task->order.repeated = true;
	say_given_back(task, r, &order);
}

/* Of an order that the ledger has, and its sale has left the stock. */
static void give_back_late(struct ledger_task *task, struct ledger_order *order, const struct ledger_actor *actor)
{
	struct order_give_back wanted = give_back_of(task);

	task->order.repeated = false; /* until it is found to be */
	if (order->state == ORDER_HELD)
		reply_refuse(&task->reply, PROBLEM_ORDER_STATE, "The order is %s.", order_state_name(order->state));
	else if (order->state != ORDER_CONFIRMED || order->quantity != wanted.from)
		settlement_work_given_back(task);
	else if (task->order.refund != REFUND_ALLOWED)
		settlement_refuse_refund(&task->reply, task->order.refund);
	else
		say_given_back(task, order_control_refund(&task->thread->gate->settings.orders, order, actor, &wanted), order);
}

/* --- When the stock has the order no more, or its hold has run out --- */

static void say_due(struct ledger_task *task, const struct ledger_order *order)
{
	struct ledger *ledger = ledger_task_ledger(task);
	struct sale *sale;
	int r = ledger->ops->sale_get(ledger, order->sale, SLICE_NULL, &sale);

	if (r == LEDGER_DONE) {
		settlement_say_wrong_amount(&task->reply, sale, order->quantity);
		free(sale);
	} else {
		reply_problem(&task->reply, PROBLEM_WRONG_AMOUNT, NULL);
	}
}

static void say_order_control(struct ledger_task *task, int r, enum problem refusal, const struct ledger_order *order,
			      const struct order_payment *payment)
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
	case ORDER_CONTROL_WRONG_AMOUNT:
		say_due(task, order);
		return;
	case ORDER_CONTROL_PAID_ALREADY:
		settlement_say_paid_already(&task->reply, payment->paid);
		return;
	case ORDER_CONTROL_REFERENCE_USED:
		settlement_say_reference_used(&task->reply, &payment->payer);
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

void settlement_work_confirmed_before(struct ledger_task *task)
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
		settlement_say_repeated(&task->reply);
		render_ledger_order(&order, &task->reply.body);
	} else {
		reply_refuse(&task->reply, PROBLEM_ORDER_STATE, "The order is %s.", order_state_name(order.state));
	}
}

/*
 * What a late confirm has made is paid with what it brings. Where that has come to be another
 * order's meanwhile, nobody has paid for this one.
 */
static int pay_late(const struct order_control *control, struct ledger_order *fresh, const struct ledger_actor *actor,
		    struct order_payment *payment)
{
	int r = payment->payment.reference.size ? order_control_pay(control, fresh, actor, payment) : ORDER_CONTROL_DONE;

	if (r != ORDER_CONTROL_REFERENCE_USED)
		return r;
	return order_control_undo_late(control, fresh, actor) == ORDER_CONTROL_DONE ? r : ORDER_CONTROL_UNKNOWN;
}

/*
 * A late confirm. One with a key is written down when it is done, its payment too, so that it is
 * known after a refund of the order that it has made. Where that fails, its next retry writes it
 * down.
 */
static void confirm_late(struct ledger_task *task, const struct ledger_order *order, const struct ledger_actor *actor)
{
	struct ledger *ledger = ledger_task_ledger(task);
	bool has_key = !uuid_is_null(&task->request.id);
	const struct order_control *control = &task->thread->gate->settings.orders;
	struct order_payment payment = {.payment = payment_of_row(&task->order.payment), .payer = task->order.payer};
	bool used = !uuid_is_null(&payment.payer); /* by what an earlier one has made, or by another's */
	struct ledger_order fresh = {.state = ORDER_EXPIRED};
	int r = order_control_confirm_late(control, order, actor, used ? &payment.payer : NULL, &fresh);

	if (r == ORDER_CONTROL_REFUSED && has_key && fresh.state == ORDER_CANCELLED &&
	    ledger->ops->request_find(ledger, &task->request) == LEDGER_REPEATED) {
		settlement_say_repeated(&task->reply);
		r = ORDER_CONTROL_DONE;
	} else if (fresh.state == ORDER_CONFIRMED && (r == ORDER_CONTROL_DONE || (r == ORDER_CONTROL_REFUSED && used))) {
		/* Also where an earlier try has made an order and not come to its payment. */
		r = pay_late(control, &fresh, actor, &payment);
		if (r == ORDER_CONTROL_DONE && has_key)
			(void)!ledger->ops->request_note(ledger, &task->request, actor->now_ms);
	} else if (r == ORDER_CONTROL_REFUSED && used) {
		r = ORDER_CONTROL_REFERENCE_USED;
	}
	say_order_control(task, r, PROBLEM_HOLD_EXPIRED, &fresh, &payment);
}

bool settlement_may_be_confirmed_before(enum order_action action, const struct uuid *request, enum order_state state)
{
	return action == ORDER_CONFIRM && state == ORDER_CANCELLED && !uuid_is_null(request);
}

/* What there is to keep, or to compare with the price. */
static bool says_payment(const struct payment *payment)
{
	return payment->reference.size || payment->amount != PAYMENT_NO_AMOUNT || payment->currency[0];
}

void settlement_work_without_stock(struct ledger_task *task)
{
	const struct order_control *control = &task->thread->gate->settings.orders;
	struct order_payment payment = {.payment = payment_of_row(&task->order.payment)};
	struct ledger_actor actor = ledger_task_actor(task);
	struct order_give_back whole = give_back_of(task);
	struct ledger_order order;
	int r = find_order(task, &order);

	if (task->order.buyer[0])
		render_hide_operators(&order);
	if (r < 0)
		ledger_task_refuse_fatal(task, r);
	else if (r == LEDGER_NOT_FOUND || (task->order.buyer[0] && strcmp(task->order.buyer, order.buyer) != 0))
		reply_problem(&task->reply, PROBLEM_UNKNOWN_ORDER, NULL);
	else if (task->order.from)
		give_back_late(task, &order, &actor);
	else if (task->action == ORDER_CONFIRM && order.state == ORDER_EXPIRED)
		confirm_late(task, &order, &actor);
	else if (task->action == ORDER_CANCEL && !task->order.buyer[0] && order.state == ORDER_CONFIRMED &&
		 task->order.refund != REFUND_ALLOWED)
		settlement_refuse_refund(&task->reply, task->order.refund);
	else if (task->action == ORDER_CANCEL && !task->order.buyer[0] && order.state == ORDER_CONFIRMED)
		say_order_control(task, order_control_refund(control, &order, &actor, &whole), PROBLEM_ORDER_STATE, &order, &payment);
	else if (task->action == ORDER_CONFIRM && order.state == ORDER_CONFIRMED && says_payment(&payment.payment))
		say_order_control(task, order_control_pay(control, &order, &actor, &payment), PROBLEM_ORDER_STATE, &order, &payment);
	else if (is_done(task, &order))
		render_done(task, &order);
	else if (settlement_may_be_confirmed_before(task->action, &task->request.id, order.state))
		settlement_work_confirmed_before(task);
	else
		reply_refuse(&task->reply, PROBLEM_ORDER_STATE, "The order is %s.", order_state_name(order.state));
}
