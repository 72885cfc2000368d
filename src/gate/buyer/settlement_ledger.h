/*
 * Private to the gate: what a settlement needs of the ledger, on a ledger worker's thread: an order
 * that the stock has no more, a late confirm, what was done already; and the refusals that the loop
 * tells too.
 */
#pragma once

#include "gate/ledger_task.h"

/* The answer says that it was done before. */
void settlement_say_repeated(struct reply *reply);
/* Whether the extension was done, whatever became of its order since: no hold is ever shortened. */
bool settlement_has_end(int64_t extend_to_ms, int64_t hold_expires_at_ms);
/* Whether a confirm may have been done before a refund. */
bool settlement_may_be_confirmed_before(enum order_action action, const struct uuid *request, enum order_state state);
/* Detail of what is done, and cannot be shown. */
extern const char settlement_done_unseen[];

/* More was to be given back than the order has. `detail`: NULL, as the problem says. */
void settlement_say_quantity(struct reply *reply, uint32_t quantity, const char *detail);
/* A cancel with a key, of what is confirmed, that may not be its refund. */
void settlement_refuse_refund(struct reply *reply, enum refund refund);
/* What a payment is refused with. paid: the order's payment; empty: it cannot be said now. */
void settlement_say_wrong_amount(struct reply *reply, const struct sale *sale, uint32_t quantity);
void settlement_say_paid_already(struct reply *reply, const char *paid);
void settlement_say_reference_used(struct reply *reply, const struct uuid *payer);

/*
 * What was done, as the ledger has it. One behind a drain may not have it yet: an order in another
 * state is no answer to a confirm.
 */
void settlement_work_settled(struct ledger_task *task);
/*
 * A confirm with a key, of an order that is cancelled. Where it was done, its row came with the
 * event that did it, and the refund came behind: a ledger that has the refund has the row as well.
 * One that has not is behind the stock, and knows nothing yet.
 */
void settlement_work_confirmed_before(struct ledger_task *task);
/*
 * Whether the stock, or for a sale that has left it the ledger, knows how the order stands. False:
 * it cannot be said now, and that is the answer. On the worker's thread.
 */
bool settlement_stock_says(struct ledger_task *task, const struct stock_find *find);
/*
 * What gives back a number of units, and finds that the order does not have what they were to be
 * taken from: whether it was done.
 */
void settlement_work_given_back(struct ledger_task *task);
/* A late confirm of an expired order, a refund of a confirmed one, or what was done already. */
void settlement_work_without_stock(struct ledger_task *task);
/* A stock that keeps no texts has refused a second payment: the ledger has the first. */
void settlement_work_paid_already(struct ledger_task *task);
