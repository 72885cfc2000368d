#include "base/uuid.h"

#include <errno.h>
#include <string.h>
#include "base/assertion.h"
#include "base/random.h"

/*
 *  0                   48  52           64 66                     104        128
 *  | milliseconds       | 7 | counter    |2 | random              | tag       |
 */
enum { COUNTER_BITS = 12, TAG_BITS = 24, RANDOM_BITS = 38 };

static void put_u64(uint8_t *bytes, uint64_t value)
{
	for (int i = 0; i < 8; i++)
		bytes[i] = (uint8_t)(value >> (56 - 8 * i));
}

struct uuid uuid_make(struct uuid_generator *generator, int64_t wall_ms, uint32_t tag)
{
	uint64_t now = (wall_ms < 0 ? 0 : (uint64_t)wall_ms) << COUNTER_BITS;
	uint64_t random = random_u64() >> (64 - RANDOM_BITS);
	struct uuid id;

	ASSERT(tag <= UUID_TAG_MAX);
	/*
	 * Time and counter are one number: a full counter carries into the time, and a clock that
	 * falls is not followed.
	 */
	generator->last = now > generator->last ? now : generator->last + 1;
	put_u64(id.bytes,
		(generator->last >> COUNTER_BITS) << 16 | 7 << COUNTER_BITS | (generator->last & ((1 << COUNTER_BITS) - 1)));
	put_u64(id.bytes + 8, (uint64_t)2 << 62 | random << TAG_BITS | tag);
	return id;
}

struct uuid uuid_of_hash(const uint8_t hash[static 16])
{
	struct uuid id;

	memcpy(id.bytes, hash, sizeof(id.bytes));
	id.bytes[6] = (uint8_t)(7 << 4 | (id.bytes[6] & 15));
	id.bytes[8] = (uint8_t)(2 << 6 | (id.bytes[8] & 63));
	return id;
}

int64_t uuid_wall_ms(const struct uuid *id)
{
	int64_t ms = 0;

	for (int i = 0; i < 6; i++)
		ms = ms << 8 | id->bytes[i];
	return ms;
}

uint32_t uuid_tag(const struct uuid *id)
{
	return (uint32_t)id->bytes[13] << 16 | (uint32_t)id->bytes[14] << 8 | id->bytes[15];
}

bool uuid_equal(const struct uuid *a, const struct uuid *b)
{
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

int uuid_compare(const struct uuid *a, const struct uuid *b)
{
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

bool uuid_is_null(const struct uuid *id)
{
	static const struct uuid null;

	return uuid_equal(id, &null);
}

void uuid_format(const struct uuid *id, char text[static UUID_TEXT_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	char *at = text;

	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*at++ = '-';
		*at++ = digits[id->bytes[i] >> 4];
		*at++ = digits[id->bytes[i] & 15];
	}
	*at = '\0';
}

static int hex_value(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	if (digit >= 'a' && digit <= 'f')
		return digit - 'a' + 10;
	if (digit >= 'A' && digit <= 'F')
		return digit - 'A' + 10;
	return -1;
}

int uuid_parse(struct slice text, struct uuid *id)
{
	struct uuid parsed;
	const char *at = text.data;

	if (text.size != UUID_TEXT_SIZE - 1)
		return -EINVAL;
	for (int i = 0; i < 16; i++) {
		int high, low;

		if ((i == 4 || i == 6 || i == 8 || i == 10) && *at++ != '-')
			return -EINVAL;
		high = hex_value(*at++);
		low = hex_value(*at++);
		if (high < 0 || low < 0)
			return -EINVAL;
		parsed.bytes[i] = (uint8_t)(high << 4 | low);
	}
	if (parsed.bytes[6] >> 4 != 7 || parsed.bytes[8] >> 6 != 2)
		return -EINVAL;
	*id = parsed;
	return 0;
}
