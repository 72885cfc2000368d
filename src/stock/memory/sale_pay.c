/* What a confirm's payment says: see payment_book.h. */
#include "stock/memory/sale_stock.h"

/*
 * What is told of a payment whose order has another payment, or that has another order. The first
 * goes first: who hears the second knows that the order is not paid. STOCK_DONE: neither.
 */
static enum stock_outcome refuse_payment(const struct payment_standing *standing, const struct order_record *record,
					 struct stock_settle *item)
{
	if (standing->paid && !standing->same && record->state == ORDER_CONFIRMED)
		return STOCK_PAID_ALREADY;
	if (standing->used && standing->pending)
		return STOCK_BUSY;
	item->payer = standing->payer;
	return standing->used ? STOCK_REFERENCE_USED : STOCK_DONE;
}

enum stock_outcome sale_stock_decide_payment(struct sale_stock *sale, const struct order_record *record,
					     struct stock_settle *item, bool *pays)
{
	struct payment_standing standing;

	*pays = false;
	if (item->priced && item->payment.amount != item->unit_price * record->quantity)
		return STOCK_WRONG_AMOUNT;
	if (item->payment.reference.size == 0)
		return STOCK_DONE;
	standing = payment_book_look(&sale->payments, &record->id, sale_stock_reference(sale, item->payment.reference));
	*pays = !standing.paid;
	return refuse_payment(&standing, record, item);
}

enum stock_outcome sale_stock_take_payment(struct sale_stock *sale, const struct order_record *record, struct stock_settle *item)
{
	struct payment_standing standing;
	int r = payment_book_take(&sale->payments, &record->id, sale_stock_reference(sale, item->payment.reference), &standing);

	return r < 0 ? STOCK_FULL : refuse_payment(&standing, record, item);
}
