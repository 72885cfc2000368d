/*
 * The promises P1 to P5 as counters that must stay 0. Whoever sees one broken says so here; any
 * thread, at any time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "metrics/metrics.h"

enum promise {
	PROMISE_NEVER_OVERSOLD, /* P1 */
	PROMISE_NEVER_LOST,     /* P2 */
	PROMISE_NEVER_TWICE,    /* P3 */
	PROMISE_NEVER_LEAKED,   /* P4 */
	PROMISE_NEVER_UNCLEAR,  /* P5 */
	PROMISE_COUNT,
};

struct promises {
	_Atomic uint64_t broken[PROMISE_COUNT];
	_Atomic uint64_t dead_purchases;              /* P2 is broken until an operator has seen to each */
	_Atomic uint64_t unequal_lots[PROMISE_COUNT]; /* P1, P4 are, until their sales are rebuilt once more */
	_Atomic uint64_t shared_payments;             /* no promise is broken by these */
};

const char *promise_name(enum promise promise); /* "P1" */
/*
 * Registers the counters; before any metrics_cells_new(). `promises` (zeroed) must outlive the
 * metrics.
 */
void promises_register(struct promises *promises, struct metrics *metrics);
void promises_break(struct promises *promises, enum promise promise, uint64_t times);
/* How many dead letters may be purchases that were told, now. True: other than before. */
bool promises_set_dead_purchases(struct promises *promises, uint64_t count);
/*
 * How many lots were armed with other units than the ledger has: so that more is sold than there is
 * (P1), and others (P4).
 */
void promises_set_unequal_lots(struct promises *promises, uint64_t oversold, uint64_t leaked);
/* How many payments are told for several orders. True: other than before. */
bool promises_set_shared_payments(struct promises *promises, uint64_t count);
/* Times it was seen broken, and what breaks it now. */
uint64_t promises_broken(const struct promises *promises, enum promise promise);
