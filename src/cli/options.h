/*
 * Options of a command, from one table that parses and explains: --name VALUE, --name=VALUE, -x.
 * What is no option stays in argv, in order; "--" ends the options. Texts point into argv.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "text/buffer.h"

enum option_kind {
	OPTION_FLAG,     /* bool */
	OPTION_TEXT,     /* const char *, not empty */
	OPTION_INTEGER,  /* int64_t, not below zero */
	OPTION_NUMBER,   /* double, not below zero */
	OPTION_PERCENT,  /* double, 0 to 100; a "%" behind it is fine */
	OPTION_DURATION, /* int64_t, milliseconds: 250ms, 2s, 5m, 24h; a plain number is seconds */
	OPTION_LIST,     /* struct option_list: may be given again and again */
	OPTION_COMMAS,   /* … and each may be several, joined by commas */
};
enum { OPTION_LIST_MAX = 200 };
struct option_list {
	const char *items[OPTION_LIST_MAX];
	size_t count;
};

struct option {
	const char *name; /* without the dashes */
	char letter;      /* 0: none */
	enum option_kind kind;
	void *target;
	const char *value; /* what the value is called in the help; NULL for a flag */
	const char *help;
};

/* Takes the options out of argv (argc shrinks). 0, or -EINVAL with one line in `error`. */
int options_parse(const struct option *options, size_t count, int *argc, char **argv, struct buffer *error) MUST_CHECK;
void options_help(const struct option *options, size_t count, struct buffer *out);
/* "90s" to milliseconds; 0 or -EINVAL. */
int options_duration_parse(const char *text, int64_t *milliseconds) MUST_CHECK;
