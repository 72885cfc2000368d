/*
 * Private to the gate: reading one order. The stock knows it first (an accepted order can be read
 * at once, before any drain has written it); what the stock does not have, or cannot name the buyer
 * of, is read from the ledger by its worker.
 */
#pragma once

#include "gate/ledger_task.h"

/*
 * Answers, now or later. buyer: whose it must be; empty: an operator asks. `work` reads it from the
 * ledger (task->order). wait_ns: for so long it waits while the stock has the order as held, with
 * the same end; 0: not at all.
 */
void lookup_start(struct gate_request *request, const struct uuid *id, struct slice buyer, int64_t wait_ns,
		  void (*work)(struct ledger_task *));
/*
 * An order as a stock that keeps names has it, of a lot that its sale has: without what the ledger
 * alone knows.
 */
void lookup_know(const struct stock_order *order, const struct sale *sale, const char *owner, struct ledger_order *known);
