/*
 * The drain: moves the journal into the ledger, exactly once in effect (rule 6). One thread owns
 * the reader and does everything.
 *
 * What keeps it right is that nothing is remembered here: where a partition stands is in the
 * ledger, moved in the transaction that writes its rows. So whatever goes wrong, the answer is the
 * same: what was read is let go, the partitions wait for their position again, and the ledger is
 * asked where that is. A batch whose commit failed, whose outcome nobody knows or that another
 * drain was ahead of is never sent again as it was.
 *
 *   the commit was fine                on
 *   LEDGER_STALE_POSITION              another drain is ahead: the positions are read again; nothing was done
 *   -EINPROGRESS, any other failure    a pause (exponential, with jitter), then the positions are read again
 *   -ESTALE, -ENODATA of a partition   it is stalled where it is, logged and not ready; tried again slowly; the others go on
 *   another log                        the start is refused; found later, nothing is read any more
 *
 * Dead letters. A record that is no event is copied to the dead-letter log before the transaction
 * that moves on behind it, so it is there at least once, and may be twice after a failure. What the
 * ledger could not apply is only known once it has committed; its row is in the ledger's dead
 * letters by that same transaction, and the copy follows it: nothing more is read before it is
 * there. A crash just then leaves the row without the copy; the ledger's table is the truth, and
 * what `penstock replay` works from.
 */
#pragma once

#include "drain/pace.h"
#include "metrics/metrics.h"
#include "port/journal_reader.h"
#include "port/ledger.h"

struct drain;
struct drain_settings {
	struct journal_reader *reader; /* borrowed, like all here */
	struct ledger *ledger;
	struct metrics *metrics;
	struct pace_settings pace;
};

enum drain_outcome {
	DRAIN_DONE = 0,
	DRAIN_OTHER_LOG = 1, /* the ledger is filled from another log */
};

enum { DRAIN_REASON_SIZE = 200 };
/* What people are told of it. */
struct drain_state {
	int64_t lag_records; /* -1: not known; while it is not well, as it was last known */
	int64_t last_at_ms; /* wall time of the event that was applied last; of the partition that is furthest behind; 0: none yet */
	int64_t rate, batch;            /* the pace in force: records a second (0: no limit), records a commit */
	int64_t partitions;             /* that are this drain's */
	int64_t stalled;                /* of them, those that cannot go on */
	char reason[DRAIN_REASON_SIZE]; /* why it is not well; empty: it is */
};

/* Registers metrics; before any metrics_cells_new(). 0 or negative. */
int drain_new(struct drain **drain, const struct drain_settings *settings) MUST_CHECK;
void drain_free(struct drain *drain); /* NULL is fine; stops it */
/*
 * Compares the reader's log with the ledger's; before drain_start(), by the thread that calls it.
 * DRAIN_DONE, DRAIN_OTHER_LOG (logged), or negative: it cannot be told now.
 */
int drain_identify(struct drain *drain) MUST_CHECK;
int drain_start(struct drain *drain) MUST_CHECK;
/* Finishes the batch at hand; waits for it. May be repeated. */
void drain_stop(struct drain *drain);
/* Any thread. */
void drain_look(struct drain *drain, struct drain_state *state);
/*
 * What the thread does over and over: one step, at most one batch. Returns for how long nothing
 * need be done (0: go on). For tests that own the time, instead of drain_start().
 */
int64_t drain_turn(struct drain *drain) MUST_CHECK;
