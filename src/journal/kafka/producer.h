/*
 * The producer behind the journal: a client that lives until its first failure, what is known of
 * the partitions, and the sure word on what has become of each record. Private to journal/.
 */
#pragma once

#include <stdatomic.h>
#include "journal/kafka/client.h"
#include "journal/kafka/topic.h"

struct kafka_partition {
	int64_t last_offset; /* the highest that was ever acknowledged to us; -1: none */
	int32_t leader;      /* who led it when the append began; -1: not known */
	int32_t acked_by;    /* who has acknowledged last */
};

struct kafka_producer {
	struct kafka_address address;
	char *properties;
	int64_t deadline_ns;
	struct kafka_topic facts;

	rd_kafka_t *client; /* NULL: to be made */
	rd_kafka_topic_t *topic;
	bool spent;                           /* something of it failed: it ends, and a new one begins */
	bool fatal;                           /* its own word */
	bool lost;                            /* the log lost what it had acknowledged, or is another one: for good */
	struct kafka_partition *partitions;   /* facts.partitions */
	struct kafka_partition_state *states; /* facts.partitions: room to look */
	int64_t *ends;                        /* the same */
	_Atomic uint64_t requests; /* Produce requests that went out whole, to any broker, ever. Broker threads write */
	struct buffer scratch;

	/*
	 * The append under way: a report that comes later finds another generation, and touches
	 * nothing.
	 */
	struct journal_entry *entries;
	size_t pending;
	uint64_t generation, requests_before;
};

extern const char kafka_producer_lost[]; /* why nothing that a producer says is believed any more */

/*
 * Takes address, properties and deadline from the options, and the topic as `facts` has it; NULL:
 * makes it, or looks at the one that is there. 0 or as journal_kafka_open().
 */
int kafka_producer_init(struct kafka_producer *producer, const struct kafka_options *options, const struct kafka_topic *facts,
			struct buffer *error) MUST_CHECK;
void kafka_producer_deinit(struct kafka_producer *producer); /* may be repeated */

/*
 * A client where there is none, or in place of a spent one. 0 or negative; connects later, by
 * itself.
 */
int kafka_producer_ensure(struct kafka_producer *producer) MUST_CHECK;
/* Sends the entries, and sets each one's end within the deadline. The client must be there. */
void kafka_producer_send(struct kafka_producer *producer, struct journal_entry *entries, size_t count);
/*
 * Whether an append is expected to work: NULL, or why not (static). Asks the brokers, for up to
 * half a second.
 */
const char *kafka_producer_look(struct kafka_producer *producer);
