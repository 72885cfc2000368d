/*
 * Private to the gate: confirm, cancel, refund and extend. The stock moves the order in one step on
 * the loop's thread; the event goes to the journal; when it has come home the answer is made.
 * Buyers and operators take the same way; operators' answers are then filled in from the ledger.
 */
#pragma once

#include "gate/ledger_task.h"

struct settlement_request {
	enum order_action action;
	struct uuid id;
	struct slice buyer; /* empty: an operator */
	struct slice actor, reason;
	int64_t extend_ns, extend_to_ms; /* as of stock_settle */
	enum refund refund;              /* ORDER_CANCEL by an operator */
	struct uuid request;             /* ORDER_CONFIRM, and where `from` is not 0: its id, where it has a key; else null */
	struct order_give_back give;     /* ORDER_CANCEL, ORDER_REDUCE; of it all but the request */
	struct payment payment;          /* ORDER_CONFIRM; amount PAYMENT_NO_AMOUNT where it is not told */
	bool repeated; /* it has a key, and an extension was asked before: what is found done was done by it, and the answer says so */
};

/* Answers, now or later. */
void settlement_start(struct gate_request *request, const struct settlement_request *wanted);
/* The same for a request that was deferred already. */
void settlement_go_on(struct gate_thread *thread, const struct reply_handle *handle, const struct settlement_request *wanted);
/*
 * An operator's extension with a key, which is done once: its end is fixed in the ledger before the
 * stock is asked (docs/decisions/0002-extensions-with-a-key.md). Takes the task over, which has its
 * order and extend_ns.
 */
void extension_start(struct gate_request *request, struct ledger_task *task);
/*
 * An operator's cancel with a key: whether it may be a refund is fixed by who asks first
 * (docs/decisions/0010-confirm-and-cancel-with-a-key.md), and so is, where it gives back a number
 * of units, what they are taken from (docs/decisions/0019-some-units-of-an-order.md). Takes the
 * task over, which has its order and what it gives back.
 */
void cancellation_start(struct gate_request *request, struct ledger_task *task);
