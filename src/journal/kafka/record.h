/*
 * An event as a record of Kafka: CloudEvents 1.0 in binary mode. What the headers are is said in
 * docs/events.md. Private to journal/.
 */
#pragma once

#include "journal/kafka/client.h"
#include "port/journal_record.h"

enum { KAFKA_KEY_SIZE = 16 };
/* The key of a sale's records. Its size. */
size_t kafka_record_key(uint32_t sale, char key[static KAFKA_KEY_SIZE]);

/* The partition of a key among so many, as every other client of Kafka has it. */
uint32_t kafka_record_partition(struct slice key, uint32_t partitions);

/*
 * Hands the event to the producer, which copies it. `partitions`: the number that was fixed,
 * whatever the topic has by now. `scratch` is room to write in. What rd_kafka_produceva() says.
 */
rd_kafka_resp_err_t kafka_record_produce(rd_kafka_t *client, rd_kafka_topic_t *topic, uint32_t partitions,
					 const struct event *event, void *opaque, struct buffer *scratch);

/* The event that a record is, or why it is none. 0 or -ENOMEM. */
int kafka_record_decode(const rd_kafka_message_t *message, struct journal_record *record) MUST_CHECK;

/*
 * A fingerprint of a record's key and value, the same in every process and version: the ledger
 * keeps it beside its position, to know the log again. No secret: it tells a log that was made anew
 * from the one that was read, not a forger from a writer.
 */
uint64_t kafka_record_mark(struct slice key, struct slice value);
