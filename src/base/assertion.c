#include "base/assertion.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"

const char *assertion_place(const char *file)
{
	const char *found = strstr(file, "src/");

	return found ? found : file;
}

_Noreturn void assertion_failed(const char *condition, const char *file, int line, const char *function)
{
	char text[512];

	snprintf(text, sizeof(text), "%s%s:%d: %s: assertion failed: %s\n", log_priority(LOG_ERROR), assertion_place(file), line,
		 function, condition);
	log_at_once(text, strlen(text));
	abort();
}
