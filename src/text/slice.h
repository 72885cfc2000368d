/* A view of bytes that somebody else owns. Never NUL-terminated by contract. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct slice {
	const char *data;
	size_t size; /* bytes */
};

#define SLICE_NULL ((struct slice){NULL, 0})
/* A slice over a string literal. */
#define SLICE(literal) ((struct slice){"" literal, sizeof(literal) - 1})

static inline struct slice slice_of(const char *text)
{
	return (struct slice){text, text ? strlen(text) : 0};
}

static inline bool slice_equal(struct slice a, struct slice b)
{
	return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* Letters of ASCII only, whatever the locale: for tokens, names of hosts and types. */
static inline bool slice_equal_any_case(struct slice a, struct slice b)
{
	if (a.size != b.size)
		return false;
	for (size_t i = 0; i < a.size; i++) {
		unsigned char x = (unsigned char)a.data[i], y = (unsigned char)b.data[i];

		if (x == y)
			continue;
		if ((x | 0x20) != (y | 0x20) || (x | 0x20) < 'a' || (x | 0x20) > 'z')
			return false;
	}
	return true;
}

/* Without spaces and tabs at its ends. */
static inline struct slice slice_trim(struct slice text)
{
	while (text.size > 0 && (text.data[0] == ' ' || text.data[0] == '\t'))
		text = (struct slice){text.data + 1, text.size - 1};
	while (text.size > 0 && (text.data[text.size - 1] == ' ' || text.data[text.size - 1] == '\t'))
		text.size--;
	return text;
}

/*
 * Without the mark of byte order that some editors write in front of UTF-8: it is no part of a
 * text.
 */
static inline struct slice slice_without_mark(struct slice text)
{
	bool marked = text.size >= 3 && memcmp(text.data, "\xef\xbb\xbf", 3) == 0;

	return marked ? (struct slice){text.data + 3, text.size - 3} : text;
}

/* Without one line end behind it, "\n" or "\r\n": an editor's, and no part of a secret. */
static inline struct slice slice_without_line_end(struct slice text)
{
	if (text.size == 0 || text.data[text.size - 1] != '\n')
		return text;
	text.size--;
	text.size -= text.size > 0 && text.data[text.size - 1] == '\r';
	return text;
}

/*
 * Walks a comma-separated list, whose items come trimmed and may be empty; false at its end. *place
 * begins as the whole list.
 */
static inline bool slice_next_item(struct slice *place, struct slice *item)
{
	const char *comma;

	if (!place->data)
		return false;
	comma = place->size ? memchr(place->data, ',', place->size) : NULL;
	*item = slice_trim((struct slice){place->data, comma ? (size_t)(comma - place->data) : place->size});
	*place = comma ? (struct slice){comma + 1, place->size - (size_t)(comma + 1 - place->data)} : SLICE_NULL;
	return true;
}
