/*
 * A traceparent in less than half of its characters: it is four numbers in hexadecimal with dashes
 * between them, and it is in every order.
 */
#pragma once

#include <stdbool.h>
#include "model/limits.h"
#include "text/slice.h"

enum { TRACE_BYTES = 26 }; /* version, trace id, parent id, flags: 1, 16, 8, 1 */

/* False where it is not one (lower case, as the standard has it): it is kept as it is. */
bool trace_pack(struct slice trace, unsigned char bytes[static TRACE_BYTES]);
void trace_unpack(const unsigned char bytes[static TRACE_BYTES], char text[static TRACE_SIZE + 1]);
