/* What a crowd was answered: counts by outcome, and how they came over time. One owner. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "text/slice.h"

enum {
	TALLY_CODE_SIZE = 40,
	TALLY_OUTCOMES_MAX = 64,
	TALLY_SLICE_MS = 100,
	TALLY_SLICES_MAX = 36000, /* an hour; what comes later is counted in the last */
};

enum tally_kind {
	TALLY_ACCEPTED,    /* a new order */
	TALLY_REPLAYED,    /* the same order again */
	TALLY_SOLD_OUT,    /* 410 */
	TALLY_LIMITED,     /* 429 */
	TALLY_NOT_NOW,     /* 409 */
	TALLY_UNAVAILABLE, /* 503 */
	TALLY_LOST,        /* the connection was lost, or could not be made */
	TALLY_OTHER,
	TALLY_KINDS,
};
const char *tally_kind_name(enum tally_kind kind); /* "accepted", "sold out", … */

struct tally_outcome {
	int status;
	char code[TALLY_CODE_SIZE]; /* "" where the answer has none */
	uint64_t count;
};
struct tally_slice {
	uint32_t counts[TALLY_KINDS];
};

struct tally {
	struct tally_outcome outcomes[TALLY_OUTCOMES_MAX]; /* in the order of their first coming */
	size_t outcome_count;
	uint64_t kinds[TALLY_KINDS];
	struct tally_slice *slices; /* TALLY_SLICE_MS each, from the start */
	size_t slice_count, slice_capacity;
};
void tally_init(struct tally *tally);
void tally_deinit(struct tally *tally); /* may be repeated */
/* Memory that is short costs the picture, never the counts. */
void tally_count(struct tally *tally, enum tally_kind kind, int64_t since_start_ns);
void tally_outcome(struct tally *tally, int status, struct slice code);
/* Adds `from`, whose start lies `offset_ns` after ours. */
void tally_merge(struct tally *into, const struct tally *from, int64_t offset_ns);
