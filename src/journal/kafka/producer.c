/*
 * What has become of a record.
 *
 * librdkafka says of each record whether it was persisted, and its "not persisted" is not always
 * so. A broker that loses the leadership while it waits for its replicas answers NOT_LEADER for a
 * record that it has appended and that the next leader may have; librdkafka takes this error as
 * "was not appended", and goes on with the record in its queue. So here a record is refused only
 * where that is certain by itself:
 *
 *   - no request went out whole since the append began (an interceptor counts them), so nothing can
 *     have been appended; or
 *   - the broker refused it with an error that it gives before it appends, and it is the broker
 *     that led the partition when the append began: then no other one can have had the record
 *     before. (That leadership goes away and comes back within one append is ruled out by the time
 *     an election takes.)
 *
 * Everything else is unknown: whoever asks again finds out, and a record that is there twice is one
 * event.
 *
 * A client of which anything failed is spent: what it still has is purged, so that nothing of this
 * append is sent after it has returned, and a new one is made by the next call. That costs a
 * connection at a time when there is nothing to lose, and leaves no question of what an idempotent
 * producer does with the gap in its sequence, where librdkafka has gone fatal.
 *
 * Offsets of a partition only ever rise. An acknowledgement with one that does not, or a log that
 * ends before what it has acknowledged, is another log: the topic was made anew, or a replica that
 * was behind has become leader. From then on nothing this log says can be believed; a person has to
 * look.
 */
#include "journal/kafka/producer.h"

#include <stdlib.h>
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "journal/kafka/record.h"
#include "port/ack_margin.h"

enum {
	INDEX_BITS = 20,       /* of a record's opaque: its place in the append; the rest is the generation */
	PRODUCE_KEY = 0,       /* ApiKey of a Produce request */
	RECORD_MAX = 64 << 10, /* bytes of JSON; an event has under 2 KiB */
	SLICE_MS = 50,
	PURGE_MS = 200, /* for the reports of what is purged: the broker threads only have to run */
	LOOK_MS = 500,
	LINGER_MS = 1000, /* never waited for: the flush behind each batch ends it, and until then the batch is not cut in pieces */
	RETRIES = 3,
};
_Static_assert(sizeof(void *) == 8, "an opaque has a generation and an index");

const char kafka_producer_lost[] = "the log has lost records that it had acknowledged, or is another one";
static const char reason_unsent[] = "no broker took it within the deadline";
static const char reason_silent[] = "no acknowledgement within the deadline";

/* --- Reports --- */

static void mark_lost(struct kafka_producer *producer, int32_t partition, int64_t last, int64_t now)
{
	if (!producer->lost)
		log_error("kafka", kafka_producer_lost, LOG_TEXT("topic", producer->address.topic),
			  LOG_INT("partition", partition), LOG_INT("acknowledged", last), LOG_INT("now", now));
	producer->lost = true;
}

static struct kafka_partition *partition_of(struct kafka_producer *producer, int32_t partition)
{
	return partition >= 0 && (uint32_t)partition < producer->facts.partitions ? &producer->partitions[partition] : NULL;
}

static void note_acknowledged(struct kafka_producer *producer, const rd_kafka_message_t *message)
{
	struct kafka_partition *partition = partition_of(producer, message->partition);
	static struct log_limiter limiter;
	uint64_t suppressed;

	if (!partition) {
		if (log_limiter_pass(&limiter, &suppressed))
			log_error("kafka", "an acknowledgement names a partition that nothing was sent to",
				  LOG_INT("partition", message->partition));
		return;
	}
	partition->acked_by = rd_kafka_message_broker_id(message);
	if (message->offset < 0)
		return; /* acknowledged as a duplicate: the broker does not say where it is */
	if (message->offset <= partition->last_offset)
		mark_lost(producer, message->partition, partition->last_offset, message->offset);
	else
		partition->last_offset = message->offset;
}

/* Errors that a broker answers before it appends. */
static bool is_refusal(rd_kafka_resp_err_t error)
{
	switch (error) {
	case RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS:
	case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
	case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
	case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
	case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
	case RD_KAFKA_RESP_ERR_INVALID_RECORD:
		return true;
	default:
		return false;
	}
}

static bool is_from_first_leader(struct kafka_producer *producer, const rd_kafka_message_t *message)
{
	const struct kafka_partition *partition = partition_of(producer, message->partition);
	int32_t broker = rd_kafka_message_broker_id(message);

	return partition && broker >= 0 && broker == partition->leader;
}

static bool is_purged(rd_kafka_resp_err_t error)
{
	return error == RD_KAFKA_RESP_ERR__PURGE_QUEUE || error == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT;
}

static void classify_report(struct kafka_producer *producer, struct journal_entry *entry, const rd_kafka_message_t *message)
{
	entry->end = JOURNAL_UNKNOWN;
	if (producer->lost) {
		entry->reason = kafka_producer_lost;
	} else if (!message->err) {
		entry->end = JOURNAL_DURABLE;
		entry->reason = NULL;
	} else if (atomic_load(&producer->requests) == producer->requests_before) {
		entry->end = JOURNAL_REFUSED;
		entry->reason = is_purged(message->err) ? reason_unsent : rd_kafka_err2str(message->err);
	} else if (rd_kafka_message_status(message) == RD_KAFKA_MSG_STATUS_NOT_PERSISTED && is_refusal(message->err) &&
		   is_from_first_leader(producer, message)) {
		entry->end = JOURNAL_REFUSED;
		entry->reason = rd_kafka_err2str(message->err);
	} else {
		entry->reason = is_purged(message->err) ? reason_silent : rd_kafka_err2str(message->err);
	}
	if (entry->end != JOURNAL_DURABLE)
		producer->spent = true;
}

static void *opaque_of(const struct kafka_producer *producer, size_t index)
{
	return (void *)(uintptr_t)(producer->generation << INDEX_BITS | index); /* NOLINT(performance-no-int-to-ptr): a number, never followed */
}

/* On the owner's thread, within a poll. */
static void on_report(rd_kafka_t *client, const rd_kafka_message_t *message, void *argument)
{
	struct kafka_producer *producer = argument;
	uint64_t opaque = (uint64_t)(uintptr_t)message->_private;

	(void)client;
	if (!message->err)
		note_acknowledged(producer, message);
	if (opaque >> INDEX_BITS != producer->generation << INDEX_BITS >> INDEX_BITS || !producer->entries)
		return; /* of an append that has returned */
	classify_report(producer, &producer->entries[opaque & ((1U << INDEX_BITS) - 1)], message);
	producer->pending--;
}

/* On the owner's thread, within a poll. */
static void on_error(rd_kafka_t *client, int code, const char *text, void *argument)
{
	struct kafka_producer *producer = argument;
	char why[256];

	if (code == RD_KAFKA_RESP_ERR__FATAL) {
		rd_kafka_fatal_error(client, why, sizeof(why));
		log_error("kafka", "the producer cannot go on; a new one takes its place", LOG_TEXT("reason", why));
		producer->fatal = producer->spent = true;
		rd_kafka_yield(client);
		return;
	}
	log_debug("kafka", "trouble", LOG_TEXT("error", rd_kafka_err2str((rd_kafka_resp_err_t)code)), LOG_TEXT("text", text));
}

/* On a broker's thread. */
static rd_kafka_resp_err_t on_request(rd_kafka_t *client, int socket, const char *broker, int32_t broker_id, int16_t key,
				      int16_t version, int32_t correlation, size_t size, void *argument)
{
	struct kafka_producer *producer = argument;

	(void)client, (void)socket, (void)broker, (void)broker_id, (void)version, (void)correlation, (void)size;
	if (key == PRODUCE_KEY)
		atomic_fetch_add(&producer->requests, 1);
	return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t on_new(rd_kafka_t *client, const rd_kafka_conf_t *conf, void *argument, char *text, size_t size)
{
	(void)conf, (void)text, (void)size;
	return rd_kafka_interceptor_add_on_request_sent(client, "penstock", on_request, argument);
}

/* --- The client --- */

static int start(struct kafka_producer *producer, struct buffer *error)
{
	rd_kafka_conf_t *conf = kafka_conf_new(&producer->address, producer->properties, error);

	if (!conf)
		return -EINVAL;
	kafka_conf_set(conf, "enable.idempotence", "true");    /* with it, acks=all */
	kafka_conf_set(conf, "partitioner", "murmur2_random"); /* as every other client of Kafka has it */
	kafka_conf_set_int(conf, "message.send.max.retries", RETRIES);
	kafka_conf_set_int(conf, "message.timeout.ms", kafka_ms(producer->deadline_ns, 1) + ACK_LIBRARY_MARGIN_NS / 1000000);
	kafka_conf_set_int(conf, "linger.ms", LINGER_MS);
	rd_kafka_conf_set_opaque(conf, producer);
	rd_kafka_conf_set_dr_msg_cb(conf, on_report);
	rd_kafka_conf_set_error_cb(conf, on_error);
	rd_kafka_conf_interceptor_add_on_new(conf, "penstock", on_new, producer);
	producer->client = kafka_client_new(RD_KAFKA_PRODUCER, conf, error);
	return producer->client ? 0 : -EIO;
}

static int start_topic(struct kafka_producer *producer)
{
	producer->topic = rd_kafka_topic_new(producer->client, producer->address.topic, NULL);
	return producer->topic ? 0 : error_origin(-ENOMEM);
}

static void end(struct kafka_producer *producer)
{
	if (producer->topic)
		rd_kafka_topic_destroy(producer->topic);
	kafka_client_free(producer->client);
	producer->topic = NULL;
	producer->client = NULL;
	producer->spent = producer->fatal = false;
}

int kafka_producer_ensure(struct kafka_producer *producer)
{
	struct buffer error;
	int result;

	if (producer->spent)
		end(producer);
	if (producer->client)
		return 0;
	buffer_init(&error, 512);
	result = start(producer, &error);
	if (result == 0)
		result = start_topic(producer);
	if (result < 0)
		log_error("kafka", "no new producer", LOG_SLICE("reason", buffer_slice(&error)));
	buffer_deinit(&error);
	return result;
}

int kafka_producer_init(struct kafka_producer *producer, const struct kafka_options *options, const struct kafka_topic *facts,
			struct buffer *error)
{
	int result = kafka_options_check(options, error);

	*producer = (struct kafka_producer){.deadline_ns = options->ack_deadline_ns, .generation = 1};
	buffer_init(&producer->scratch, RECORD_MAX);
	if (result == 0)
		result = kafka_address_parse(options->url, &producer->address, error);
	if (result == 0 && options->properties && !(producer->properties = strdup(options->properties)))
		result = error_origin(-ENOMEM);
	if (result == 0)
		result = start(producer, error);
	if (result < 0)
		return result;
	producer->facts = facts ? *facts
				: (struct kafka_topic){options->partitions, options->replication, options->min_insync,
						       options->retention_ms ? options->retention_ms : -1};
	if (!facts)
		result = kafka_topic_ready(producer->client, producer->address.topic, &producer->facts, error);
	if (result == 0)
		result = start_topic(producer);
	if (result < 0)
		return result;
	producer->partitions = calloc(producer->facts.partitions, sizeof(*producer->partitions));
	producer->states = calloc(producer->facts.partitions, sizeof(*producer->states));
	producer->ends = calloc(producer->facts.partitions, sizeof(*producer->ends));
	if (!producer->partitions || !producer->states || !producer->ends)
		return error_origin(-ENOMEM);
	for (uint32_t i = 0; i < producer->facts.partitions; i++)
		producer->partitions[i] = (struct kafka_partition){-1, -1, -1};
	return 0;
}

void kafka_producer_deinit(struct kafka_producer *producer)
{
	end(producer);
	if (producer->properties)
		explicit_bzero(producer->properties, strlen(producer->properties));
	free(producer->properties);
	free(producer->partitions);
	free(producer->states);
	free(producer->ends);
	buffer_deinit(&producer->scratch);
	producer->properties = NULL;
	producer->partitions = NULL;
	producer->states = NULL;
	producer->ends = NULL;
}

/* --- Sending --- */

static void refuse(struct kafka_producer *producer, struct journal_entry *entry, const char *reason)
{
	entry->end = JOURNAL_REFUSED;
	entry->reason = reason;
	producer->pending--;
}

/* Into the producer's queue. What does not get in has not left us. */
static void enqueue(struct kafka_producer *producer, size_t index, int64_t deadline_ns)
{
	struct journal_entry *entry = &producer->entries[index];
	rd_kafka_resp_err_t result;

	for (;;) {
		result = kafka_record_produce(producer->client, producer->topic, producer->facts.partitions, entry->event,
					      opaque_of(producer, index), &producer->scratch);
		if (!result)
			return;
		if (result != RD_KAFKA_RESP_ERR__QUEUE_FULL)
			break;
		/* Backpressure: there is room when reports have been taken. */
		if (producer->fatal || clock_mono_ns() >= deadline_ns)
			break;
		rd_kafka_flush(producer->client, 1);
	}
	refuse(producer, entry, rd_kafka_err2str(result));
	if (result != RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE)
		producer->spent = true;
}

/*
 * Takes reports until all have come, the deadline has passed, or the producer has given up. A flush
 * also sends at once what waits for company.
 */
static void wait_reports(struct kafka_producer *producer, int64_t deadline_ns)
{
	int64_t left_ns;

	while (producer->pending > 0 && !producer->fatal && (left_ns = deadline_ns - clock_mono_ns()) > 0) {
		int left_ms = kafka_ms(left_ns, 1);

		rd_kafka_flush(producer->client, left_ms < SLICE_MS ? left_ms : SLICE_MS);
	}
}

/*
 * Nothing of this append is sent from now on. The broker threads do it, and must not be waited for
 * without end: one of them may be looking up a name. What does not report in time is unknown, as it
 * was.
 */
static void purge_queue(struct kafka_producer *producer)
{
	int64_t deadline_ns = clock_mono_ns() + PURGE_MS * INT64_C(1000000);

	producer->spent = true;
	rd_kafka_purge(producer->client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
	while (producer->pending > 0 && clock_mono_ns() < deadline_ns)
		rd_kafka_poll(producer->client, 10);
}

void kafka_producer_send(struct kafka_producer *producer, struct journal_entry *entries, size_t count)
{
	int64_t deadline_ns = clock_mono_ns() + producer->deadline_ns;

	ASSERT(count < 1U << INDEX_BITS);
	producer->generation++;
	producer->entries = entries;
	producer->pending = count;
	producer->requests_before = atomic_load(&producer->requests);
	for (size_t i = 0; i < count; i++) {
		entries[i].end = JOURNAL_UNKNOWN;
		entries[i].reason = producer->lost ? kafka_producer_lost : reason_silent;
		entries[i].forbidden = false;
	}
	for (size_t i = 0; i < count; i++)
		enqueue(producer, i, deadline_ns);
	if (FAILPOINT("journal.fatal"))
		rd_kafka_test_fatal_error(producer->client, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, "a test");
	wait_reports(producer, deadline_ns);
	if (producer->pending > 0)
		purge_queue(producer);
	producer->entries = NULL;
	for (uint32_t i = 0; i < producer->facts.partitions; i++)
		if (producer->partitions[i].acked_by >= 0)
			producer->partitions[i].leader = producer->partitions[i].acked_by;
}

/* --- Looking --- */

/* The log still has what it has acknowledged. */
static const char *look_at_ends(struct kafka_producer *producer)
{
	uint32_t count = producer->facts.partitions;

	/* What was never written to need not answer. */
	(void)!kafka_client_all_ends(producer->client, producer->address.topic, count, producer->ends, LOOK_MS);
	for (uint32_t i = 0; i < count; i++) {
		int64_t last = producer->partitions[i].last_offset, end = producer->ends[i];

		if (last >= 0 && end < 0)
			return "the log's ends cannot be read";
		if (last >= 0 && end <= last) {
			mark_lost(producer, (int32_t)i, last, end);
			return kafka_producer_lost;
		}
	}
	return NULL;
}

const char *kafka_producer_look(struct kafka_producer *producer)
{
	uint32_t count = producer->facts.partitions;
	const char *reason = NULL;
	int result;

	if (producer->lost)
		return kafka_producer_lost;
	result = kafka_producer_ensure(producer);
	if (result < 0)
		return error_text(result);
	rd_kafka_poll(producer->client, 0);
	result = kafka_topic_state(producer->client, producer->topic, producer->states, count, LOOK_MS);
	if (result == -ENOENT)
		return "the topic is gone";
	if (result < 0)
		return "no broker answers";
	for (uint32_t i = 0; i < count && !reason; i++) {
		if (producer->states[i].leader < 0)
			reason = "a partition has no leader";
		else if (producer->states[i].insync < producer->facts.min_insync)
			reason = "a partition has too few replicas in step";
	}
	if (!reason)
		reason = look_at_ends(producer);
	for (uint32_t i = 0; i < count && !reason; i++)
		producer->partitions[i].leader = producer->partitions[i].acked_by = producer->states[i].leader;
	return reason;
}
