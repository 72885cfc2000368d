/* A change of the feed as a line for people. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include "text/buffer.h"

/* As GET /v1/changes has it. What it lacks stays empty. Ends with a line break. */
void change_line(const json_t *change, struct buffer *out);
/*
 * Whether a confirmed order, one that was paid or could be, has given units back by it: all, or
 * some of them. As GET /v1/changes has it.
 */
bool change_is_refund(const json_t *change);
