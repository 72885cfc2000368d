/*
 * Whether anything of an armed sale was sold, by a journal that is not in the ledger: sale control
 * asks before it makes one a draft again (struct sale_proof).
 *
 * As a rebuild does it (recovery/round.h): the tail is learnt, the sale's epoch raised and begun in
 * the stock, which grants nothing any more; the barrier appended, and the tail read on to it. What
 * is told rests on a stock that still had the older epoch, so it lies before the barrier and was
 * met. Nothing is armed: who asked makes it a draft, or leaves it fenced for the rebuilder. Units
 * that were withdrawn, which the drain has not got into the ledger yet, have to be waited for: a
 * draft is armed with what the ledger has.
 */
#pragma once

#include "port/journal.h"
#include "port/ledger.h"
#include "port/stock.h"

struct unsold {
	struct ledger *ledger; /* borrowed, as the others are */
	struct stock *stock;
	struct journal *journal;
	int64_t told_ns; /* how long who tells after the journal alone may still tell: gates of older versions; see round_wait_ns() */
};

/* As sale_proof.unsold, with a struct unsold. */
int unsold_prove(void *unsold, const struct sale *sale, uint32_t *epoch);
