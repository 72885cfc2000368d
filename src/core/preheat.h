/*
 * Pre-heating: a sale's stock begun under a new epoch, and armed. Between the two the sale's earlier orders are loaded, where there are any.
 */
#pragma once

#include "port/ledger.h"
#include "port/stock.h"

/* Raises the epoch in the ledger (*epoch: the new one), then begins the stock. 0, the ledger's outcome, or negative. */
int preheat_begin(struct ledger *ledger, struct stock *stock, const struct sale *sale, uint32_t *epoch) MUST_CHECK;
/* Arms it with the units that `sale` says. 0 or negative; -ERANGE: the loaded orders exceed them. */
int preheat_arm(struct stock *stock, const struct sale *sale) MUST_CHECK;
