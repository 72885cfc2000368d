/*
 * A sliding window log: at most `requests` grants in any `seconds`, to the millisecond. (GCRA
 * spreads the requests over the window and would refuse the second of three at once; a fixed window
 * lets twice as many through at its edge.)
 *
 * A stamp is the millisecond of monotonic time in which a request passed, rounded up, as 32 bits
 * that wrap every 49.7 days: never earlier than the truth, so never more than `requests` pass in a
 * window. Stamps are kept in rising order (threads may be a moment apart). A stamp that has left
 * the window must be pruned within 24 days; the stock sweeps all the time. Pure functions.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct rate_window {
	uint32_t requests; /* 0: no limit */
	uint32_t window_ms;
};

uint32_t rate_window_stamp(int64_t now_ns);
/* Whether a request of this stamp still counts. */
bool rate_window_counts(const struct rate_window *window, uint32_t stamp, int64_t now_ns);
/* Drops what no longer counts; returns how many are left. */
uint32_t rate_window_prune(const struct rate_window *window, uint32_t *stamps, uint32_t count, int64_t now_ns);
/* Keeps one more, in its place. `stamps` has room for it. */
void rate_window_insert(uint32_t *stamps, uint32_t count, int64_t now_ns);
/* Drops one of this stamp, where there is one; returns how many are left. */
uint32_t rate_window_remove(uint32_t *stamps, uint32_t count, uint32_t stamp);
/* After how many milliseconds, exactly, the request of `stamp` no longer counts. */
int64_t rate_window_wait_ms(const struct rate_window *window, uint32_t stamp, int64_t now_ns);
