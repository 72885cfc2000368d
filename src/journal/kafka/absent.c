/*
 * The journal in Kafka, of a build without it: each way in refuses, so what asks an opened one is
 * never come to.
 */
#include "journal/kafka/kafka.h"
#include "journal/kafka/reader.h"

static int say_absent(struct buffer *error)
{
	buffer_append_text(error, "this penstock is built without the feature kafka");
	return -ENOSYS;
}

int journal_kafka_open(struct journal **journal, const struct kafka_options *options, struct buffer *error)
{
	(void)journal, (void)options;
	return say_absent(error);
}

int journal_kafka_reader_open(struct journal_reader **reader, const struct kafka_options *options, struct buffer *error)
{
	(void)reader, (void)options;
	return say_absent(error);
}

const char *journal_kafka_cluster(const struct journal *journal)
{
	(void)journal;
	return "";
}

const char *journal_kafka_topic(const struct journal *journal)
{
	(void)journal;
	return "";
}

uint32_t journal_kafka_partitions(const struct journal *journal)
{
	(void)journal;
	return 0;
}

int journal_kafka_fix(struct journal *journal, uint32_t partitions)
{
	(void)journal, (void)partitions;
	return -ENOSYS;
}
