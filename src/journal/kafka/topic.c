#include "journal/kafka/topic.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/log.h"

enum { ASK_MS = 5000, APPEAR_NS_MS = 10000 };

/* One request to the cluster's administration, and its answer; NULL: none came. */
static rd_kafka_event_t *ask(rd_kafka_t *client, rd_kafka_admin_op_t kind,
			     void (*send)(rd_kafka_t *client, void *what, const rd_kafka_AdminOptions_t *options,
					  rd_kafka_queue_t *queue),
			     void *what)
{
	rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(client, kind);
	rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
	rd_kafka_event_t *answer;
	char text[128];

	rd_kafka_AdminOptions_set_request_timeout(options, ASK_MS, text, sizeof(text));
	send(client, what, options, queue);
	answer = rd_kafka_queue_poll(queue, 2 * ASK_MS);
	rd_kafka_queue_destroy(queue);
	rd_kafka_AdminOptions_destroy(options);
	return answer;
}

static void send_describe(rd_kafka_t *client, void *what, const rd_kafka_AdminOptions_t *options, rd_kafka_queue_t *queue)
{
	rd_kafka_ConfigResource_t *resource = what;

	rd_kafka_DescribeConfigs(client, &resource, 1, options, queue);
}

static void send_create(rd_kafka_t *client, void *what, const rd_kafka_AdminOptions_t *options, rd_kafka_queue_t *queue)
{
	rd_kafka_NewTopic_t *topic = what;

	rd_kafka_CreateTopics(client, &topic, 1, options, queue);
}

/* --- What it is like --- */

struct settings {
	bool compacted, unclean;
	int64_t retention_ms, min_insync;
};

static void read_setting(struct settings *settings, const char *name, const char *value)
{
	if (strcmp(name, "cleanup.policy") == 0)
		settings->compacted = strcmp(value, "delete") != 0;
	else if (strcmp(name, "retention.ms") == 0)
		settings->retention_ms = strtoll(value, NULL, 10);
	else if (strcmp(name, "min.insync.replicas") == 0)
		settings->min_insync = strtoll(value, NULL, 10);
	else if (strcmp(name, "unclean.leader.election.enable") == 0)
		settings->unclean = strcmp(value, "true") == 0;
}

/*
 * RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART: it is not there. Asking for the settings, unlike for
 * metadata, never makes a cluster create a topic.
 */
static rd_kafka_resp_err_t describe(rd_kafka_t *client, const char *name, struct settings *settings)
{
	rd_kafka_ConfigResource_t *resource = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, name);
	rd_kafka_event_t *answer = ask(client, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, send_describe, resource);
	const rd_kafka_ConfigResource_t **resources;
	const rd_kafka_ConfigEntry_t **entries;
	rd_kafka_resp_err_t result = answer ? rd_kafka_event_error(answer) : RD_KAFKA_RESP_ERR__TIMED_OUT;
	size_t count = 0, entry_count = 0;

	*settings = (struct settings){.retention_ms = -1, .min_insync = 1};
	rd_kafka_ConfigResource_destroy(resource);
	if (!result) {
		resources = rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(answer), &count);
		result = count == 1 ? rd_kafka_ConfigResource_error(resources[0]) : RD_KAFKA_RESP_ERR__BAD_MSG;
		entries = result ? NULL : rd_kafka_ConfigResource_configs(resources[0], &entry_count);
		for (size_t i = 0; i < entry_count && !result; i++) {
			const char *value = rd_kafka_ConfigEntry_value(entries[i]);

			if (value)
				read_setting(settings, rd_kafka_ConfigEntry_name(entries[i]), value);
		}
	}
	if (answer)
		rd_kafka_event_destroy(answer);
	return result;
}

/* --- Making one --- */

static rd_kafka_resp_err_t create(rd_kafka_t *client, const char *name, const struct kafka_topic *wanted, char *text, size_t size)
{
	rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(name, (int)wanted->partitions, (int)wanted->replication, text, size);
	rd_kafka_event_t *answer;
	rd_kafka_resp_err_t result;
	char number[24];
	size_t count;

	if (!topic)
		return RD_KAFKA_RESP_ERR__INVALID_ARG;
	rd_kafka_NewTopic_set_config(topic, "cleanup.policy", "delete");
	snprintf(number, sizeof(number), "%" PRId64, wanted->retention_ms);
	rd_kafka_NewTopic_set_config(topic, "retention.ms", number);
	snprintf(number, sizeof(number), "%u", wanted->min_insync);
	rd_kafka_NewTopic_set_config(topic, "min.insync.replicas", number);
	/*
	 * A replica that has fallen behind becomes leader never: it would lose what was
	 * acknowledged.
	 */
	rd_kafka_NewTopic_set_config(topic, "unclean.leader.election.enable", "false");
	answer = ask(client, RD_KAFKA_ADMIN_OP_CREATETOPICS, send_create, topic);
	rd_kafka_NewTopic_destroy(topic);
	result = answer ? rd_kafka_event_error(answer) : RD_KAFKA_RESP_ERR__TIMED_OUT;
	if (answer && result)
		snprintf(text, size, "%s", rd_kafka_event_error_string(answer));
	if (answer && !result) {
		const rd_kafka_topic_result_t **topics =
			rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(answer), &count);

		result = count == 1 ? rd_kafka_topic_result_error(topics[0]) : RD_KAFKA_RESP_ERR__BAD_MSG;
		if (result && count == 1 && rd_kafka_topic_result_error_string(topics[0]))
			snprintf(text, size, "%s", rd_kafka_topic_result_error_string(topics[0]));
	}
	if (answer)
		rd_kafka_event_destroy(answer);
	return result == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS ? RD_KAFKA_RESP_ERR_NO_ERROR : result;
}

static int make(rd_kafka_t *client, const char *name, const struct kafka_topic *wanted, struct buffer *error)
{
	char text[256] = "";
	rd_kafka_resp_err_t result = create(client, name, wanted, text, sizeof(text));

	if (!result) {
		log_info("kafka", "made the topic", LOG_TEXT("topic", name), LOG_INT("partitions", wanted->partitions),
			 LOG_INT("replication", wanted->replication), LOG_INT("min_insync", wanted->min_insync),
			 LOG_INT("retention_ms", wanted->retention_ms));
		return 0;
	}
	buffer_printf(error, "the topic %s is not there and could not be made with %u partitions on %u brokers each: %s", name,
		      wanted->partitions, wanted->replication, text[0] ? text : rd_kafka_err2str(result));
	return result == RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR ? -EINVAL : kafka_errno(result);
}

/* --- Looking at it --- */

int kafka_topic_state(rd_kafka_t *client, rd_kafka_topic_t *topic, struct kafka_partition_state *partitions, uint32_t count,
		      int timeout_ms)
{
	const struct rd_kafka_metadata *metadata;
	rd_kafka_resp_err_t result = rd_kafka_metadata(client, 0, topic, &metadata, timeout_ms);

	if (result)
		return kafka_errno(result);
	result = metadata->topic_cnt == 1 ? metadata->topics[0].err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
	for (uint32_t i = 0; i < count; i++)
		partitions[i] = (struct kafka_partition_state){.leader = -1};
	for (int i = 0; !result && i < metadata->topics[0].partition_cnt; i++) {
		const struct rd_kafka_metadata_partition *partition = &metadata->topics[0].partitions[i];

		if (partition->id >= 0 && (uint32_t)partition->id < count)
			partitions[partition->id] = (struct kafka_partition_state){partition->leader, (uint32_t)partition->isr_cnt};
	}
	rd_kafka_metadata_destroy(metadata);
	return kafka_errno(result);
}

/* Counts partitions and replicas. -EAGAIN: a partition has no leader yet. */
static int count(rd_kafka_t *client, rd_kafka_topic_t *topic, struct kafka_topic *found)
{
	const struct rd_kafka_metadata *metadata;
	const struct rd_kafka_metadata_topic *answer;
	rd_kafka_resp_err_t result = rd_kafka_metadata(client, 0, topic, &metadata, ASK_MS);
	int outcome = 0;

	if (result)
		return kafka_errno(result);
	answer = metadata->topics;
	if (metadata->topic_cnt != 1 || answer->err || answer->partition_cnt == 0)
		outcome = -EAGAIN;
	found->partitions = metadata->topic_cnt == 1 ? (uint32_t)answer->partition_cnt : 0;
	found->replication = UINT32_MAX;
	for (int i = 0; !outcome && i < answer->partition_cnt; i++) {
		if (answer->partitions[i].leader < 0)
			outcome = -EAGAIN;
		if ((uint32_t)answer->partitions[i].replica_cnt < found->replication)
			found->replication = (uint32_t)answer->partitions[i].replica_cnt;
	}
	rd_kafka_metadata_destroy(metadata);
	return outcome;
}

static int count_all(rd_kafka_t *client, const char *name, struct kafka_topic *found, struct buffer *error)
{
	int64_t deadline_ms = clock_mono_ms() + APPEAR_NS_MS;
	rd_kafka_topic_t *topic = rd_kafka_topic_new(client, name, NULL);
	int result;

	if (!topic)
		return error_origin(-ENOMEM);
	/*
	 * One that was made a moment ago has its leaders a moment later; each question takes a
	 * round trip, and the poll is our pause.
	 */
	while ((result = count(client, topic, found)) == -EAGAIN && clock_mono_ms() < deadline_ms)
		rd_kafka_poll(client, 50);
	rd_kafka_topic_destroy(topic);
	if (result < 0)
		buffer_printf(error, "the topic %s is there, but not all of its partitions have a leader: brokers are missing", name);
	return result == -EAGAIN ? -ENOTCONN : result;
}

static int check_settings(const char *name, const struct settings *settings, struct buffer *error)
{
	static const int64_t least_ms = KAFKA_RETENTION_MIN_HOURS * INT64_C(3600000);

	if (settings->compacted) {
		buffer_printf(error,
			      "the topic %s is compacted (cleanup.policy): all but the last event of a sale would be lost; set it to delete",
			      name);
		return -EINVAL;
	}
	if (settings->retention_ms >= 0 && settings->retention_ms < least_ms) {
		buffer_printf(error,
			      "the topic %s keeps records for %" PRId64
			      " s (retention.ms): less than %d h, so orders would be lost if the database is away; raise it",
			      name, settings->retention_ms / 1000, KAFKA_RETENTION_MIN_HOURS);
		return -EINVAL;
	}
	return 0;
}

static void warn_of_settings(const char *name, const struct kafka_topic *found, const struct kafka_topic *wanted,
			     const struct settings *settings)
{
	log_info("kafka", "the topic", LOG_TEXT("topic", name), LOG_INT("partitions", found->partitions),
		 LOG_INT("replication", found->replication), LOG_INT("min_insync", found->min_insync),
		 LOG_INT("retention_ms", found->retention_ms));
	if (found->replication == 1)
		log_warn("kafka", "each record is on one broker alone: orders that were answered are lost with its disk",
			 LOG_TEXT("topic", name));
	else if (found->min_insync < 2)
		log_warn("kafka",
			 "one broker alone may acknowledge (min.insync.replicas is 1): what it has answered for is lost with its disk",
			 LOG_TEXT("topic", name));
	else if (found->min_insync >= found->replication)
		log_warn("kafka", "every replica must acknowledge: one broker away stops all sales", LOG_TEXT("topic", name));
	if (settings->unclean)
		log_warn("kafka",
			 "a replica that is behind may become leader (unclean.leader.election.enable): acknowledged orders can be lost",
			 LOG_TEXT("topic", name));
	if (found->retention_ms >= 0 && (wanted->retention_ms < 0 || found->retention_ms < wanted->retention_ms))
		log_warn("kafka", "the topic keeps records for less long than the settings say", LOG_TEXT("topic", name),
			 LOG_INT("retention_ms", found->retention_ms), LOG_INT("wanted_ms", wanted->retention_ms));
}

int kafka_topic_ready(rd_kafka_t *client, const char *name, struct kafka_topic *wanted, struct buffer *error)
{
	int64_t deadline_ms = clock_mono_ms() + APPEAR_NS_MS;
	struct kafka_topic found;
	struct settings settings;
	rd_kafka_resp_err_t asked = describe(client, name, &settings);
	int result;

	if (asked == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
		result = make(client, name, wanted, error);
		if (result < 0)
			return result;
		/* The broker that is asked may hear of it later than the one that made it. */
		while ((asked = describe(client, name, &settings)) == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART &&
		       clock_mono_ms() < deadline_ms)
			rd_kafka_poll(client, 50);
	}
	if (asked) {
		buffer_printf(error, "no answer about the topic %s: %s", name, rd_kafka_err2str(asked));
		return asked == RD_KAFKA_RESP_ERR__TIMED_OUT ? -ENOTCONN : kafka_errno(asked);
	}
	result = check_settings(name, &settings, error);
	if (result == 0)
		result = count_all(client, name, &found, error);
	if (result < 0)
		return result;
	found.min_insync = (uint32_t)settings.min_insync;
	found.retention_ms = settings.retention_ms;
	warn_of_settings(name, &found, wanted, &settings);
	*wanted = found;
	return 0;
}
