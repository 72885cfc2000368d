/*
 * Journal port: the durable log of accepted events. append() blocks until the end of each entry is
 * known or its deadline has passed; entries of one append and one sale keep their order. The
 * worker's threads append; what else is asked may come from any, and may wait while an append is
 * under way. Only read() waits for no append: readers wait for one another.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/error.h"
#include "port/journal_record.h"

enum journal_end {
	JOURNAL_DURABLE = 1, /* it is in the log (also: was there already) */
	JOURNAL_REFUSED = 2, /* it is definitely not, and never will be: may be compensated */
	JOURNAL_UNKNOWN = 3, /* nobody can say yet: never undone, driven again */
};

/* Kafka advises at most 4,000 partitions a broker; a log of one shop has dozens. */
enum { JOURNAL_PARTITIONS_MAX = 4096 };

struct journal_entry {
	const struct event *event; /* caller's, unchanged until append() returns */
	enum journal_end end;
	const char *reason; /* REFUSED, UNKNOWN: static text for logs ("stale epoch") */
	bool forbidden;     /* REFUSED because it would have broken a promise: the last line held, something before it did not */
};

/*
 * A piece of one partition: what lies from `from` to before `to`. `mark` is the fingerprint of the
 * record before `from`; at 0 there is none.
 */
struct journal_range {
	uint32_t partition;
	int64_t from, to;
	uint64_t mark;
};

enum { JOURNAL_READ_MAX = 1024 };
/*
 * Takes some records, JOURNAL_READ_MAX at most, in their order. They, and what they point to, are
 * the reader's again when it returns. Negative: no more of them.
 */
typedef int (*journal_take)(void *context, struct journal_record *records, size_t count);

enum { JOURNAL_APPENDS_MAX = 2 };

struct journal;
struct journal_ops {
	const char *name;
	/*
	 * So many threads may append at once, each entries that do not build on the other's; 0:
	 * one.
	 */
	unsigned appends;
	/*
	 * What is durable is in the ledger already, and the ledger holds each event's epoch against
	 * its sale's: a rebuild waits for nobody.
	 */
	bool in_ledger;
	/*
	 * Sets every entry's end. Of no entries: a look whether it is well, and a try to get well
	 * where it is not.
	 */
	void (*append)(struct journal *journal, struct journal_entry *entries, size_t count);
	/*
	 * Starts an epoch of a sale in the log (rule 4): an EVENT_BARRIER. Nothing to do where the
	 * ledger checks epochs itself. 0: durable; negative: it is not, or nobody can say
	 * (-EINPROGRESS); asking again is safe. *id: null, then it is made; asking again with it
	 * appends the same barrier.
	 */
	int (*barrier)(struct journal *journal, uint32_t sale, uint32_t epoch, struct uuid *id);
	/*
	 * Where the log ends now: for each partition the position behind its last record. *count:
	 * how many there are; 0 where what is durable is in the ledger. -ERANGE: more than `max`. 0
	 * or negative: it does not say so now. Blocks up to some seconds.
	 */
	int (*ends)(struct journal *journal, int64_t *ends, uint32_t max, uint32_t *count);
	/* Which of them has the events of a sale. */
	uint32_t (*partition)(struct journal *journal, uint32_t sale);
	/*
	 * Reads what the log has in a range, every record once and in order, and hands it over in
	 * batches, so the memory is bounded however long the range is. Nobody else's reading is
	 * disturbed: no group, no position is kept. Any thread; one reads at a time. A range with
	 * nothing in it is only held against its mark. 0; -ESTALE: the log has another record
	 * before `from`, so it is another log; -ENODATA: it does not have all of the range (its
	 * retention took some, or it is shorter); -ETIMEDOUT, -ENOTCONN: no broker answers;
	 * -EACCES: this client may not read; what take() said.
	 */
	int (*read)(struct journal *journal, const struct journal_range *range, journal_take take, void *context);
	/*
	 * What an append has put off so that nobody waits for it; for when all who waited have been
	 * answered. A thread that appends.
	 */
	void (*tidy)(struct journal *journal);
	/*
	 * 0 while appends are expected to work, else negative with its text in *reason (static).
	 * Any thread.
	 */
	int (*health)(struct journal *journal, const char **reason);
	void (*free)(struct journal *journal);
};
struct journal {
	const struct journal_ops *ops;
};
