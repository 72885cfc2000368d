/* URL-safe base64 without padding (RFC 4648, section 5). Pure functions. */
#pragma once

#include <stdint.h>
#include <sys/types.h>
#include "text/slice.h"

/* Characters for `size` bytes, without the NUL. */
#define BASE64URL_SIZE(size) (((size)*4 + 2) / 3)

/* Writes BASE64URL_SIZE(size) characters and a NUL. */
void base64url_encode(const void *data, size_t size, char *text);
/*
 * Decodes into `data` (room for capacity bytes). The size, or -EINVAL (a character or length that
 * cannot be), -E2BIG.
 */
ssize_t base64url_decode(struct slice text, void *data, size_t capacity);
