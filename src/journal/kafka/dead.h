/*
 * The dead-letter topic, TOPIC.dead: what could not be applied, as it was, with the reason and
 * where it came from in headers. Private to journal/.
 */
#pragma once

#include "journal/kafka/client.h"
#include "journal/kafka/topic.h"

struct kafka_dead {
	struct kafka_address address; /* with the dead letters' topic */
	const char *properties;       /* borrowed */
	struct kafka_topic wanted;
	int timeout_ms;
	rd_kafka_t *client; /* NULL until the first is copied */
	rd_kafka_topic_t *topic;
	rd_kafka_resp_err_t end; /* of the one under way */
	bool reported;
};

/* Connects to nothing yet. `facts`: what the topic is like whose dead they are. */
void kafka_dead_init(struct kafka_dead *dead, const struct kafka_address *address, const char *properties,
		     const struct kafka_topic *facts, int timeout_ms);
void kafka_dead_deinit(struct kafka_dead *dead); /* may be repeated */
/* 0: it is durable there; negative: it is not, or nobody can say. Twice is harmless. */
int kafka_dead_copy(struct kafka_dead *dead, const rd_kafka_message_t *message, const char *reason) MUST_CHECK;
