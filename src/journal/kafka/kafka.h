/*
 * The journal in one topic of Apache Kafka (2.4 or newer, or what speaks its protocol). See
 * port/journal.h for the journal, port/journal_reader.h and journal/kafka/reader.h for the other
 * end.
 *
 * A record is an event in CloudEvents' binary mode: headers say what it is, the value is its JSON
 * (docs/events.md). Its key is the sale's number, so a sale is one partition, in order.
 */
#pragma once

#include "port/journal.h"
#include "text/buffer.h"

/* What a cluster is asked for, by both ends. Texts are the caller's; they are copied. */
struct kafka_options {
	const char *url; /* kafka://HOST[:PORT][,HOST[:PORT]…]/TOPIC; the port is 9092 where there is none */
	const char *properties; /* "NAME=VALUE;NAME=VALUE": librdkafka's own (security.protocol, sasl.…, ssl.…); NULL or empty: none. May hold secrets */
	/*
	 * Of a topic that is not there yet. One that is there keeps its own, and is told of where
	 * they promise less.
	 */
	uint32_t partitions;     /* sales are spread over them; as many drains can share the work. At least 1 */
	uint32_t replication;    /* brokers that keep each record */
	uint32_t min_insync;     /* of which so many must have it before it counts as acknowledged */
	int64_t retention_ms;    /* how long a record is kept, read or not; 0: for ever */
	int64_t ack_deadline_ns; /* journal: append() blocks no longer than about this */
};

/*
 * A retention below this is refused: the drain's database may be away for a while, and what it has
 * not read by then would be lost.
 */
enum { KAFKA_RETENTION_MIN_HOURS = 24 };

/*
 * Connects, and makes the topic or checks the one that is there. Blocks up to about 20 s. 0;
 * -EINVAL (options, or a topic that cannot keep a promise: it is compacted, its retention is too
 * short), -ENOTCONN (no broker answers), -EACCES, -EIO, -ENOMEM: with one sentence about it
 * appended to `error`.
 */
int journal_kafka_open(struct journal **journal, const struct kafka_options *options, struct buffer *error) MUST_CHECK;

/* Which log it is; the texts live as long as the journal. The owner's thread. */
const char *journal_kafka_cluster(const struct journal *journal);
const char *journal_kafka_topic(const struct journal *journal);
/* How many partitions its events are spread over: what the topic has when it is opened. */
uint32_t journal_kafka_partitions(const struct journal *journal);
/*
 * Spreads them over so many for good, whatever the topic has been given since
 * (ledger.journal_identify); said in the log where it has more. Before the first append. 0;
 * -ERANGE: the topic has fewer.
 */
int journal_kafka_fix(struct journal *journal, uint32_t partitions) MUST_CHECK;
