/*
 * The journal's other end in Kafka, for the drain. See port/journal_reader.h. Readers of one group
 * share the topic's partitions; the group is for that alone: no position is ever left with Kafka.
 */
#pragma once

#include "journal/kafka/kafka.h"
#include "port/journal_reader.h"

/*
 * Connects, makes the topic or checks the one that is there (as journal_kafka_open() does, with the
 * same errors), and joins the group TOPIC.drain. Of the options ack_deadline_ns counts for
 * copy_dead_letter() alone. Dead letters go to the topic TOPIC.dead, which is made at the first.
 */
int journal_kafka_reader_open(struct journal_reader **reader, const struct kafka_options *options, struct buffer *error) MUST_CHECK;
