/*
 * What the parts of the crowd share (crowd.c: its life and figures; run.c: its loop). Private to
 * the crowd.
 */
#pragma once

#include "crowd/crowd.h"
#include "crowd/plan.h"
#include "crowd/pool.h"

enum { BUY = 0, PAY = 1, SIDES = 2 };
struct side {
	struct plan plan;
	struct pool pool;
	struct histogram latency;
};

struct crowd {
	struct crowd_options options;
	struct book book;
	struct tally tally;
	struct side sides[SIDES];
	struct histogram latency_accepted;
	char **identities; /* header lines of each buyer */
	size_t identity_count;
	uint64_t random, seed;
	int epoll;
	int64_t started_ns, scanned_ns;
	uint64_t planned, sent, answered, lost, paid, paid_late;
	bool stopped;
};

/* Requests that have no answer yet. */
static inline uint32_t crowd_in_flight(const struct crowd *crowd)
{
	return pool_busy(&crowd->sides[BUY].pool) + pool_busy(&crowd->sides[PAY].pool);
}
