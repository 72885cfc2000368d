/* Between the files of drain/ alone. Everything belongs to the drain's thread, but `shown`. */
#pragma once

#include <stdatomic.h>
#include "base/backoff.h"
#include "base/lock.h"
#include "base/pause.h"
#include "base/thread.h"
#include "drain/drain.h"
#include "drain/drain_metrics.h"
#include "port/journal.h"

enum partition_state {
	PARTITION_ABSENT,     /* not ours, as far as is known */
	PARTITION_POSITIONED, /* the reader reads it from `next` on */
	PARTITION_STALLED,    /* it cannot go on; tried again at retry_ns */
	PARTITION_LATE,       /* it could not be positioned just now; tried again at retry_ns */
};
struct partition {
	enum partition_state state;
	int64_t next; /* as the ledger has it */
	int fault;    /* stalled: why */
	bool stops;   /* in this batch: a record of a newer program was met */
	bool probing; /* it was stalled before such a record, and is read again: it is stalled until it is past it */
	int64_t retry_ns;
	struct backoff backoff;
	uint64_t listed; /* the last round in which the reader said that it waits for its position */
	size_t progress; /* its index in drain->progress plus 1; 0: not in this batch */
};

/*
 * A record of the last batch that the ledger keeps as a dead letter, on its way to the dead-letter
 * log.
 */
struct dead_letter {
	struct journal_record *record;
	const char *reason;
	char *value; /* owned, once the reader's is gone */
};

struct drain {
	struct drain_settings settings;
	struct pace pace;
	struct thread thread;
	struct pause pause;
	bool identified, ledger_unhealthy; /* the ledger has failed, and may have to recover */
	bool resigned;                     /* the partitions were left to the other drains */
	int64_t unreachable_ns;            /* since when the ledger was not reached, or not ours; 0: it is */
	struct backoff backoff;
	enum drain_step failed; /* the step that failed last */
	int64_t not_before_ns;

	struct partition *partitions; /* by number */
	size_t partition_count;
	uint64_t round;
	uint32_t *waiting; /* JOURNAL_PARTITIONS_MAX */
	int64_t check_ns;  /* when the ledger's positions are looked at again */

	struct journal_record *records; /* batch_max, like the next four */
	struct ledger_entry *entries;
	struct journal_record **entry_records;
	struct ledger_bad_record *bad;
	struct dead_letter *dead_letters;
	struct ledger_progress *progress;
	int64_t *progress_at_ms; /* of each partition's last event in this batch */
	size_t entry_count, bad_count, dead_letter_count, progress_count;

	struct metrics_cells *cells;
	struct drain_metrics metrics;
	struct lock lock; /* guards `shown` */
	struct drain_state shown;
};

/*
 * A database that is back is noticed within the most of it, and one that is away is asked 20 times
 * a minute.
 */
extern const struct backoff_range drain_retry;

/* drain.c */
/*
 * What was read is let go; a pause; the ledger is asked again for every position, where
 * `everything`.
 */
void drain_fail(struct drain *drain, enum drain_step step, int code, bool everything);

/* assignment.c */
/* Positions what waits for it. 0, or negative: drain_fail() was called. */
int drain_position(struct drain *drain);
/*
 * While nothing comes: whether the ledger has gone back (a restore, a server that has forgotten
 * commits), which the next batch would find out. 0, or negative: drain_fail() was called.
 */
int drain_check(struct drain *drain);
/*
 * Stalls the partitions in which a record of a newer program was met: what lies before it is
 * applied.
 */
void drain_stall_stopped(struct drain *drain);
/* A partition that was stalled before such a record is past it. */
void drain_goes_on(struct drain *drain, uint32_t partition);
/* A partition that the reader is to be told the position of again. */
void drain_revoke(struct drain *drain, uint32_t partition);
void drain_revoke_all(struct drain *drain);
/* NULL where it is none that is positioned. */
struct partition *drain_positioned(struct drain *drain, uint32_t number);

/* batch.c */
/* Brings the first `count` records into the ledger, or lets them go. */
void drain_apply(struct drain *drain, size_t count);
/* Copies dead letters to their log, where some are left. 0, or negative: it was not all done. */
int drain_copy_dead_letters(struct drain *drain);
/* Forgets those that were not copied; how many. */
size_t drain_forget_dead_letters(struct drain *drain);
