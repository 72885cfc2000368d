/*
 * Pre-heating: a sale's stock begun under an epoch that was raised for it in the ledger, and armed.
 * Between the two the sale's earlier orders are loaded, where there are any.
 */
#pragma once

#include "model/sale.h"
#include "port/stock.h"

/* 0 or negative: as stock.preheat_begin. */
int preheat_begin(struct stock *stock, const struct sale *sale, uint32_t epoch) MUST_CHECK;
/*
 * Arms it with the units that `sale` says. 0 or negative; -ERANGE: the loaded orders exceed them.
 */
int preheat_arm(struct stock *stock, const struct sale *sale) MUST_CHECK;
