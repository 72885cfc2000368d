/*
 * The shape of a crowd: who comes, and when. The same seed gives the same shape. Pure but for the
 * generator's state.
 */
#pragma once

#include "crowd/crowd.h"

/* NULL, or why there can be no such crowd. */
const char *shape_check(const struct crowd_options *options);
/*
 * Fills the book with everybody's purchases and the plan with when they are sent. `book` has room
 * for them. 0 or -ENOMEM.
 */
int shape_plan(const struct crowd_options *options, uint64_t *random, struct book *book, struct plan *plan) MUST_CHECK;

/* True in so many percent of cases. */
bool shape_chance(uint64_t *random, double percent);
/* least to most, both included. */
int64_t shape_between(uint64_t *random, int64_t least, int64_t most);
