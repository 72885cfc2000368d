/*
 * Structured log, one line an event, on standard error: JSON (one object a line), or text for
 * people when on a terminal. Any thread may call. A line is written with one write(2), so lines
 * never mix. Input that comes from outside is escaped; a line is cut at LOG_LINE_MAX bytes. Never
 * log a secret. Where standard error is systemd's journal each line begins with its priority, which
 * the journal takes off (sd-daemon(3)).
 *
 * A command writes its lines itself. A server calls log_start() before its other threads: from then
 * on nobody waits for whoever reads the log; what finds no room is dropped and counted, and said
 * when it goes on (log_writer.c).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdatomic.h>
#include "text/slice.h"

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
/* What standard error is, a terminal or the journal, is looked at by the next line. */
void log_set_format(enum log_format format);
/* What a line of this level begins with for the journal: "<3>", or "" where nobody takes it off. */
const char *log_priority(enum log_level level);
/* 0, or -EINVAL if the name is none of debug, info, warn, error, off. */
int log_level_parse(const char *name, enum log_level *level);

/*
 * Starts the writer; before any thread that logs. 0, or negative: lines are written by whoever
 * logs, as before.
 */
int log_start(void);
/* Main thread, after the others have ended. Waits at most 100 ms for what was not written yet. */
void log_stop(void);
/* Lines that were dropped since the start. Any thread. */
uint64_t log_dropped(void);
/*
 * A last word, past the lines that wait: written now if standard error takes it within 100 ms, else
 * not at all. For a process that is about to end without log_stop(); a signal handler may call.
 */
void log_at_once(const char *text, size_t size);

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
 * A limiter for lines that a stampede could write: at most one line a second passes; what was held
 * back is counted and told by the next line that passes. Zero-initialised static storage.
 */
struct log_limiter {
	_Atomic int64_t window_s;
	_Atomic uint64_t suppressed;
};
/* True when a line may be written now; *suppressed gets how many were held back since the last. */
bool log_limiter_pass(struct log_limiter *limiter, uint64_t *suppressed);
