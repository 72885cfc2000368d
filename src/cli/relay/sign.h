/*
 * Standard Webhooks' signature of a message: "v1," and the base64 of HMAC-SHA256 over id, time and
 * body. Pure functions.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "text/slice.h"

enum { SIGN_KEY_MAX = 64, SIGN_TEXT_SIZE = 48 };

struct sign_key {
	unsigned char bytes[SIGN_KEY_MAX + 3];
	size_t size;
};

/* "whsec_BASE64", of 24 to 64 bytes. 0 or -EINVAL. */
int sign_key_parse(const char *text, struct sign_key *key) MUST_CHECK;
/* 0 or negative. */
int sign_message(const struct sign_key *key, const char *id, int64_t unix_s, struct slice body,
		 char text[static SIGN_TEXT_SIZE]) MUST_CHECK;
