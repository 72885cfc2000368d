/*
 * Private to the gate: confirm, cancel, refund and extend. The stock moves the order in one step on the loop's thread; the event goes to the journal;
 * when it has come home the answer is made. Buyers and operators take the same way; operators' answers are then filled in from the ledger.
 */
#pragma once

#include "gate/thread.h"

struct settlement_request {
	enum order_action action;
	struct uuid id;
	struct slice buyer; /* empty: an operator */
	struct slice actor;
	int64_t extend_ns;
};

/* Answers, now or later. */
void settlement_start(struct gate_request *request, const struct settlement_request *wanted);
