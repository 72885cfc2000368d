/*
 * Numbers and texts as the functions pack them (Lua's struct library): little-endian, unaligned;
 * texts with one byte of size in front.
 */
#pragma once

#include <stdint.h>
#include "base/assertion.h"
#include "base/uuid.h"
#include "model/trace_bytes.h"
#include "text/buffer.h"

/*
 * The bytes of an answer not read yet. An answer is input like any other: what is missing, or
 * beyond what it may be, is read as the least that it may be, and `failed` says so; nothing behind
 * it is read.
 */
struct redis_reader {
	const unsigned char *data;
	size_t size;
	int64_t sent_ms; /* monotonic: when it was asked for */
	bool failed;
};

static inline uint64_t redis_read(struct redis_reader *reader, size_t bytes)
{
	uint64_t value = 0;

	if (reader->size < bytes) {
		reader->failed = true;
		reader->size = 0;
		return 0;
	}
	for (size_t i = 0; i < bytes; i++)
		value |= (uint64_t)reader->data[i] << 8 * i;
	reader->data += bytes;
	reader->size -= bytes;
	return value;
}

static inline void redis_read_fail(struct redis_reader *reader)
{
	reader->failed = true;
	reader->size = 0;
}

/* From `low` to `high`. */
static inline uint32_t redis_read_within(struct redis_reader *reader, size_t bytes, uint32_t low, uint32_t high)
{
	uint64_t value = redis_read(reader, bytes);

	if (!reader->failed && value >= low && value <= high)
		return (uint32_t)value;
	redis_read_fail(reader);
	return low;
}

/* Milliseconds since 1970, to the end of the year 9999. */
static inline int64_t redis_read_time(struct redis_reader *reader)
{
	uint64_t value = redis_read(reader, 8);

	if (value <= UINT64_C(253402300799999))
		return (int64_t)value;
	redis_read_fail(reader);
	return 0;
}

static inline uint8_t redis_read8(struct redis_reader *reader)
{
	return (uint8_t)redis_read(reader, 1);
}

static inline uint16_t redis_read16(struct redis_reader *reader)
{
	return (uint16_t)redis_read(reader, 2);
}

static inline uint32_t redis_read32(struct redis_reader *reader)
{
	return (uint32_t)redis_read(reader, 4);
}

static inline int64_t redis_read64(struct redis_reader *reader)
{
	return (int64_t)redis_read(reader, 8);
}

static inline struct slice redis_read_bytes(struct redis_reader *reader, size_t size)
{
	struct slice bytes = {(const char *)reader->data, size};

	if (reader->size < size) {
		reader->failed = true;
		reader->size = 0;
		return SLICE("");
	}
	if (size == 0) /* where there is nothing to read there may be no place to read from */
		return SLICE("");
	reader->data += size;
	reader->size -= size;
	return bytes;
}

static inline struct slice redis_read_text(struct redis_reader *reader)
{
	return redis_read_bytes(reader, redis_read8(reader));
}

/* No longer than `size_max`. */
static inline struct slice redis_read_name(struct redis_reader *reader, size_t size_max)
{
	struct slice text = redis_read_text(reader);

	if (text.size <= size_max)
		return text;
	redis_read_fail(reader);
	return SLICE("");
}

static inline struct uuid redis_read_id(struct redis_reader *reader)
{
	struct slice bytes = redis_read_bytes(reader, sizeof(struct uuid));
	struct uuid id = {{0}};

	if (bytes.size)
		memcpy(id.bytes, bytes.data, bytes.size);
	return id;
}

static inline void redis_write(struct buffer *out, uint64_t value, size_t bytes)
{
	unsigned char text[8];

	for (size_t i = 0; i < bytes; i++)
		text[i] = (unsigned char)(value >> 8 * i);
	buffer_append(out, text, bytes);
}

static inline void redis_write_id(struct buffer *out, const struct uuid *id)
{
	buffer_append(out, id->bytes, sizeof(id->bytes));
}

enum { REDIS_SIZE_BYTES = 2 };

/*
 * What is written from here to redis_write_size() has its size in front. Returns where.
 */
static inline size_t redis_write_unsized(struct buffer *out)
{
	redis_write(out, 0, REDIS_SIZE_BYTES);
	return out->size;
}

static inline void redis_write_size(struct buffer *out, size_t start)
{
	const size_t size = out->size - start;

	if (out->failed)
		return;
	ASSERT(size <= UINT16_MAX);
	out->data[start - 2] = (char)(size & 0xff);
	out->data[start - 1] = (char)(size >> 8);
}

static inline void redis_write_text(struct buffer *out, struct slice text)
{
	ASSERT(text.size <= UINT8_MAX);
	redis_write(out, text.size, 1);
	buffer_append_slice(out, text);
}

enum { REDIS_SHORT = UINT8_MAX }; /* in place of a text's size, where less than the text says it */

/* A traceparent in its bytes; any other text as it is. */
static inline void redis_write_trace(struct buffer *out, struct slice trace)
{
	unsigned char bytes[TRACE_BYTES];

	if (!trace_pack(trace, bytes)) {
		redis_write_text(out, trace);
		return;
	}
	redis_write(out, REDIS_SHORT, 1);
	buffer_append(out, bytes, sizeof(bytes));
}

/* Whether a text's size is REDIS_SHORT; then that is read. */
static inline bool redis_read_short(struct redis_reader *reader)
{
	if (reader->size == 0 || *reader->data != REDIS_SHORT)
		return false;
	redis_read8(reader);
	return true;
}

/* `text`: room for one that is in its bytes. */
static inline struct slice redis_read_trace(struct redis_reader *reader, char text[static TRACE_SIZE + 1])
{
	struct slice bytes;

	if (!redis_read_short(reader))
		return redis_read_name(reader, TRACE_SIZE);
	bytes = redis_read_bytes(reader, TRACE_BYTES);
	if (bytes.size == 0)
		return bytes;
	trace_unpack((const unsigned char *)bytes.data, text);
	return (struct slice){text, TRACE_SIZE};
}
