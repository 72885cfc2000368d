/*
 * What librdkafka and the broker alone take: bare_producer BROKERS FROM TO COUNT IN_FLIGHT
 * REPLICATION. Reads COUNT records of the topic FROM (fewer where it has fewer), which a gate has
 * written, and then sends the very same keys, headers and values to the topic TO, which is made
 * with so many replicas, with all acknowledgements (an idempotent producer, as the gate's),
 * IN_FLIGHT at a time: a new one goes out when an old one is acknowledged, as a crowd of so many
 * waiting buyers would have it. 0: as many as the library takes, with its own linger of 5 ms.
 * Prints a JSON object: records, ns of them all, and p50_ns from a record's sending to its
 * acknowledgement.
 */
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/log.h"
#include "journal/kafka/topic.h"

enum { WAIT_MS = 10000, PARTITIONS_MAX = 64 };

struct record {
	rd_kafka_message_t *message;
	rd_kafka_headers_t *headers;
	int64_t sent_ns, took_ns;
};

static size_t acknowledged;

_Noreturn static void die(const char *what, const char *why)
{
	fprintf(stderr, "bare_producer: %s: %s\n", what, why);
	exit(1);
}

_Noreturn static void die_of(const char *what, struct buffer *error)
{
	buffer_append(error, "", 1);
	die(what, error->data ? error->data : "");
}

static void on_report(rd_kafka_t *client, const rd_kafka_message_t *message, void *argument)
{
	struct record *record = message->_private;

	(void)client, (void)argument;
	if (message->err)
		die("a record was not acknowledged", rd_kafka_err2str(message->err));
	record->took_ns = clock_mono_ns() - record->sent_ns;
	acknowledged++;
}

static rd_kafka_t *make(rd_kafka_type_t type, const struct kafka_address *address, int linger_ms)
{
	struct buffer error;
	rd_kafka_conf_t *conf;
	rd_kafka_t *client;

	buffer_init(&error, 4096);
	conf = kafka_conf_new(address, NULL, &error);
	if (type == RD_KAFKA_PRODUCER) {
		kafka_conf_set(conf, "enable.idempotence", "true");
		kafka_conf_set_int(conf, "linger.ms", linger_ms);
		rd_kafka_conf_set_dr_msg_cb(conf, on_report);
	} else {
		kafka_conf_set(conf, "group.id", "bench");
		kafka_conf_set(conf, "enable.auto.commit", "false");
		kafka_conf_set(conf, "enable.partition.eof", "true");
	}
	client = kafka_client_new(type, conf, &error);
	if (!client)
		die_of("no client", &error);
	return client;
}

/* From the beginning of every partition. */
static size_t read_records(const struct kafka_address *address, struct record *records, size_t max)
{
	rd_kafka_t *client = make(RD_KAFKA_CONSUMER, address, 0);
	rd_kafka_topic_partition_list_t *places = rd_kafka_topic_partition_list_new(1);
	const struct rd_kafka_metadata *metadata;
	rd_kafka_topic_t *topic = rd_kafka_topic_new(client, address->topic, NULL);
	size_t count = 0;
	int left;

	if (rd_kafka_metadata(client, 0, topic, &metadata, WAIT_MS) || metadata->topic_cnt != 1)
		die("FROM cannot be read", address->topic);
	left = metadata->topics[0].partition_cnt;
	for (int i = 0; i < left; i++)
		rd_kafka_topic_partition_list_add(places, address->topic, i)->offset = RD_KAFKA_OFFSET_BEGINNING;
	rd_kafka_metadata_destroy(metadata);
	rd_kafka_topic_destroy(topic);
	if (rd_kafka_assign(client, places))
		die("FROM cannot be read", address->topic);
	while (count < max && left > 0) {
		rd_kafka_message_t *message = rd_kafka_consumer_poll(client, WAIT_MS);

		if (!message || (message->err && message->err != RD_KAFKA_RESP_ERR__PARTITION_EOF))
			die("FROM cannot be read", message ? rd_kafka_message_errstr(message) : "nothing comes");
		if (message->err) {
			left--;
			rd_kafka_message_destroy(message);
			continue;
		}
		records[count].message = message;
		rd_kafka_message_detach_headers(message, &records[count++].headers);
	}
	rd_kafka_topic_partition_list_destroy(places);
	if (count == 0)
		die("FROM is empty", address->topic);
	return count; /* the client stays, for the records are its memory */
}

static void make_topic(rd_kafka_t *client, const char *name, uint32_t replication)
{
	struct kafka_topic wish = {
		.partitions = 3, .replication = replication, .min_insync = replication > 1 ? 2 : 1, .retention_ms = -1};
	struct buffer error;

	buffer_init(&error, 4096);
	if (kafka_topic_ready(client, name, &wish, &error) < 0)
		die_of("TO cannot be made", &error);
	buffer_deinit(&error);
}

static void send_record(rd_kafka_t *client, rd_kafka_topic_t *topic, struct record *record)
{
	const rd_kafka_message_t *message = record->message;
	rd_kafka_resp_err_t result;

	record->sent_ns = clock_mono_ns();
	do {
		result = rd_kafka_producev(client, RD_KAFKA_V_RKT(topic), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
					   RD_KAFKA_V_KEY(message->key, message->key_len),
					   RD_KAFKA_V_VALUE(message->payload, message->len), RD_KAFKA_V_HEADERS(record->headers),
					   RD_KAFKA_V_OPAQUE(record), RD_KAFKA_V_END);
		if (result == RD_KAFKA_RESP_ERR__QUEUE_FULL)
			rd_kafka_poll(client, 1);
	} while (result == RD_KAFKA_RESP_ERR__QUEUE_FULL);
	if (result)
		die("a record cannot be sent", rd_kafka_err2str(result));
}

/* Nanoseconds. */
static int64_t send_all(rd_kafka_t *client, rd_kafka_topic_t *topic, struct record *records, size_t count, size_t in_flight)
{
	int64_t start_ns = clock_mono_ns();

	for (size_t sent = 0; acknowledged < count;) {
		while (sent < count && sent - acknowledged < in_flight)
			send_record(client, topic, &records[sent++]);
		rd_kafka_poll(client, 100);
	}
	return clock_mono_ns() - start_ns;
}

/* The first record finds the topic's leader and opens the connection: not counted. */
static void warm_up(rd_kafka_t *client, rd_kafka_topic_t *topic, const struct record *record)
{
	struct record first = {.message = record->message, .headers = rd_kafka_headers_copy(record->headers)};

	send_record(client, topic, &first);
	while (acknowledged == 0)
		rd_kafka_poll(client, 100);
	acknowledged = 0;
}

static int by_time(const void *a, const void *b)
{
	int64_t x = ((const struct record *)a)->took_ns, y = ((const struct record *)b)->took_ns;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	struct kafka_address from = {0}, to = {0};
	struct record *records;
	size_t count, in_flight;
	rd_kafka_topic_t *topic;
	rd_kafka_t *client;
	int64_t spent_ns;

	if (argc != 7)
		die("usage", "bare_producer BROKERS FROM TO COUNT IN_FLIGHT REPLICATION");
	log_set_level(LOG_ERROR);
	snprintf(from.brokers, sizeof(from.brokers), "%s", argv[1]);
	snprintf(from.topic, sizeof(from.topic), "%s", argv[2]);
	snprintf(to.brokers, sizeof(to.brokers), "%s", argv[1]);
	count = strtoul(argv[4], NULL, 10);
	in_flight = strtoul(argv[5], NULL, 10);
	records = calloc(count, sizeof(*records));
	if (!records)
		die("memory", "none");
	count = read_records(&from, records, count);
	client = make(RD_KAFKA_PRODUCER, &to, in_flight ? 0 : 5);
	make_topic(client, argv[3], (uint32_t)atoi(argv[6]));
	topic = rd_kafka_topic_new(client, argv[3], NULL);
	warm_up(client, topic, &records[0]);
	spent_ns = send_all(client, topic, records, count, in_flight ? in_flight : SIZE_MAX);
	qsort(records, count, sizeof(*records), by_time);
	printf("{\"records\":%zu,\"ns\":%lld,\"p50_ns\":%lld}\n", count, (long long)spent_ns, (long long)records[count / 2].took_ns);
	return 0;
}
