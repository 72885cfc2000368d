/*
 * A JSON object as our own writers write it, read in place: one level, no spaces, whole numbers,
 * texts of printable ASCII without escapes, no name twice. It does not say what is wrong with
 * anything else: that is left to a reader of all of JSON. What it takes, such a reader takes too,
 * with the same values.
 */
#pragma once

#include <stdint.h>
#include "text/slice.h"

enum json_flat_type { JSON_FLAT_TEXT, JSON_FLAT_INTEGER, JSON_FLAT_NULL };

struct json_flat_field {
	struct slice name;
	enum json_flat_type type;
	struct slice text; /* a part of the input */
	int64_t integer;
};

enum { JSON_FLAT_FIELDS_MAX = 32 };
/* How many fields there are, in their order; 0: it is something else, or has none. Pure. */
size_t json_flat_read(struct slice json, struct json_flat_field fields[static JSON_FLAT_FIELDS_MAX]);
