#include "text/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "text/json_text.h"

enum { CAPACITY_MIN = 256 };

void buffer_init(struct buffer *buffer, size_t limit)
{
	*buffer = (struct buffer){.limit = limit};
}

void buffer_deinit(struct buffer *buffer)
{
	free(buffer->data);
	*buffer = (struct buffer){.limit = buffer->limit};
}

void buffer_clear(struct buffer *buffer)
{
	buffer->size = 0;
	buffer->failed = false;
}

void buffer_consume(struct buffer *buffer, size_t size)
{
	if (size >= buffer->size) {
		buffer->size = 0;
		return;
	}
	if (size == 0)
		return;
	buffer->size -= size;
	memmove(buffer->data, buffer->data + size, buffer->size);
}

static char *grow(struct buffer *buffer, size_t size)
{
	size_t wanted, capacity;
	char *data;

	if (size > buffer->limit - buffer->size) {
		buffer->failed = true;
		return NULL;
	}
	wanted = buffer->size + size;
	capacity = buffer->capacity < CAPACITY_MIN ? CAPACITY_MIN : buffer->capacity;
	while (capacity < wanted)
		capacity = capacity > buffer->limit / 2 ? buffer->limit : capacity * 2;
	data = realloc(buffer->data, capacity);
	if (!data) {
		buffer->failed = true;
		return NULL;
	}
	buffer->data = data;
	buffer->capacity = capacity;
	return data + buffer->size;
}

char *buffer_reserve(struct buffer *buffer, size_t size)
{
	if (buffer->failed)
		return NULL;
	/* The smallest capacity may lie above the limit; the limit holds all the same. */
	if (size <= buffer->capacity - buffer->size && size <= buffer->limit - buffer->size && buffer->data)
		return buffer->data + buffer->size;
	return grow(buffer, size);
}

void buffer_append(struct buffer *buffer, const void *data, size_t size)
{
	char *at;

	if (size == 0)
		return;
	at = buffer_reserve(buffer, size);
	if (!at)
		return;
	memcpy(at, data, size);
	buffer->size += size;
}

void buffer_append_slice(struct buffer *buffer, struct slice slice)
{
	buffer_append(buffer, slice.data, slice.size);
}

void buffer_append_text(struct buffer *buffer, const char *text)
{
	buffer_append(buffer, text, strlen(text));
}

void buffer_append_int(struct buffer *buffer, int64_t value)
{
	static const char pairs[] =
		"00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748"
		"49505152535455565758596061626364656667686970717273747576777879808182838485868788899091929394959697"
		"9899";
	char digits[20];
	char *at = digits + sizeof(digits);
	uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

	while (left >= 100) {
		at -= 2;
		memcpy(at, pairs + left % 100 * 2, 2);
		left /= 100;
	}
	if (left >= 10) {
		at -= 2;
		memcpy(at, pairs + left * 2, 2);
	} else {
		*--at = (char)('0' + left);
	}
	if (value < 0)
		*--at = '-';
	buffer_append(buffer, at, (size_t)(digits + sizeof(digits) - at));
}

void buffer_printf(struct buffer *buffer, const char *format, ...)
{
	va_list arguments;
	char *at;
	int size;

	va_start(arguments, format);
	size = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	if (size < 0) {
		buffer->failed = true;
		return;
	}
	at = buffer_reserve(buffer, (size_t)size + 1); /* one more for the NUL that vsnprintf() writes */
	if (!at)
		return;
	va_start(arguments, format);
	vsnprintf(at, (size_t)size + 1, format, arguments);
	va_end(arguments);
	buffer->size += (size_t)size;
}

void buffer_append_json_string(struct buffer *buffer, struct slice text)
{
	buffer_append(buffer, "\"", 1);
	for (;;) {
		size_t run = json_plain_run(text);
		char unit[JSON_UNIT_MAX];
		size_t unit_size, taken;

		buffer_append(buffer, text.data, run);
		if (run == text.size) /* before any step: an empty text may have no data */
			break;
		text.data += run;
		text.size -= run;
		taken = json_escape_unit(text, unit, &unit_size);
		buffer_append(buffer, unit, unit_size);
		text.data += taken;
		text.size -= taken;
	}
	buffer_append(buffer, "\"", 1);
}

void buffer_append_wrapped(struct buffer *buffer, const char *text, size_t column, size_t indent, size_t width)
{
	size_t start = column;

	while (*text) {
		/* A break in the middle of a paragraph is a space: it is broken elsewhere here. */
		bool joined = *text == '\n' && text[1] != ' ' && text[1] != '\n' && text[1] != '\0' && column > width / 2;
		size_t spaces = joined ? 1 : strspn(text, " "), word = strcspn(text + spaces, " \n");

		if (*text == '\n' && !joined) {
			buffer_append_literal(buffer, "\n");
			column = start = 0;
			text++;
			continue;
		}
		if (column > start && column + spaces + word > width) {
			buffer_printf(buffer, "\n%*s", (int)indent, "");
			column = start = indent;
		} else {
			buffer_printf(buffer, "%*s", (int)spaces, "");
			column += spaces;
		}
		buffer_append(buffer, text + spaces, word);
		column += word;
		text += spaces + word;
	}
}
