/* Private to sale control: what its parts share. All but the brake is for who has the turn. */
#pragma once

#include "core/sale_control.h"

/*
 * Units that may be in the ledger already but not yet in the counter: the answer of the ledger was
 * lost.
 */
struct pending_add {
	struct pending_add *next;
	uint32_t sale, lot, units;
	struct uuid movement;
	struct ledger_request request; /* null id: it had no key */
};

struct sale_control {
	struct sale_control_settings settings;
	struct uuid_generator ids;
	struct pending_add *pending;
	int64_t not_before_ms;
	int error; /* why care waits until then */
};

/* Each tells an outcome of sale control, or is negative. */

/* What an outcome of the ledger, or a negative, means for a sale; of the stock, for its units. */
int sale_control_by_ledger(int r) MUST_CHECK;
int sale_control_by_stock(const struct sale_control *control, int outcome) MUST_CHECK;
/* A sale as the ledger has it; *sale is the caller's, or NULL. DONE, NO_SALE. */
int sale_control_find(struct sale_control *control, struct slice id, struct sale **sale) MUST_CHECK;
int sale_control_read(struct sale_control *control, uint32_t number, struct sale **sale) MUST_CHECK;
/* Shows the gates the sale as the ledger has it now. */
int sale_control_publish(struct sale_control *control, uint32_t number) MUST_CHECK;
/*
 * A time that is over would act at once: whoever gave it meant another. opens, closes: which of
 * them are looked at.
 */
int sale_control_check_times(const struct sale *sale, bool opens, bool closes, int64_t now_ms) MUST_CHECK;
/* What was done before is not begun anew: REPEATED, KEY_REUSED, DONE. */
int sale_control_asked_before(const struct sale_control *control, const struct ledger_actor *actor) MUST_CHECK;
/* One move, with the pre-heating that it needs (sale_moves.c). */
int sale_control_move_one(struct sale_control *control, const struct sale *sale, enum sale_action action,
			  const struct ledger_actor *actor) MUST_CHECK;
/* sale_units.c */
int sale_control_take(struct sale_control *control, uint32_t sale, uint32_t lot, uint32_t units, bool exact,
		      const struct ledger_actor *actor, uint32_t *taken) MUST_CHECK;
/*
 * Tells the stock what the ledger has allocated to a sale by now. 0, an outcome of the stock, or
 * negative.
 */
int sale_control_allocate(struct sale_control *control, uint32_t number) MUST_CHECK;
/* Finishes additions whose end was lost. 0 or negative. */
int sale_control_finish_adds(struct sale_control *control, const struct ledger_actor *actor) MUST_CHECK;
