/*
 * What the parts of the stock in memory share: memory.c serves, preheat.c loads and drops sales.
 * Private to stock/memory.
 */
#pragma once

#include "stock/brake_table.h"
#include "stock/memory/memory.h"
#include "stock/memory/sale_stock.h"
#include "stock/sale_registry.h"

enum { MEMORY_GROUP = 16 }; /* items whose cache lines are fetched together: about what a core can have under way */

struct stock_memory {
	struct stock stock; /* first member */
	struct stock_common common;
	struct sale_registry registry;
	struct brake_table brakes;
	_Atomic uint32_t sweep_sale;
};

static inline struct stock_memory *memory_of(struct stock *stock)
{
	return (struct stock_memory *)stock;
}

/* Inside the gate. The sale where it is armed; else NULL and why. */
static inline struct sale_stock *memory_armed(struct stock_memory *memory, uint32_t number, enum stock_outcome *why)
{
	struct sale_stock *sale = sale_registry_find(&memory->registry, number);

	*why = STOCK_UNKNOWN_SALE;
	if (!sale)
		return NULL;
	*why = STOCK_FENCED;
	return atomic_load(&sale->state) == SALE_STOCK_ARMED ? sale : NULL;
}

/* Shows the purchase decision the brake as it is now. */
void memory_heed_brake(struct stock_memory *memory, uint32_t number);

/* The operations of the port by which a sale comes and goes. */
int memory_preheat_begin(struct stock *stock, const struct stock_rules *rules);
int memory_preheat_load(struct stock *stock, uint32_t number, const struct stock_load *orders, size_t count, int64_t now_ns);
void memory_preheat_find(struct stock *stock, struct stock_find *items, size_t count);
int memory_preheat_withdrawals(struct stock *stock, uint32_t number, const struct stock_withdrawn *withdrawals, size_t count);
int memory_arm(struct stock *stock, uint32_t number, const int64_t *allocated, const int64_t *withdrawn);
void memory_drop(struct stock *stock, uint32_t number, uint32_t epoch);
int memory_allocate(struct stock *stock, uint32_t number, uint32_t lot, int64_t allocated);
