/*
 * A growing run of bytes with a limit, for building answers, and the JSON and decimal writers that
 * the hot path needs. One owner. Past the limit (or out of memory) the buffer turns `failed`,
 * appends nothing more and keeps what it has: check once at the end.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "text/slice.h"

struct buffer {
	char *data;
	size_t size, capacity, limit; /* bytes */
	bool failed;
};

void buffer_init(struct buffer *buffer, size_t limit);
void buffer_deinit(struct buffer *buffer);               /* may be repeated */
void buffer_clear(struct buffer *buffer);                /* keeps the memory, forgets `failed` */
void buffer_consume(struct buffer *buffer, size_t size); /* drops bytes at the front */
/*
 * Room for `size` more bytes at data + size, or NULL (and failed). The caller then adds to `size`
 * itself.
 */
char *buffer_reserve(struct buffer *buffer, size_t size);
void buffer_append(struct buffer *buffer, const void *data, size_t size);
void buffer_append_slice(struct buffer *buffer, struct slice slice);
void buffer_append_text(struct buffer *buffer, const char *text);
/*
 * Text for people in lines of at most `width` columns, broken between words: `column` are used on
 * the first one, the others begin with `indent` spaces. A word that is longer stands alone. A line
 * break in the text stays where it ends a paragraph, a short line, or comes before an indented one.
 */
void buffer_append_wrapped(struct buffer *buffer, const char *text, size_t column, size_t indent, size_t width);
#define buffer_append_literal(buffer, literal) buffer_append((buffer), "" literal, sizeof(literal) - 1)
void buffer_append_int(struct buffer *buffer, int64_t value);
void buffer_printf(struct buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));
/*
 * A JSON string with its quotes; input must be UTF-8 (invalid bytes become U+FFFD). RFC 8259,
 * section 7.
 */
void buffer_append_json_string(struct buffer *buffer, struct slice text);
static inline struct slice buffer_slice(const struct buffer *buffer)
{
	return (struct slice){buffer->data, buffer->size};
}
