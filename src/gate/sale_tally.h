/*
 * What purchases come to, by sale: the counts of one gate thread, for the sales that have not
 * ended. The owner counts in rows of its own, found by the sale's number in an index that nobody
 * else reads: no lock, nothing shared. Whoever asks adds the threads up.
 *
 * Which sales have a row follows from the sale table alone, so that all threads agree: of those in
 * the stock and not ended the newest, while there is room for the sale and its lots. The others are
 * left out, and how many those are is told (gate/sale_metrics.h). A sale that was left out and
 * finds room begins at 0, as after a restart.
 */
#pragma once

#include <stdint.h>
#include "core/sale_catalog.h"
#include "gate/problem.h"

/* What a purchase comes to: a problem, or one of these. */
enum { PURCHASE_OUTCOMES = PROBLEM_COUNT + 2, OUTCOME_ACCEPTED = PROBLEM_COUNT, OUTCOME_REPLAYED = PROBLEM_COUNT + 1 };
/*
 * At most 1,600 samples of units and some thousand of purchases: little for a scrape every few
 * seconds.
 */
enum { TALLY_SALES = 100, TALLY_LOTS = 400 };

struct sale_choice {
	size_t count;
	size_t left_out;                               /* not ended, and without room */
	const struct sale_entry *entries[TALLY_SALES]; /* the newest first; of the table */
};
/* Which sales of the table are counted. Any thread. */
void sale_tally_choose(const struct sale_table *table, struct sale_choice *choice);

struct sale_tally;
int sale_tally_new(struct sale_tally **tally) MUST_CHECK; /* 50 KB */
void sale_tally_free(struct sale_tally *tally);           /* NULL is fine */
/* Owner: there is another table. Rows of sales that are not chosen any more are forgotten. */
void sale_tally_follow(struct sale_tally *tally, const struct sale_table *table);
/* Owner: one more; of a sale without a row it is not counted. */
void sale_tally_count(struct sale_tally *tally, uint32_t sale, size_t outcome);
/* Any thread: adds this thread's counts of the sale to `counts`. */
void sale_tally_add_up(const struct sale_tally *tally, uint32_t sale, uint64_t counts[PURCHASE_OUTCOMES]);
