/*
 * What verified buyers ask at all. A refusal consumes nothing of a sale's rate, so whoever is
 * refused may ask again at once; this bounds how often: so many times the rate, counted when the
 * answer was a refusal, at each gate by itself.
 *
 * Two counters a buyer, this window's and the last one's: what counts is the last one's share that
 * is not a window old yet, and this one's. So the memory is the same whatever a sale allows, and
 * fixed: a set-associative table by a fingerprint of sale and buyer. A buyer who finds its bucket
 * full takes the place of the one that was refused longest ago; so with more buyers than places the
 * limit loosens, and never refuses anybody wrongly.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/error.h"
#include "text/slice.h"

struct attempt_limit;

/* Whom and how much: a sale's rate. requests 0: there is none, and nothing is limited. */
struct attempt_rate {
	uint32_t sale, requests, seconds;
};

/* `times` the rate of a sale; above 0. 0 or -ENOMEM. */
int attempt_limit_new(struct attempt_limit **limit, uint32_t times) MUST_CHECK;
void attempt_limit_free(struct attempt_limit *limit); /* NULL is fine */
/* True when this buyer may ask; else *retry_after_ms says when. Counts nothing. Any thread. */
bool attempt_limit_pass(struct attempt_limit *limit, const struct attempt_rate *rate, struct slice buyer, int64_t now_ms,
			int64_t *retry_after_ms);
/* The answer was a refusal. Any thread. */
void attempt_limit_count(struct attempt_limit *limit, const struct attempt_rate *rate, struct slice buyer, int64_t now_ms);
