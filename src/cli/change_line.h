/* A change of the feed as a line for people. */
#pragma once

#include <jansson.h>
#include "text/buffer.h"

/* As GET /v1/changes has it. What it lacks stays empty. Ends with a line break. */
void change_line(const json_t *change, struct buffer *out);
