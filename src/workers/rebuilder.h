/*
 * The thread that rebuilds the stock of sales that a shared stock has forgotten, or must not sell
 * from (rule 4). The one process that is elected does it, without an operator:
 *
 *   1. read the journal's tail, from where the ledger stands to its end: which epochs were used
 *      that the ledger does not know of yet
 *   2. the epoch up in the ledger, above all of them; the stock begun anew: nothing can be granted
 *      any more but by a term that was cut off from us
 *   3. wait as long as the stock says that such a term may last (replicas); and T_ack where gates
 *      of an older version may still tell
 *   4. the barrier into the journal; behind it every event of an older epoch is void. Read on to it
 *   5. sale by sale: the ledger's orders in one snapshot, the tail over them by the judge that the
 *      drain has, the epoch once more in the ledger, armed
 *
 * It waits for no drain: one that is paced, or dead, may be minutes behind, and that is what it is
 * for. What was told before is in the ledger or in the tail, for a success is told only after the
 * stock has answered under its epoch, and the barrier comes after a stock that has a newer one.
 * With a journal that is in the ledger, which holds every event's epoch against the sale's in the
 * commit itself, 1, 3 and 4 fall away.
 *
 * What a sale is armed with stands in the ledger before. When the drain has passed the barrier, it
 * is held against the sums that the ledger has there (workers/promise_watch.h).
 *
 * Whatever fails is begun again from 1: a rebuild that was broken off has changed nothing but the
 * epoch. A sale that no time will mend (the ledger contradicts itself, the journal lacks what the
 * ledger needs) is held: it stays fenced, is said and counted, and is tried again every few
 * seconds.
 */
#pragma once

#include <stdatomic.h>
#include "base/lane.h"
#include "core/sale_catalog.h"
#include "metrics/metrics.h"
#include "port/journal.h"
#include "port/ledger.h"
#include "port/stock.h"
#include "workers/leadership.h"

enum rebuild_phase {
	REBUILD_IDLE = 0,
	REBUILD_LEARNING = 1, /* reading the journal's tail */
	REBUILD_BEGUN = 2,    /* the new epochs are begun; waiting for what may still grant an older one */
	REBUILD_BARRIER = 3,  /* waiting for the journal to take the barriers */
	REBUILD_LOADING = 4,
};
const char *rebuilder_phase_name(enum rebuild_phase phase);

/* Any thread. */
struct rebuild_progress {
	_Atomic int phase;
	_Atomic int64_t sales;         /* being rebuilt now */
	_Atomic int64_t held;          /* sales that stay fenced until somebody helps */
	_Atomic int64_t rebuilt_total; /* sales, since the start */
	_Atomic int64_t failed_total;  /* rounds that were broken off */
};

struct rebuilder;

struct rebuilder_pace {
	int64_t gather_ns; /* sales that were forgotten together are rebuilt together */
	int64_t margin_ns; /* beyond T_ack: clocks of machines that run a little apart */
	int64_t pause_ns;  /* after a round or a barrier that failed */
	int64_t held_ns;   /* until a held sale is tried again */
};
extern const struct rebuilder_pace rebuilder_pace_usual;

struct rebuilder_settings {
	struct ledger *ledger; /* borrowed, like all here */
	struct leadership *leadership;
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
/*
 * Breaks off what is being rebuilt, and empties the lane. After the housekeeper has stopped. May be
 * repeated.
 */
void rebuilder_stop(struct rebuilder *rebuilder);
void rebuilder_free(struct rebuilder *rebuilder); /* NULL is fine */
const struct rebuild_progress *rebuilder_progress(const struct rebuilder *rebuilder);
