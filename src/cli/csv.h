/*
 * Comma-separated values as RFC 4180 has them. Written: a field is quoted where it must be, lines
 * end in CRLF. Read: lines may end in LF too, and a file may begin with a byte order mark, as
 * spreadsheets write them.
 */
#pragma once

#include <stdbool.h>
#include "base/buffer.h"
#include "base/error.h"

/* The next field of a line; `first`: no comma comes before it. */
void csv_append(struct buffer *out, struct slice field, bool first);
void csv_end_line(struct buffer *out);
