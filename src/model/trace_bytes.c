#include "model/trace_bytes.h"

/* Whether a dash stands before this byte's digits. */
static bool begins_field(size_t byte)
{
	return byte == 1 || byte == 17 || byte == 25;
}

static int value_of(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

bool trace_pack(struct slice trace, unsigned char bytes[static TRACE_BYTES])
{
	size_t at = 0;

	if (trace.size != TRACE_SIZE)
		return false;
	for (size_t i = 0; i < TRACE_BYTES; i++) {
		int high, low;

		if (begins_field(i) && trace.data[at++] != '-')
			return false;
		high = value_of(trace.data[at++]);
		low = value_of(trace.data[at++]);
		if (high < 0 || low < 0)
			return false;
		bytes[i] = (unsigned char)(high << 4 | low);
	}
	return true;
}

void trace_unpack(const unsigned char bytes[static TRACE_BYTES], char text[static TRACE_SIZE + 1])
{
	static const char digits[] = "0123456789abcdef";
	size_t at = 0;

	for (size_t i = 0; i < TRACE_BYTES; i++) {
		if (begins_field(i))
			text[at++] = '-';
		text[at++] = digits[bytes[i] >> 4];
		text[at++] = digits[bytes[i] & 15];
	}
	text[at] = '\0';
}
