/* A journal's end of the simulated log: producer.c appends, tail.c reads. Private to it. */
#pragma once

#include <stdatomic.h>
#include "simulation/journal/broker.h"

/* What an append has for one partition, or a part of that, and for which of its entries. */
struct broker_part {
	struct broker_request *request;
	size_t *places;
	size_t count;
};

struct broker_append {
	struct journal_entry *entries;
	size_t count;
	struct broker_part parts[BROKER_PARTITIONS_MAX * BROKER_PARTS_MAX];
	size_t part_count;
	size_t *places; /* of all parts */
	int64_t deadline_ns;
};

/*
 * All of its memory is here and not with the threads that use it, which may be dropped with their
 * node.
 */
struct broker_journal {
	struct journal base; /* first */
	struct journal_sim *sim;
	struct broker_journal *second; /* of an append that overlaps another, as the adapter has a second producer; NULL: it is one */
	int64_t deadline_ns;
	atomic_bool busy;          /* it has an append: another takes the second */
	struct lock lock;          /* one append is under way at a time */
	struct lock tail_lock;     /* one thread reads at a time */
	struct uuid_generator ids; /* of barriers; under the lock */
	uint32_t partitions;
	int64_t acknowledged[BROKER_PARTITIONS_MAX]; /* the highest offset that was; -1: none */
	struct broker_append append;                 /* the one under way */
	struct journal_record *records;              /* room of the tail for a batch */
	bool lost, doubted, cut_off;
	_Atomic(const char *) unhealthy; /* NULL: well */
};

static inline struct broker_journal *broker_journal_of(struct journal *base)
{
	return (struct broker_journal *)base;
}

/* No broker answers this end of the log. */
static inline bool broker_is_away(const struct broker_journal *journal)
{
	return journal->sim->away || journal->cut_off;
}

void broker_append_entries(struct journal *base, struct journal_entry *entries, size_t count);
int broker_read_range(struct journal *base, const struct journal_range *range, journal_take take, void *context);
