/*
 * The stock in this process's memory. Right only with a single gate: the engine holds the ledger's
 * lease.
 */
#pragma once

#include "port/stock.h"

/* outbox_max: entries in flight at once; beyond it reserve() says STOCK_FULL. 0 or -ENOMEM. */
int stock_memory_new(struct stock **stock, size_t outbox_max) MUST_CHECK;
