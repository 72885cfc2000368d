/*
 * A log, readers of it and a ledger that is filled from it, without threads or I/O, and a clock
 * that stands still but for what the fakes take.
 *
 * The ledger is the judge: a transaction must move each partition over exactly the records of the
 * log between its two positions, in order, none left out and none twice; it asserts that in every
 * transaction, so a drain that skips or repeats fails at once.
 */
#pragma once

/* cmocka wants these first */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "drain/drain.h"

enum { FAKE_PARTITIONS = 4, FAKE_RECORDS_MAX = 4096, FAKE_COPIES_MAX = 16384, FAKE_READERS_MAX = 2 };

/* --- The clock --- */

void fake_clock_take(void); /* clock_set_source(NULL) gives it back */
void fake_clock_pass(int64_t ns);

/* --- The log --- */

struct fake_record {
	int outcome; /* of enum ledger_outcome, as the ledger will say of its event; -1: it is no event */
	bool newer;  /* only a newer program knows it */
	uint64_t mark;
	int64_t at_ms;
};
struct fake_log {
	const char *cluster;
	struct {
		struct fake_record records[FAKE_RECORDS_MAX];
		int64_t start, end;
	} partitions[FAKE_PARTITIONS];
	uint32_t copies[FAKE_PARTITIONS][FAKE_RECORDS_MAX]; /* how often */
};
void fake_log_init(struct fake_log *log, const char *cluster);
/* Records that the ledger will say `outcome` of; -1: no events. */
void fake_log_append(struct fake_log *log, uint32_t partition, size_t count, int outcome);
/* An event that only readers of a newer program know, which the ledger will say `outcome` of. */
void fake_log_append_newer(struct fake_log *log, uint32_t partition, int outcome);

/* --- Readers --- */

struct fake_reader {
	struct journal_reader base; /* first */
	struct fake_log *log;
	struct {
		bool given, positioned;
		int64_t next;
	} partitions[FAKE_PARTITIONS];
	char *values[FAKE_RECORDS_MAX]; /* as read; gone with the next read */
	size_t value_count;
	/* The next calls fail with this; 0: they do not. */
	int identity_fault, read_fault, dead_letter_fault, seek_fault[FAKE_PARTITIONS];
	unsigned chance; /* of each call to fail, in a thousand */
	size_t reads, businesses, seeks, read_most;
	bool lag_unknown;
	bool newer;    /* it knows the events of a newer program */
	bool resigned; /* it has no share in the partitions */
	size_t shares; /* how often it was told whether it has */
};
void fake_reader_init(struct fake_reader *reader, struct fake_log *log);
void fake_reader_give(struct fake_reader *reader, uint32_t partition, bool given);
void fake_reader_deinit(struct fake_reader *reader);

/* --- The ledger --- */

enum fake_fault {
	FAKE_FINE,
	FAKE_FAILS,        /* -ENOTCONN, nothing was done */
	FAKE_UNKNOWN_NOT,  /* -EINPROGRESS, and it was not done */
	FAKE_UNKNOWN_DONE, /* -EINPROGRESS, and it was */
	FAKE_LIES,         /* -EIO, and it was done all the same: what no ledger may do, and a drain survives */
};
struct fake_ledger {
	struct ledger base; /* first */
	const struct fake_log *log;
	char *known; /* the log it is filled from */
	int64_t next[FAKE_PARTITIONS];
	uint64_t mark[FAKE_PARTITIONS];
	int64_t applied, dead, unreadable; /* events, by what became of them; bad records */
	size_t drains, commits, stale, recoveries, positions;
	enum fake_fault fault; /* of the next drain() */
	int position_fault, identify_fault, recover_fault;
	unsigned chance;
	bool unhealthy;
	int64_t commit_ns; /* what a commit takes */
	size_t largest;
	void (*before)(void *context); /* runs within drain(), before anything is done */
	void *context;
};
void fake_ledger_init(struct fake_ledger *ledger, const struct fake_log *log);
void fake_ledger_deinit(struct fake_ledger *ledger);
/* Everything that the log has is in the ledger. */
bool fake_ledger_is_whole(const struct fake_ledger *ledger);
