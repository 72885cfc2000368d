#include "contract/kafka_place.h"

#include <fcntl.h>
#include <librdkafka/rdkafka.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/clock.h"

enum { ASK_MS = 60000 };

/*
 * tools/services/kafka.py runs as our child; it ends its brokers when our end of its input closes,
 * however we end.
 */
static struct {
	pid_t process;
	FILE *input, *output;
	char brokers[256], proxied[256];
	unsigned made;
	rd_kafka_t *client; /* a producer, which can do what an administrator can */
} server;

static void end_server(void)
{
	if (!server.process)
		return;
	if (server.client)
		rd_kafka_destroy(server.client);
	fclose(server.input);
	fclose(server.output);
	waitpid(server.process, NULL, 0);
	server.process = 0;
}

static void become_server(int input, int output, unsigned nodes)
{
	const char *root = getenv("SOURCE_ROOT");
	char script[4096], count[8];

	snprintf(script, sizeof(script), "%s/tools/services/kafka.py", root ? root : ".");
	snprintf(count, sizeof(count), "%u", nodes);
	if (dup2(input, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0)
		_exit(126);
	execl("/usr/bin/python3", "python3", script, "run", count, (char *)NULL);
	_exit(127);
}

static rd_kafka_conf_t *conf_new(void)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char text[256];

	assert_int_equal(rd_kafka_conf_set(conf, "bootstrap.servers", server.brokers, text, sizeof(text)), RD_KAFKA_CONF_OK);
	assert_int_equal(rd_kafka_conf_set(conf, "log_level", "0", text, sizeof(text)), RD_KAFKA_CONF_OK);
	assert_int_equal(rd_kafka_conf_set(conf, "reconnect.backoff.max.ms", "500", text, sizeof(text)), RD_KAFKA_CONF_OK);
	return conf;
}

void kafka_place_start(unsigned nodes)
{
	int to[2], from[2];
	char text[256];

	if (server.process)
		return;
	assert_int_equal(pipe2(to, O_CLOEXEC), 0);
	assert_int_equal(pipe2(from, O_CLOEXEC), 0);
	server.process = fork();
	assert_true(server.process >= 0);
	if (server.process == 0)
		become_server(to[0], from[1], nodes);
	close(to[0]);
	close(from[1]);
	server.input = fdopen(to[1], "w");
	server.output = fdopen(from[0], "r");
	assert_non_null(server.input);
	assert_non_null(server.output);
	atexit(end_server);
	if (fscanf(server.output, "%255s %255s%*c", server.brokers, server.proxied) != 2)
		fail_msg("no Kafka came up: SOURCE_ROOT must be the source's folder, and tools/setup test must have run");
	server.client = rd_kafka_new(RD_KAFKA_PRODUCER, conf_new(), text, sizeof(text));
	assert_non_null(server.client);
}

void kafka_place_tell(const char *command)
{
	char answer[16];

	fprintf(server.input, "%s\n", command);
	fflush(server.input);
	if (!fgets(answer, sizeof(answer), server.output) || strcmp(answer, "ok\n") != 0)
		fail_msg("kafka.py did not do \"%s\"", command);
}

void kafka_place_topic(char topic[32])
{
	snprintf(topic, 32, "topic-%u", ++server.made);
}

void kafka_place_url(const char *topic, bool proxied, char url[KAFKA_PLACE_URL_SIZE])
{
	snprintf(url, KAFKA_PLACE_URL_SIZE, "kafka://%s/%s", proxied ? server.proxied : server.brokers, topic);
}

/* --- Administration --- */

static void expect_fine(rd_kafka_event_t *answer, const rd_kafka_topic_result_t **results, size_t count)
{
	assert_int_equal(rd_kafka_event_error(answer), RD_KAFKA_RESP_ERR_NO_ERROR);
	for (size_t i = 0; i < count; i++)
		if (rd_kafka_topic_result_error(results[i]))
			fail_msg("%s", rd_kafka_topic_result_error_string(results[i]));
}

/*
 * How many partitions of a topic the broker knows; 0: it is not there; -1: one of them has no
 * leader.
 */
static int partitions_of(const char *topic)
{
	const struct rd_kafka_metadata *metadata;
	int found = 0;

	assert_int_equal(rd_kafka_metadata(server.client, 1, NULL, &metadata, ASK_MS), RD_KAFKA_RESP_ERR_NO_ERROR);
	for (int i = 0; i < metadata->topic_cnt; i++) {
		const rd_kafka_metadata_topic_t *one = &metadata->topics[i];

		if (strcmp(one->topic, topic) != 0)
			continue;
		found = one->partition_cnt;
		for (int j = 0; j < one->partition_cnt; j++)
			if (one->partitions[j].leader < 0)
				found = -1;
	}
	rd_kafka_metadata_destroy(metadata);
	return found;
}

/* Waits until the broker knows a topic of so many partitions; 0: none of this name. */
static void wait_known(const char *topic, int partitions)
{
	for (int tries = 0; partitions_of(topic) != partitions; tries++) {
		assert_true(tries < 600);
		rd_kafka_poll(server.client, 50);
	}
}

void kafka_place_make(const char *topic, int partitions, int replication, const char *setting, const char *value)
{
	rd_kafka_queue_t *queue = rd_kafka_queue_new(server.client);
	char text[256];
	rd_kafka_NewTopic_t *wanted = rd_kafka_NewTopic_new(topic, partitions, replication, text, sizeof(text));
	const rd_kafka_topic_result_t **results;
	rd_kafka_event_t *answer;
	size_t count;

	assert_non_null(wanted);
	if (setting)
		rd_kafka_NewTopic_set_config(wanted, setting, value);
	rd_kafka_CreateTopics(server.client, &wanted, 1, NULL, queue);
	answer = rd_kafka_queue_poll(queue, ASK_MS);
	assert_non_null(answer);
	results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(answer), &count);
	expect_fine(answer, results, count);
	rd_kafka_event_destroy(answer);
	rd_kafka_NewTopic_destroy(wanted);
	rd_kafka_queue_destroy(queue);
	wait_known(topic, partitions);
}

void kafka_place_delete(const char *topic)
{
	rd_kafka_queue_t *queue = rd_kafka_queue_new(server.client);
	rd_kafka_DeleteTopic_t *unwanted = rd_kafka_DeleteTopic_new(topic);
	const rd_kafka_topic_result_t **results;
	rd_kafka_event_t *answer;
	size_t count;

	rd_kafka_DeleteTopics(server.client, &unwanted, 1, NULL, queue);
	answer = rd_kafka_queue_poll(queue, ASK_MS);
	assert_non_null(answer);
	results = rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(answer), &count);
	expect_fine(answer, results, count);
	rd_kafka_event_destroy(answer);
	rd_kafka_DeleteTopic_destroy(unwanted);
	rd_kafka_queue_destroy(queue);
	wait_known(topic, 0);
}

void kafka_place_grow(const char *topic, size_t partitions)
{
	rd_kafka_queue_t *queue = rd_kafka_queue_new(server.client);
	char text[256];
	rd_kafka_NewPartitions_t *wanted = rd_kafka_NewPartitions_new(topic, partitions, text, sizeof(text));
	const rd_kafka_topic_result_t **results;
	rd_kafka_event_t *answer;
	size_t count;

	assert_non_null(wanted);
	rd_kafka_CreatePartitions(server.client, &wanted, 1, NULL, queue);
	answer = rd_kafka_queue_poll(queue, ASK_MS);
	assert_non_null(answer);
	results = rd_kafka_CreatePartitions_result_topics(rd_kafka_event_CreatePartitions_result(answer), &count);
	expect_fine(answer, results, count);
	rd_kafka_event_destroy(answer);
	rd_kafka_NewPartitions_destroy(wanted);
	rd_kafka_queue_destroy(queue);
	wait_known(topic, (int)partitions);
}

void kafka_place_cut(const char *topic, int32_t partition, int64_t offset)
{
	rd_kafka_queue_t *queue = rd_kafka_queue_new(server.client);
	rd_kafka_topic_partition_list_t *places = rd_kafka_topic_partition_list_new(1);
	rd_kafka_DeleteRecords_t *unwanted;
	rd_kafka_event_t *answer;

	rd_kafka_topic_partition_list_add(places, topic, partition)->offset = offset;
	unwanted = rd_kafka_DeleteRecords_new(places);
	rd_kafka_DeleteRecords(server.client, &unwanted, 1, NULL, queue);
	answer = rd_kafka_queue_poll(queue, ASK_MS);
	assert_non_null(answer);
	assert_int_equal(rd_kafka_event_error(answer), RD_KAFKA_RESP_ERR_NO_ERROR);
	rd_kafka_event_destroy(answer);
	rd_kafka_DeleteRecords_destroy(unwanted);
	rd_kafka_topic_partition_list_destroy(places);
	rd_kafka_queue_destroy(queue);
}

/* --- Records --- */

/* A client hears of a partition that was added some time after the brokers. */
void kafka_place_write(const char *topic, int32_t partition, const char *key, const char *value)
{
	int64_t deadline_ns = clock_mono_ns() + ASK_MS * INT64_C(1000000);
	rd_kafka_resp_err_t result;

	while ((result = rd_kafka_producev(server.client, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition),
					   RD_KAFKA_V_KEY(key, strlen(key)), RD_KAFKA_V_VALUE((void *)(uintptr_t)value, strlen(value)),
					   RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END)) ==
		       RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION &&
	       clock_mono_ns() < deadline_ns)
		(void)partitions_of(topic); /* which asks for them */
	assert_int_equal(result, RD_KAFKA_RESP_ERR_NO_ERROR);
	assert_int_equal(rd_kafka_flush(server.client, ASK_MS), RD_KAFKA_RESP_ERR_NO_ERROR);
}

static void copy(char *to, size_t size, const void *from, size_t length)
{
	assert_true(length < size);
	memcpy(to, from, length);
	to[length] = '\0';
}

static void fill(struct kafka_place_record *record, const rd_kafka_message_t *message)
{
	rd_kafka_headers_t *headers;
	size_t used = 0;

	record->partition = message->partition;
	record->offset = message->offset;
	copy(record->key, sizeof(record->key), message->key, message->key_len);
	copy(record->value, sizeof(record->value), message->payload, message->len);
	record->headers[0] = '\0';
	if (rd_kafka_message_headers(message, &headers))
		return;
	for (size_t i = 0; i < rd_kafka_header_cnt(headers); i++) {
		const char *name;
		const void *value;
		size_t size;

		rd_kafka_header_get_all(headers, i, &name, &value, &size);
		used += (size_t)snprintf(record->headers + used, sizeof(record->headers) - used, "%s=%.*s\n", name, (int)size,
					 (const char *)value);
		assert_true(used < sizeof(record->headers));
	}
}

/* A broker leads a partition that was made a moment ago a little after the cluster has said so. */
static void query_ends(rd_kafka_t *consumer, const char *topic, int32_t partition, int64_t *low, int64_t *high)
{
	int64_t deadline_ns = clock_mono_ns() + ASK_MS * INT64_C(1000000);
	rd_kafka_resp_err_t result;

	while ((result = rd_kafka_query_watermark_offsets(consumer, topic, partition, low, high, ASK_MS)) ==
		       RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION &&
	       clock_mono_ns() < deadline_ns)
		rd_kafka_poll(consumer, 50);
	assert_int_equal(result, RD_KAFKA_RESP_ERR_NO_ERROR);
}

static size_t read_partition(rd_kafka_t *consumer, const char *topic, int32_t partition, struct kafka_place_record *records, size_t max)
{
	rd_kafka_topic_partition_list_t *places = rd_kafka_topic_partition_list_new(1);
	int64_t low, high, next;
	size_t count = 0;

	query_ends(consumer, topic, partition, &low, &high);
	rd_kafka_topic_partition_list_add(places, topic, partition)->offset = next = low;
	assert_int_equal(rd_kafka_assign(consumer, places), RD_KAFKA_RESP_ERR_NO_ERROR);
	while (next < high && count < max) {
		rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer, ASK_MS);

		assert_non_null(message);
		if (!message->err) {
			fill(&records[count++], message);
			next = message->offset + 1;
		}
		rd_kafka_message_destroy(message);
	}
	rd_kafka_topic_partition_list_destroy(places);
	return count;
}

size_t kafka_place_read(const char *topic, struct kafka_place_record *records, size_t max)
{
	rd_kafka_conf_t *conf = conf_new();
	rd_kafka_topic_t *handle = rd_kafka_topic_new(server.client, topic, NULL);
	const struct rd_kafka_metadata *metadata;
	rd_kafka_t *consumer;
	char text[256];
	size_t count = 0;

	assert_int_equal(rd_kafka_conf_set(conf, "group.id", "a-test", text, sizeof(text)), RD_KAFKA_CONF_OK);
	assert_int_equal(rd_kafka_conf_set(conf, "enable.auto.commit", "false", text, sizeof(text)), RD_KAFKA_CONF_OK);
	consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof(text));
	assert_non_null(consumer);
	assert_int_equal(rd_kafka_metadata(server.client, 0, handle, &metadata, ASK_MS), RD_KAFKA_RESP_ERR_NO_ERROR);
	assert_int_equal(metadata->topic_cnt, 1);
	for (int i = 0; i < metadata->topics[0].partition_cnt; i++)
		count += read_partition(consumer, topic, metadata->topics[0].partitions[i].id, records + count, max - count);
	rd_kafka_metadata_destroy(metadata);
	rd_kafka_topic_destroy(handle);
	rd_kafka_consumer_close(consumer);
	rd_kafka_destroy(consumer);
	return count;
}
