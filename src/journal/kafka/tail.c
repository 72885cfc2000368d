/*
 * A reader that belongs to no group: it takes nothing from the drains, leaves no position behind,
 * and needs no more than Kafka's Read right on the topic.
 *
 * The record before the range is fetched with it, so that its fingerprint says, without a second
 * client, whether this is the log that the ledger was filled from. Every record is held against the
 * offset that must come next: a hole is an error, never a jump.
 *
 * What the library fetches ahead is bounded (FETCHED_AHEAD_KB), and a batch is handed over before
 * the next one is taken; so a tail may be longer than memory. A client lives for one read: what it
 * has fetched and nobody wants any more is gone with it, and a rebuild is too rare to keep a
 * connection for.
 */
#include "journal/kafka/tail.h"

#include <stdlib.h>
#include "base/clock.h"
#include "base/log.h"
#include "journal/kafka/record.h"

enum {
	BATCH = JOURNAL_READ_MAX,
	ENDS_MS = 3000,
	SILENCE_MS = 5000, /* without one record, where there must be one: the broker is called silent */
	FETCHED_AHEAD_KB = 65536,
};

void kafka_tail_init(struct kafka_tail *tail, const struct kafka_address *address, const char *properties)
{
	*tail = (struct kafka_tail){.address = address, .properties = properties};
}

static void end_client(struct kafka_tail *tail)
{
	if (tail->queue)
		rd_kafka_queue_destroy(tail->queue);
	if (tail->topic)
		rd_kafka_topic_destroy(tail->topic);
	kafka_client_free(tail->client);
	tail->queue = NULL;
	tail->topic = NULL;
	tail->client = NULL;
}

void kafka_tail_deinit(struct kafka_tail *tail)
{
	end_client(tail);
	free(tail->records);
	free(tail->messages);
	tail->records = NULL;
	tail->messages = NULL;
}

static int make_client(struct kafka_tail *tail, struct buffer *error)
{
	rd_kafka_conf_t *conf = kafka_conf_new(tail->address, tail->properties, error);

	if (!conf)
		return -EINVAL;
	kafka_conf_set(conf, "group.id", "penstock-rebuild"); /* the library wants one; it is never joined */
	kafka_conf_set(conf, "enable.auto.commit", "false");
	kafka_conf_set(conf, "enable.auto.offset.store", "false");
	kafka_conf_set(conf, "auto.offset.reset", "error");
	kafka_conf_set(conf, "isolation.level", "read_committed");
	/* Counted by bytes alone: each bound that is reached makes the library pause. */
	kafka_conf_set(conf, "queued.min.messages", "10000000");
	kafka_conf_set_int(conf, "queued.max.messages.kbytes", FETCHED_AHEAD_KB);
	kafka_conf_set(conf, "fetch.wait.max.ms", "10"); /* a fetch at the log's end would hold up the next question */
	tail->client = kafka_client_new(RD_KAFKA_CONSUMER, conf, error);
	if (!tail->client)
		return -EIO;
	tail->topic = rd_kafka_topic_new(tail->client, tail->address->topic, NULL);
	tail->queue = rd_kafka_queue_new(tail->client);
	return tail->topic && tail->queue ? 0 : error_origin(-ENOMEM);
}

static int ensure(struct kafka_tail *tail)
{
	struct buffer error;
	int result;

	if (!tail->records)
		tail->records = calloc(BATCH, sizeof(*tail->records));
	if (!tail->messages)
		tail->messages = calloc(BATCH, sizeof(rd_kafka_message_t *));
	if (!tail->records || !tail->messages)
		return error_origin(-ENOMEM);
	if (tail->client)
		return 0;
	buffer_init(&error, 1024);
	result = make_client(tail, &error);
	if (result < 0)
		log_warn("kafka", "the log cannot be read", LOG_SLICE("error", buffer_slice(&error)));
	buffer_deinit(&error);
	if (result < 0)
		end_client(tail);
	return result;
}

/* --- One read --- */

struct reading {
	struct kafka_tail *tail;
	const struct journal_range *range;
	int64_t next;    /* the offset that must come */
	bool mark_taken; /* retention has taken the record before the range, and nothing of the range */
};

static bool is_done(const struct reading *reading)
{
	return reading->next >= reading->range->from && reading->next >= reading->range->to;
}

static bool is_passing(int error)
{
	return error == -ENOTCONN || error == -ETIMEDOUT;
}

/*
 * The log does not have what is next, or does not give it. Retention takes the oldest first: where
 * it took the record before the range alone, that is all.
 */
static int judge_missing(struct reading *reading)
{
	const struct journal_range *range = reading->range;
	struct kafka_tail *tail = reading->tail;
	int64_t low, high;
	int result = kafka_client_ends(tail->client, tail->address->topic, range->partition, &low, &high, ENDS_MS);

	if (result < 0)
		return result;
	if (reading->next == range->from - 1 && low == range->from && high >= range->to) {
		log_warn("kafka", "retention has reached what is to be read next; the record before it cannot be compared",
			 LOG_TEXT("topic", tail->address->topic), LOG_INT("partition", range->partition),
			 LOG_INT("next", range->from));
		reading->mark_taken = true;
		return 0;
	}
	if (low <= reading->next && reading->next < high && high >= range->to)
		return -ETIMEDOUT; /* it is there */
	log_error("kafka", "the log does not have the record that comes next", LOG_TEXT("topic", tail->address->topic),
		  LOG_INT("partition", range->partition), LOG_INT("next", reading->next), LOG_INT("first", low),
		  LOG_INT("end", high));
	return -ENODATA;
}

/* 0; or 1 where it is a record of the range, or negative. */
static int check_record(struct reading *reading, const rd_kafka_message_t *message)
{
	const struct journal_range *range = reading->range;
	struct slice key = {message->key, message->key_len}, value = {message->payload, message->len};

	if (is_done(reading))
		return 0; /* fetched beyond the range */
	if (message->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET)
		return judge_missing(reading);
	if (message->err) /* a connection that is made again is said as an error first */
		return is_passing(kafka_errno(message->err)) ? 0 : kafka_errno(message->err);
	if (message->offset != reading->next) /* a hole: the log that was read had a record there */
		return reading->next < range->from ? -ESTALE : -ENODATA;
	reading->next++;
	if (message->offset >= range->from)
		return 1;
	return kafka_record_mark(key, value) == range->mark ? 0 : -ESTALE;
}

/*
 * Takes what has come, waiting a while for the first. How many records of the range are in the
 * tail's room, or negative.
 */
static int take_some(struct reading *reading, int timeout_ms, size_t *taken)
{
	struct kafka_tail *tail = reading->tail;
	ssize_t got = rd_kafka_consume_batch_queue(tail->queue, timeout_ms, tail->messages, 1), more = 0;
	size_t count = 0;
	int result = 0;

	/* Asked for more at once, the library would wait for them, though it has some. */
	if (got == 1)
		more = rd_kafka_consume_batch_queue(tail->queue, 0, tail->messages + 1, BATCH - 1);
	if (more > 0)
		got += more;
	*taken = got > 0 ? (size_t)got : 0;
	for (size_t i = 0; i < *taken && result == 0 && !reading->mark_taken; i++) {
		result = check_record(reading, tail->messages[i]);
		if (result == 1)
			result = kafka_record_decode(tail->messages[i], &tail->records[count++]);
	}
	return result < 0 ? result : (int)count;
}

static void release(struct kafka_tail *tail, size_t taken)
{
	for (size_t i = 0; i < taken; i++)
		rd_kafka_message_destroy(tail->messages[i]);
}

/* Until the range is read, or the record before it is known to be gone. */
static int read_on(struct reading *reading, journal_take take, void *context)
{
	struct kafka_tail *tail = reading->tail;
	int64_t silent_ms = clock_mono_ms() + SILENCE_MS;

	while (!is_done(reading)) {
		int64_t left_ms = silent_ms - clock_mono_ms(), before = reading->next;
		size_t taken;
		int count;

		if (left_ms <= 0)
			return judge_missing(reading);
		count = take_some(reading, (int)left_ms, &taken);
		if (count > 0)
			count = take(context, tail->records, (size_t)count);
		release(tail, taken);
		if (count < 0 || reading->mark_taken)
			return count < 0 ? count : 0;
		if (reading->next > before)
			silent_ms = clock_mono_ms() + SILENCE_MS;
	}
	return 0;
}

static int read_from(struct reading *reading, int64_t from, journal_take take, void *context)
{
	struct kafka_tail *tail = reading->tail;
	int32_t partition = (int32_t)reading->range->partition;
	int result;

	reading->next = from;
	reading->mark_taken = false;
	if (rd_kafka_consume_start_queue(tail->topic, partition, from, tail->queue) != 0)
		return kafka_errno(rd_kafka_last_error());
	result = read_on(reading, take, context);
	rd_kafka_consume_stop(tail->topic, partition);
	return result;
}

int kafka_tail_read(struct kafka_tail *tail, const struct journal_range *range, journal_take take, void *context)
{
	struct reading reading = {.tail = tail, .range = range};
	int result = ensure(tail);

	ASSERT(range->from >= 0);
	if (result < 0)
		return result;
	result = read_from(&reading, range->from > 0 ? range->from - 1 : 0, take, context);
	if (result == 0 && reading.mark_taken)
		result = read_from(&reading, range->from, take, context);
	end_client(tail);
	return result;
}
