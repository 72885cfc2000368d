#include "text/json_text.h"

#include <stdbool.h>
#include <stdint.h>

static bool is_plain(unsigned char byte)
{
	return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
}

size_t json_plain_run(struct slice text)
{
	const uint64_t ones = 0x0101010101010101, highs = 0x8080808080808080;
	size_t at = 0;

	/*
	 * Eight bytes at once: a high bit is set where a byte is below 0x20, is one of the two, or
	 * is not ASCII.
	 */
	while (text.size - at >= 8) {
		uint64_t word, quote, backslash;

		memcpy(&word, text.data + at, 8);
		quote = word ^ (ones * '"');
		backslash = word ^ (ones * '\\');
		if (((word - ones * 0x20) | (quote - ones) | (backslash - ones) | word) & highs)
			break;
		at += 8;
	}
	while (at < text.size && is_plain((unsigned char)text.data[at]))
		at++;
	return at;
}

size_t json_utf8_sequence(struct slice text)
{
	const unsigned char *byte = (const unsigned char *)text.data;
	unsigned char low = 0x80, high = 0xbf; /* what the second byte may be */
	size_t length;

	if (text.size == 0)
		return 0;
	if (byte[0] < 0x80)
		return 1;
	if (byte[0] >= 0xc2 && byte[0] <= 0xdf)
		length = 2;
	else if (byte[0] >= 0xe0 && byte[0] <= 0xef)
		length = 3;
	else if (byte[0] >= 0xf0 && byte[0] <= 0xf4)
		length = 4;
	else
		return 0;
	if (byte[0] == 0xe0)
		low = 0xa0; /* shorter forms exist */
	else if (byte[0] == 0xed)
		high = 0x9f; /* surrogates */
	else if (byte[0] == 0xf0)
		low = 0x90;
	else if (byte[0] == 0xf4)
		high = 0x8f; /* beyond U+10FFFF */
	if (text.size < length || byte[1] < low || byte[1] > high)
		return 0;
	for (size_t at = 2; at < length; at++)
		if (byte[at] < 0x80 || byte[at] > 0xbf)
			return 0;
	return length;
}

bool json_is_treacherous(struct slice character)
{
	const unsigned char *byte = (const unsigned char *)character.data;
	unsigned point;

	if (character.size == 1)
		return byte[0] < 0x20 || byte[0] == 0x7f;
	if (character.size == 2)
		point = (byte[0] & 0x1fu) << 6 | (byte[1] & 0x3fu);
	else if (character.size == 3)
		point = (byte[0] & 0xfu) << 12 | (byte[1] & 0x3fu) << 6 | (byte[2] & 0x3fu);
	else
		return false;
	return (point >= 0x80 && point <= 0x9f) || point == 0x61c || point == 0x200e || point == 0x200f ||
	       (point >= 0x2028 && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069);
}

/* The letter that stands for it after a backslash (RFC 8259, section 7), or 0 where it has none. */
static char short_escape(unsigned char byte)
{
	switch (byte) {
	case '"':
	case '\\':
		return (char)byte;
	case '\b':
		return 'b';
	case '\t':
		return 't';
	case '\n':
		return 'n';
	case '\f':
		return 'f';
	case '\r':
		return 'r';
	default:
		return 0;
	}
}

size_t json_escape_unit(struct slice text, char out[static JSON_UNIT_MAX], size_t *out_size)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char byte = (unsigned char)text.data[0];
	char letter = short_escape(byte);
	size_t length;

	if (letter) {
		out[0] = '\\';
		out[1] = letter;
		*out_size = 2;
		return 1;
	}
	if (byte < 0x20) {
		memcpy(out, "\\u00", 4);
		out[4] = digits[byte >> 4];
		out[5] = digits[byte & 15];
		*out_size = 6;
		return 1;
	}
	length = json_utf8_sequence(text);
	if (length == 0) {
		memcpy(out, "\xef\xbf\xbd", 3);
		*out_size = 3;
		return 1;
	}
	if (length > 1 && json_is_treacherous((struct slice){text.data, length})) {
		const unsigned char *sequence = (const unsigned char *)text.data;
		unsigned point = length == 2 ? (sequence[0] & 0x1fu) << 6 | (sequence[1] & 0x3fu)
					     : (sequence[0] & 0xfu) << 12 | (sequence[1] & 0x3fu) << 6 | (sequence[2] & 0x3fu);

		memcpy(out, "\\u", 2);
		for (int i = 0; i < 4; i++)
			out[2 + i] = digits[point >> (12 - 4 * i) & 15];
		*out_size = 6;
		return length;
	}
	memcpy(out, text.data, length);
	*out_size = length;
	return length;
}
