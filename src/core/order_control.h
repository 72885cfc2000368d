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
};

/*
 * Refunds a confirmed order of a sale that has left the stock. On DONE *order is as it is now,
 * which a ledger behind a drain does not say yet. Asked twice before it does, its units come back
 * once.
 */
int order_control_refund(const struct order_control *control, struct ledger_order *order, const struct ledger_actor *actor) MUST_CHECK;
/*
 * A confirm that came after its hold had expired, where the sale allows it: the units are reserved
 * again, as a new order of the same buyer that is born confirmed. Asked twice it gives the same
 * order. Of `order` the ledger need not know yet: its sale, lot, quantity, buyer, state and names
 * are looked at. On DONE *fresh is the new order, of which the same holds. On REFUSED it is the
 * order that stands under the late confirm's key and is none, or none any more (refunded since);
 * where nothing stands there it is untouched.
 */
int order_control_confirm_late(const struct order_control *control, const struct ledger_order *order,
			       const struct ledger_actor *actor, struct ledger_order *fresh) MUST_CHECK;
