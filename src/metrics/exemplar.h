/*
 * Exemplars of a histogram: for each power of two one value that was recorded lately, with the
 * trace of its request. A second must lie between two that take the same place, so a thread pays
 * for one look and seldom for a store, and what is rare and slow is kept as surely as what is
 * usual. One writer, any reader.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { EXEMPLAR_PLACES = 40, EXEMPLAR_TRACE_SIZE = 32 };

struct exemplar_place {
	_Atomic uint64_t version; /* odd: it is being written; 0: it never was */
	_Atomic int64_t next_ns;  /* by the monotonic clock: when the next may take its place */
	_Atomic uint64_t value;
	_Atomic int64_t wall_ms;
	_Atomic uint64_t trace[EXEMPLAR_TRACE_SIZE / 8];
};

/* A cache line each. All zero: none. */
struct exemplars {
	struct exemplar_place places[EXEMPLAR_PLACES];
};

struct exemplar {
	uint64_t value;
	int64_t wall_ms;
	char trace[EXEMPLAR_TRACE_SIZE]; /* hex digits */
};

/* trace: EXEMPLAR_TRACE_SIZE hex digits. The owner thread alone. */
void exemplars_offer(struct exemplars *exemplars, uint64_t value, int64_t now_ns, const char *trace);
/* The newest one that is above `above` and not above `up_to`. Any thread. */
bool exemplars_find(const struct exemplars *exemplars, uint64_t above, uint64_t up_to, struct exemplar *newest);
