/*
 * traceparent. Held: no crash; whatever comes in, what goes on is well formed; what is well formed
 * goes on as it is.
 */
#include <ctype.h>
#include <stdint.h>
#include <string.h>
#include "base/error.h"
#include "gate/trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_well_formed(const char *text)
{
	for (size_t i = 0; i < TRACE_SIZE; i++) {
		bool dash = i == 2 || i == 35 || i == 52;

		if (dash ? text[i] != '-' : !isxdigit((unsigned char)text[i]) || isupper((unsigned char)text[i]))
			return false;
	}
	return strncmp(text + 3, "00000000000000000000000000000000", 32) != 0 && strncmp(text + 36, "0000000000000000", 16) != 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct trace trace, again;

	trace_take(&trace, (struct slice){(const char *)data, size});
	ASSERT(is_well_formed(trace.text));
	trace_take(&again, trace_slice(&trace));
	ASSERT(memcmp(again.text, trace.text, TRACE_SIZE) == 0);
	return 0;
}
