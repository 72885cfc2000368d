/*
 * The brakes that a stock knows of, by sale: those that somebody has ever touched, which are few.
 * Of two versions of one brake the one with the higher serial is newer, so they may be learnt in
 * any order. Any thread.
 */
#pragma once

#include <stddef.h>
#include "base/lock.h"
#include "port/stock.h"

struct brake_table {
	struct lock lock; /* a leaf, held for a copy */
	struct brake_entry *entries;
	size_t count, room;
};

void brake_table_init(struct brake_table *table);
void brake_table_deinit(struct brake_table *table);
/* False: nobody has touched it, and *brake is empty. */
bool brake_table_get(struct brake_table *table, uint32_t sale, struct stock_brake *brake);
/*
 * The same. *by_ledger: it ends with stops that were made here while the stock could not be told,
 * and the ledger has all of them: a release that the stock has instead was made by somebody who
 * could ask the ledger, and answers them or not as the ledger's row says (model/sale_stops.h).
 */
bool brake_table_look(struct brake_table *table, uint32_t sale, struct stock_brake *brake, bool *by_ledger);
/* Nobody has touched it. */
void brake_clear(struct stock_brake *brake);
/* Of the same change of the same request, and not of another that has got its number. */
bool brake_same_newest(const struct stock_brake *known, const struct stock_brake *there);
/* The change that was made for this request; NULL: none that is known. */
const struct stock_brake_change *brake_find(const struct stock_brake *brake, const struct uuid *request);
/*
 * A change that is made here. STOCK_DONE; STOCK_REPLAY: it was made before; STOCK_FULL: no memory.
 */
int brake_table_change(struct brake_table *table, uint32_t sale, const struct stock_brake_change *change) MUST_CHECK;
/*
 * What is older than what is known changes nothing, but a release that the stock has in the place
 * of stops by the ledger alone takes theirs; of the same serial what is written stays written.
 * Whose changes the newer history lacks is remembered. 0 or -ENOMEM.
 */
int brake_table_learn(struct brake_table *table, uint32_t sale, const struct stock_brake *brake) MUST_CHECK;
/* The ledger has all up to this serial, and the stock may not have heard of that. */
void brake_table_told(struct brake_table *table, uint32_t sale, uint32_t serial);
/* The ledger has all up to this serial, and the stock knows it. */
void brake_table_written(struct brake_table *table, uint32_t sale, uint32_t serial);
void brake_table_forget(struct brake_table *table, uint32_t sale);
