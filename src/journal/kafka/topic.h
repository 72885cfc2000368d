/*
 * The topic: made where it is missing, and looked at before anybody relies on it. Private to
 * journal/.
 */
#pragma once

#include "journal/kafka/client.h"

struct kafka_topic {
	uint32_t partitions, replication, min_insync; /* replication: the least of all partitions */
	int64_t retention_ms;                         /* -1: for ever */
};

/*
 * Makes the topic as `wanted` says, or reads what the one that is there is like, and refuses what
 * cannot keep a promise. `wanted` is replaced by what is. What is weaker than it could be is said
 * in the log. 0, or as journal_kafka_open().
 */
int kafka_topic_ready(rd_kafka_t *client, const char *name, struct kafka_topic *wanted, struct buffer *error) MUST_CHECK;

/*
 * Each partition's leader (a broker's id; -1: none now) and replicas in step. 0, or negative:
 * nobody answers, or the topic is not there (-ENOENT).
 */
struct kafka_partition_state {
	int32_t leader;
	uint32_t insync;
};
int kafka_topic_state(rd_kafka_t *client, rd_kafka_topic_t *topic, struct kafka_partition_state *partitions, uint32_t count,
		      int timeout_ms) MUST_CHECK;
