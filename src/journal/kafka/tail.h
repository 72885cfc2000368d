/*
 * Reading a piece of the log beside everybody else: journal.read (port/journal.h). Private to
 * journal/.
 */
#pragma once

#include "journal/kafka/client.h"

struct kafka_tail {
	const struct kafka_address *address; /* borrowed, as the properties are */
	const char *properties;
	rd_kafka_t *client; /* a consumer of no group; NULL: made at the next read */
	rd_kafka_topic_t *topic;
	rd_kafka_queue_t *queue;
	struct journal_record *records; /* room for a batch */
	rd_kafka_message_t **messages;
};

/* Connects to nothing yet. */
void kafka_tail_init(struct kafka_tail *tail, const struct kafka_address *address, const char *properties);
void kafka_tail_deinit(struct kafka_tail *tail); /* may be repeated */
int kafka_tail_read(struct kafka_tail *tail, const struct journal_range *range, journal_take take, void *context) MUST_CHECK;
