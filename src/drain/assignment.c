/*
 * Where partitions stand: the ledger says it, the reader goes there, and what cannot go on is
 * stalled.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/log.h"
#include "drain/drain_private.h"

/* A stalled partition is looked at so often: it heals only by somebody's hand. */
static const int64_t STALLED_RETRY_NS = 15000000000;
static const int64_t CHECK_NS = 10000000000; /* so often the ledger is asked where it stands while nothing comes */

/*
 * The partition of that number, with room made for it; NULL: out of memory, or no number that a log
 * of ours has.
 */
static struct partition *partition_of(struct drain *drain, uint32_t number)
{
	size_t count = drain->partition_count;
	struct partition *grown;

	if (number < count)
		return &drain->partitions[number];
	if (number >= JOURNAL_PARTITIONS_MAX)
		return NULL;
	while (count <= number)
		count = count ? count * 2 : 16;
	grown = realloc(drain->partitions, count * sizeof(*grown));
	if (!grown)
		return NULL;
	memset(grown + drain->partition_count, 0, (count - drain->partition_count) * sizeof(*grown));
	drain->partitions = grown;
	drain->partition_count = count;
	return &grown[number];
}

struct partition *drain_positioned(struct drain *drain, uint32_t number)
{
	if (number >= drain->partition_count || drain->partitions[number].state != PARTITION_POSITIONED)
		return NULL;
	return &drain->partitions[number];
}

void drain_revoke(struct drain *drain, uint32_t number)
{
	struct partition *partition = drain_positioned(drain, number);

	if (!partition)
		return;
	partition->state = PARTITION_ABSENT;
	partition->probing = false;
	drain->settings.reader->ops->revoke(drain->settings.reader, number);
}

void drain_revoke_all(struct drain *drain)
{
	for (size_t i = 0; i < drain->partition_count; i++)
		drain_revoke(drain, (uint32_t)i);
}

static const char *fault_text(int fault)
{
	switch (fault) {
	case -ESTALE:
		return "the journal has another record before it: this is not the log that the ledger was filled from";
	case -EPROTONOSUPPORT:
		return "an event of a version or kind that this program does not know: start the newer drain";
	default:
		return "the journal does not have this record any more";
	}
}

/* Held partitions, counted and told anew. */
static void show_stalled(struct drain *drain)
{
	const struct partition *first = NULL;
	int64_t stalled = 0;

	for (size_t i = 0; i < drain->partition_count; i++)
		if (drain->partitions[i].state == PARTITION_STALLED || drain->partitions[i].probing) {
			first = first ? first : &drain->partitions[i];
			stalled++;
		}
	lock_take(&drain->lock);
	drain->shown.stalled = stalled;
	if (first)
		snprintf(drain->shown.reason, sizeof(drain->shown.reason), "partition %zu is stalled at %" PRId64 ": %s",
			 (size_t)(first - drain->partitions), first->next, fault_text(first->fault));
	else if (!backoff_failed(&drain->backoff))
		drain->shown.reason[0] = '\0';
	lock_release(&drain->lock);
}

static void stall(struct drain *drain, uint32_t number, struct partition *partition, int64_t next, int fault)
{
	bool known = (partition->state == PARTITION_STALLED || partition->probing) && partition->fault == fault &&
		     partition->next == next;

	partition->state = PARTITION_STALLED;
	partition->probing = false;
	partition->next = next;
	partition->fault = fault;
	partition->retry_ns = clock_mono_ns() + backoff_jitter(STALLED_RETRY_NS);
	if (known)
		return;
	log_error("drain", "A PARTITION IS STALLED: its orders wait, nothing of it is skipped", LOG_INT("partition", number),
		  LOG_INT("position", next), LOG_TEXT("reason", fault_text(fault)));
	show_stalled(drain);
}

static void positioned(struct drain *drain, uint32_t number, struct partition *partition, int64_t next)
{
	bool was_stalled = partition->state == PARTITION_STALLED;

	partition->state = PARTITION_POSITIONED;
	partition->next = next;
	backoff_reset(&partition->backoff);
	log_debug("drain", "a partition is positioned", LOG_INT("partition", number), LOG_INT("position", next));
	/*
	 * Whether it goes on behind a record that was not known shows when that one is met again.
	 */
	partition->probing = was_stalled && partition->fault == -EPROTONOSUPPORT;
	if (was_stalled && !partition->probing)
		drain_goes_on(drain, number);
}

void drain_goes_on(struct drain *drain, uint32_t number)
{
	struct partition *partition = &drain->partitions[number];

	partition->probing = false;
	log_info("drain", "a partition goes on", LOG_INT("partition", number), LOG_INT("position", partition->next));
	show_stalled(drain);
}

/* A batch that was not committed has let go of them: they are read again. */
void drain_stall_stopped(struct drain *drain)
{
	for (size_t i = 0; i < drain->partition_count; i++) {
		struct partition *partition = &drain->partitions[i];
		bool probing = partition->probing;

		if (!partition->stops)
			continue;
		partition->stops = false;
		if (partition->state != PARTITION_POSITIONED)
			continue;
		drain_revoke(drain, (uint32_t)i);
		partition->probing = probing;
		stall(drain, (uint32_t)i, partition, partition->next, -EPROTONOSUPPORT);
	}
}

/*
 * 0, or negative where the ledger failed. What fails with the reader is this partition's alone: the
 * others go on.
 */
static int position(struct drain *drain, uint32_t number, struct partition *partition)
{
	struct journal_reader *reader = drain->settings.reader;
	struct ledger *ledger = drain->settings.ledger;
	int64_t next = 0;
	uint64_t mark = 0;
	int r = ledger->ops->journal_position(ledger, number, &next, &mark);

	if (r < 0)
		return r;
	if (r == LEDGER_NOT_FOUND) {
		next = 0;
		mark = 0;
	}
	r = reader->ops->seek(reader, number, next, mark);
	switch (r) {
	case 0:
		positioned(drain, number, partition, next);
		break;
	case -ENOENT:
		partition->state = PARTITION_ABSENT;
		break;
	case -ESTALE:
	case -ENODATA:
		stall(drain, number, partition, next, r);
		break;
	default:
		partition->state = PARTITION_LATE;
		partition->retry_ns = clock_mono_ns() + backoff_fail(&partition->backoff, &drain_retry, r);
		metrics_add(drain->cells, drain->metrics.failures[DRAIN_STEP_POSITION], 1);
		log_warn("drain", "a partition cannot be positioned now", LOG_INT("partition", number), LOG_INT("position", next),
			 LOG_TEXT("error", error_text(r)));
	}
	return 0;
}

/* What waits at the reader no more was given to another. */
static void forget_absent(struct drain *drain)
{
	bool any_stalled = false;

	for (size_t i = 0; i < drain->partition_count; i++) {
		struct partition *partition = &drain->partitions[i];

		if (partition->listed == drain->round || partition->state == PARTITION_POSITIONED ||
		    partition->state == PARTITION_ABSENT)
			continue;
		any_stalled = any_stalled || partition->state == PARTITION_STALLED;
		partition->state = PARTITION_ABSENT;
	}
	if (any_stalled)
		show_stalled(drain);
}

int drain_check(struct drain *drain)
{
	struct ledger *ledger = drain->settings.ledger;
	int64_t now_ns = clock_mono_ns();

	if (now_ns < drain->check_ns)
		return 0;
	drain->check_ns = now_ns + CHECK_NS;
	for (size_t i = 0; i < drain->partition_count; i++) {
		const struct partition *partition = drain_positioned(drain, (uint32_t)i);
		int64_t next = 0;
		uint64_t mark;
		int r = partition ? ledger->ops->journal_position(ledger, (uint32_t)i, &next, &mark) : LEDGER_DONE;

		if (r < 0) {
			drain_fail(drain, DRAIN_STEP_POSITION, r, true);
			return r;
		}
		if (r == LEDGER_NOT_FOUND)
			next = 0;
		if (!partition || next >= partition->next)
			continue;
		log_warn("drain",
			 "the ledger has less of a partition than was brought into it: it was restored, and is brought there again",
			 LOG_INT("partition", i), LOG_INT("position", next), LOG_INT("was", partition->next));
		drain_revoke(drain, (uint32_t)i);
	}
	return 0;
}

int drain_position(struct drain *drain)
{
	struct journal_reader *reader = drain->settings.reader;
	size_t count = reader->ops->unpositioned(reader, drain->waiting, JOURNAL_PARTITIONS_MAX);

	drain->round++;
	for (size_t i = 0; i < count; i++) {
		struct partition *partition = partition_of(drain, drain->waiting[i]);
		int r = partition ? 0 : -ENOMEM;

		if (partition) {
			bool waits = partition->state == PARTITION_STALLED || partition->state == PARTITION_LATE;

			partition->listed = drain->round;
			if (waits && clock_mono_ns() < partition->retry_ns)
				continue;
			r = position(drain, drain->waiting[i], partition);
		}
		if (r < 0) {
			drain_fail(drain, DRAIN_STEP_POSITION, r, true);
			return r;
		}
	}
	forget_absent(drain);
	return 0;
}
