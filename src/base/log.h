/*
 * Structured log, one line an event, on standard error: JSON (one object a line), or text for people when
 * on a terminal. Any thread may call. A line is written with one write(2), so lines never mix. Input that
 * comes from outside is escaped; a line is cut at LOG_LINE_MAX bytes. Never log a secret.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdatomic.h>
#include "base/slice.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_OFF };
enum log_format { LOG_FORMAT_AUTO, LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

enum { LOG_LINE_MAX = 4096 };

struct log_field {
	const char *name;
	enum { LOG_FIELD_STRING, LOG_FIELD_INTEGER } kind;
	struct slice text;
	int64_t integer;
};

#define LOG_TEXT(name, string) ((struct log_field){(name), LOG_FIELD_STRING, slice_of(string), 0})
#define LOG_SLICE(name, slice) ((struct log_field){(name), LOG_FIELD_STRING, (slice), 0})
#define LOG_INT(name, value) ((struct log_field){(name), LOG_FIELD_INTEGER, SLICE_NULL, (int64_t)(value)})

/* Process-wide; may be called again at any time by any thread (level is atomic). */
void log_set_level(enum log_level level);
enum log_level log_get_level(void);
void log_set_format(enum log_format format);
/* 0, or -EINVAL if the name is none of debug, info, warn, error, off. */
int log_level_parse(const char *name, enum log_level *level);

/* component: the module's name ("gate"); message: a constant text without data in it. */
void log_write(enum log_level level, const char *component, const char *message, const struct log_field *fields, size_t count);

#define LOG_AT(level, component, message, ...)                                       \
	do {                                                                         \
		if ((level) >= log_get_level()) {                                    \
			const struct log_field log_fields_[] = {{0}, ##__VA_ARGS__}; \
			log_write((level), (component), (message), log_fields_ + 1,  \
				  sizeof(log_fields_) / sizeof(log_fields_[0]) - 1); \
		}                                                                    \
	} while (0)
#define log_debug(component, message, ...) LOG_AT(LOG_DEBUG, component, message, ##__VA_ARGS__)
#define log_info(component, message, ...) LOG_AT(LOG_INFO, component, message, ##__VA_ARGS__)
#define log_warn(component, message, ...) LOG_AT(LOG_WARN, component, message, ##__VA_ARGS__)
#define log_error(component, message, ...) LOG_AT(LOG_ERROR, component, message, ##__VA_ARGS__)

/*
 * A limiter for lines that a stampede could write: at most one line a second passes; what was held back is
 * counted and told by the next line that passes. Zero-initialised static storage.
 */
struct log_limiter {
	_Atomic int64_t window_s;
	_Atomic uint64_t suppressed;
};
/* True when a line may be written now; *suppressed gets how many were held back since the last. */
bool log_limiter_pass(struct log_limiter *limiter, uint64_t *suppressed);
