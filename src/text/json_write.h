/*
 * Members of a JSON object, written one after the other: each puts the comma that parts it from
 * what is before.
 */
#pragma once

#include "text/buffer.h"

void json_write_name(struct buffer *out, const char *name); /* "name": */
void json_write_int(struct buffer *out, const char *name, int64_t value);
void json_write_text(struct buffer *out, const char *name, struct slice value);
