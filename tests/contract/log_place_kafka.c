#include "contract/log_place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "contract/kafka_place.h"
#include "journal/kafka/kafka.h"
#include "journal/kafka/reader.h"

#define MS INT64_C(1000000)
enum { RAW_MAX = 128 };

struct topic {
	char name[32], url[KAFKA_PLACE_URL_SIZE];
	enum log_place_want want;
	bool down;
};

static struct kafka_place_record raw[RAW_MAX];

static void *topic_new(enum log_place_want want)
{
	struct topic *topic = calloc(1, sizeof(*topic));

	assert_non_null(topic);
	kafka_place_start(1);
	kafka_place_topic(topic->name);
	kafka_place_url(topic->name, want == LOG_STATES, topic->url);
	topic->want = want;
	return topic;
}

static void topic_free(void *topic)
{
	free(topic);
}

static struct kafka_options options_of(const struct topic *topic, int64_t ack_deadline_ms)
{
	return (struct kafka_options){
		.url = topic->url,
		.partitions = LOG_PARTITIONS,
		.replication = 1,
		.min_insync = 1,
		.retention_ms = INT64_C(7) * 24 * 3600 * 1000,
		.ack_deadline_ns = ack_deadline_ms * MS,
	};
}

static struct journal *open_journal(void *argument, int64_t ack_deadline_ms)
{
	struct kafka_options options = options_of(argument, ack_deadline_ms);
	struct journal *journal = NULL;
	struct buffer error;

	buffer_init(&error, 4096);
	if (journal_kafka_open(&journal, &options, &error) != 0)
		fail_msg("%.*s", (int)error.size, error.data);
	buffer_deinit(&error);
	return journal;
}

static struct journal_reader *open_reader(void *argument)
{
	const struct topic *topic = argument;
	struct kafka_options options = options_of(topic, 10000);
	struct journal_reader *reader = NULL;
	struct buffer error;

	/*
	 * A rebalance is heard of soon; one that nobody has asked for does not come, however slow
	 * the machine is.
	 */
	options.properties = topic->want == LOG_SHORT_SESSION
				     ? "session.timeout.ms=1500;heartbeat.interval.ms=200;fetch.wait.max.ms=50"
				     : "heartbeat.interval.ms=100;fetch.wait.max.ms=50;topic.metadata.refresh.interval.ms=500";
	buffer_init(&error, 4096);
	if (journal_kafka_reader_open(&reader, &options, &error) != 0)
		fail_msg("%.*s", (int)error.size, error.data);
	buffer_deinit(&error);
	return reader;
}

static void set_state(void *argument, enum log_place_state state)
{
	struct topic *topic = argument;

	if (state == LOG_MUTE)
		kafka_place_tell("proxy drop");
	else if (state == LOG_HELD)
		kafka_place_tell("proxy hold");
	else if (state == LOG_CUT)
		kafka_place_tell("proxy cut");
	else if (state == LOG_DOWN)
		kafka_place_tell("kill 1");
	else
		kafka_place_tell(topic->down ? "start 1" : "proxy pass");
	topic->down = state == LOG_DOWN;
}

static void remove_topic(void *topic)
{
	kafka_place_delete(((struct topic *)topic)->name);
}

static void make_topic(void *topic)
{
	kafka_place_make(((struct topic *)topic)->name, LOG_PARTITIONS, 1, NULL, NULL);
}

static void grow_topic(void *topic, uint32_t partitions)
{
	kafka_place_grow(((struct topic *)topic)->name, partitions);
}

static void cut_topic(void *topic, uint32_t partition, int64_t offset)
{
	kafka_place_cut(((struct topic *)topic)->name, (int32_t)partition, offset);
}

static void write_topic(void *topic, uint32_t partition, const char *key, const char *value)
{
	kafka_place_write(((struct topic *)topic)->name, (int32_t)partition, key, value);
}

static size_t read_topic(void *topic, struct log_place_record *records, size_t max)
{
	size_t count = kafka_place_read(((struct topic *)topic)->name, raw, max < RAW_MAX ? max : RAW_MAX);

	for (size_t i = 0; i < count; i++) {
		records[i] = (struct log_place_record){.partition = raw[i].partition, .offset = raw[i].offset};
		memcpy(records[i].key, raw[i].key, sizeof(raw[i].key));
		memcpy(records[i].value, raw[i].value, sizeof(raw[i].value));
	}
	return count;
}

static bool is_dead(void *argument, size_t index, uint32_t partition, int64_t offset, const struct log_place_record *record,
		    const char *reason)
{
	const struct topic *topic = argument;
	char dead[40], headers[512];

	snprintf(dead, sizeof(dead), "%s.dead", topic->name);
	snprintf(headers, sizeof(headers),
		 "penstock-reason=%s\npenstock-source-topic=%s\npenstock-source-partition=%u\npenstock-source-offset=%lld\n",
		 reason, topic->name, partition, (long long)offset);
	return index < kafka_place_read(dead, raw, RAW_MAX) && strcmp(raw[index].key, record->key) == 0 &&
	       strcmp(raw[index].value, record->value) == 0 && strstr(raw[index].headers, headers);
}

const struct log_place_kind log_place_kafka = {
	.name = "log: kafka",
	.topic_new = topic_new,
	.topic_free = topic_free,
	.open = open_journal,
	.open_reader = open_reader,
	.cluster = journal_kafka_cluster,
	.topic = journal_kafka_topic,
	.partitions = journal_kafka_partitions,
	.fix = journal_kafka_fix,
	.set_state = set_state,
	.remove = remove_topic,
	.make = make_topic,
	.grow = grow_topic,
	.cut = cut_topic,
	.write = write_topic,
	.read = read_topic,
	.is_dead = is_dead,
};
