/* Reads of a range: what src/journal/kafka/tail.c tells of this log. */
#include <stdlib.h>
#include "base/assertion.h"
#include "simulation/journal/client.h"

enum { SILENCE_MS = 5000 }; /* after which a broker is called silent */

struct reading {
	struct broker_journal *journal;
	const struct journal_range *range;
	int64_t next;
};

/*
 * The record before the range is what it was. 0; 1: retention has taken it, and nothing of the
 * range.
 */
static int check_mark(const struct reading *reading)
{
	const struct journal_range *range = reading->range;
	const struct broker_partition *partition = &reading->journal->sim->partitions[range->partition];
	int64_t before = range->from - 1;

	if (before < partition->low)
		return range->from == partition->low && partition->end >= range->to ? 1 : -ENODATA;
	if (before >= partition->end)
		return -ENODATA;
	return partition->records[before].mark == range->mark ? 0 : -ESTALE;
}

/* Takes some of what is there now. How many, or negative; -ETIMEDOUT: no broker answers. */
static int take_some(struct reading *reading)
{
	struct journal_sim *sim = reading->journal->sim;
	const struct journal_range *range = reading->range;
	const struct broker_partition *partition = &sim->partitions[range->partition];
	int64_t last;
	int count = 0, r = 0;

	if (broker_chance(sim, sim->faults.silent) || broker_is_away(reading->journal) || sim->mute ||
	    !broker_is_led(sim, range->partition))
		return -ETIMEDOUT;
	if (!sim->there || range->partition >= sim->partition_count)
		return -ENOENT;
	if (range->from > 0 && reading->next == range->from && (r = check_mark(reading)) < 0)
		return r;
	if (reading->next < partition->low || (reading->next >= partition->end && reading->next < range->to))
		return -ENODATA;
	last = range->to < partition->end ? range->to : partition->end;
	if (last - reading->next > JOURNAL_READ_MAX)
		last = reading->next + JOURNAL_READ_MAX;
	if (last - reading->next > 1) /* a broker sends what it likes */
		last -= (int64_t)(broker_draw(sim) % (uint64_t)(last - reading->next));
	while (reading->next < last && r >= 0) {
		r = broker_decode(&partition->records[reading->next], range->partition, reading->next,
				  &reading->journal->records[count]);
		reading->next++;
		count++;
	}
	return r < 0 ? r : count;
}

static int take_locked(struct reading *reading)
{
	int count;

	broker_take(reading->journal->sim);
	broker_arrive(reading->journal->sim);
	count = take_some(reading);
	broker_release(reading->journal->sim);
	return count;
}

static int read_on(struct reading *reading, journal_take take, void *context)
{
	const struct journal_range *range = reading->range;
	int r = 0;

	if (range->from == 0 && range->to <= 0)
		return 0;
	do {
		r = take_locked(reading);
		if (r == -ETIMEDOUT)
			broker_rest(SILENCE_MS * INT64_C(1000000));
		if (r > 0)
			r = take(context, reading->journal->records, (size_t)r);
		broker_yield();
	} while (r >= 0 && reading->next < range->to);
	return r < 0 ? r : 0;
}

int broker_read_range(struct journal *base, const struct journal_range *range, journal_take take, void *context)
{
	struct broker_journal *journal = broker_journal_of(base);
	struct reading reading = {.journal = journal, .range = range, .next = range->from};
	int r;

	ASSERT(range->from >= 0);
	ASSERT(range->partition < BROKER_PARTITIONS_MAX);
	broker_yield();
	lock_take(&journal->tail_lock);
	if (!journal->records)
		journal->records = calloc(JOURNAL_READ_MAX, sizeof(*journal->records));
	ASSERT(journal->records);
	r = read_on(&reading, take, context);
	lock_release(&journal->tail_lock);
	broker_yield();
	return r;
}
