/*
 * The thread that rebuilds the stock of sales that a shared stock has forgotten, or must not sell from (rule 4). The one process that is elected does it,
 * without an operator:
 *
 *   1. wait until the drain has brought the ledger up to where the journal ends: a ledger that is behind does not know which epochs there were
 *   2. the epoch up in the ledger, the stock begun anew: nothing can be granted any more but by a reign that was cut off from us
 *   3. wait until nobody can be told any more of what such a reign has granted: T_ack, a margin, and as long as the stock says that it may last
 *   4. the barrier into the journal; behind it every event of an older epoch is void
 *   5. wait until the drain has brought the ledger up to the barrier
 *   6. load the ledger's orders, arm
 *
 * With a journal that is in the ledger, which holds every event's epoch against the sale's in the commit itself, 1 and 3 to 5 fall away. Whatever fails is
 * begun again from 1: a rebuild that was broken off has changed nothing but the epoch.
 */
#pragma once

#include <stdatomic.h>
#include "base/lane.h"
#include "core/sale_catalog.h"
#include "metrics/metrics.h"
#include "port/journal.h"
#include "port/ledger.h"
#include "port/stock.h"

enum rebuild_phase {
	REBUILD_IDLE = 0,
	REBUILD_CATCHING_UP = 1, /* waiting for the drain to bring the ledger up to the journal's end */
	REBUILD_BEGUN = 2,       /* waiting until nobody can be told of an older epoch's grant */
	REBUILD_BARRIER = 3,     /* waiting for the journal to take the barriers */
	REBUILD_DRAINING = 4,    /* waiting for the drain to come up to them */
	REBUILD_LOADING = 5,
};
const char *rebuild_phase_name(enum rebuild_phase phase);

/* Any thread. */
struct rebuild_progress {
	_Atomic int phase;
	_Atomic int64_t sales;         /* being rebuilt now */
	_Atomic int64_t rebuilt_total; /* sales, since the start */
	_Atomic int64_t failed_total;  /* rounds that were broken off */
};

struct rebuilder;

struct rebuilder_pace {
	int64_t gather_ns; /* sales that were forgotten together are rebuilt together */
	int64_t margin_ns; /* beyond T_ack: clocks of machines that run a little apart */
	int64_t poll_ns;   /* between looks at the ledger while the drain comes up to the barrier */
	int64_t pause_ns;  /* after a round or a barrier that failed */
};
extern const struct rebuilder_pace rebuilder_pace_usual;

struct rebuilder_settings {
	struct ledger *ledger; /* borrowed, like all here */
	struct stock *stock;
	struct journal *journal;
	struct sale_catalog *catalog; /* what is not in there is not rebuilt */
	struct lane *fenced;          /* numbers of sales, from the housekeeper */
	struct metrics *metrics;
	int64_t ack_deadline_ns;
	struct rebuilder_pace pace;
};

/* Registers its metrics. 0 or negative. */
int rebuilder_new(struct rebuilder **rebuilder, const struct rebuilder_settings *settings) MUST_CHECK;
int rebuilder_start(struct rebuilder *rebuilder) MUST_CHECK;
/* Breaks off what is being rebuilt, and empties the lane. After the housekeeper has stopped. May be repeated. */
void rebuilder_stop(struct rebuilder *rebuilder);
void rebuilder_free(struct rebuilder *rebuilder); /* NULL is fine */
const struct rebuild_progress *rebuilder_progress(const struct rebuilder *rebuilder);
