/*
 * A look at one place of the log, beside the group's reading: its ends, and the record that is
 * there. Private to journal/.
 */
#pragma once

#include "journal/kafka/client.h"

struct kafka_look {
	rd_kafka_t *client; /* a consumer of no group */
	rd_kafka_topic_t *topic;
	const char *name; /* the topic's; borrowed */
};

int kafka_look_init(struct kafka_look *look, const struct kafka_address *address, const char *properties,
		    struct buffer *error) MUST_CHECK;
void kafka_look_deinit(struct kafka_look *look); /* may be repeated */
/*
 * The first offset that is there, and the one behind the last. 0 or negative (-ETIMEDOUT,
 * -ENOTCONN).
 */
int kafka_look_ends(struct kafka_look *look, uint32_t partition, int64_t *low, int64_t *high) MUST_CHECK;
/*
 * The fingerprint of the record at `offset`. 0; -ENODATA: there is none; other negative: not now.
 */
int kafka_look_mark(struct kafka_look *look, uint32_t partition, int64_t offset, uint64_t *mark) MUST_CHECK;
