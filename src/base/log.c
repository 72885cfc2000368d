#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/assertion.h"
#include "text/json_text.h"
#include "base/log_writer.h"

/*
 * A line is built on the stack and handed on whole. Room for what closes it is kept back, so that a
 * line that is cut is still well formed: a text is cut between two characters, and a field that
 * does not fit at all is left out.
 */
struct line {
	char data[LOG_LINE_MAX];
	size_t size;
};
enum { CLOSING = 8 }; /* `"}` and the newline, with some to spare */

static _Atomic int current_level = LOG_INFO;
static _Atomic int current_format = LOG_FORMAT_AUTO;
/* Whether standard error is the journal of systemd. */
enum { JOURNAL_UNKNOWN, JOURNAL_NO, JOURNAL_YES };
static _Atomic int current_journal = JOURNAL_UNKNOWN;
static const char *const level_names[] = {"debug", "info", "warn", "error", "off"};

void log_set_level(enum log_level level)
{
	atomic_store_explicit(&current_level, (int)level, memory_order_relaxed);
}

enum log_level log_get_level(void)
{
	return (enum log_level)atomic_load_explicit(&current_level, memory_order_relaxed);
}

void log_set_format(enum log_format format)
{
	atomic_store_explicit(&current_format, (int)format, memory_order_relaxed);
	atomic_store_explicit(&current_journal, JOURNAL_UNKNOWN, memory_order_relaxed);
}

/*
 * JOURNAL_STREAM is inherited by whoever is started with another standard error: it tells only
 * where it names the one that there is (systemd.exec(5)).
 */
static bool is_journal(void)
{
	const char *told = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat file;
	int end = 0;

	return told && sscanf(told, "%llu:%llu%n", &device, &inode, &end) == 2 && told[end] == '\0' &&
	       fstat(STDERR_FILENO, &file) == 0 && file.st_dev == device && file.st_ino == inode;
}

const char *log_priority(enum log_level level)
{
	static const char *const priorities[] = {"<7>", "<6>", "<4>", "<3>"};

	int journal = atomic_load_explicit(&current_journal, memory_order_relaxed);

	if (journal == JOURNAL_UNKNOWN) {
		journal = is_journal() ? JOURNAL_YES : JOURNAL_NO;
		atomic_store_explicit(&current_journal, journal, memory_order_relaxed);
	}
	return journal == JOURNAL_YES ? priorities[level] : "";
}

int log_level_parse(const char *name, enum log_level *level)
{
	for (size_t i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++)
		if (strcmp(name, level_names[i]) == 0) {
			*level = (enum log_level)i;
			return 0;
		}
	return -EINVAL;
}

static bool line_has_room(const struct line *line, size_t size)
{
	return line->size + size + CLOSING <= LOG_LINE_MAX;
}

/* Nothing or all of it. */
static bool line_append(struct line *line, const char *data, size_t size)
{
	if (!line_has_room(line, size))
		return false;
	memcpy(line->data + line->size, data, size);
	line->size += size;
	return true;
}

static void line_text(struct line *line, const char *text)
{
	line_append(line, text, strlen(text));
}

/* What fits of it; the closing quote comes out of the room kept back. */
static void line_json_string(struct line *line, struct slice text)
{
	if (!line_append(line, "\"", 1))
		return;
	while (text.size > 0) {
		char unit[JSON_UNIT_MAX];
		size_t unit_size, taken;

		taken = json_escape_unit(text, unit, &unit_size);
		if (!line_append(line, unit, unit_size))
			break;
		text.data += taken;
		text.size -= taken;
	}
	line->data[line->size++] = '"';
}

static void line_integer(struct line *line, int64_t value)
{
	char text[24];

	line_append(line, text, (size_t)snprintf(text, sizeof(text), "%lld", (long long)value));
}

static void write_json(struct line *line, enum log_level level, const char *component, const char *message,
		       const struct log_field *fields, size_t count)
{
	char time[CLOCK_TEXT_SIZE];

	clock_format(clock_wall_ms(), time);
	line_text(line, "{\"time\":\"");
	line_text(line, time);
	line_text(line, "\",\"level\":\"");
	line_text(line, level_names[level]);
	line_text(line, "\",\"component\":");
	line_json_string(line, slice_of(component));
	line_text(line, ",\"message\":");
	line_json_string(line, slice_of(message));
	for (size_t i = 0; i < count; i++) {
		/*
		 * The name's and an integer's or a cut text's longest: a field is begun only where
		 * it can be ended.
		 */
		if (!line_has_room(line, JSON_UNIT_MAX * strlen(fields[i].name) + 32))
			break;
		line_text(line, ",");
		line_json_string(line, slice_of(fields[i].name));
		line_text(line, ":");
		if (fields[i].kind == LOG_FIELD_INTEGER)
			line_integer(line, fields[i].integer);
		else
			line_json_string(line, fields[i].text);
	}
	line->data[line->size++] = '}';
}

static bool is_word(struct slice text)
{
	if (text.size == 0)
		return false;
	for (size_t i = 0; i < text.size; i++)
		if (text.data[i] <= ' ' || text.data[i] > '~' || text.data[i] == '"' || text.data[i] == '=' || text.data[i] == '\\')
			return false;
	return true;
}

static void write_text(struct line *line, enum log_level level, const char *component, const char *message,
		       const struct log_field *fields, size_t count)
{
	char time[CLOCK_TEXT_SIZE], head[128];

	clock_format(clock_wall_ms(), time);
	snprintf(head, sizeof(head), "%.12s %-5s %s: ", time + 11, level_names[level], component);
	line_text(line, head);
	line_text(line, message);
	for (size_t i = 0; i < count; i++) {
		if (!line_has_room(line, strlen(fields[i].name) + 32))
			break;
		line_text(line, i == 0 ? "  " : " ");
		line_text(line, fields[i].name);
		line_text(line, "=");
		if (fields[i].kind == LOG_FIELD_INTEGER)
			line_integer(line, fields[i].integer);
		else if (!is_word(fields[i].text) || !line_append(line, fields[i].text.data, fields[i].text.size))
			line_json_string(line, fields[i].text);
	}
}

static bool wants_json(void)
{
	enum log_format format = (enum log_format)atomic_load_explicit(&current_format, memory_order_relaxed);

	if (format == LOG_FORMAT_AUTO) {
		format = isatty(STDERR_FILENO) ? LOG_FORMAT_TEXT : LOG_FORMAT_JSON;
		log_set_format(format);
	}
	return format == LOG_FORMAT_JSON;
}

static void make_line(struct line *line, enum log_level level, const char *component, const char *message,
		      const struct log_field *fields, size_t count)
{
	line->size = 0;
	line_text(line, log_priority(level));
	if (wants_json())
		write_json(line, level, component, message, fields, count);
	else
		write_text(line, level, component, message, fields, count);
	line->data[line->size++] = '\n';
}

void log_write(enum log_level level, const char *component, const char *message, const struct log_field *fields, size_t count)
{
	int saved = errno; /* a log line in an error path must not change what the path is about */
	struct line line;

	if (level < log_get_level() || level >= LOG_OFF)
		return;
	make_line(&line, level, component, message, fields, count);
	log_writer_put(line.data, line.size);
	errno = saved;
}

size_t log_dropped_line(char *out, unsigned long long count)
{
	const struct log_field field = LOG_INT("lines", count);
	struct line line;

	make_line(&line, LOG_WARN, "log", "lines were dropped: whoever reads this log did not keep up", &field, 1);
	memcpy(out, line.data, line.size);
	return line.size;
}

bool log_limiter_pass(struct log_limiter *limiter, uint64_t *suppressed)
{
	int64_t now_s = clock_mono_ns() / 1000000000 + 1; /* never 0, which is a limiter that was never used */
	int64_t seen = atomic_load_explicit(&limiter->window_s, memory_order_relaxed);

	*suppressed = 0;
	if (seen == now_s || !atomic_compare_exchange_strong(&limiter->window_s, &seen, now_s)) {
		atomic_fetch_add_explicit(&limiter->suppressed, 1, memory_order_relaxed);
		return false;
	}
	*suppressed = atomic_exchange(&limiter->suppressed, 0);
	return true;
}
