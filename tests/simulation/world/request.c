/* What the operations of a plan are as requests. */
#include <string.h>
#include "simulation/world/asking.h"

struct form {
	enum history_kind kind;
	const char *method, *move; /* move: the target's end */
	bool staff;
	void (*write)(struct asking *asking);
};
static const struct form forms[PLAN_KINDS];

static const struct form *form_of(const struct asking *asking)
{
	return &forms[asking->op->kind];
}

/* By which its key and its text are told apart from others'. */
static uint32_t number_of(const struct asking *asking)
{
	return asking->op->again ? asking->op->again - 1 : asking->number;
}

static void ask_sale(struct asking *asking)
{
	snprintf(asking->target, sizeof(asking->target), "/v1/sales/s%u%s", asking->op->sale, form_of(asking)->move);
}

static void ask_lot(struct asking *asking)
{
	snprintf(asking->target, sizeof(asking->target), "/v1/sales/s%u/lots/S%uL%u%s", asking->op->sale, asking->op->sale,
		 asking->op->lot, form_of(asking)->move);
	snprintf(asking->body, sizeof(asking->body), "{\"units\":%u}", asking->op->units);
}

static void ask_order(struct asking *asking)
{
	snprintf(asking->target, sizeof(asking->target), "/v1/orders/%s%s", asking->world->orders[asking->op->target].id,
		 form_of(asking)->move);
}

/* Every second one says why. */
static bool says_why(const struct asking *asking)
{
	return number_of(asking) % 2 != 0;
}

static void ask_cancel(struct asking *asking)
{
	ask_order(asking);
	if (says_why(asking))
		snprintf(asking->body, sizeof(asking->body), "{\"reason\":\"r%u\"}", number_of(asking));
}

/*
 * Units, where they go, and the payment side's name for what it pays back: what is not said is as
 * it was before there was a choice.
 */
static void ask_refund(struct asking *asking)
{
	static const char *const places[] = {[PLACE_SALE] = "sale", [PLACE_WAREHOUSE] = "warehouse", [PLACE_GONE] = "gone"};
	const struct plan_op *op = asking->op;
	char text[128] = "";
	int size = 0;

	ask_order(asking);
	asking->history.to = (enum history_place)op->to;
	if (op->kind == PLAN_REDUCE)
		size += snprintf(text + size, sizeof(text) - (size_t)size, ",\"quantity\":%u,\"reference\":\"re%u\"", op->units,
				 number_of(asking));
	if (op->to != PLACE_SALE || (op->kind == PLAN_REDUCE && says_why(asking)))
		size += snprintf(text + size, sizeof(text) - (size_t)size, ",\"units\":\"%s\"", places[op->to]);
	if (says_why(asking))
		size += snprintf(text + size, sizeof(text) - (size_t)size, ",\"reason\":\"r%u\"", number_of(asking));
	if (size)
		snprintf(asking->body, sizeof(asking->body), "{%s}", text + 1);
}

static void ask_confirm(struct asking *asking)
{
	const struct plan_op *op = asking->op;
	int size = 0;

	ask_cancel(asking); /* it is asked for alike, but for the payment */
	if (!op->payment && !op->amount)
		return;
	if (op->payment) {
		snprintf(asking->payment, sizeof(asking->payment), "p%u", op->payment);
		asking->history.payment = asking->payment;
		size = snprintf(asking->body, sizeof(asking->body), "{\"payment\":{\"reference\":\"%s\"%s", asking->payment,
				op->amount ? "," : "");
	} else {
		size = snprintf(asking->body, sizeof(asking->body), "{\"payment\":{");
	}
	if (op->amount) {
		asking->history.amount = op->amount;
		size += snprintf(asking->body + size, sizeof(asking->body) - (size_t)size, "\"amount\":%u,\"currency\":\"EUR\"",
				 op->amount);
	}
	size += snprintf(asking->body + size, sizeof(asking->body) - (size_t)size, "}");
	if (says_why(asking))
		size += snprintf(asking->body + size, sizeof(asking->body) - (size_t)size, ",\"reason\":\"r%u\"", number_of(asking));
	snprintf(asking->body + size, sizeof(asking->body) - (size_t)size, "}");
}

static void ask_extension(struct asking *asking)
{
	ask_order(asking);
	if (says_why(asking))
		snprintf(asking->body, sizeof(asking->body), "{\"seconds\":%u,\"reason\":\"r%u\"}", asking->op->units,
			 number_of(asking));
	else
		snprintf(asking->body, sizeof(asking->body), "{\"seconds\":%u}", asking->op->units);
}

static void ask_purchase(struct asking *asking)
{
	const struct plan_op *op = asking->op;

	snprintf(asking->target, sizeof(asking->target), "/v1/sales/s%u/orders", op->sale);
	snprintf(asking->body, sizeof(asking->body), "{\"sku\":\"S%uL%u\",\"quantity\":%u}", op->sale, op->lot, op->units);
	snprintf(asking->key, sizeof(asking->key), "k%u", op->target == PLAN_NONE ? number_of(asking) : op->target);
}

static void ask_own_orders(struct asking *asking)
{
	snprintf(asking->target, sizeof(asking->target), "/v1/sales/s%u/orders", asking->op->sale);
}

static void ask_payment(struct asking *asking)
{
	snprintf(asking->target, sizeof(asking->target), "/v1/orders?limit=16&payment=p%u", asking->op->payment);
}

static void ask_change(struct asking *asking)
{
	snprintf(asking->target, sizeof(asking->target), "/v1/sales/s%u", asking->op->sale);
	snprintf(asking->body, sizeof(asking->body), "{\"name\":\"Name %u\"}", number_of(asking));
}

static void ask_item(struct asking *asking)
{
	bool adjusts = asking->op->kind == PLAN_ADJUST;

	snprintf(asking->target, sizeof(asking->target), "/v1/items/S%uL%u%s", asking->op->sale, asking->op->lot,
		 form_of(asking)->move);
	snprintf(asking->body, sizeof(asking->body), adjusts ? "{\"units\":-%u,\"reason\":\"counted\"}" : "{\"units\":%u}",
		 asking->op->units);
}

static void ask_audit(struct asking *asking)
{
	snprintf(asking->target, sizeof(asking->target), "/v1/audit");
}

static const struct form forms[PLAN_KINDS] = {
	[PLAN_BUY] = {HISTORY_BUY, "POST", "", false, ask_purchase},
	[PLAN_CANCEL] = {HISTORY_CANCEL, "POST", "/cancel", false, ask_cancel},
	[PLAN_READ_ORDER] = {HISTORY_READ_ORDER, "GET", "", false, ask_order},
	[PLAN_LIST_ORDERS] = {HISTORY_READ_ORDERS, "GET", "", false, ask_own_orders},
	[PLAN_READ_SALE] = {HISTORY_OTHER, "GET", "", false, ask_sale},
	[PLAN_FIND_PAYMENT] = {HISTORY_READ_ORDERS, "GET", "", true, ask_payment},
	[PLAN_CONFIRM] = {HISTORY_CONFIRM, "POST", "/confirm", true, ask_confirm},
	[PLAN_REFUND] = {HISTORY_CANCEL, "POST", "/cancel", true, ask_refund},
	[PLAN_REDUCE] = {HISTORY_REDUCE, "POST", "/cancel", true, ask_refund},
	[PLAN_EXTEND] = {HISTORY_EXTEND, "POST", "/extend", true, ask_extension},
	[PLAN_ADD] = {HISTORY_ADD, "POST", "/add", true, ask_lot},
	[PLAN_WITHDRAW] = {HISTORY_WITHDRAW, "POST", "/withdraw", true, ask_lot},
	[PLAN_PAUSE] = {HISTORY_PAUSE, "POST", "/pause", true, ask_sale},
	[PLAN_RESUME] = {HISTORY_RESUME, "POST", "/resume", true, ask_sale},
	[PLAN_CHANGE] = {HISTORY_OTHER, "PATCH", "", true, ask_change},
	[PLAN_DISARM] = {HISTORY_DISARM, "POST", "/disarm", true, ask_sale},
	[PLAN_OPEN] = {HISTORY_OPEN, "POST", "/open", true, ask_sale},
	[PLAN_RECEIVE] = {HISTORY_OTHER, "POST", "/receive", true, ask_item},
	[PLAN_ADJUST] = {HISTORY_OTHER, "POST", "/adjust", true, ask_item},
	[PLAN_AUDIT] = {HISTORY_OTHER, "POST", "", true, ask_audit},
	[PLAN_END] = {HISTORY_END, "POST", "/end", true, ask_sale},
};

void request_write(struct asking *asking)
{
	const struct form *form = form_of(asking);
	const struct plan_op *op = asking->op;

	snprintf(asking->key, sizeof(asking->key), "k%u", number_of(asking));
	snprintf(asking->buyer, sizeof(asking->buyer), "b%u", op->buyer);
	asking->request = (struct world_request){.staff = form->staff, .method = form->method, .target = asking->target};
	asking->history = (struct history_operation){.kind = form->kind, .sale = op->sale + 1, .lot = op->lot, .units = op->units};
	form->write(asking);
	if (asking->request.staff)
		asking->history.actor = "operator";
	else
		asking->request.buyer = asking->history.buyer = asking->buyer;
	if (op->keyed && strcmp(asking->request.method, "POST") == 0)
		asking->request.key = asking->history.key = asking->key;
	if (asking->body[0])
		asking->request.body = asking->body;
	if (op->target != PLAN_NONE && op->kind != PLAN_BUY &&
	    uuid_parse(slice_of(asking->world->orders[op->target].id), &asking->history.order) < 0)
		world_breach(asking->world, "answer.id: order %s", asking->world->orders[op->target].id);
}
