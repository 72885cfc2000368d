/*
 * Comma-separated values as RFC 4180 has them. Written: a field is quoted where it must be, lines
 * end in CRLF. Read: lines may end in LF too, and a file may begin with a byte order mark, as
 * spreadsheets write them.
 */
#pragma once

#include <stdbool.h>
#include "base/error.h"
#include "text/buffer.h"

/* The next field of a line; `first`: no comma comes before it. */
void csv_append(struct buffer *out, struct slice field, bool first);
void csv_end_line(struct buffer *out);

/* Reads a text in memory, which it points into where it can. */
struct csv_reader {
	const char *at, *end;
	size_t line;  /* of the row that comes next, from 1 */
	size_t width; /* fields of the first row; 0: it was not read yet */
};
enum { CSV_FIELDS_MAX = 64 };
struct csv_row {
	struct slice fields[CSV_FIELDS_MAX]; /* borrow from the text and from `unquoted` */
	size_t count, line;                  /* line: where it begins */
	struct buffer unquoted;
};

void csv_reader_init(struct csv_reader *reader, struct slice text);
/*
 * The next row; empty lines are passed over. 1; 0 at the end; -EBADMSG: a quote is not closed, or
 * has something behind it, or there are too many fields, or more than in the first row that are not
 * empty: a comma within a field, such as 1,000, would give the fields behind it to other columns
 * (row->line says where); -ENOMEM. The row is zeroed before the first call, and deinited after the
 * last.
 */
int csv_read(struct csv_reader *reader, struct csv_row *row) MUST_CHECK;
void csv_row_deinit(struct csv_row *row);
/* The place of a title in a row of titles; -1: it is not there. */
int csv_column(const struct csv_row *titles, const char *title);
/* Empty where the row has no such column (place -1), or ends before it. */
struct slice csv_field(const struct csv_row *row, int place);
