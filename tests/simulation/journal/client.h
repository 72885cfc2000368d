/* A journal's end of the simulated log: producer.c appends, tail.c reads. Private to it. */
#pragma once

#include <stdatomic.h>
#include "simulation/journal/broker.h"

struct broker_journal {
	struct journal base; /* first */
	struct journal_sim *sim;
	int64_t deadline_ns;
	struct lock lock;          /* one append is under way at a time */
	struct lock tail_lock;     /* one thread reads at a time */
	struct uuid_generator ids; /* of barriers; under the lock */
	uint32_t partitions;
	int64_t acknowledged[BROKER_PARTITIONS_MAX]; /* the highest offset that was; -1: none */
	bool lost, doubted;
	_Atomic(const char *) unhealthy; /* NULL: well */
};

static inline struct broker_journal *broker_journal_of(struct journal *base)
{
	return (struct broker_journal *)base;
}

void broker_append_entries(struct journal *base, struct journal_entry *entries, size_t count);
int broker_read_range(struct journal *base, const struct journal_range *range, journal_take take, void *context);
