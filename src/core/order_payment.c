/* The payment of an order that is confirmed already: order_control_pay(). */
#include <stdlib.h>
#include "base/clock.h"
#include "core/order_control_own.h"

void order_control_price(const struct sale *sale, const struct payment *payment, struct stock_settle *settle)
{
	bool other = payment->currency[0] && strcmp(payment->currency, sale->currency) != 0;

	settle->priced = other || payment->amount != PAYMENT_NO_AMOUNT;
	settle->unit_price = other ? PAYMENT_AMOUNT_MAX + 1 : sale->price_minor; /* no amount is that of another currency */
}

static struct stock_settle settle_of(const struct ledger_order *order, const struct ledger_actor *actor, enum order_action action)
{
	return (struct stock_settle){
		.sale = order->sale,
		.id = order->id,
		.action = action,
		.now_ns = clock_mono_ns(),
		.now_ms = actor->now_ms,
		.actor_kind = actor->kind,
		.actor = actor->name,
		.trace = actor->trace,
		.reason = actor->reason,
	};
}

/* The payment that the ledger has of the order; empty where it has none yet. 0 or negative. */
static int read_paid(const struct order_control *control, const struct uuid *id, char paid[static PAYMENT_REFERENCE_MAX + 1])
{
	struct ledger_order order;
	int r = control->ledger->ops->order_get(control->ledger, id, &order);

	*paid = '\0';
	if (r == LEDGER_DONE)
		memcpy(paid, order.payment.reference, sizeof(order.payment.reference));
	return r < 0 ? r : 0;
}

/* Whether the ledger has another order of the sale with this payment. 1, 0, or negative. */
static int find_payer(const struct order_control *control, const struct ledger_order *order, struct order_payment *payment)
{
	struct ledger_order_filter filter = {.sale = order->sale, .payment = payment->payment.reference};
	struct ledger_order *found = calloc(2, sizeof(*found));
	size_t count = 0;
	int r = found ? control->ledger->ops->orders(control->ledger, &filter, found, 2, &count) : error_origin(-ENOMEM);

	for (size_t i = 0; r == 0 && i < count; i++) {
		if (uuid_equal(&found[i].id, &order->id))
			continue;
		payment->payer = found[i].id;
		r = 1;
	}
	free(found);
	return r;
}

/* What the ledger's rows say of the payment: 0, it may be written; DONE is said by *done. */
static int judge(const struct order_control *control, const struct ledger_order *order, const struct sale *sale,
		 struct order_payment *payment, bool *done)
{
	struct stock_settle price = {0};
	int r;

	*done = false;
	order_control_price(sale, &payment->payment, &price);
	if (price.priced && payment->payment.amount != price.unit_price * order->quantity)
		return ORDER_CONTROL_WRONG_AMOUNT;
	*done = !payment->payment.reference.size; /* there is nothing to keep */
	if (*done)
		return 0;
	r = read_paid(control, &order->id, payment->paid);
	if (r < 0)
		return r;
	*done = slice_equal(slice_of(payment->paid), payment->payment.reference);
	if (*done)
		return 0;
	if (payment->paid[0])
		return ORDER_CONTROL_PAID_ALREADY;
	r = find_payer(control, order, payment);
	return r > 0 ? ORDER_CONTROL_REFERENCE_USED : r;
}

/* The sale has left the stock: its rows decide. */
static int pay_in_ledger(const struct order_control *control, struct ledger_order *order, const struct ledger_actor *actor,
			 struct order_payment *payment)
{
	struct event event = {
		.kind = EVENT_PAID,
		.sale = order->sale,
		.lot = order->lot,
		.quantity = order->quantity,
		.id = order->id,
		.at_ms = actor->now_ms,
		.actor_kind = actor->kind,
		.actor = actor->name,
		.trace = actor->trace,
		.reason = actor->reason,
		.payment = payment->payment,
	};
	int64_t started_ns = clock_mono_ns();
	enum journal_end end;
	struct sale *sale;
	bool no_stock, done;
	int r = order_control_sale(control, order, &sale);

	if (r < 0)
		return r;
	r = judge(control, order, sale, payment, &done);
	event.epoch = sale->epoch;
	free(sale);
	if (r != 0 || done)
		return r;
	end = control->commit.append(control->commit.context, &event, started_ns, &no_stock);
	if (no_stock && order_control_is_current(control, order, &event))
		end = JOURNAL_DURABLE;
	r = order_control_outcome_of(end);
	if (r == ORDER_CONTROL_DONE)
		order_control_changed(order, event.at_ms, actor);
	return r;
}

/* By way of the stock. LEDGER_NOT_FOUND's place is taken by -ENOENT: it has no such order. */
static int pay_in_stock(const struct order_control *control, struct ledger_order *order, const struct ledger_actor *actor,
			struct order_payment *payment)
{
	struct stock_settle settle = settle_of(order, actor, ORDER_CONFIRM);
	struct sale *sale;
	int r = order_control_sale(control, order, &sale);

	if (r < 0)
		return r;
	order_control_price(sale, &payment->payment, &settle);
	free(sale);
	settle.payment = payment->payment;
	control->stock->ops->settle(control->stock, &settle, 1);
	payment->payer = settle.payer;
	switch (settle.outcome) {
	case STOCK_DONE:
		r = order_control_outcome_of(control->commit.append(control->commit.context, &settle.event, settle.now_ns, NULL));
		if (r == ORDER_CONTROL_DONE)
			order_control_changed(order, settle.event.at_ms, actor);
		return r;
	case STOCK_ALREADY:
		return ORDER_CONTROL_DONE;
	case STOCK_WRONG_AMOUNT:
		return ORDER_CONTROL_WRONG_AMOUNT;
	case STOCK_REFERENCE_USED:
		return ORDER_CONTROL_REFERENCE_USED;
	case STOCK_PAID_ALREADY:
		memcpy(payment->paid, settle.paid, sizeof(settle.paid));
		r = settle.paid[0] ? 0 : read_paid(control, &order->id, payment->paid);
		return r < 0 ? r : ORDER_CONTROL_PAID_ALREADY;
	case STOCK_BUSY:
	case STOCK_OUTCOME_UNKNOWN:
		return ORDER_CONTROL_UNKNOWN;
	case STOCK_FENCED:
	case STOCK_FULL:
	case STOCK_UNAVAILABLE:
		return ORDER_CONTROL_STOCK_AWAY;
	case STOCK_UNKNOWN_SALE:
	case STOCK_NO_ORDER:
		return -ENOENT;
	default:
		return ORDER_CONTROL_REFUSED;
	}
}

int order_control_pay(const struct order_control *control, struct ledger_order *order, const struct ledger_actor *actor,
		      struct order_payment *payment)
{
	int r;

	if (order->state != ORDER_CONFIRMED)
		return ORDER_CONTROL_REFUSED;
	r = pay_in_stock(control, order, actor, payment);
	if (r == -ENOENT)
		r = pay_in_ledger(control, order, actor, payment);
	if (r == ORDER_CONTROL_DONE && payment->payment.reference.size)
		payment_row_set(&order->payment, &payment->payment);
	return r;
}

int order_control_undo_late(const struct order_control *control, const struct ledger_order *order, const struct ledger_actor *actor)
{
	struct stock_settle settle = settle_of(order, actor, ORDER_REFUND);

	settle.reason = SLICE("its payment is for another order"); /* the confirm's own says why it was to be confirmed */
	control->stock->ops->settle(control->stock, &settle, 1);
	if (settle.outcome != STOCK_DONE)
		return ORDER_CONTROL_REFUSED;
	return order_control_outcome_of(control->commit.append(control->commit.context, &settle.event, settle.now_ns, NULL));
}
