/*
 * The reader: a consumer group for who reads what, and nothing else.
 *
 * Positions are the ledger's. So nothing is committed, nothing is stored, and where a position is
 * not in the log that is an error, never a jump to either end. What the group gives us is not
 * fetched yet: the group's assignment is answered with an empty one, and a partition goes into the
 * client's assignment, with its offset, once seek() has positioned it. Every record is then held
 * against the offset that must come next.
 *
 * The group is an eager one. At a rebalance each reader gives everything back and is given it anew.
 * A cooperative group would keep what stays, but there a partition that has moved and come back is
 * hard to tell from one that has stayed, and all that is won is a few milliseconds at a moment when
 * one drain starts or stops.
 *
 * Records have a queue of their own, apart from the group's business: so that the group can be
 * served while nobody wants records.
 *
 * A second client, of no group, looks at single records and at the log's ends: within the first,
 * such a look would move what is being read.
 */
#include "journal/kafka/reader.h"

#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "journal/kafka/reader_state.h"
#include "journal/kafka/record.h"

enum {
	OPEN_MS = 10000,
	SLICE_MS = 50, /* how long the group's business may wait for a record to come, and the other way round */
};

/* --- Positions --- */

static int identity(struct journal_reader *base, const char **cluster, const char **topic, uint32_t *partitions)
{
	*partitions = kafka_reader_of(base)->facts.partitions;
	*cluster = kafka_reader_of(base)->cluster;
	*topic = kafka_reader_of(base)->address.topic;
	return 0;
}

/* What we had is taken from us within the next poll, as with any rebalance. */
static int share(struct journal_reader *base, bool shares)
{
	struct kafka_reader *reader = kafka_reader_of(base);

	return kafka_errno(shares ? kafka_group_subscribe(reader) : rd_kafka_unsubscribe(reader->client));
}

static size_t given(struct journal_reader *base)
{
	struct kafka_reader *reader = kafka_reader_of(base);
	size_t count = 0;

	for (uint32_t i = 0; i < reader->facts.partitions; i++)
		count += reader->positions[i].ours;
	return count;
}

static size_t unpositioned(struct journal_reader *base, uint32_t *partitions, size_t max)
{
	struct kafka_reader *reader = kafka_reader_of(base);
	size_t count = 0;

	for (uint32_t i = 0; i < reader->facts.partitions && count < max; i++)
		if (reader->positions[i].ours && !reader->positions[i].positioned)
			partitions[count++] = i;
	return count;
}

/* Is the log the one that `mark` was read from? */
static int check(struct kafka_reader *reader, uint32_t partition, int64_t next, uint64_t mark)
{
	int64_t low, high;
	uint64_t found;
	int result = kafka_look_ends(&reader->look, partition, &low, &high);

	if (result < 0)
		return result;
	if (next < low || next > high)
		return -ENODATA;
	if (next == 0)
		return 0;
	result = next > low ? kafka_look_mark(&reader->look, partition, next - 1, &found) : -ENODATA;
	if (result == -ENODATA) {
		/*
		 * Retention takes the oldest; it may do so while we look. What we need is what
		 * comes next.
		 */
		result = kafka_look_ends(&reader->look, partition, &low, &high);
		if (result < 0)
			return result;
		if (next < low)
			return -ENODATA;
		if (next > low)
			return -ESTALE; /* a hole: our log had a record there */
		log_warn("kafka", "retention has reached what is to be read next; the record before it cannot be compared",
			 LOG_TEXT("topic", reader->address.topic), LOG_INT("partition", partition), LOG_INT("next", next));
		return 0;
	}
	if (result == 0 && found != mark)
		return -ESTALE;
	return result;
}

static int seek(struct journal_reader *base, uint32_t partition, int64_t next, uint64_t mark)
{
	struct kafka_reader *reader = kafka_reader_of(base);
	struct kafka_position *position = kafka_position_of(reader, partition);
	int result;

	ASSERT(next >= 0);
	if (!position || !position->ours)
		return -ENOENT;
	result = check(reader, partition, next, mark);
	if (result < 0)
		return result;
	*position = (struct kafka_position){.next = next, .ours = true, .positioned = true};
	reader->moved = true;
	return 0;
}

static void revoke(struct journal_reader *base, uint32_t partition)
{
	struct kafka_reader *reader = kafka_reader_of(base);
	struct kafka_position *position = kafka_position_of(reader, partition);

	if (!position || !position->positioned)
		return;
	*position = (struct kafka_position){.ours = position->ours};
	reader->moved = true;
}

/* --- Records --- */

static void release(struct kafka_reader *reader)
{
	for (size_t i = 0; i < reader->taken_count; i++)
		rd_kafka_message_destroy(reader->taken[i]);
	reader->taken_count = 0;
}

static int fit(struct kafka_reader *reader, size_t max)
{
	rd_kafka_message_t **taken;

	if (max <= reader->taken_capacity)
		return 0;
	taken = realloc(reader->taken, max * sizeof(rd_kafka_message_t *));
	if (!taken)
		return error_origin(-ENOMEM);
	reader->taken = taken;
	reader->taken_capacity = max;
	return 0;
}

static void say_gone(const struct kafka_reader *reader, struct kafka_position *position, int32_t partition, int64_t found)
{
	position->gone = true;
	log_error("kafka", "the log does not have the record that comes next", LOG_TEXT("topic", reader->address.topic),
		  LOG_INT("partition", partition), LOG_INT("next", position->next), LOG_INT("found", found));
}

/*
 * The client cannot go on with a partition. Its word may be of a position from before: the log is
 * asked.
 */
static void take_error(struct kafka_reader *reader, const rd_kafka_message_t *message)
{
	struct kafka_position *position = kafka_position_of(reader, message->partition);
	int64_t low, high;

	if (!position || !position->positioned || position->gone)
		return;
	if (message->err != RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET) {
		kafka_group_log("a partition cannot be read", message);
		return;
	}
	reader->moved = true; /* its fetching has ended: it begins again, or ends for good */
	if (kafka_look_ends(&reader->look, (uint32_t)message->partition, &low, &high) == 0 &&
	    (position->next < low || position->next > high))
		say_gone(reader, position, message->partition, low);
}

/* Whether it is the record that comes next. */
static bool take_record(struct kafka_reader *reader, const rd_kafka_message_t *message)
{
	struct kafka_position *position = kafka_position_of(reader, message->partition);

	if (!position || !position->positioned || position->gone || message->offset < position->next)
		return false; /* fetched before the position was moved or given back */
	if (message->offset > position->next) {
		say_gone(reader, position, message->partition, message->offset);
		reader->moved = true;
		return false;
	}
	position->next++;
	reader->away = false;
	return true;
}

/*
 * A test build can be told to be a former program, to which an extension is an event of a newer
 * one.
 */
static void know_less(struct journal_record *record)
{
	if (record->reason || record->event.kind != EVENT_EXTENDED || FAILPOINT("journal.former_program") <= 0)
		return;
	record->newer = true;
	record->reason = "an event of a version or kind that this program does not know";
}

/* True: it is the next record, now in *record. */
static bool take_one(struct kafka_reader *reader, const rd_kafka_message_t *message, struct journal_record *record, int *result)
{
	if (message->err) {
		take_error(reader, message);
		return false;
	}
	if (!take_record(reader, message))
		return false;
	*result = kafka_record_decode(message, record);
	if (*result == 0) {
		know_less(record);
		return true;
	}
	/* No memory. It, and what lies behind it, is fetched again: nothing is skipped. */
	reader->positions[message->partition].next--;
	reader->moved = true;
	return false;
}

/* Takes what has been fetched, waiting up to timeout_ms for the first. */
static int take_fetched(struct kafka_reader *reader, struct journal_record *records, size_t max, int timeout_ms, size_t *count)
{
	ssize_t got = rd_kafka_consume_batch_queue(reader->records, timeout_ms, reader->taken, 1), more = 0;
	int result = 0;

	/* Asked for more at once, the library would wait for them, though it has some. */
	if (got == 1 && max > 1)
		more = rd_kafka_consume_batch_queue(reader->records, 0, reader->taken + 1, max - 1);
	if (more > 0)
		got += more;
	for (ssize_t i = 0; i < got; i++) {
		rd_kafka_message_t *message = reader->taken[i];

		if (result == 0 && take_one(reader, message, &records[*count], &result))
			reader->taken[(*count)++] = message;
		else
			rd_kafka_message_destroy(message);
	}
	reader->taken_count = *count;
	return *count > 0 ? 0 : result;
}

static bool is_any_gone(const struct kafka_reader *reader)
{
	for (uint32_t i = 0; i < reader->facts.partitions; i++)
		if (reader->positions[i].gone)
			return true;
	return false;
}

/*
 * After the client has said that no broker is to be reached it does not say that one is; so one is
 * asked.
 */
static bool is_away(struct kafka_reader *reader)
{
	const struct rd_kafka_metadata *metadata;

	if (reader->away &&
	    rd_kafka_metadata(reader->client, 0, reader->look.topic, &metadata, SLICE_MS) == RD_KAFKA_RESP_ERR_NO_ERROR) {
		rd_kafka_metadata_destroy(metadata);
		reader->away = false;
	}
	return reader->away;
}

static int read_records(struct journal_reader *base, struct journal_record *records, size_t max, int64_t timeout_ns, size_t *count)
{
	struct kafka_reader *reader = kafka_reader_of(base);
	int64_t deadline_ns = clock_mono_ns() + timeout_ns, left_ns;
	int result = fit(reader, max);

	*count = 0;
	release(reader);
	if (result < 0)
		return result;
	do {
		int wait_ms;

		left_ns = deadline_ns - clock_mono_ns();
		wait_ms = kafka_ms(left_ns, 0) < SLICE_MS ? kafka_ms(left_ns, 0) : SLICE_MS;
		kafka_group_serve(reader, max ? 0 : wait_ms);
		result = kafka_group_apply(reader);
		kafka_group_lead(reader);
		if (result == 0 && max)
			result = take_fetched(reader, records, max, wait_ms, count);
	} while (result == 0 && *count == 0 && !is_any_gone(reader) && left_ns > 0);
	if (result < 0 || *count > 0)
		return result;
	if (is_any_gone(reader))
		return -ENODATA;
	return is_away(reader) ? -ENOTCONN : 0;
}

static int64_t lag(struct journal_reader *base)
{
	struct kafka_reader *reader = kafka_reader_of(base);
	int64_t sum = 0, low, high;

	if (!reader->joined)
		return -1;
	for (uint32_t i = 0; i < reader->facts.partitions; i++) {
		const struct kafka_position *position = &reader->positions[i];

		if (!position->ours)
			continue;
		if (!position->positioned ||
		    rd_kafka_get_watermark_offsets(reader->client, reader->address.topic, (int32_t)i, &low, &high) || high < 0)
			return -1;
		sum += high > position->next ? high - position->next : 0;
	}
	return sum;
}

static int copy_dead_letter(struct journal_reader *base, const struct journal_record *record, const char *reason)
{
	struct kafka_reader *reader = kafka_reader_of(base);

	/* The record as it came, with its key and headers. */
	for (size_t i = 0; i < reader->taken_count; i++)
		if (reader->taken[i]->partition == (int32_t)record->partition && reader->taken[i]->offset == record->offset)
			return kafka_dead_copy(&reader->dead, reader->taken[i], reason);
	return error_origin(-EINVAL); /* not of the last read() */
}

static void reader_free(struct journal_reader *base)
{
	struct kafka_reader *reader = kafka_reader_of(base);

	if (!base)
		return;
	release(reader);
	if (reader->records)
		rd_kafka_queue_destroy(reader->records);
	if (reader->client) {
		rd_kafka_consumer_close(reader->client); /* so that others need not wait for our silence */
		kafka_client_free(reader->client);
	}
	kafka_look_deinit(&reader->look);
	kafka_dead_deinit(&reader->dead);
	if (reader->properties)
		explicit_bzero(reader->properties, strlen(reader->properties));
	free(reader->properties);
	free(reader->cluster);
	free(reader->positions);
	free(reader->taken);
	free(reader);
}

static const struct journal_reader_ops kafka_reader_ops = {
	.name = "kafka",
	.identity = identity,
	.share = share,
	.given = given,
	.unpositioned = unpositioned,
	.seek = seek,
	.revoke = revoke,
	.read = read_records,
	.lag = lag,
	.copy_dead_letter = copy_dead_letter,
	.free = reader_free,
};

/* --- Opening --- */

/* What the topic is like, and which cluster it is in. */
static int learn(struct kafka_reader *reader, const struct kafka_options *options, struct buffer *error)
{
	char *text;
	int result;

	reader->facts = (struct kafka_topic){options->partitions, options->replication, options->min_insync,
					     options->retention_ms ? options->retention_ms : -1};
	result = kafka_topic_ready(reader->look.client, reader->address.topic, &reader->facts, error);
	if (result < 0)
		return result;
	text = rd_kafka_clusterid(reader->look.client, OPEN_MS);
	reader->cluster = text ? strdup(text) : NULL;
	if (text)
		rd_kafka_mem_free(reader->look.client, text);
	if (!reader->cluster) {
		buffer_append_literal(error, "the cluster did not say its id");
		return -ENOTCONN;
	}
	reader->positions = calloc(reader->facts.partitions, sizeof(*reader->positions));
	return reader->positions ? 0 : error_origin(-ENOMEM);
}

int journal_kafka_reader_open(struct journal_reader **out, const struct kafka_options *options, struct buffer *error)
{
	struct kafka_reader *reader = calloc(1, sizeof(*reader));
	int result;

	if (!reader)
		return error_origin(-ENOMEM);
	reader->base.ops = &kafka_reader_ops;
	result = kafka_options_check(options, error);
	if (result == 0)
		result = kafka_address_parse(options->url, &reader->address, error);
	if (result == 0 && options->properties && !(reader->properties = strdup(options->properties)))
		result = error_origin(-ENOMEM);
	if (result == 0)
		result = kafka_look_init(&reader->look, &reader->address, reader->properties, error);
	if (result == 0)
		result = learn(reader, options, error);
	if (result == 0)
		result = kafka_group_join(reader, error);
	if (result < 0) {
		reader_free(&reader->base);
		return result;
	}
	kafka_dead_init(&reader->dead, &reader->address, reader->properties, &reader->facts, kafka_ms(options->ack_deadline_ns, 1));
	*out = &reader->base;
	return 0;
}
