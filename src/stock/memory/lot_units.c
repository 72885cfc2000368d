#include "stock/memory/lot_units.h"
#include "base/failpoint.h"

static uint32_t available_of(uint64_t counter)
{
	return (uint32_t)(counter >> 32);
}

static uint32_t taken_of(uint64_t counter)
{
	return (uint32_t)counter;
}

static uint64_t available_units(uint32_t units)
{
	return (uint64_t)units << 32;
}

void lot_units_load(struct lot_units *lot, uint32_t quantity, bool confirmed)
{
	uint64_t before = atomic_fetch_add(&lot->counter, quantity);

	ASSERT(taken_of(before) <= UINT32_MAX - quantity);
	if (confirmed)
		atomic_fetch_add(&lot->confirmed, quantity);
}

void lot_units_unload(struct lot_units *lot, uint32_t quantity, bool confirmed)
{
	uint64_t before = atomic_fetch_sub(&lot->counter, quantity);

	ASSERT(taken_of(before) >= quantity);
	if (confirmed)
		atomic_fetch_sub(&lot->confirmed, quantity);
}

int lot_units_arm(struct lot_units *lot, int64_t allocated, int64_t withdrawn, uint64_t version)
{
	uint32_t taken = taken_of(atomic_load(&lot->counter));
	int64_t available = allocated - withdrawn - taken;

	if (allocated < 0 || allocated > UNITS_MAX || withdrawn < 0 || available < 0)
		return -ERANGE;
	lot->allocated = allocated;
	lot->withdrawn = withdrawn;
	atomic_store(&lot->counter, available_units((uint32_t)available) | taken);
	atomic_store(&lot->version, version);
	return 0;
}

bool lot_units_enough(struct lot_units *lot, uint32_t quantity, uint64_t *version)
{
	*version = atomic_load(&lot->version);
	return FAILPOINT("stock.oversell") || available_of(atomic_load(&lot->counter)) >= quantity;
}

bool lot_units_take(struct lot_units *lot, uint32_t quantity, uint64_t *version)
{
	uint64_t counter, next;

	*version = atomic_load(&lot->version);
	counter = atomic_load(&lot->counter);
	do {
		if (available_of(counter) >= quantity)
			next = counter - available_units(quantity) + quantity;
		else if (FAILPOINT("stock.oversell")) /* breaks P1 on purpose: a unit that is not there */
			next = counter + quantity;
		else
			return false;
	} while (!atomic_compare_exchange_weak(&lot->counter, &counter, next));
	return true;
}

static void come_back(struct lot_units *lot, uint64_t delta)
{
	atomic_fetch_add(&lot->counter, delta);
	atomic_fetch_add(&lot->version, 1); /* after the units: see above */
}

void lot_units_return(struct lot_units *lot, uint32_t quantity)
{
	ASSERT(taken_of(atomic_load(&lot->counter)) >= quantity);
	come_back(lot, available_units(quantity) - quantity);
}

void lot_units_confirm(struct lot_units *lot, uint32_t quantity)
{
	atomic_fetch_add(&lot->confirmed, quantity);
}

void lot_units_unconfirm(struct lot_units *lot, uint32_t quantity)
{
	int64_t before = atomic_fetch_sub(&lot->confirmed, quantity);

	ASSERT(before >= quantity);
}

bool lot_units_any_held(struct lot_units *lot)
{
	return (int64_t)taken_of(atomic_load(&lot->counter)) > atomic_load(&lot->confirmed);
}

void lot_units_add(struct lot_units *lot, uint32_t units)
{
	ASSERT(units <= UNITS_MAX);
	ASSERT(available_of(atomic_load(&lot->counter)) <= UINT32_MAX - units);
	lot->allocated += units;
	come_back(lot, available_units(units));
}

uint32_t lot_units_withdraw(struct lot_units *lot, uint32_t units, bool exact)
{
	uint64_t counter = atomic_load(&lot->counter);
	uint32_t quantity;

	do {
		quantity = available_of(counter) < units ? available_of(counter) : units;
		if (exact && quantity < units)
			return 0;
	} while (!atomic_compare_exchange_weak(&lot->counter, &counter, counter - available_units(quantity)));
	lot->withdrawn += quantity;
	return quantity;
}

void lot_units_withdraw_taken(struct lot_units *lot, uint32_t units)
{
	uint64_t before = atomic_fetch_sub(&lot->counter, units);

	ASSERT(taken_of(before) >= units);
	lot->withdrawn += units;
}

void lot_units_undo_withdraw(struct lot_units *lot, uint32_t units)
{
	ASSERT(lot->withdrawn >= units);
	lot->withdrawn -= units;
	come_back(lot, available_units(units));
}

/*
 * A purchase that is born confirmed and a refund touch `confirmed` beside the word; between the two
 * a reader may see them one order apart. Clamping keeps `held` from going below zero there; the sum
 * is right in any case.
 */
void lot_units_read(struct lot_units *lot, struct stock_lot_state *state)
{
	int64_t confirmed = atomic_load(&lot->confirmed);
	uint64_t counter = atomic_load(&lot->counter);

	if (confirmed > taken_of(counter))
		confirmed = taken_of(counter);
	state->available = available_of(counter);
	state->held = taken_of(counter) - confirmed;
	state->confirmed = confirmed;
	state->withdrawn = lot->withdrawn;
	state->allocated = lot->allocated;
	state->version = atomic_load(&lot->version);
}
