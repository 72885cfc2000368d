/*
 * Journal reader port: the other end of the journal, for the drain. One thread owns an instance;
 * calls block no longer than they say.
 *
 * The log has partitions; several readers share them, and who has which changes while they run. A
 * partition that this reader was given is silent until seek() has said from where: positions live
 * in the ledger, beside the rows (rule 6), and never in the log's own store. Records of one
 * partition come in their order, and none is skipped: where the log no longer has the next one,
 * that is said.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/error.h"
#include "port/journal_record.h"

struct journal_reader;
struct journal_reader_ops {
	const char *name;
	/*
	 * Which log this is, and how many partitions it has; the texts live as long as the reader.
	 * 0, or negative while it cannot be told (-ENOTCONN).
	 */
	int (*identity)(struct journal_reader *reader, const char **cluster, const char **topic, uint32_t *partitions);
	/*
	 * Whether this reader has a share in the partitions, as it has from its start. One that can
	 * do nothing with its records leaves them to the other readers. 0, or negative: not now,
	 * nothing has changed.
	 */
	int (*share)(struct journal_reader *reader, bool shares);
	/* How many partitions are this reader's now. */
	size_t (*given)(struct journal_reader *reader);
	/* Up to `max` partitions that were given to this reader and wait for seek(). */
	size_t (*unpositioned)(struct journal_reader *reader, uint32_t *partitions, size_t max);
	/*
	 * Reads this partition from `next` on. `mark` is the fingerprint of the record before it,
	 * which must be what the log has there; at next 0 there is none. 0; -ESTALE: the log has
	 * another record there, so it is not the log that the ledger was filled from; -ENODATA: the
	 * log does not have `next` (its retention took it, or the log is shorter); -ENOENT: the
	 * partition is no longer this reader's; other negative: not now (-ENOTCONN, -ETIMEDOUT).
	 */
	int (*seek)(struct journal_reader *reader, uint32_t partition, int64_t next, uint64_t mark);
	/*
	 * This partition is read no further, and waits for seek() again: the ledger says that
	 * another drain is ahead.
	 */
	void (*revoke)(struct journal_reader *reader, uint32_t partition);
	/*
	 * Waits up to timeout_ns for records, and takes up to `max`; also does the group's
	 * business, so it must be called every second or so (`max` 0: only that). 0 with *count;
	 * -ENODATA: a positioned partition does not have its next record; other negative: not now.
	 */
	int (*read)(struct journal_reader *reader, struct journal_record *records, size_t max, int64_t timeout_ns, size_t *count);
	/*
	 * Records between what was read and the ends of this reader's partitions, as last heard;
	 * -1: not known.
	 */
	int64_t (*lag)(struct journal_reader *reader);
	/*
	 * Copies a record that could not be applied to the dead-letter log. 0: it is durable there;
	 * negative: it is not, or nobody can say.
	 */
	int (*copy_dead_letter)(struct journal_reader *reader, const struct journal_record *record, const char *reason);
	void (*free)(struct journal_reader *reader);
};
struct journal_reader {
	const struct journal_reader_ops *ops;
};
