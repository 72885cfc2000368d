/*
 * The judge's eyes on what sales are sold from: the keys of a Redis in the process
 * (src/stock/redis/functions/common.lua says what lies in them), and the memory of a gate. Nothing
 * here yields.
 */
#pragma once

#include "simulation/judge/judge.h"

struct redis_sim;
struct stock;

/* A stock: the numbers of its sales are 1 to `sales`. `server` is its name for the judge. */
struct watch_stock {
	struct judge *judge;
	uint32_t server, sales;
	uint64_t seen[HISTORY_SALES + 1][HISTORY_LOTS]; /* as they were told last */
	bool told[HISTORY_SALES + 1];
	int64_t allocated[HISTORY_SALES + 1][HISTORY_LOTS]; /* the most that a lot had */
	void (*grows)(void *context); /* called before the judge hears of more: the ledger must have had them first; NULL */
	void *context;
};

/* Tells the judge what is in there now. */
void watch_stock_redis(struct watch_stock *watch, struct redis_sim *redis);
void watch_stock_memory(struct watch_stock *watch, struct stock *stock);
/* Whether a sale is sold from there, and what its lots are then. */
bool watch_stock_redis_lots(struct redis_sim *redis, uint32_t sale, uint32_t *epoch, struct history_stock_lot *lots,
			    uint32_t *lot_count);
bool watch_stock_memory_lots(struct stock *stock, uint32_t sale, uint32_t *epoch, struct history_stock_lot *lots, uint32_t *lot_count);
/*
 * Entries of a sale's outbox, and of all sales': what has left the stock and is not in the log yet.
 */
int64_t watch_stock_redis_outbox(struct redis_sim *redis, uint32_t sale);
int64_t watch_stock_memory_outbox(struct stock *stock);
