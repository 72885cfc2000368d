/*
 * How a crowd fared: judged by the ledger, and shown to people and to programs. Shared by rehearse
 * and demo.
 */
#pragma once

#include <jansson.h>
#include "cli/cli.h"
#include "crowd/crowd.h"
#include "crowd/verdict.h"

/* May cover several crowds of one sale. Zero-initialised. */
struct crowd_judgement {
	struct faults faults;                               /* by the answers and by the ledger, the audit's included */
	uint64_t told, held, confirmed, cancelled, expired; /* orders of the crowds: that they were told; as the ledger has them */
	struct ledger_audit audit;
};
/*
 * Adds a crowd to the judgement and asks the ledger again: for up to settle_ms, where it follows
 * behind a journal and has not caught up. CLI_GO, or the exit code: the ledger could not be read,
 * the error told.
 */
int crowd_judge(struct crowd_judgement *judgement, struct crowd *crowd, struct ledger *ledger, const char *sale,
		int64_t settle_ms) MUST_CHECK;

/* Each returns CLI_OK, or CLI_FAILED where a promise is broken. */
int crowd_report(const struct crowd *crowd, const struct crowd_options *options, const struct crowd_judgement *judgement);
int crowd_report_json(const struct crowd *crowd, const struct crowd_options *options, const struct crowd_judgement *judgement);

/* Parts of the report. */
int crowd_report_promises(const struct crowd_judgement *judgement);
void crowd_report_answers(const struct tally *tally);
void crowd_report_latency(const char *name, const struct histogram *latency);
/* Something that happened, to be marked in the picture. */
struct crowd_mark {
	int64_t at_ns; /* since the start; 0: it did not happen */
	const char *text;
};
/* Answers over time; `step_ms`, a multiple of TALLY_SLICE_MS, a line. */
void crowd_report_picture(const struct tally *tally, int64_t step_ms, const struct crowd_mark *marks, size_t mark_count);

/* One line on standard error, written over and over. */
void crowd_report_progress(const struct crowd *crowd);
void crowd_report_progress_end(void);
