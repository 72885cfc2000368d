/*
 * One batch: from records to one transaction, and what becomes of those that no transaction can
 * apply.
 */
#include <stdlib.h>
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "drain/drain_private.h"

static const char NOT_FOUND_REASON[] = "its sale, lot or order is not in the ledger";
static const char CONSTRAINT_REASON[] = "it would break a promise: a constraint of the ledger kept it out";

/* --- Gather --- */

/* False: the record is none that is to be read now, so all of its partition is read again. */
static bool advance(struct drain *drain, const struct journal_record *record)
{
	struct partition *partition = drain_positioned(drain, record->partition);
	struct ledger_progress *progress;

	if (!partition)
		return false;
	if (partition->progress == 0) {
		progress = &drain->progress[drain->progress_count];
		*progress = (struct ledger_progress){.partition = record->partition, .from = partition->next, .to = partition->next};
		drain->progress_at_ms[drain->progress_count] = 0;
		partition->progress = ++drain->progress_count;
	}
	progress = &drain->progress[partition->progress - 1];
	if (record->offset < progress->to)
		return false;
	progress->to = record->offset + 1;
	progress->mark = record->mark;
	if (!record->reason)
		drain->progress_at_ms[partition->progress - 1] = record->event.at_ms;
	return true;
}

static void clear(struct drain *drain)
{
	for (size_t i = 0; i < drain->progress_count; i++)
		drain->partitions[drain->progress[i].partition].progress = 0;
	drain->entry_count = drain->bad_count = drain->progress_count = 0;
}

/*
 * A record of a newer program may have been told: nothing behind it in its partition is applied
 * without it.
 */
static bool is_left(struct drain *drain, const struct journal_record *record)
{
	struct partition *partition = drain_positioned(drain, record->partition);

	if (partition && record->newer)
		partition->stops = true;
	return partition && partition->stops;
}

/* False: the records contradict what is known of their partitions, and are let go. */
static bool gather(struct drain *drain, size_t count)
{
	clear(drain);
	for (size_t i = 0; i < count; i++) {
		struct journal_record *record = &drain->records[i];

		if (is_left(drain, record))
			continue;
		if (!advance(drain, record)) {
			log_error("drain", "the journal's reader gave a record that was not to be read: its partition is read again",
				  LOG_INT("partition", record->partition), LOG_INT("position", record->offset));
			drain_fail(drain, DRAIN_STEP_READ, -EPROTO, true);
			return false;
		}
		if (!record->reason && record->event.kind == EVENT_RESERVED && FAILPOINT("drain.lose_order") > 0)
			record->reason = "it is a dead letter on purpose";
		if (record->reason) {
			drain->bad[drain->bad_count++] = (struct ledger_bad_record){record->reason, record->value};
			drain->dead_letters[drain->dead_letter_count++] = (struct dead_letter){record, record->reason, NULL};
		} else {
			drain->entries[drain->entry_count] = (struct ledger_entry){&record->event, 0};
			drain->entry_records[drain->entry_count++] = record;
		}
	}
	return true;
}

/* --- The dead --- */

static bool keep_value(struct dead_letter *letter)
{
	struct slice *value = &letter->record->value;

	if (letter->value || value->size == 0)
		return true;
	letter->value = malloc(value->size);
	if (!letter->value)
		return false;
	memcpy(letter->value, value->data, value->size);
	value->data = letter->value;
	return true;
}

size_t drain_forget_dead_letters(struct drain *drain)
{
	size_t count = drain->dead_letter_count;

	for (size_t i = 0; i < count; i++)
		free(drain->dead_letters[i].value);
	drain->dead_letter_count = 0;
	return count;
}

int drain_copy_dead_letters(struct drain *drain)
{
	struct journal_reader *reader = drain->settings.reader;
	size_t done = 0, left;
	int r = 0;

	while (done < drain->dead_letter_count && r == 0) {
		struct dead_letter *letter = &drain->dead_letters[done];

		r = reader->ops->copy_dead_letter(reader, letter->record, letter->reason);
		if (r == 0) {
			free(letter->value);
			done++;
		}
	}
	left = drain->dead_letter_count - done;
	memmove(drain->dead_letters, drain->dead_letters + done, left * sizeof(drain->dead_letters[0]));
	drain->dead_letter_count = left;
	/*
	 * The reader's memory is gone with its next read; without memory the copy is given up, the
	 * row is there.
	 */
	for (size_t i = 0; i < drain->dead_letter_count; i++)
		if (!keep_value(&drain->dead_letters[i]))
			drain->dead_letters[i].record->value = SLICE_NULL;
	return r;
}

static void log_violation(const struct journal_record *record)
{
	char id[UUID_TEXT_SIZE];

	uuid_format(&record->event.id, id);
	log_error("drain", "AN EVENT WOULD HAVE BROKEN A PROMISE: the ledger's last line kept it out",
		  LOG_TEXT("kind", event_kind_name(record->event.kind)), LOG_TEXT("id", id), LOG_INT("sale", record->event.sale),
		  LOG_INT("partition", record->partition), LOG_INT("position", record->offset));
}

static void dead_letter(struct drain *drain, struct journal_record *record, enum drain_dead_reason reason)
{
	metrics_add(drain->cells, drain->metrics.dead_letters[reason], 1);
	drain->dead_letters[drain->dead_letter_count++] =
		(struct dead_letter){record, reason == DRAIN_DEAD_CONSTRAINT ? CONSTRAINT_REASON : NOT_FOUND_REASON, NULL};
	if (reason == DRAIN_DEAD_CONSTRAINT)
		log_violation(record);
}

/* --- Commit --- */

static enum drain_event_outcome classify(struct drain *drain, size_t entry)
{
	switch (drain->entries[entry].outcome) {
	case LEDGER_DONE:
		return DRAIN_EVENT_DONE;
	case LEDGER_ALREADY:
		return DRAIN_EVENT_ALREADY;
	case LEDGER_STALE_EPOCH:
		return DRAIN_EVENT_VOID;
	case LEDGER_WRONG_STATE:
		return DRAIN_EVENT_ABSORBED;
	case LEDGER_NOT_FOUND:
		dead_letter(drain, drain->entry_records[entry], DRAIN_DEAD_NOT_FOUND);
		return DRAIN_EVENT_DEAD;
	case LEDGER_CONSTRAINT:
		dead_letter(drain, drain->entry_records[entry], DRAIN_DEAD_CONSTRAINT);
		return DRAIN_EVENT_DEAD;
	}
	assertion_failed("a known outcome", __FILE__, __LINE__, __func__);
}

/* The event that was applied last, of the partition that is furthest behind. */
static int64_t last_at_ms(const struct drain *drain)
{
	int64_t at_ms = 0;

	for (size_t i = 0; i < drain->progress_count; i++)
		if (drain->progress_at_ms[i] && (at_ms == 0 || drain->progress_at_ms[i] < at_ms))
			at_ms = drain->progress_at_ms[i];
	return at_ms;
}

static void committed(struct drain *drain, size_t count, int64_t commit_ns)
{
	int64_t at_ms = last_at_ms(drain);

	for (size_t i = 0; i < drain->progress_count; i++) {
		struct partition *partition = &drain->partitions[drain->progress[i].partition];

		partition->next = drain->progress[i].to;
		if (partition->probing)
			drain_goes_on(drain, drain->progress[i].partition);
	}
	for (size_t i = 0; i < drain->entry_count; i++)
		metrics_add(drain->cells, drain->metrics.events[classify(drain, i)], 1);
	metrics_add(drain->cells, drain->metrics.events[DRAIN_EVENT_DEAD], drain->bad_count);
	metrics_add(drain->cells, drain->metrics.dead_letters[DRAIN_DEAD_UNREADABLE], drain->bad_count);
	metrics_add(drain->cells, drain->metrics.batches, 1);
	metrics_observe(drain->cells, drain->metrics.batch_records, count);
	metrics_observe(drain->cells, drain->metrics.commit_seconds, (uint64_t)commit_ns);
	pace_committed(&drain->pace, clock_mono_ns(), count, commit_ns);
	if (at_ms) {
		lock_take(&drain->lock);
		drain->shown.last_at_ms = at_ms;
		lock_release(&drain->lock);
	}
}

/*
 * Another drain has the partition now, or had it for a while: this one asks the ledger where they
 * stand.
 */
static void rejoin(struct drain *drain)
{
	static const int64_t PAUSE_NS = 50000000; /* two that have one partition for a moment do not race for it */

	metrics_add(drain->cells, drain->metrics.stale, 1);
	log_info("drain", "another drain is ahead: nothing was done, the positions are read again",
		 LOG_INT("partition", drain->progress[0].partition), LOG_INT("position", drain->progress[0].from));
	for (size_t i = 0; i < drain->progress_count; i++)
		drain_revoke(drain, drain->progress[i].partition);
	drain->not_before_ns = clock_mono_ns() + backoff_jitter(PAUSE_NS);
}

static void commit(struct drain *drain, size_t count)
{
	struct ledger *ledger = drain->settings.ledger;
	struct ledger_drain batch = {
		.entries = drain->entries,
		.count = drain->entry_count,
		.bad = drain->bad,
		.bad_count = drain->bad_count,
		.progress = drain->progress,
		.progress_count = drain->progress_count,
		.now_ms = clock_wall_ms(),
	};
	int64_t start_ns = clock_mono_ns();
	int r = ledger->ops->drain(ledger, &batch);

	if (r == 0) {
		committed(drain, count, clock_mono_ns() - start_ns);
		r = drain_copy_dead_letters(drain);
		if (r < 0)
			drain_fail(drain, DRAIN_STEP_DEAD_LETTER, r, false);
		return;
	}
	if (r == LEDGER_STALE_POSITION) {
		rejoin(drain);
		return;
	}
	if (r == -EINPROGRESS)
		metrics_add(drain->cells, drain->metrics.unknown, 1);
	pace_failed(&drain->pace, clock_mono_ns(), count);
	drain_fail(drain, DRAIN_STEP_COMMIT, r < 0 ? r : -EPROTO, true);
}

void drain_apply(struct drain *drain, size_t count)
{
	int r;

	ASSERT(drain->dead_letter_count == 0);
	if (!gather(drain, count)) {
		drain_forget_dead_letters(drain);
		return;
	}
	r = drain_copy_dead_letters(drain);
	if (r < 0) {
		drain_forget_dead_letters(drain);
		drain_fail(drain, DRAIN_STEP_DEAD_LETTER, r, true);
		return;
	}
	if (drain->progress_count > 0)
		commit(drain, count);
	drain_stall_stopped(drain);
}
