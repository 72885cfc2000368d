#include "journal/kafka/dead.h"

#include <inttypes.h>
#include <stdio.h>
#include "base/clock.h"
#include "base/log.h"

void kafka_dead_init(struct kafka_dead *dead, const struct kafka_address *address, const char *properties,
		     const struct kafka_topic *facts, int timeout_ms)
{
	*dead = (struct kafka_dead){.address = *address, .properties = properties, .wanted = *facts, .timeout_ms = timeout_ms};
	snprintf(dead->address.topic, sizeof(dead->address.topic), "%.243s.dead", address->topic);
	/* Few, and kept until somebody has looked at them. */
	dead->wanted.partitions = 1;
	dead->wanted.retention_ms = -1;
}

void kafka_dead_deinit(struct kafka_dead *dead)
{
	if (dead->topic)
		rd_kafka_topic_destroy(dead->topic);
	if (dead->client) {
		rd_kafka_purge(dead->client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
		kafka_client_free(dead->client);
	}
	dead->topic = NULL;
	dead->client = NULL;
}

/* On the owner's thread, within a flush. */
static void on_report(rd_kafka_t *client, const rd_kafka_message_t *message, void *argument)
{
	struct kafka_dead *dead = argument;

	(void)client;
	dead->end = message->err;
	dead->reported = true;
}

static int begin(struct kafka_dead *dead)
{
	struct kafka_topic wanted = dead->wanted;
	rd_kafka_conf_t *conf;
	struct buffer error;
	int result = -EIO;

	buffer_init(&error, 1024);
	conf = kafka_conf_new(&dead->address, dead->properties, &error);
	if (conf) {
		kafka_conf_set(conf, "enable.idempotence", "true");
		kafka_conf_set(conf, "partitioner", "murmur2_random");
		kafka_conf_set_int(conf, "message.timeout.ms", dead->timeout_ms);
		rd_kafka_conf_set_opaque(conf, dead);
		rd_kafka_conf_set_dr_msg_cb(conf, on_report);
		dead->client = kafka_client_new(RD_KAFKA_PRODUCER, conf, &error);
	}
	if (dead->client)
		result = kafka_topic_ready(dead->client, dead->address.topic, &wanted, &error);
	if (result == 0) {
		dead->topic = rd_kafka_topic_new(dead->client, dead->address.topic, NULL);
		result = dead->topic ? 0 : error_origin(-ENOMEM);
	}
	if (result < 0) {
		log_error("kafka", "no dead letters can be written", LOG_TEXT("topic", dead->address.topic),
			  LOG_SLICE("reason", buffer_slice(&error)));
		kafka_dead_deinit(dead);
	}
	buffer_deinit(&error);
	return result;
}

static rd_kafka_headers_t *headers_of(const rd_kafka_message_t *message, const char *reason)
{
	rd_kafka_headers_t *headers, *copy;
	char number[24];

	copy = rd_kafka_message_headers(message, &headers) ? rd_kafka_headers_new(4) : rd_kafka_headers_copy(headers);
	rd_kafka_header_add(copy, "penstock-reason", -1, reason, -1);
	rd_kafka_header_add(copy, "penstock-source-topic", -1, rd_kafka_topic_name(message->rkt), -1);
	snprintf(number, sizeof(number), "%" PRId32, message->partition);
	rd_kafka_header_add(copy, "penstock-source-partition", -1, number, -1);
	snprintf(number, sizeof(number), "%" PRId64, message->offset);
	rd_kafka_header_add(copy, "penstock-source-offset", -1, number, -1);
	return copy;
}

int kafka_dead_copy(struct kafka_dead *dead, const rd_kafka_message_t *message, const char *reason)
{
	rd_kafka_headers_t *headers;
	rd_kafka_resp_err_t result;
	int began = dead->client ? 0 : begin(dead);

	if (began < 0)
		return began;
	headers = headers_of(message, reason);
	dead->reported = false;
	result = rd_kafka_producev(dead->client, RD_KAFKA_V_RKT(dead->topic), RD_KAFKA_V_KEY(message->key, message->key_len),
				   RD_KAFKA_V_VALUE(message->payload, message->len), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
				   RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
	if (result)
		rd_kafka_headers_destroy(headers); /* the producer has not taken them */
	else
		rd_kafka_flush(dead->client, dead->timeout_ms + 1000);
	if (!result && dead->reported)
		result = dead->end;
	else if (!result)
		result = RD_KAFKA_RESP_ERR__TIMED_OUT;
	if (result)
		kafka_dead_deinit(dead); /* as the journal's: what has failed once begins anew */
	return kafka_errno(result);
}
