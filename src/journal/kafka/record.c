#include "journal/kafka/record.h"

#include <stdio.h>
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/siphash.h"

/* A number that no other use of the hash has; changing it makes every ledger refuse its log. */
static const struct siphash_key mark_key = {0x70656e73746f636bu, 0x6c6f672d6d61726bu};

uint64_t kafka_record_mark(struct slice key, struct slice value)
{
	/*
	 * Two hashes rather than one over both, for neither has to be copied; the second key keeps
	 * (key, value) from (value, key).
	 */
	struct siphash_key second = mark_key;

	second.k1 ^= siphash64(&mark_key, key.data, key.size);
	return siphash64(&second, value.data, value.size);
}

static void add(rd_kafka_headers_t *headers, const char *name, const char *value, size_t size)
{
	rd_kafka_header_add(headers, name, -1, value, (ssize_t)size);
}

/* What is written for the headers of an event, behind its value: where each ends. */
struct header_texts {
	size_t begin, id, type, subject;
};

static void write_texts(struct header_texts *texts, const struct event *event, struct buffer *out)
{
	const char *kind = event_kind_name(event->kind);
	char id[UUID_TEXT_SIZE];

	uuid_format(&event->id, id);
	texts->begin = out->size;
	/*
	 * An event that is written twice is one event: its CloudEvents id is made of what it says,
	 * not of when it was sent.
	 */
	event_name(event, out);
	texts->id = out->size;
	buffer_append_literal(out, "penstock.");
	buffer_append_text(out, kind);
	buffer_append_literal(out, ".v1");
	texts->type = out->size;
	buffer_append_literal(out, "sales/");
	buffer_append_int(out, event->sale);
	buffer_append_literal(out, "/");
	buffer_append(out, id, sizeof(id) - 1);
	texts->subject = out->size;
}

/*
 * Made by hand, and ours until they are taken: those that rd_kafka_produceva() makes of single ones
 * are freed twice where the topic turns out to be gone (librdkafka 2.0).
 */
static rd_kafka_headers_t *headers_of(const struct event *event, const struct header_texts *texts, const char *written)
{
	rd_kafka_headers_t *headers = rd_kafka_headers_new(8);
	char time[CLOCK_TEXT_SIZE];

	clock_format(event->at_ms, time);
	add(headers, "ce_specversion", "1.0", 3);
	add(headers, "ce_id", written + texts->begin, texts->id - texts->begin);
	add(headers, "ce_source", "/penstock", 9);
	add(headers, "ce_type", written + texts->id, texts->type - texts->id);
	add(headers, "ce_subject", written + texts->type, texts->subject - texts->type);
	add(headers, "ce_time", time, CLOCK_TEXT_SIZE - 1);
	add(headers, "content-type", "application/json", 16);
	if (event->trace.size > 0)
		add(headers, "traceparent", event->trace.data, event->trace.size);
	return headers;
}

size_t kafka_record_key(uint32_t sale, char key[static KAFKA_KEY_SIZE])
{
	return (size_t)snprintf(key, KAFKA_KEY_SIZE, "%u", sale);
}

uint32_t kafka_record_partition(struct slice key, uint32_t partitions)
{
	return (uint32_t)rd_kafka_msg_partitioner_murmur2_random(NULL, key.data, key.size, (int32_t)partitions, NULL, NULL);
}

rd_kafka_resp_err_t kafka_record_produce(rd_kafka_t *client, rd_kafka_topic_t *topic, uint32_t partitions,
					 const struct event *event, void *opaque, struct buffer *scratch)
{
	/*
	 * Breaks rule 5 on purpose: a sale's events, those of one order too, lie in any partition.
	 */
	uint32_t scattered = FAILPOINT("journal.scatter") > 0 ? ((uint32_t)event->kind + event->id.bytes[5]) * 1000 : 0;
	struct header_texts texts;
	rd_kafka_headers_t *headers;
	rd_kafka_error_t *error;
	rd_kafka_resp_err_t result;
	rd_kafka_vu_t fields[7];
	size_t count = 0;
	char key[KAFKA_KEY_SIZE];
	size_t key_size = kafka_record_key(event->sale + scattered, key);

	buffer_clear(scratch);
	event_encode(event, scratch);
	write_texts(&texts, event, scratch);
	if (scratch->failed)
		return RD_KAFKA_RESP_ERR__QUEUE_FULL; /* out of memory: as when the producer has none, it is tried again */
	headers = headers_of(event, &texts, scratch->data);
	fields[count++] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = topic};
	fields[count++] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY};
	fields[count++] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_PARTITION,
					  .u.i32 = (int32_t)kafka_record_partition((struct slice){key, key_size}, partitions)};
	fields[count++] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = opaque};
	fields[count++] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {key, key_size}};
	fields[count++] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {scratch->data, texts.begin}};
	fields[count++] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers};
	error = rd_kafka_produceva(client, fields, count);
	if (!error)
		return RD_KAFKA_RESP_ERR_NO_ERROR; /* the headers are the producer's now */
	result = rd_kafka_error_code(error);
	rd_kafka_error_destroy(error);
	rd_kafka_headers_destroy(headers);
	return result;
}

int kafka_record_decode(const rd_kafka_message_t *message, struct journal_record *record)
{
	int result;

	record->partition = (uint32_t)message->partition;
	record->offset = message->offset;
	record->key = (struct slice){message->key, message->key_len};
	record->value = (struct slice){message->payload, message->len};
	record->mark = kafka_record_mark(record->key, record->value);
	result = event_decode(record->value, &record->event, &record->text, &record->reason);
	record->newer = result == -EPROTONOSUPPORT;
	return result == -EBADMSG || record->newer ? 0 : result;
}
