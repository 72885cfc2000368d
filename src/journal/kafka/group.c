/*
 * The reader's consumer group: who reads what, and what the client is told to fetch for it. See
 * reader.c.
 */
#include "journal/kafka/reader_state.h"

#include <stdio.h>
#include <stdlib.h>
#include "base/log.h"
#include "journal/kafka/record.h"

enum {
	SESSION_MS = 10000, /* after so long a silence the others share what a reader had */
	HEARTBEAT_MS = 1000,
	/*
	 * A fetch waits for so much (some 500 orders), or for so long: nobody waits for the ledger,
	 * and a fetch costs the broker, and the commit behind it the database, hardly less for one
	 * append than for five.
	 */
	FETCH_BYTES = 256 * 1024,
	FETCH_MS = 100,
	PARTITIONS_MAX = 100000,
};

/* The topic has more partitions than it had. */
static bool grow(struct kafka_reader *reader, uint32_t count)
{
	struct kafka_position *positions;

	if (count <= reader->facts.partitions)
		return true;
	positions = count <= PARTITIONS_MAX ? realloc(reader->positions, count * sizeof(*positions)) : NULL;
	if (!positions) {
		error_origin(-ENOMEM);
		return false;
	}
	memset(positions + reader->facts.partitions, 0, (count - reader->facts.partitions) * sizeof(*positions));
	reader->positions = positions;
	reader->facts.partitions = count;
	return true;
}

static void take_none(struct kafka_reader *reader)
{
	for (uint32_t i = 0; i < reader->facts.partitions; i++)
		reader->positions[i] = (struct kafka_position){0};
	reader->moved = false;
}

static void take(struct kafka_reader *reader, const rd_kafka_topic_partition_list_t *given)
{
	rd_kafka_topic_partition_list_t *nothing = rd_kafka_topic_partition_list_new(0);

	take_none(reader);
	for (int i = 0; i < given->cnt; i++)
		if (given->elems[i].partition >= 0 && grow(reader, (uint32_t)given->elems[i].partition + 1))
			reader->positions[given->elems[i].partition].ours = true;
	reader->joined = true;
	rd_kafka_assign(reader->client, nothing);
	rd_kafka_topic_partition_list_destroy(nothing);
	log_info("kafka", "the group gave partitions", LOG_TEXT("topic", reader->address.topic), LOG_INT("count", given->cnt));
}

/* On the owner's thread, within a poll. */
static void on_rebalance(rd_kafka_t *client, rd_kafka_resp_err_t what, rd_kafka_topic_partition_list_t *partitions, void *argument)
{
	struct kafka_reader *reader = argument;

	if (what == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
		take(reader, partitions);
		return;
	}
	take_none(reader);
	reader->joined = false; /* what is ours now is known when it is given anew */
	rd_kafka_assign(client, NULL);
}

/* On the owner's thread, within a poll. */
static void on_error(rd_kafka_t *client, int code, const char *text, void *argument)
{
	struct kafka_reader *reader = argument;

	(void)client;
	if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
		reader->away = true;
	log_debug("kafka", "trouble", LOG_TEXT("error", rd_kafka_err2str((rd_kafka_resp_err_t)code)), LOG_TEXT("text", text));
}

/*
 * Tells the client what to fetch, from where. What it had fetched for these partitions and not
 * handed over, it fetches again.
 */
int kafka_group_apply(struct kafka_reader *reader)
{
	rd_kafka_topic_partition_list_t *wanted, *begun;
	rd_kafka_resp_err_t result;

	if (!reader->moved)
		return 0;
	wanted = rd_kafka_topic_partition_list_new((int)reader->facts.partitions);
	for (uint32_t i = 0; i < reader->facts.partitions; i++) {
		if (!reader->positions[i].positioned || reader->positions[i].gone)
			continue;
		rd_kafka_topic_partition_list_add(wanted, reader->address.topic, (int32_t)i)->offset = reader->positions[i].next;
	}
	result = rd_kafka_assign(reader->client, wanted);
	rd_kafka_topic_partition_list_destroy(wanted);
	/*
	 * Asked of the same thread: it has begun to fetch when it answers, so what
	 * kafka_group_lead() says comes after what it does itself.
	 */
	if (rd_kafka_assignment(reader->client, &begun) == RD_KAFKA_RESP_ERR_NO_ERROR)
		rd_kafka_topic_partition_list_destroy(begun);
	reader->moved = result != RD_KAFKA_RESP_ERR_NO_ERROR;
	return kafka_errno(result);
}

/*
 * Leads what is fetched into the queue of records. Again and again, because the library's own
 * thread undoes it when it has stopped fetching a partition, which may be after we have positioned
 * it anew; what has come meanwhile is led on then.
 */
void kafka_group_lead(struct kafka_reader *reader)
{
	for (uint32_t i = 0; i < reader->facts.partitions; i++) {
		rd_kafka_queue_t *queue = NULL;

		if (reader->positions[i].positioned && !reader->positions[i].gone)
			queue = rd_kafka_queue_get_partition(reader->client, reader->address.topic, (int32_t)i);
		if (!queue)
			continue;
		rd_kafka_queue_forward(queue, reader->records);
		rd_kafka_queue_destroy(queue);
	}
}

/*
 * Trouble that the library goes on with by itself. A broker that is away, or no longer leads, is
 * none that a person can end here.
 */
void kafka_group_log(const char *what, const rd_kafka_message_t *message)
{
	static struct log_limiter limiter;
	int error = kafka_errno(message->err);
	uint64_t suppressed;

	if (error == -ENOTCONN || error == -ETIMEDOUT)
		log_debug("kafka", what, LOG_INT("partition", message->partition), LOG_TEXT("error", rd_kafka_err2str(message->err)));
	else if (log_limiter_pass(&limiter, &suppressed))
		log_warn("kafka", what, LOG_INT("partition", message->partition),
			 LOG_TEXT("error", rd_kafka_err2str(message->err)), LOG_INT("suppressed", suppressed));
}

/*
 * The group's business: rebalances, errors. A record comes here where it was fetched before
 * kafka_group_lead() had its way: it and those with it are fetched again, for they would be missed.
 */
void kafka_group_serve(struct kafka_reader *reader, int timeout_ms)
{
	rd_kafka_message_t *message = rd_kafka_consumer_poll(reader->client, timeout_ms);

	while (message) {
		const struct kafka_position *position = kafka_position_of(reader, message->partition);

		if (message->err)
			kafka_group_log("the group has trouble", message);
		else if (position && position->positioned && !position->gone && message->offset >= position->next)
			reader->moved = true;
		rd_kafka_message_destroy(message);
		message = rd_kafka_consumer_poll(reader->client, 0);
	}
}

/* --- Joining --- */

rd_kafka_resp_err_t kafka_group_subscribe(struct kafka_reader *reader)
{
	rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
	rd_kafka_resp_err_t result;

	rd_kafka_topic_partition_list_add(topics, reader->address.topic, RD_KAFKA_PARTITION_UA);
	result = rd_kafka_subscribe(reader->client, topics);
	rd_kafka_topic_partition_list_destroy(topics);
	return result;
}

static int start(struct kafka_reader *reader, const char *group, struct buffer *error)
{
	rd_kafka_conf_t *conf = kafka_conf_new(&reader->address, NULL, error);

	/* Ours first, so that the operator's word on a session's length and on fetches wins. */
	kafka_conf_set_int(conf, "session.timeout.ms", SESSION_MS);
	kafka_conf_set_int(conf, "heartbeat.interval.ms", HEARTBEAT_MS);
	kafka_conf_set_int(conf, "fetch.error.backoff.ms", 100);
	kafka_conf_set_int(conf, "fetch.min.bytes", FETCH_BYTES);
	kafka_conf_set_int(conf, "fetch.wait.max.ms", FETCH_MS);
	if (reader->properties && !kafka_conf_apply(conf, reader->properties, error)) {
		rd_kafka_conf_destroy(conf);
		return -EINVAL;
	}
	kafka_conf_set(conf, "group.id", group);
	kafka_conf_set(conf, "enable.auto.commit", "false");
	kafka_conf_set(conf, "enable.auto.offset.store", "false");
	kafka_conf_set(conf, "auto.offset.reset", "error");
	kafka_conf_set(conf, "isolation.level", "read_committed");
	kafka_conf_set(conf, "partition.assignment.strategy", "roundrobin"); /* an eager one */
	rd_kafka_conf_set_opaque(conf, reader);
	rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
	rd_kafka_conf_set_error_cb(conf, on_error);
	reader->client = kafka_client_new(RD_KAFKA_CONSUMER, conf, error);
	return reader->client ? 0 : -EIO;
}

/*
 * One group a topic, so that another Penstock in the same cluster does not take part in ours; named
 * so that who may have TOPIC* may have it.
 */
int kafka_group_join(struct kafka_reader *reader, struct buffer *error)
{
	char group[KAFKA_TOPIC_SIZE + sizeof(".drain")];
	rd_kafka_resp_err_t result;
	int started;

	snprintf(group, sizeof(group), "%s.drain", reader->address.topic);
	started = start(reader, group, error);
	if (started < 0)
		return started;
	reader->records = rd_kafka_queue_new(reader->client);
	rd_kafka_poll_set_consumer(reader->client);
	result = kafka_group_subscribe(reader);
	if (result)
		buffer_printf(error, "the group %s cannot be joined: %s", group, rd_kafka_err2str(result));
	return kafka_errno(result);
}
