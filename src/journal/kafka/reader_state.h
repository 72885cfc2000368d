/*
 * What the parts of the reader share: reader.c hands out records, group.c does the business of the
 * consumer group. Private to the reader; its owner's thread.
 */
#pragma once

#include "journal/kafka/dead.h"
#include "journal/kafka/look.h"
#include "port/journal_reader.h"

struct kafka_position {
	int64_t next;
	bool ours, positioned;
	bool gone; /* the log does not have `next` */
};

struct kafka_reader {
	struct journal_reader base; /* first */
	struct kafka_address address;
	char *properties, *cluster;
	struct kafka_topic facts;
	rd_kafka_t *client;
	rd_kafka_queue_t *records;
	struct kafka_look look;
	struct kafka_dead dead;
	struct kafka_position *positions; /* facts.partitions */
	bool joined;                      /* the group has given us something, be it nothing */
	bool moved;                       /* the client's assignment is no longer what the positions say */
	bool away;                        /* no broker was to be reached */
	rd_kafka_message_t **taken;       /* of the last read() */
	size_t taken_count, taken_capacity;
};

static inline struct kafka_reader *kafka_reader_of(struct journal_reader *base)
{
	return (struct kafka_reader *)base;
}

static inline struct kafka_position *kafka_position_of(struct kafka_reader *reader, int64_t partition)
{
	return partition >= 0 && partition < reader->facts.partitions ? &reader->positions[partition] : NULL;
}

/* Joins the group of the topic. 0 or negative, the reason in `error`. */
int kafka_group_join(struct kafka_reader *reader, struct buffer *error) MUST_CHECK;
rd_kafka_resp_err_t kafka_group_subscribe(struct kafka_reader *reader);
void kafka_group_serve(struct kafka_reader *reader, int timeout_ms);
int kafka_group_apply(struct kafka_reader *reader) MUST_CHECK;
void kafka_group_lead(struct kafka_reader *reader);
void kafka_group_log(const char *what, const rd_kafka_message_t *message);
