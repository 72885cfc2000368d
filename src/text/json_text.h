/*
 * What a byte of text becomes inside a JSON string (RFC 8259, section 7): shared by the buffer's
 * and the log's writers. Pure functions.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include "text/slice.h"

/* How many bytes at the front stand for themselves: printable ASCII but '"' and '\'. */
size_t json_plain_run(struct slice text);
/*
 * Length of the well-formed UTF-8 sequence at the front (RFC 3629; 1 to 4), or 0 where there is
 * none.
 */
size_t json_utf8_sequence(struct slice text);

/*
 * Whether this character (one well-formed sequence) can deceive who reads it on a terminal:
 * controls (C0, DEL and C1), line separators, and what turns the direction of the text.
 */
bool json_is_treacherous(struct slice character);

enum { JSON_UNIT_MAX = 6 };
/*
 * Writes what the first character of `text` (not empty) becomes to `out` and its length to
 * *out_size. Returns how many bytes of the text it stood for. What is treacherous is escaped. A
 * byte that is no part of well-formed UTF-8 becomes U+FFFD.
 */
size_t json_escape_unit(struct slice text, char out[static JSON_UNIT_MAX], size_t *out_size);
