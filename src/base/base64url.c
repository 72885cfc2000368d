#include "base/base64url.h"

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

static int value_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '-' ? 62 : c == '_' ? 63 : -1;
}

ssize_t base64url_decode(struct slice text, void *data, size_t capacity)
{
	uint8_t *bytes = data;
	size_t size = 0;
	uint32_t bits = 0;
	int count = 0;

	if (text.size % 4 == 1)
		return -EINVAL;
	if (text.size / 4 * 3 + 2 > capacity)
		return -E2BIG;
	for (size_t i = 0; i < text.size; i++) {
		int value = value_of(text.data[i]);

		if (value < 0)
			return -EINVAL;
		bits = bits << 6 | (uint32_t)value;
		count += 6;
		if (count >= 8) {
			count -= 8;
			bytes[size++] = (uint8_t)(bits >> count);
		}
	}
	/* The bits that no byte needs are zero, so that no two texts mean the same (section 3.5). */
	if (bits & ((1U << count) - 1))
		return -EINVAL;
	return (ssize_t)size;
}
