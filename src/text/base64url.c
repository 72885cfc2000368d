#include "text/base64url.h"

#include <errno.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void base64url_encode(const void *data, size_t size, char *text)
{
	const uint8_t *bytes = data;
	uint32_t bits = 0;
	int count = 0;

	for (size_t i = 0; i < size; i++) {
		bits = bits << 8 | bytes[i];
		for (count += 8; count >= 6; count -= 6)
			*text++ = alphabet[bits >> (count - 6) & 63];
	}
	if (count)
		*text++ = alphabet[bits << (6 - count) & 63];
	*text = '\0';
}

enum { KNOWN = 64 };
#define PAIR(first, value) [first] = KNOWN | (value), [(first) + 1] = KNOWN | ((value) + 1)
#define OCTET(first, value) \
	PAIR(first, value), PAIR((first) + 2, (value) + 2), PAIR((first) + 4, (value) + 4), PAIR((first) + 6, (value) + 6)
/* The six bits of each character of the alphabet, with KNOWN on top; 0 for every other. */
static const uint8_t values[256] = {
	OCTET('A', 0),  OCTET('I', 8), OCTET('Q', 16), PAIR('Y', 24), OCTET('a', 26),     OCTET('i', 34),
	OCTET('q', 42), PAIR('y', 50), OCTET('0', 52), PAIR('8', 60), ['-'] = KNOWN | 62, ['_'] = KNOWN | 63,
};
#undef OCTET
#undef PAIR

ssize_t base64url_decode(struct slice text, void *data, size_t capacity)
{
	const uint8_t *in = (const uint8_t *)text.data;
	size_t whole = text.size / 4 * 4, rest = text.size - whole;
	uint8_t *bytes = data, known = KNOWN;
	uint32_t bits = 0;

	if (rest == 1)
		return -EINVAL;
	if (text.size / 4 * 3 + 2 > capacity)
		return -E2BIG;
	for (size_t i = 0; i < whole; i += 4, bytes += 3) {
		uint8_t a = values[in[i]], b = values[in[i + 1]], c = values[in[i + 2]], d = values[in[i + 3]];

		known &= a & b & c & d;
		bits = (uint32_t)(a & 63) << 18 | (uint32_t)(b & 63) << 12 | (uint32_t)(c & 63) << 6 | (d & 63);
		bytes[0] = (uint8_t)(bits >> 16);
		bytes[1] = (uint8_t)(bits >> 8);
		bytes[2] = (uint8_t)bits;
	}
	/* Two characters more are a byte and 4 bits, three are two bytes and 2 bits. */
	bits = 0;
	for (size_t i = whole; i < text.size; i++) {
		known &= values[in[i]];
		bits = bits << 6 | (values[in[i]] & 63);
	}
	if (rest == 2)
		*bytes++ = (uint8_t)(bits >> 4);
	if (rest == 3) {
		*bytes++ = (uint8_t)(bits >> 10);
		*bytes++ = (uint8_t)(bits >> 2);
	}
	/*
	 * The bits that no byte needs are zero, so that no two texts mean the same (section 3.5).
	 */
	if (!known || (rest == 2 && bits & 15) || (rest == 3 && bits & 3))
		return -EINVAL;
	return (ssize_t)(bytes - (uint8_t *)data);
}
