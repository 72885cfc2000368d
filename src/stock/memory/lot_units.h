/*
 * The units of one lot, and the rule that they are never sold twice (P1) nor lost (P4).
 *
 * `available` and `taken` (held + confirmed) live in one 64-bit word, so that a purchase moves its
 * units with a single compare-and-swap: neither ever goes below zero, even for an instant, and
 * every reader sees a word whose sum is right. `confirmed` is kept beside it; held = taken -
 * confirmed. `allocated` and `withdrawn` change only by an operator and are guarded by the sale's
 * movement lock.
 *
 * Rule of the version: it is read before the counter and raised after units came back. So whoever
 * saw "not enough" and keeps the version for a latch finds it changed as soon as there is more to
 * sell.
 */
#pragma once

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "port/stock.h"

struct lot_units {
	alignas(64) _Atomic uint64_t counter; /* available << 32 | taken */
	_Atomic uint64_t version;             /* 0: not armed */
	_Atomic int64_t confirmed;
	int64_t allocated, withdrawn; /* the sale's movement lock */
};

/* Loaded orders, before the lot is armed. */
void lot_units_load(struct lot_units *lot, uint32_t quantity, bool confirmed);
void lot_units_unload(struct lot_units *lot, uint32_t quantity, bool confirmed);
/* 0, or -ERANGE where the loaded orders are more than allocated - withdrawn. */
int lot_units_arm(struct lot_units *lot, int64_t allocated, int64_t withdrawn, uint64_t version);

/*
 * Moves `quantity` units from available to taken, or nothing. *version: as it was before the
 * counter was read.
 */
bool lot_units_take(struct lot_units *lot, uint32_t quantity, uint64_t *version);
/* The same question without taking. */
bool lot_units_enough(struct lot_units *lot, uint32_t quantity, uint64_t *version);
/* Taken units are for sale again. */
void lot_units_return(struct lot_units *lot, uint32_t quantity);
/* Taken units of a confirmed order: counted as held before and after. */
void lot_units_confirm(struct lot_units *lot, uint32_t quantity);
void lot_units_unconfirm(struct lot_units *lot, uint32_t quantity);
bool lot_units_any_held(struct lot_units *lot);

/* Movement lock held. */
void lot_units_add(struct lot_units *lot, uint32_t units);
/* Up to `units`, or exactly so many: how many were taken. */
uint32_t lot_units_withdraw(struct lot_units *lot, uint32_t units, bool exact);
/* Taken units that are not for sale again. */
void lot_units_withdraw_taken(struct lot_units *lot, uint32_t units);
void lot_units_undo_withdraw(struct lot_units *lot, uint32_t units);
/* allocated = available + held + confirmed + withdrawn holds in every state it tells. */
void lot_units_read(struct lot_units *lot, struct stock_lot_state *state);
