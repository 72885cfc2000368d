/*
 * By what a commit is known again when nobody could say what became of it. Private to the adapter.
 *
 * Every transaction leaves a mark that the one before it has not. One that writes movements (all
 * purchases do) has it in their numbers, which rise by one from each to the next: to raise a number
 * in a row of its own would make one page more dirty for each commit. One that writes none raises
 * the number in `commit_numbers`.
 */
#pragma once

#include "ledger/sqlite/connection.h"

struct sqlite_commit_mark {
	int64_t number;   /* of commit_numbers */
	int64_t movement; /* the highest number of a movement; 0: there is none */
};

/* As the ledger has it now. 0 or negative. */
int sqlite_commit_mark_read(struct sqlite_connection *connection, struct sqlite_commit_mark *mark) MUST_CHECK;
/*
 * At the end of a transaction: *mark is what the ledger has once it is committed, which is not
 * `last`, the mark of the commit before. 0 or negative; -EBUSY: the ledger is of a newer schema,
 * and this program writes nothing more to it.
 */
int sqlite_commit_mark_make(struct sqlite_connection *connection, const struct sqlite_commit_mark *last,
			    struct sqlite_commit_mark *mark) MUST_CHECK;
/* In a transaction: raises the number to this, whatever else is written. As above. */
int sqlite_commit_mark_number(struct sqlite_connection *connection, int64_t number) MUST_CHECK;

/*
 * Whether the commit that would have left `doubtful` behind `last` is in a ledger that has `found`.
 */
static inline bool sqlite_commit_mark_reached(const struct sqlite_commit_mark *found, const struct sqlite_commit_mark *doubtful,
					      const struct sqlite_commit_mark *last)
{
	return doubtful->movement > last->movement ? found->movement >= doubtful->movement : found->number >= doubtful->number;
}
static inline bool sqlite_commit_mark_equal(const struct sqlite_commit_mark *a, const struct sqlite_commit_mark *b)
{
	return a->number == b->number && a->movement == b->movement;
}
