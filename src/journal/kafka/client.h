/*
 * A client of librdkafka, made from an address and pass-through properties: what journal, reader
 * and dead letters share. Private to journal/.
 */
#pragma once

#include <librdkafka/rdkafka.h>
#include "journal/kafka/kafka.h"
#include "text/buffer.h"

enum { KAFKA_BROKERS_SIZE = 1024, KAFKA_TOPIC_SIZE = 250 }; /* with NUL; Kafka's limit of a name is 249 */

struct kafka_address {
	char brokers[KAFKA_BROKERS_SIZE]; /* as bootstrap.servers takes it */
	char topic[KAFKA_TOPIC_SIZE];
};

/* 0, or -EINVAL with a sentence in `error`. */
int kafka_options_check(const struct kafka_options *options, struct buffer *error) MUST_CHECK; /* but the URL and the properties */
int kafka_address_parse(const char *url, struct kafka_address *address, struct buffer *error) MUST_CHECK;

/*
 * The settings that every client has, with `properties` on top: those that would break a promise
 * are refused by name. NULL with a sentence in `error`, which never repeats a value.
 */
rd_kafka_conf_t *kafka_conf_new(const struct kafka_address *address, const char *properties, struct buffer *error);
/*
 * `properties` alone, for who wants them upon settings of its own. False with a sentence in
 * `error`.
 */
bool kafka_conf_apply(rd_kafka_conf_t *conf, const char *properties, struct buffer *error);
/*
 * A setting of our own. One that this librdkafka does not know is a fault of the program: aborts.
 */
void kafka_conf_set(rd_kafka_conf_t *conf, const char *name, const char *value);
void kafka_conf_set_int(rd_kafka_conf_t *conf, const char *name, int64_t value);

/* Takes `conf`, whatever the end. NULL with a sentence in `error`. */
rd_kafka_t *kafka_client_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, struct buffer *error);
/*
 * Ends it, as rd_kafka_destroy_flags() without a consumer's close; NULL is fine. Waits for 5 s at
 * most: librdkafka 2.0 may join a broker's thread that never ends (seen where a topic was made
 * anew), and a stop must not hang on that. Such a client is left behind, with a line in the log.
 * Nothing that its callbacks use may be used by a thread of librdkafka's own: ours are all served
 * by polls.
 */
void kafka_client_free(rd_kafka_t *client);

/*
 * A partition's first offset that is there, and the one behind its last. In place of
 * rd_kafka_query_watermark_offsets(), which, in librdkafka 2.0, asks a leader that is dead for
 * ever, whatever its time-out. 0 or negative (-ETIMEDOUT, -ENOTCONN).
 */
int kafka_client_ends(rd_kafka_t *client, const char *topic, uint32_t partition, int64_t *low, int64_t *high, int timeout_ms) MUST_CHECK;

/*
 * The ends of the first `count` partitions. 0, or negative: the first that was not told; it and
 * others like it are -1 in `ends`.
 */
int kafka_client_all_ends(rd_kafka_t *client, const char *topic, uint32_t count, int64_t *ends, int timeout_ms) MUST_CHECK;

/* The errno that stands for it. */
int kafka_errno(rd_kafka_resp_err_t error);
/* Whole milliseconds, at least `least`, of a time in nanoseconds. */
int kafka_ms(int64_t ns, int least);
