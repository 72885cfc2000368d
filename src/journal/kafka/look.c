#include "journal/kafka/look.h"

#include "base/clock.h"
#include "base/log.h"
#include "journal/kafka/record.h"

enum { LOOK_MS = 3000 };

int kafka_look_init(struct kafka_look *look, const struct kafka_address *address, const char *properties, struct buffer *error)
{
	rd_kafka_conf_t *conf = kafka_conf_new(address, properties, error);

	*look = (struct kafka_look){.name = address->topic};
	if (!conf)
		return -EINVAL;
	kafka_conf_set(conf, "group.id", "penstock-look"); /* the library wants one; it is never joined */
	kafka_conf_set(conf, "enable.auto.commit", "false");
	kafka_conf_set(conf, "enable.auto.offset.store", "false");
	kafka_conf_set(conf, "auto.offset.reset", "error");
	kafka_conf_set(conf, "isolation.level", "read_committed");
	/* One record is wanted, not what lies behind it. */
	kafka_conf_set(conf, "fetch.message.max.bytes", "65536");
	kafka_conf_set(conf, "queued.min.messages", "1");
	kafka_conf_set(conf, "fetch.wait.max.ms", "100");
	look->client = kafka_client_new(RD_KAFKA_CONSUMER, conf, error);
	if (!look->client)
		return -EIO;
	look->topic = rd_kafka_topic_new(look->client, look->name, NULL);
	return look->topic ? 0 : error_origin(-ENOMEM);
}

void kafka_look_deinit(struct kafka_look *look)
{
	if (look->topic)
		rd_kafka_topic_destroy(look->topic);
	kafka_client_free(look->client);
	look->topic = NULL;
	look->client = NULL;
}

int kafka_look_ends(struct kafka_look *look, uint32_t partition, int64_t *low, int64_t *high)
{
	rd_kafka_poll(look->client, 0);
	return kafka_client_ends(look->client, look->name, partition, low, high, LOOK_MS);
}

static struct slice key_of(const rd_kafka_message_t *message)
{
	return (struct slice){message->key, message->key_len};
}

static struct slice value_of(const rd_kafka_message_t *message)
{
	return (struct slice){message->payload, message->len};
}

static int check_record(const rd_kafka_message_t *message, int64_t offset, uint64_t *mark)
{
	if (message->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET)
		return -ENODATA;
	if (message->err)
		return kafka_errno(message->err);
	if (message->offset != offset)
		return -ENODATA; /* the next one that is there */
	*mark = kafka_record_mark(key_of(message), value_of(message));
	return 0;
}

int kafka_look_mark(struct kafka_look *look, uint32_t partition, int64_t offset, uint64_t *mark)
{
	int64_t deadline_ms = clock_mono_ms() + LOOK_MS;
	int result = -ETIMEDOUT;

	if (rd_kafka_consume_start(look->topic, (int32_t)partition, offset) != 0)
		return kafka_errno(rd_kafka_last_error());
	while (result == -ETIMEDOUT || result == -ENOTCONN) { /* a connection that is being made again is said as an error first */
		int64_t left_ms = deadline_ms - clock_mono_ms();
		rd_kafka_message_t *message;

		if (left_ms <= 0)
			break;
		message = rd_kafka_consume(look->topic, (int32_t)partition, (int)left_ms);
		if (!message)
			continue;
		result = check_record(message, offset, mark);
		rd_kafka_message_destroy(message);
	}
	rd_kafka_consume_stop(look->topic, (int32_t)partition);
	return result;
}
