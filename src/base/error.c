#include "base/error.h"

#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"

enum { CODES = 134, TEXT_SIZE = 64 }; /* Linux' errno numbers end at 133 */

static char texts[CODES][TEXT_SIZE];
static pthread_once_t texts_once = PTHREAD_ONCE_INIT;

/*
 * The C library's texts begin like a sentence; in the middle of a log line they must not. An
 * abbreviation keeps its capitals.
 */
static void make_texts(void)
{
	for (int code = 0; code < CODES; code++) {
		const char *text = strerrordesc_np(code);

		snprintf(texts[code], TEXT_SIZE, "%s", text ? text : "unknown error");
		if (!isupper((unsigned char)texts[code][1]))
			texts[code][0] = (char)tolower((unsigned char)texts[code][0]);
	}
}

const char *error_text(int code)
{
	pthread_once(&texts_once, make_texts);
	if (code > 0 || code <= -CODES)
		return "unknown error";
	return texts[-code];
}

int error_origin_at(int code, const char *file, int line, const char *function)
{
	log_error("error", "an operation failed", LOG_TEXT("error", error_text(code)), LOG_INT("code", code),
		  LOG_TEXT("file", assertion_place(file)), LOG_INT("line", line), LOG_TEXT("function", function));
	return code;
}
