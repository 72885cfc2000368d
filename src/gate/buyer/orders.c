/* Orders: read, list, and what a buyer or an operator does to one. */
#include <stdlib.h>
#include "gate/body.h"
#include "gate/buyer/lookup.h"
#include "gate/buyer/routes.h"
#include "gate/buyer/settlement.h"
#include "gate/ledger_task.h"
#include "gate/render.h"

/* The order that the path names; false: it has answered. What is no id is no order. */
static bool read_id(struct gate_request *request, struct uuid *id)
{
	if (uuid_parse(request->parameters[0], id) == 0)
		return true;
	gate_refuse(request, PROBLEM_UNKNOWN_ORDER, NULL);
	return false;
}

/* --- Buyers --- */

static void work_buyers_order(struct ledger_task *task)
{
	struct ledger *ledger = ledger_task_ledger(task);
	struct ledger_order order;
	int r = ledger->ops->order_get(ledger, &task->order.id, &order);

	if (r < 0) {
		ledger_task_refuse_fatal(task, r);
	} else if (r == LEDGER_NOT_FOUND || strcmp(order.buyer, task->order.buyer) != 0) {
		reply_problem(&task->reply, PROBLEM_UNKNOWN_ORDER, NULL);
	} else {
		render_hide_operators(&order);
		render_ledger_order(&order, &task->reply.body);
	}
}

void orders_show(struct gate_request *request)
{
	struct identity_buyer buyer;
	struct uuid id;
	int64_t wait_ns;

	if (gate_identify(request, &buyer) && read_id(request, &id) && gate_wait(request, &wait_ns))
		lookup_start(request, &id, (struct slice){buyer.name, buyer.size}, wait_ns, work_buyers_order);
}

/* Why it is changed: out of the body's texts, or of a task's. */
static struct body_field reason_field(struct slice *reason)
{
	return (struct body_field){.name = "reason",
				   .kind = BODY_TEXT,
				   .target = reason,
				   .valid = event_reason_valid,
				   .rule = "1 to 200 bytes of text without control characters"};
}

/*
 * The body's fields, `count` of them. The caller json_decref()s it, behind the last use of its
 * texts. NULL: it has answered.
 */
static json_t *read_body(struct gate_request *request, struct body_field *fields, size_t count)
{
	struct reply *reply = &request->thread->reply;
	json_t *body = body_parse(request->http, reply);

	if (body && body_read(body, fields, count, "", reply) == 0)
		return body;
	json_decref(body);
	gate_answer(request, reply);
	return NULL;
}

void orders_cancel(struct gate_request *request)
{
	struct settlement_request wanted = {.action = ORDER_CANCEL};
	struct body_field fields[] = {reason_field(&wanted.reason)};
	struct identity_buyer buyer;
	json_t *body;

	if (!gate_identify(request, &buyer) || !read_id(request, &wanted.id))
		return;
	body = read_body(request, fields, 1);
	if (!body)
		return;
	wanted.buyer = wanted.actor = (struct slice){buyer.name, buyer.size};
	settlement_start(request, &wanted);
	json_decref(body);
}

/* --- Operators --- */

static void settle(struct gate_request *request, struct settlement_request *wanted)
{
	struct ledger_request key = {0};

	wanted->actor = slice_of(request->actor);
	if (!ledger_task_key(request, &key, &wanted->repeated))
		return;
	wanted->request = key.id;
	if (read_id(request, &wanted->id))
		settlement_start(request, wanted);
}

/*
 * With a key it is done once: by way of a task, which gets the order, what is done and why, and
 * with_body what its key is compared by besides. NULL: it has answered.
 */
static struct ledger_task *settle_once(struct gate_request *request, enum order_action action, struct slice reason, bool with_body)
{
	struct ledger_task *task;
	struct uuid id;

	if (!read_id(request, &id))
		return NULL;
	task = with_body ? ledger_task_new_with_body(request, NULL) : ledger_task_new(request, NULL);
	if (!task)
		return NULL;
	task->order.id = id;
	task->action = action;
	if (reason.size)
		memcpy(task->order.reason, reason.data, reason.size);
	return task;
}

/* False: it is none, `reply` says why. Its texts are the body's. */
static bool read_payment(const json_t *object, struct payment *payment, struct reply *reply)
{
	struct slice currency = SLICE_NULL;
	struct body_field members[] = {
		{.name = "reference",
		 .kind = BODY_TEXT,
		 .target = &payment->reference,
		 .valid = payment_reference_valid,
		 .rule = "1 to 128 printable ASCII characters without spaces"},
		{.name = "amount", .kind = BODY_INTEGER, .target = &payment->amount, .min = 0, .max = PAYMENT_AMOUNT_MAX},
		{.name = "currency",
		 .kind = BODY_TEXT,
		 .target = &currency,
		 .valid = payment_currency_valid,
		 .rule = "three capital letters (ISO 4217)"},
		{.name = "method",
		 .kind = BODY_TEXT,
		 .target = &payment->method,
		 .valid = payment_method_valid,
		 .rule = "1 to 32 printable ASCII characters without spaces"},
	};

	if (object && body_read(object, members, sizeof(members) / sizeof(members[0]), "payment.", reply) != 0)
		return false;
	if (currency.size)
		(void)payment_set_currency(payment, currency);
	return true;
}

static const struct payment no_payment = {.amount = PAYMENT_NO_AMOUNT};

void orders_operator_confirm(struct gate_request *request)
{
	struct settlement_request wanted = {.action = ORDER_CONFIRM, .payment = no_payment};
	json_t *payment = NULL;
	struct body_field fields[] = {reason_field(&wanted.reason), {.name = "payment", .kind = BODY_OBJECT, .target = &payment}};
	json_t *body = read_body(request, fields, 2);

	if (!body)
		return;
	if (read_payment(payment, &wanted.payment, &request->thread->reply))
		settle(request, &wanted);
	else
		gate_answer(request, &request->thread->reply);
	json_decref(body);
}

static bool units_valid(struct slice name)
{
	enum units_to to;

	return order_units_to_parse(name, &to) == 0;
}

/* With a key. What says more than why is part of what its key is compared by. */
static void cancel_once(struct gate_request *request, const struct settlement_request *wanted, bool with_body)
{
	struct ledger_task *task;

	if (!ledger_task_key_fits(request))
		return;
	task = settle_once(request, ORDER_CANCEL, wanted->reason, with_body);
	if (!task)
		return;
	task->order.quantity = wanted->give.quantity;
	task->order.units_to = wanted->give.units_to;
	if (wanted->give.refund.size)
		memcpy(task->order.refunded, wanted->give.refund.data, wanted->give.refund.size);
	cancellation_start(request, task);
}

/*
 * A number of units can be given back again and again: only a key says that it is the same request.
 */
static bool has_key_for(struct gate_request *request, int64_t quantity)
{
	if (quantity == 0 || request->http->known[HTTP_IDEMPOTENCY_KEY].data)
		return true;
	reply_bad_field(&request->thread->reply, PROBLEM_INVALID_VALUE, "Idempotency-Key",
			"With a quantity an Idempotency-Key is needed: without one a retry would give units back again.");
	gate_answer(request, &request->thread->reply);
	return false;
}

void orders_operator_cancel(struct gate_request *request)
{
	struct settlement_request wanted = {.action = ORDER_CANCEL, .payment = no_payment};
	struct slice units = SLICE("sale");
	int64_t quantity = 0;
	struct body_field fields[] = {
		reason_field(&wanted.reason),
		{.name = "quantity", .kind = BODY_INTEGER, .target = &quantity, .min = 1, .max = LIMIT_MAX},
		{.name = "units", .kind = BODY_TEXT, .target = &units, .valid = units_valid, .rule = "one of sale, warehouse, gone"},
		{.name = "reference",
		 .kind = BODY_TEXT,
		 .target = &wanted.give.refund,
		 .valid = payment_reference_valid,
		 .rule = "1 to 128 printable ASCII characters without spaces"},
	};
	json_t *body = read_body(request, fields, 4);

	if (!body)
		return;
	(void)!order_units_to_parse(units, &wanted.give.units_to);
	wanted.give.quantity = (uint32_t)quantity;
	if (!has_key_for(request, quantity))
		; /* it has answered */
	else if (request->http->known[HTTP_IDEMPOTENCY_KEY].data)
		cancel_once(request, &wanted, fields[1].given || fields[2].given || fields[3].given);
	else
		settle(request, &wanted);
	json_decref(body);
}

void orders_operator_extend(struct gate_request *request)
{
	struct settlement_request wanted = {.action = ORDER_EXTEND, .payment = no_payment};
	int64_t seconds;
	struct body_field fields[] = {
		{.name = "seconds", .kind = BODY_INTEGER, .target = &seconds, .required = true, .min = 1, .max = HOLD_SECONDS_MAX},
		reason_field(&wanted.reason),
	};
	json_t *body = read_body(request, fields, 2);
	struct ledger_task *task;

	if (!body)
		return;
	wanted.extend_ns = seconds * 1000000000;
	if (!request->http->known[HTTP_IDEMPOTENCY_KEY].data) {
		settle(request, &wanted);
	} else if (ledger_task_key_fits(request) && (task = settle_once(request, ORDER_EXTEND, wanted.reason, true))) {
		task->order.extend_ns = wanted.extend_ns;
		extension_start(request, task);
	}
	json_decref(body);
}

void orders_operator_show(struct gate_request *request)
{
	struct uuid id;

	if (read_id(request, &id))
		lookup_start(request, &id, SLICE_NULL, 0, ledger_task_work_order);
}

/* The sale's number for its id; 0: any; false: it has said that there is none. */
static bool filter_sale(struct ledger_task *task, uint32_t *number)
{
	struct ledger *ledger = ledger_task_ledger(task);
	struct sale *sale = NULL;
	int r;

	*number = 0;
	if (task->orders.sale[0] == '\0')
		return true;
	r = ledger->ops->sale_get(ledger, 0, slice_of(task->orders.sale), &sale);
	if (r < 0)
		ledger_task_refuse_fatal(task, r);
	else if (r == LEDGER_NOT_FOUND)
		reply_problem(&task->reply, PROBLEM_UNKNOWN_SALE, NULL);
	else
		*number = sale->number;
	free(sale);
	return r == 0;
}

static void render_page(struct ledger_task *task, const struct ledger_order *orders, size_t count)
{
	struct buffer *out = &task->reply.body;
	char id[UUID_TEXT_SIZE] = "";

	buffer_append_literal(out, "{\"orders\":[");
	for (size_t i = 0; i < count; i++) {
		if (i)
			buffer_append_literal(out, ",");
		render_ledger_order(&orders[i], out);
	}
	if (count)
		uuid_format(&orders[count - 1].id, id);
	ledger_task_end_list(task, count, slice_of(id));
}

static void work_list(struct ledger_task *task)
{
	struct ledger *ledger = ledger_task_ledger(task);
	struct ledger_order_filter filter = {
		.state = task->orders.state,
		.buyer = slice_of(task->orders.buyer),
		.payment = slice_of(task->orders.payment),
		.reference = slice_of(task->orders.reference),
		.after = task->orders.after,
	};
	struct ledger_order *orders;
	size_t count = 0;
	int r;

	if (!filter_sale(task, &filter.sale))
		return;
	orders = calloc((size_t)task->limit, sizeof(*orders));
	r = orders ? ledger->ops->orders(ledger, &filter, orders, (size_t)task->limit, &count) : -ENOMEM;
	if (r < 0)
		ledger_task_refuse_fatal(task, r);
	else
		render_page(task, orders, count);
	free(orders);
}

static void refuse_query(struct gate_request *request, const char *field, const char *rule)
{
	reply_bad_field(&request->thread->reply, PROBLEM_INVALID_VALUE, field, "%s must be %s.", field, rule);
	gate_answer(request, &request->thread->reply);
}

/* The list's filters out of the query; false: it has answered. */
static bool read_filters(struct gate_request *request, struct ledger_task *task, const char *after)
{
	char state[16];
	int r;

	if (*after && uuid_parse(slice_of(after), &task->orders.after) < 0) {
		refuse_query(request, "after", "the `next` of the page before");
		return false;
	}
	r = http_request_query(request->http, SLICE("state"), state, sizeof(state));
	if (r < 0 || (r == 0 && order_state_parse(slice_of(state), &task->orders.state) < 0)) {
		refuse_query(request, "state", "one of held, confirmed, cancelled, expired");
		return false;
	}
	if (http_request_query(request->http, SLICE("sale"), task->orders.sale, sizeof(task->orders.sale)) < 0) {
		refuse_query(request, "sale", "the id of a sale");
		return false;
	}
	if (http_request_query(request->http, SLICE("buyer"), task->orders.buyer, sizeof(task->orders.buyer)) < 0) {
		refuse_query(request, "buyer", "the name of a buyer");
		return false;
	}
	if (http_request_query(request->http, SLICE("payment"), task->orders.payment, sizeof(task->orders.payment)) < 0) {
		refuse_query(request, "payment", "the reference of a payment");
		return false;
	}
	if (http_request_query(request->http, SLICE("reference"), task->orders.reference, sizeof(task->orders.reference)) < 0) {
		refuse_query(request, "reference", "the shop's own name for an order");
		return false;
	}
	return true;
}

void orders_operator_list(struct gate_request *request)
{
	struct ledger_task *task;
	char after[UUID_TEXT_SIZE];
	int64_t limit;

	if (!gate_page(request, after, sizeof(after), &limit))
		return;
	task = ledger_task_new(request, work_list);
	if (!task)
		return;
	task->limit = limit;
	if (read_filters(request, task, after))
		ledger_task_send(request, task);
	else
		ledger_task_free(task);
}
