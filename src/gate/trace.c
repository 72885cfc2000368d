#include "gate/trace.h"

#include <stdbool.h>
#include "base/random.h"

static bool lower_hex(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (!((text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f')))
			return false;
	return true;
}

static bool all_zero(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (text[i] != '0')
			return false;
	return true;
}

/*
 * Version 00 as the recommendation (section 3.2.2) has it; a later version may be longer, and its
 * known part is taken as 00.
 */
static bool well_formed(struct slice text)
{
	const char *t = text.data;

	if (text.size < TRACE_SIZE || !lower_hex(t, 2) || memcmp(t, "ff", 2) == 0)
		return false;
	if (text.size > TRACE_SIZE && (memcmp(t, "00", 2) == 0 || t[TRACE_SIZE] != '-'))
		return false;
	if (t[2] != '-' || t[35] != '-' || t[52] != '-')
		return false;
	if (!lower_hex(t + 3, 32) || !lower_hex(t + 36, 16) || !lower_hex(t + 53, 2))
		return false;
	return !all_zero(t + 3, 32) && !all_zero(t + 36, 16);
}

static void put_hex(char *out, uint64_t value)
{
	static const char digits[] = "0123456789abcdef";

	for (int i = 15; i >= 0; i--, value >>= 4)
		out[i] = digits[value & 15];
}

void trace_take(struct trace *trace, struct slice traceparent)
{
	if (traceparent.data && well_formed(traceparent)) {
		memcpy(trace->text, traceparent.data, TRACE_SIZE);
		memcpy(trace->text, "00", 2);
		return;
	}
	memcpy(trace->text, "00-", 3);
	put_hex(trace->text + 3, random_u64() | 1);
	put_hex(trace->text + 19, random_u64());
	trace->text[35] = '-';
	put_hex(trace->text + 36, random_u64() | 1);
	memcpy(trace->text + 52, "-00", 3);
}
