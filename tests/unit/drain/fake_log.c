#include "unit/drain/fake_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/random.h"

static int64_t now_ns;
#define WALL_US INT64_C(1800000000000000)

/* --- The clock --- */

static int64_t read_mono_ns(const struct clock_source *source)
{
	(void)source;
	return now_ns;
}

static int64_t read_wall_us(const struct clock_source *source)
{
	(void)source;
	return WALL_US + now_ns / 1000;
}

void fake_clock_take(void)
{
	static const struct clock_source source = {read_wall_us, read_mono_ns};

	now_ns = INT64_C(100000000000000); /* ahead of every real clock that counts from a machine's start */
	clock_set_source(&source);
}

void fake_clock_pass(int64_t ns)
{
	now_ns += ns;
}

/* --- The log --- */

void fake_log_init(struct fake_log *log, const char *cluster)
{
	memset(log, 0, sizeof(*log));
	log->cluster = cluster;
}

void fake_log_append(struct fake_log *log, uint32_t partition, size_t count, int outcome)
{
	for (size_t i = 0; i < count; i++) {
		int64_t offset = log->partitions[partition].end++;

		assert_in_range(offset, 0, FAKE_RECORDS_MAX - 1);
		log->partitions[partition].records[offset] =
			(struct fake_record){.outcome = outcome, .mark = random_u64() | 1, .at_ms = clock_wall_ms()};
	}
}

void fake_log_append_newer(struct fake_log *log, uint32_t partition, int outcome)
{
	fake_log_append(log, partition, 1, outcome);
	log->partitions[partition].records[log->partitions[partition].end - 1].newer = true;
}

static bool chance(unsigned thousandths)
{
	return thousandths > 0 && random_u64() % 1000 < thousandths;
}

static int take(int *fault)
{
	int r = *fault;

	*fault = 0;
	return r;
}

/* --- Readers --- */

static struct fake_reader *reader_of(struct journal_reader *reader)
{
	return (struct fake_reader *)reader;
}

static int reader_identity(struct journal_reader *base, const char **cluster, const char **topic, uint32_t *partitions)
{
	struct fake_reader *reader = reader_of(base);

	*cluster = reader->log->cluster;
	*topic = "orders";
	*partitions = FAKE_PARTITIONS;
	return chance(reader->chance) ? -ENOTCONN : take(&reader->identity_fault);
}

static size_t reader_unpositioned(struct journal_reader *base, uint32_t *partitions, size_t max)
{
	const struct fake_reader *reader = reader_of(base);
	size_t count = 0;

	for (uint32_t i = 0; i < FAKE_PARTITIONS && count < max; i++)
		if (reader->partitions[i].given && !reader->partitions[i].positioned)
			partitions[count++] = i;
	return count;
}

static int reader_seek(struct journal_reader *base, uint32_t partition, int64_t next, uint64_t mark)
{
	struct fake_reader *reader = reader_of(base);
	const struct fake_log *log = reader->log;

	assert_in_range(partition, 0, FAKE_PARTITIONS - 1);
	reader->seeks++;
	if (!reader->partitions[partition].given)
		return -ENOENT;
	if (chance(reader->chance))
		return -ETIMEDOUT;
	if (reader->seek_fault[partition])
		return take(&reader->seek_fault[partition]);
	if (next < log->partitions[partition].start || next > log->partitions[partition].end)
		return -ENODATA;
	if (next > log->partitions[partition].start && log->partitions[partition].records[next - 1].mark != mark)
		return -ESTALE;
	reader->partitions[partition].positioned = true;
	reader->partitions[partition].next = next;
	return 0;
}

static void reader_revoke(struct journal_reader *base, uint32_t partition)
{
	reader_of(base)->partitions[partition].positioned = false;
}

static void forget_values(struct fake_reader *reader)
{
	while (reader->value_count > 0)
		free(reader->values[--reader->value_count]);
}

/* The id says which record it is; the value too. */
static void fill(struct fake_reader *reader, struct journal_record *record, uint32_t partition, int64_t offset)
{
	const struct fake_record *from = &reader->log->partitions[partition].records[offset];
	char text[32];

	memset(record, 0, sizeof(*record));
	record->partition = partition;
	record->offset = offset;
	record->mark = from->mark;
	snprintf(text, sizeof(text), "%u:%lld", partition, (long long)offset);
	reader->values[reader->value_count] = strdup(text);
	record->value = slice_of(reader->values[reader->value_count++]);
	record->newer = from->newer && !reader->newer;
	if (record->newer || from->outcome < 0) {
		record->reason = record->newer ? "newer" : "not valid JSON";
		return;
	}
	record->event = (struct event){.kind = EVENT_RESERVED, .sale = partition + 1, .at_ms = from->at_ms, .buyer = slice_of(text)};
	memcpy(record->event.id.bytes, &partition, sizeof(partition));
	memcpy(record->event.id.bytes + 8, &offset, sizeof(offset));
	event_own(&record->event, &record->text);
}

static int reader_read(struct journal_reader *base, struct journal_record *records, size_t max, int64_t timeout_ns, size_t *count)
{
	struct fake_reader *reader = reader_of(base);
	const struct fake_log *log = reader->log;
	uint32_t first = (uint32_t)(random_u64() % FAKE_PARTITIONS);

	forget_values(reader);
	*count = 0;
	if (max > 0)
		reader->reads++;
	else
		reader->businesses++;
	if (max > reader->read_most)
		reader->read_most = max;
	if (chance(reader->chance))
		return -ETIMEDOUT;
	if (max > 0 && reader->read_fault)
		return take(&reader->read_fault);
	for (uint32_t i = 0; i < FAKE_PARTITIONS; i++)
		if (reader->partitions[i].positioned && reader->partitions[i].next < log->partitions[i].start)
			return -ENODATA;
	/* By turns, so that partitions are mixed in a batch. */
	for (uint32_t idle = 0, i = first; *count < max && *count < FAKE_RECORDS_MAX && idle < FAKE_PARTITIONS;
	     i = (i + 1) % FAKE_PARTITIONS) {
		if (!reader->partitions[i].positioned || reader->partitions[i].next == log->partitions[i].end) {
			idle++;
			continue;
		}
		idle = 0;
		fill(reader, &records[(*count)++], i, reader->partitions[i].next++);
	}
	if (*count == 0)
		fake_clock_pass(timeout_ns);
	return 0;
}

static int64_t reader_lag(struct journal_reader *base)
{
	const struct fake_reader *reader = reader_of(base);
	int64_t lag = 0;

	for (int i = 0; i < FAKE_PARTITIONS; i++)
		if (reader->partitions[i].positioned)
			lag += reader->log->partitions[i].end - reader->partitions[i].next;
	return reader->lag_unknown ? -1 : lag;
}

static int reader_copy_dead_letter(struct journal_reader *base, const struct journal_record *record, const char *reason)
{
	struct fake_reader *reader = reader_of(base);
	char text[32];

	assert_non_null(reason);
	snprintf(text, sizeof(text), "%u:%lld", record->partition, (long long)record->offset);
	assert_true(slice_equal(record->value, slice_of(text)));
	if (chance(reader->chance))
		return -ETIMEDOUT;
	if (reader->dead_letter_fault)
		return take(&reader->dead_letter_fault);
	reader->log->copies[record->partition][record->offset]++;
	return 0;
}

static int reader_share(struct journal_reader *base, bool shares)
{
	struct fake_reader *reader = reader_of(base);

	if (chance(reader->chance))
		return -ETIMEDOUT;
	reader->shares++;
	reader->resigned = !shares;
	for (uint32_t i = 0; i < FAKE_PARTITIONS; i++)
		fake_reader_give(reader, i, shares);
	return 0;
}

static size_t reader_given(struct journal_reader *base)
{
	size_t count = 0;

	for (int i = 0; i < FAKE_PARTITIONS; i++)
		count += reader_of(base)->partitions[i].given;
	return count;
}

static const struct journal_reader_ops reader_ops = {
	.name = "fake",
	.identity = reader_identity,
	.share = reader_share,
	.given = reader_given,
	.unpositioned = reader_unpositioned,
	.seek = reader_seek,
	.revoke = reader_revoke,
	.read = reader_read,
	.lag = reader_lag,
	.copy_dead_letter = reader_copy_dead_letter,
};

void fake_reader_init(struct fake_reader *reader, struct fake_log *log)
{
	memset(reader, 0, sizeof(*reader));
	reader->base.ops = &reader_ops;
	reader->log = log;
}

void fake_reader_give(struct fake_reader *reader, uint32_t partition, bool given)
{
	reader->partitions[partition].given = given;
	reader->partitions[partition].positioned = false;
}

void fake_reader_deinit(struct fake_reader *reader)
{
	forget_values(reader);
}

/* --- The ledger --- */

static struct fake_ledger *ledger_of(struct ledger *ledger)
{
	return (struct fake_ledger *)ledger;
}

static void place_of(const struct ledger_entry *entry, uint32_t *partition, int64_t *offset)
{
	memcpy(partition, entry->event->id.bytes, sizeof(*partition));
	memcpy(offset, entry->event->id.bytes + 8, sizeof(*offset));
}

/*
 * What the batch says of a partition is what the log has there: every record between, once, in
 * order.
 */
static void judge(struct fake_ledger *ledger, const struct ledger_drain *batch, const struct ledger_progress *progress)
{
	const struct fake_record *records = ledger->log->partitions[progress->partition].records;
	int64_t event = progress->from, bad = progress->from, offset;
	uint32_t partition;
	char text[32];

	assert_true(progress->to > progress->from);
	assert_true(progress->to <= ledger->log->partitions[progress->partition].end);
	assert_int_equal(progress->mark, records[progress->to - 1].mark);
	for (size_t i = 0; i < batch->count; i++) {
		place_of(&batch->entries[i], &partition, &offset);
		if (partition != progress->partition)
			continue;
		while (event < progress->to && records[event].outcome < 0)
			event++;
		assert_int_equal(offset, event);
		event++;
	}
	for (size_t i = 0; i < batch->bad_count; i++) {
		while (bad < progress->to && records[bad].outcome >= 0)
			bad++;
		snprintf(text, sizeof(text), "%u:%lld", progress->partition, (long long)bad);
		if (slice_equal(batch->bad[i].record, slice_of(text)))
			bad++;
	}
	while (event < progress->to && records[event].outcome < 0)
		event++;
	while (bad < progress->to && records[bad].outcome >= 0)
		bad++;
	assert_int_equal(event, progress->to);
	assert_int_equal(bad, progress->to);
}

static void commit(struct fake_ledger *ledger, struct ledger_drain *batch)
{
	size_t moved = 0;

	for (size_t i = 0; i < batch->progress_count; i++) {
		const struct ledger_progress *progress = &batch->progress[i];

		judge(ledger, batch, progress);
		moved += (size_t)(progress->to - progress->from);
		ledger->next[progress->partition] = progress->to;
		ledger->mark[progress->partition] = progress->mark;
	}
	assert_int_equal(moved, batch->count + batch->bad_count);
	for (size_t i = 0; i < batch->count; i++) {
		int64_t offset;
		uint32_t partition;
		int outcome;

		place_of(&batch->entries[i], &partition, &offset);
		outcome = batch->entries[i].outcome = ledger->log->partitions[partition].records[offset].outcome;
		if (outcome == LEDGER_NOT_FOUND || outcome == LEDGER_CONSTRAINT)
			ledger->dead++;
		else
			ledger->applied++;
	}
	ledger->unreadable += (int64_t)batch->bad_count;
	ledger->commits++;
	if (moved > ledger->largest)
		ledger->largest = moved;
}

static enum fake_fault next_fault(struct fake_ledger *ledger)
{
	enum fake_fault fault = ledger->fault;

	ledger->fault = FAKE_FINE;
	if (fault == FAKE_FINE && chance(ledger->chance))
		fault = (enum fake_fault)(FAKE_FAILS + random_u64() % FAKE_LIES);
	return fault;
}

static int ledger_drain(struct ledger *base, struct ledger_drain *batch)
{
	struct fake_ledger *ledger = ledger_of(base);
	enum fake_fault fault = next_fault(ledger);

	ledger->drains++;
	if (ledger->before)
		ledger->before(ledger->context);
	fake_clock_pass(ledger->commit_ns);
	if (ledger->unhealthy || fault == FAKE_FAILS)
		return -ENOTCONN;
	if (fault == FAKE_UNKNOWN_NOT)
		return -EINPROGRESS;
	for (size_t i = 0; i < batch->progress_count; i++)
		if (batch->progress[i].from != ledger->next[batch->progress[i].partition]) {
			ledger->stale++;
			return LEDGER_STALE_POSITION;
		}
	commit(ledger, batch);
	return fault == FAKE_UNKNOWN_DONE ? -EINPROGRESS : fault == FAKE_LIES ? -EIO : 0;
}

static int ledger_journal_identify(struct ledger *base, struct slice cluster, struct slice topic, uint32_t *partitions, char **known)
{
	struct fake_ledger *ledger = ledger_of(base);
	char text[128];

	if (ledger->identify_fault || ledger->unhealthy)
		return ledger->unhealthy ? -ENOTCONN : take(&ledger->identify_fault);
	snprintf(text, sizeof(text), "%.*s %.*s", (int)cluster.size, cluster.data, (int)topic.size, topic.data);
	(void)partitions; /* as many as there are */
	if (!ledger->known)
		ledger->known = strdup(text);
	if (strcmp(ledger->known, text) == 0)
		return LEDGER_DONE;
	*known = strdup(ledger->known);
	return LEDGER_OTHER_LOG;
}

static int ledger_journal_position(struct ledger *base, uint32_t partition, int64_t *next, uint64_t *mark)
{
	struct fake_ledger *ledger = ledger_of(base);

	ledger->positions++;
	if (ledger->unhealthy || chance(ledger->chance))
		return -ENOTCONN;
	if (ledger->position_fault)
		return take(&ledger->position_fault);
	if (ledger->next[partition] == 0)
		return LEDGER_NOT_FOUND;
	*next = ledger->next[partition];
	*mark = ledger->mark[partition];
	return LEDGER_DONE;
}

static int ledger_health(struct ledger *base, const char **reason)
{
	*reason = "as told";
	return ledger_of(base)->unhealthy ? -ENOTCONN : 0;
}

static int ledger_recover(struct ledger *base)
{
	struct fake_ledger *ledger = ledger_of(base);

	if (ledger->recover_fault)
		return ledger->recover_fault;
	ledger->recoveries++;
	ledger->unhealthy = false;
	return 0;
}

static const struct ledger_ops ledger_ops = {
	.name = "fake",
	.drain = ledger_drain,
	.journal_identify = ledger_journal_identify,
	.journal_position = ledger_journal_position,
	.health = ledger_health,
	.recover = ledger_recover,
};

void fake_ledger_init(struct fake_ledger *ledger, const struct fake_log *log)
{
	memset(ledger, 0, sizeof(*ledger));
	ledger->base.ops = &ledger_ops;
	ledger->log = log;
	ledger->commit_ns = 2000000;
}

void fake_ledger_deinit(struct fake_ledger *ledger)
{
	free(ledger->known);
}

bool fake_ledger_is_whole(const struct fake_ledger *ledger)
{
	for (int i = 0; i < FAKE_PARTITIONS; i++)
		if (ledger->next[i] != ledger->log->partitions[i].end)
			return false;
	return true;
}
