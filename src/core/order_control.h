/*
 * What can still be done for an order when its hold or its sale is past: blocking, for slow
 * threads.
 */
#pragma once

#include "base/uuid.h"
#include "port/journal.h"
#include "port/ledger.h"
#include "port/stock.h"

/*
 * Puts an event into the journal, waits, and says what may be told of its end
 * (core/ack_deadline.h). started_ns: from before the event was granted. *no_stock: the journal has
 * it in time, but no stock has the sale to prove its epoch, so that the end is JOURNAL_UNKNOWN;
 * whoever took the epoch from the ledger may read it there again. NULL: it did not. Any thread.
 */
struct journal_commit {
	enum journal_end (*append)(void *context, const struct event *event, int64_t started_ns, bool *no_stock);
	void *context;
};

struct order_control {
	struct ledger *ledger; /* borrowed, like all here */
	struct stock *stock;
	struct journal_commit commit;
};

enum order_control_outcome {
	ORDER_CONTROL_DONE = 0,
	ORDER_CONTROL_REFUSED = 1, /* not confirmed; no late confirm allowed; no units, or the buyer's limit; refunded since */
	ORDER_CONTROL_UNKNOWN = 2, /* the journal cannot say yet */
	ORDER_CONTROL_UNAVAILABLE = 3, /* the journal refused: nothing was done */
	ORDER_CONTROL_STOCK_AWAY = 4,  /* the stock cannot be used now, or has no room: nothing was done */
	/* of a payment: nothing was done */
	ORDER_CONTROL_WRONG_AMOUNT = 5,   /* it is not what the order costs */
	ORDER_CONTROL_PAID_ALREADY = 6,   /* the order has another payment: order_payment.paid */
	ORDER_CONTROL_REFERENCE_USED = 7, /* it has paid for another order of the sale: order_payment.payer */
};

/* What an order gives back. */
struct order_give_back {
	uint32_t from, quantity; /* quantity of `from`, which it must have, as of stock_settle; from 0: all, however many */
	enum units_to units_to;
	struct slice refund;
	struct uuid request; /* where `from` is not 0 */
};

/*
 * Takes units, or all, back from a confirmed order of a sale that has left the stock: nobody sells
 * from it, so what was to be for sale goes to the warehouse. On DONE *order is as it is now, which
 * a ledger behind a drain does not say yet. All of it asked twice before it does, its units come
 * back once. A number of units is DONE where the ledger has this request's event, and nobody
 * else's: until it says so, UNKNOWN; REFUSED, another was first.
 */
int order_control_refund(const struct order_control *control, struct ledger_order *order, const struct ledger_actor *actor,
			 const struct order_give_back *wanted) MUST_CHECK;
/*
 * Whether this request has given back units of an order that had `from` then: DONE; REFUSED, it has
 * not, and never will; UNKNOWN, the ledger is behind. *order is as the ledger has it, but where it
 * is not there, which is UNKNOWN. Or negative.
 */
int order_control_was_given_back(const struct order_control *control, const struct uuid *id, const struct order_give_back *wanted,
				 struct ledger_order *order) MUST_CHECK;
/*
 * A confirm that came after its hold had expired, where the sale allows it: the units are reserved
 * again, as a new order of the same buyer that is born confirmed. Asked twice it gives the same
 * order. Of `order` the ledger need not know yet: its sale, lot, quantity, buyer, state and names
 * are looked at. On DONE *fresh is the new order, of which the same holds. On REFUSED it is the
 * order that stands under the late confirm's key and is none, or none any more (refunded since);
 * where nothing stands there it is untouched. `only`: nothing is reserved, and what was made before
 * counts where it has this id; NULL: any.
 */
int order_control_confirm_late(const struct order_control *control, const struct ledger_order *order,
			       const struct ledger_actor *actor, const struct uuid *only, struct ledger_order *fresh) MUST_CHECK;

/* A payment of an order, and what is told where it is refused. */
struct order_payment {
	struct payment payment;
	struct uuid payer;                    /* out: the order that the reference has paid for */
	char paid[PAYMENT_REFERENCE_MAX + 1]; /* out: the order's payment; empty: nobody can say now */
};

/*
 * Gives a confirmed order its payment: by way of the stock, and of a sale that has left it by the
 * ledger alone. DONE also where it has the same. On DONE order->payment is it. Of the order the
 * ledger need not know yet.
 */
int order_control_pay(const struct order_control *control, struct ledger_order *order, const struct ledger_actor *actor,
		      struct order_payment *payment) MUST_CHECK;
/*
 * An order that a late confirm has made, and whose payment turned out to be another's, is none: it
 * is given back. REFUSED where it is not confirmed any more.
 */
int order_control_undo_late(const struct order_control *control, const struct ledger_order *order,
			    const struct ledger_actor *actor) MUST_CHECK;
/*
 * What a confirm's payment is compared with: the sale's price of a unit, where it says amount or
 * currency.
 */
void order_control_price(const struct sale *sale, const struct payment *payment, struct stock_settle *settle);
/* When, by whom and why it was changed last is not known, or not told. */
static inline void order_control_forget_change(struct ledger_order *order)
{
	order->changed_at_ms = 0;
	order->actor[0] = order->reason[0] = '\0';
}
