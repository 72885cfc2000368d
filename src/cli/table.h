/*
 * A table for people: cells are gathered, then printed with every column as wide as its widest
 * cell.
 */
#pragma once

#include "text/buffer.h"

enum { TABLE_COLUMNS_MAX = 12 };
struct table {
	size_t columns, cells;
	bool right[TABLE_COLUMNS_MAX]; /* aligned to the right: numbers */
	struct buffer text;            /* every cell with a NUL behind it */
};
/* Titles, NULL-terminated; one that begins with '>' is of a column of numbers. */
void table_init(struct table *table, const char *const *titles);
void table_deinit(struct table *table);
void table_cell(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* What a server sends, as it may be shown on a terminal: nothing in it acts on that. */
void table_append_plain(struct buffer *out, const char *text);
void table_print(const struct table *table);
