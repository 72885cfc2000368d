/*
 * A private Kafka (tools/services/kafka.py) that this process starts at its first need and that
 * ends with it, and a hand of its own upon it: topics made, deleted and cut, records written and
 * read by librdkafka's plain means. Asserts by itself.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "text/slice.h"

enum { KAFKA_PLACE_URL_SIZE = 320 };

/* nodes: 1 or 3, at the first call; later calls: the same. */
void kafka_place_start(unsigned nodes);
/*
 * The URL of a topic that nobody has used, through the proxies or not. Both of the same call of
 * kafka_place_topic() name the same topic.
 */
void kafka_place_topic(char topic[32]);
void kafka_place_url(const char *topic, bool proxied, char url[KAFKA_PLACE_URL_SIZE]);
/* "kill 1", "stop 1", "start 1", "proxy hold": see kafka.py. */
void kafka_place_tell(const char *command);

/* Makes a topic; setting: a name and its value, or NULL. */
void kafka_place_make(const char *topic, int partitions, int replication, const char *setting, const char *value);
void kafka_place_delete(const char *topic);
void kafka_place_grow(const char *topic, size_t partitions); /* to so many */
/* What lies before `offset` is gone, as retention would have it. */
void kafka_place_cut(const char *topic, int32_t partition, int64_t offset);
/* A record by another hand; acknowledged. */
void kafka_place_write(const char *topic, int32_t partition, const char *key, const char *value);

struct kafka_place_record {
	int32_t partition;
	int64_t offset;
	char key[32], value[1024], headers[2048]; /* headers: "name=value\n" each */
};
/* Reads up to `max` records from the beginnings; the ends are those of now. */
size_t kafka_place_read(const char *topic, struct kafka_place_record *records, size_t max);
