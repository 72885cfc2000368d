/*
 * Order and movement ids: UUIDv7 (RFC 9562, section 5.7). Milliseconds of wall time, then a 12-bit
 * counter that keeps ids of one generator strictly rising (it carries into the time when it is
 * full, and never falls when the clock does), then 38 random bits, then 24 bits of `tag`. The tag
 * of an order is its sale's number, so that an order's id alone finds its sale without I/O.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "text/slice.h"

struct uuid {
	uint8_t bytes[16];
};
enum { UUID_TEXT_SIZE = 37 }; /* 36 characters and NUL */
enum { UUID_TAG_MAX = (1 << 24) - 1 };

/* One generator a thread; zero-initialised. */
struct uuid_generator {
	uint64_t last; /* time and counter of the last id */
};
struct uuid uuid_make(struct uuid_generator *generator, int64_t wall_ms, uint32_t tag);
/*
 * An id in the form of the others whose bits are those of a hash: the same for the same. Its time
 * and tag say nothing.
 */
struct uuid uuid_of_hash(const uint8_t hash[static 16]);
int64_t uuid_wall_ms(const struct uuid *id);
uint32_t uuid_tag(const struct uuid *id);
bool uuid_equal(const struct uuid *a, const struct uuid *b);
int uuid_compare(const struct uuid *a, const struct uuid *b);
bool uuid_is_null(const struct uuid *id);
void uuid_format(const struct uuid *id, char text[static UUID_TEXT_SIZE]); /* lower case */
/* 0, or -EINVAL unless 8-4-4-4-12 hexadecimal digits of version 7, variant 10. */
int uuid_parse(struct slice text, struct uuid *id);
