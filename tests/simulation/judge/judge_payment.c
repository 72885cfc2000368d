/*
 * What orders are paid with (docs/payments.md): one payment an order, and of a sale one order a
 * payment.
 */
#include "simulation/judge/judge_state.h"

#include <string.h>

static const char *text_of(const struct uuid *id, char text[static UUID_TEXT_SIZE])
{
	uuid_format(id, text);
	return text;
}

/* Another order of the sale that has this payment; NULL: none. */
static const struct known_order *payer_of(const struct judge *judge, uint32_t sale, const char *reference,
					  const struct known_order *but)
{
	for (uint32_t i = 0; i < judge->order_count; i++) {
		const struct known_order *its = &judge->orders[i];

		if (its != but && its->sale == sale && !its->is_void && strcmp(its->paid, reference) == 0)
			return its;
	}
	return NULL;
}

void judge_paid(struct judge *judge, struct known_order *order, const char *reference)
{
	const struct known_order *other = payer_of(judge, order->sale, reference, order);
	char id[UUID_TEXT_SIZE], its[UUID_TEXT_SIZE];

	judge_copy(order->paid, sizeof(order->paid), reference);
	if (other)
		judge_broken(judge, "reference-twice", "sale %u: %s has paid for order %s and order %s", order->sale, reference,
			     text_of(&other->id, its), text_of(&order->id, id));
}

/*
 * Whether so much is what it costs, or has cost when it had more units, or nobody has said the
 * price.
 */
static bool is_due(struct judge *judge, const struct known_order *order, int64_t amount)
{
	const struct sale_book *sale = judge_sale(judge, order->sale);

	if (!sale || sale->terms.price == 0)
		return true;
	return amount % sale->terms.price == 0 && order_had(order, (uint32_t)(amount / sale->terms.price));
}

void judge_payment_done(struct judge *judge, const struct asked *asked, struct known_order *order, const struct history_order *told)
{
	char id[UUID_TEXT_SIZE];

	if (asked->what.amount && !is_due(judge, order, asked->what.amount))
		judge_broken(judge, "payment-amount", "order %s has %u units, and %lld was told as taken", text_of(&told->id, id),
			     order->quantity, (long long)asked->what.amount);
	if (!asked->payment[0])
		return;
	order->told_paid = true;
	if (!order->paid[0])
		judge_broken(judge, "payment-lost", "payment %s of order %s was told as taken, and the log does not have it",
			     asked->payment, text_of(&told->id, id));
	else if (strcmp(order->paid, asked->payment) != 0)
		judge_broken(judge, "payment-swallowed", "payment %s of order %s was told as taken, and the log has %s",
			     asked->payment, text_of(&told->id, id), order->paid);
}

/* --- Refused: for a reason that holds --- */

/* The order that the confirm is of, or the one that it has made; NULL: the log has neither. */
static const struct known_order *order_of(struct judge *judge, const struct asked *asked)
{
	for (uint32_t i = 0; i < judge->order_count; i++)
		if (!judge->orders[i].is_void && asked_confirms_late(asked, &judge->orders[i]))
			return &judge->orders[i];
	return judge_order(judge, &asked->what.order);
}

static bool is_paid_already(const struct known_order *order, const struct asked *asked, const char *said)
{
	return order && order->paid[0] && strcmp(order->paid, asked->payment) != 0 &&
	       (!said || !*said || strcmp(said, order->paid) == 0);
}

static bool is_used(struct judge *judge, const struct known_order *order, const struct asked *asked, const struct uuid *said)
{
	const struct known_order *payer = asked->payment[0] ? payer_of(judge, asked->what.sale, asked->payment, order) : NULL;

	return payer && (uuid_is_null(said) || uuid_equal(said, &payer->id));
}

void judge_payment_refused(struct judge *judge, const struct asked *asked, const struct history_answer *answer)
{
	const struct known_order *order = order_of(judge, asked);
	char id[UUID_TEXT_SIZE];
	bool holds = true;

	if (strcmp(asked->code, "paid-already") == 0)
		holds = is_paid_already(order, asked, answer->paid);
	else if (strcmp(asked->code, "reference-used") == 0)
		holds = is_used(judge, order, asked, &answer->payer);
	else if (strcmp(asked->code, "wrong-amount") == 0)
		holds = order && asked->what.amount &&
			(order->quantity < order->granted || !is_due(judge, order, asked->what.amount));
	if (!holds)
		judge_broken(judge, "payment-refused", "payment '%s' (%lld) of order %s, which has '%s', was answered %s",
			     asked->payment, (long long)asked->what.amount, text_of(&asked->what.order, id),
			     order ? order->paid : "", asked->code);
}
