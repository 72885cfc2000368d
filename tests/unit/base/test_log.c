#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"

static int64_t now_us = 1798797600123000, now_ns = 5000000000;
static int saved_stderr, capture;
static char written[4 * LOG_LINE_MAX];

static int64_t fake_wall_us(const struct clock_source *source)
{
	(void)source;
	return now_us;
}

static int64_t fake_mono_ns(const struct clock_source *source)
{
	(void)source;
	return now_ns;
}

static const struct clock_source fake = {fake_wall_us, fake_mono_ns};

/* Standard error goes to a file in memory for the length of a test. */
static int begin(void **state)
{
	(void)state;
	clock_set_source(&fake);
	capture = memfd_create("log", 0);
	saved_stderr = dup(STDERR_FILENO);
	dup2(capture, STDERR_FILENO);
	log_set_level(LOG_INFO);
	log_set_format(LOG_FORMAT_JSON);
	return capture < 0 ? -1 : 0;
}

static int end(void **state)
{
	(void)state;
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	close(capture);
	clock_set_source(NULL);
	log_set_level(LOG_INFO);
	return 0;
}

static size_t read_log(void)
{
	ssize_t size = pread(capture, written, sizeof(written) - 1, 0);

	assert_true(size >= 0);
	written[size] = '\0';
	return (size_t)size;
}

static json_t *read_line(void)
{
	size_t size = read_log();
	json_t *line;

	assert_true(size > 0);
	assert_int_equal(written[size - 1], '\n');
	line = json_loadb(written, size, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(line);
	return line;
}

static void assert_text(json_t *line, const char *name, const char *expected)
{
	assert_string_equal(json_string_value(json_object_get(line, name)), expected);
}

static void test_json_line_has_time_level_component_message_and_fields(void **state)
{
	(void)state;
	log_info("gate", "a request was refused", LOG_TEXT("reason", "too large"), LOG_INT("size", -12));
	read_log();
	assert_string_equal(written, "{\"time\":\"2027-01-01T10:00:00.123Z\",\"level\":\"info\",\"component\":\"gate\","
				     "\"message\":\"a request was refused\",\"reason\":\"too large\",\"size\":-12}\n");
}

static void test_json_line_escapes_what_comes_from_outside(void **state)
{
	static const char evil[] = "a\"}\n{\"level\":\"error\"\x1b[31m\x7f\xff\\";
	json_t *line;

	(void)state;
	log_warn("gate", "odd", LOG_SLICE("text", ((struct slice){evil, sizeof(evil) - 1})));
	line = read_line();
	assert_null(strchr(written, '\x1b'));
	assert_ptr_equal(strchr(written, '\n'), written + strlen(written) - 1);
	assert_text(line, "text", "a\"}\n{\"level\":\"error\"\x1b[31m\x7f\xef\xbf\xbd\\");
	assert_text(line, "level", "warn");
	json_decref(line);
}

static void test_cut_json_line_is_still_json(void **state)
{
	static char long_text[2 * LOG_LINE_MAX];

	(void)state;
	/*
	 * Text that doubles or grows sixfold when escaped, and letters of several bytes: the cut
	 * falls everywhere.
	 */
	for (size_t shift = 0; shift < 16; shift++) {
		static const char *const fills[] = {"x", "\"", "\x01", "\xe2\x82\xac", "\xff"};

		for (size_t f = 0; f < sizeof(fills) / sizeof(fills[0]); f++) {
			size_t size = 0, fill_size = strlen(fills[f]);
			json_t *line;

			while (size < shift)
				long_text[size++] = 'a';
			while (size + fill_size <= sizeof(long_text)) {
				memcpy(long_text + size, fills[f], fill_size);
				size += fill_size;
			}
			assert_int_equal(ftruncate(capture, 0), 0);
			assert_true(lseek(capture, 0, SEEK_SET) == 0);
			log_error("gate", "long", LOG_SLICE("text", ((struct slice){long_text, size})), LOG_INT("after", 1));
			line = read_line();
			assert_true(strlen(written) <= LOG_LINE_MAX);
			assert_true(strlen(written) > LOG_LINE_MAX - 32);
			assert_text(line, "message", "long");
			json_decref(line);
		}
	}
}

static void test_line_of_many_fields_is_cut_between_them(void **state)
{
	struct log_field fields[600];
	json_t *line;

	(void)state;
	for (size_t i = 0; i < 600; i++) {
		static char names[600][8];

		snprintf(names[i], sizeof(names[i]), "f%zu", i);
		fields[i] = LOG_INT(names[i], INT64_MIN);
	}
	log_write(LOG_INFO, "gate", "many", fields, 600);
	line = read_line();
	assert_true(json_is_integer(json_object_get(line, "f0")));
	assert_null(json_object_get(line, "f599"));
	json_decref(line);
}

static void test_text_line_is_for_people(void **state)
{
	(void)state;
	log_set_format(LOG_FORMAT_TEXT);
	log_info("gate", "listening", LOG_TEXT("address", "127.0.0.1:8080"), LOG_INT("threads", 2), LOG_TEXT("empty", ""));
	read_log();
	assert_string_equal(written, "10:00:00.123 info  gate: listening  address=127.0.0.1:8080 threads=2 empty=\"\"\n");
}

static void test_text_line_quotes_and_escapes_odd_values(void **state)
{
	(void)state;
	log_set_format(LOG_FORMAT_TEXT);
	log_info("gate", "odd", LOG_TEXT("a", "two words"), LOG_TEXT("b", "x\ny\x1b[0m"), LOG_TEXT("c", "a=b"),
		 LOG_TEXT("d", "\"q\""));
	read_log();
	assert_non_null(strstr(written, "  a=\"two words\" b=\"x\\ny\\u001b[0m\" c=\"a=b\" d=\"\\\"q\\\"\"\n"));
}

static void test_what_would_deceive_a_terminal_is_escaped(void **state)
{
	(void)state;
	log_set_format(LOG_FORMAT_TEXT);
	log_info("gate", "odd",
		 LOG_TEXT("c1", "\xc2\x9b"
				"31m"),
		 LOG_TEXT("bidi", "a\xe2\x80\xae"
				  "b"),
		 LOG_TEXT("fine", "\xc3\xa9"));
	read_log();
	assert_non_null(strstr(written, "c1=\"\\u009b31m\" bidi=\"a\\u202eb\" fine=\"\xc3\xa9\"\n"));
}

static void test_cut_text_line_ends_with_a_newline(void **state)
{
	static char long_text[2 * LOG_LINE_MAX];

	(void)state;
	log_set_format(LOG_FORMAT_TEXT);
	memset(long_text, 'x', sizeof(long_text));
	log_info("gate", "long", LOG_SLICE("text", ((struct slice){long_text, sizeof(long_text)})));
	assert_true(read_log() <= LOG_LINE_MAX);
	assert_int_equal(written[strlen(written) - 1], '\n');
}

static void test_level_holds_lines_back(void **state)
{
	(void)state;
	log_debug("gate", "hidden");
	log_set_level(LOG_OFF);
	log_error("gate", "hidden");
	assert_int_equal(read_log(), 0);
	log_set_level(LOG_DEBUG);
	log_debug("gate", "shown");
	assert_true(read_log() > 0);
}

/* As systemd does: the device and inode of what it has given for standard error. */
static void name_the_journal(unsigned long long further)
{
	struct stat file;
	char text[64];

	assert_int_equal(fstat(capture, &file), 0);
	snprintf(text, sizeof(text), "%llu:%llu", (unsigned long long)file.st_dev, (unsigned long long)file.st_ino + further);
	setenv("JOURNAL_STREAM", text, 1);
	log_set_format(LOG_FORMAT_TEXT);
}

static int end_journal(void **state)
{
	unsetenv("JOURNAL_STREAM");
	log_set_format(LOG_FORMAT_JSON);
	return end(state);
}

static void test_lines_for_the_journal_begin_with_their_priority(void **state)
{
	(void)state;
	name_the_journal(0);
	log_set_level(LOG_DEBUG);
	log_error("gate", "a");
	log_warn("gate", "b");
	log_info("gate", "c");
	log_debug("gate", "d");
	log_set_format(LOG_FORMAT_JSON);
	log_error("gate", "e");
	read_log();
	assert_string_equal(written,
			    "<3>10:00:00.123 error gate: a\n"
			    "<4>10:00:00.123 warn  gate: b\n"
			    "<6>10:00:00.123 info  gate: c\n"
			    "<7>10:00:00.123 debug gate: d\n"
			    "<3>{\"time\":\"2027-01-01T10:00:00.123Z\",\"level\":\"error\",\"component\":\"gate\",\"message\":\"e\"}\n");
}

static void test_what_is_not_the_journal_gets_no_priority(void **state)
{
	static const char *const odd[] = {"", "1", "1:", ":", "nothing", "1:2:3"};

	(void)state;
	name_the_journal(1); /* inherited: of another standard error */
	assert_string_equal(log_priority(LOG_ERROR), "");
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		setenv("JOURNAL_STREAM", odd[i], 1);
		log_set_format(LOG_FORMAT_JSON);
		assert_string_equal(log_priority(LOG_ERROR), "");
	}
	log_error("gate", "odd");
	read_log();
	assert_int_equal(written[0], '{');
}

static int evaluated;
static int64_t evaluate(void)
{
	return ++evaluated;
}

static void test_line_that_is_held_back_costs_no_evaluation(void **state)
{
	(void)state;
	evaluated = 0;
	log_debug("gate", "hidden", LOG_INT("n", evaluate()));
	assert_int_equal(evaluated, 0);
	log_info("gate", "shown", LOG_INT("n", evaluate()));
	assert_int_equal(evaluated, 1);
}

static void test_logging_leaves_errno_alone(void **state)
{
	(void)state;
	dup2(capture, STDERR_FILENO);
	errno = EXDEV;
	log_error("gate", "a line");
	assert_int_equal(errno, EXDEV);
}

static void test_level_names(void **state)
{
	enum log_level level = LOG_INFO;

	(void)state;
	assert_int_equal(log_level_parse("debug", &level), 0);
	assert_int_equal(level, LOG_DEBUG);
	assert_int_equal(log_level_parse("off", &level), 0);
	assert_int_equal(level, LOG_OFF);
	assert_int_equal(log_level_parse("INFO", &level), -EINVAL);
	assert_int_equal(log_level_parse("", &level), -EINVAL);
	assert_int_equal(level, LOG_OFF);
}

static void test_limiter_lets_one_line_a_second_pass_and_counts_the_rest(void **state)
{
	struct log_limiter limiter = {0};
	uint64_t suppressed = 99;

	(void)state;
	assert_true(log_limiter_pass(&limiter, &suppressed));
	assert_int_equal(suppressed, 0);
	for (int i = 0; i < 10; i++)
		assert_false(log_limiter_pass(&limiter, &suppressed));
	now_ns += 1000000000;
	assert_true(log_limiter_pass(&limiter, &suppressed));
	assert_int_equal(suppressed, 10);
	assert_false(log_limiter_pass(&limiter, &suppressed));
	now_ns += 5000000000;
	assert_true(log_limiter_pass(&limiter, &suppressed));
	assert_int_equal(suppressed, 1);
}

static void test_limiter_passes_in_the_first_second_after_boot(void **state)
{
	struct log_limiter limiter = {0};
	uint64_t suppressed;
	int64_t before = now_ns;

	(void)state;
	now_ns = 1000;
	assert_true(log_limiter_pass(&limiter, &suppressed));
	now_ns = before;
}

static void test_error_origin_logs_and_returns_the_code(void **state)
{
	json_t *line;

	(void)state;
	assert_int_equal(error_origin(-ENOSPC), -ENOSPC);
	line = read_line();
	assert_text(line, "level", "error");
	assert_text(line, "error", "no space left on device");
	assert_text(line, "function", "test_error_origin_logs_and_returns_the_code");
	json_decref(line);
}

static void test_error_texts(void **state)
{
	(void)state;
	assert_string_equal(error_text(-ENOENT), "no such file or directory");
	assert_string_equal(error_text(-EIO), "input/output error");
	assert_string_equal(error_text(-100000), "unknown error");
	assert_string_equal(error_text(1), "unknown error");
}

/* --- The writer --- */

static int pipe_ends[2];

/* Standard error is a pipe that nobody reads yet. */
static int begin_pipe(void **state)
{
	(void)state;
	if (pipe(pipe_ends) < 0)
		return -1;
	fcntl(pipe_ends[1], F_SETPIPE_SZ, 4096);
	saved_stderr = dup(STDERR_FILENO);
	dup2(pipe_ends[1], STDERR_FILENO);
	close(pipe_ends[1]);
	log_set_level(LOG_INFO);
	log_set_format(LOG_FORMAT_JSON);
	return 0;
}

static int end_pipe(void **state)
{
	(void)state;
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	close(pipe_ends[0]);
	return 0;
}

/* Reads whole lines into `written` until one has `text` in it. */
static void read_pipe_until(const char *text)
{
	size_t size = 0;

	for (;;) {
		struct pollfd reader = {.fd = pipe_ends[0], .events = POLLIN};
		ssize_t got;

		assert_int_equal(poll(&reader, 1, 60000), 1);
		got = read(pipe_ends[0], written + size, sizeof(written) - 1 - size);
		assert_true(got > 0);
		size += (size_t)got;
		written[size] = '\0';
		if (strstr(written, text) && written[size - 1] == '\n')
			return;
		if (size > sizeof(written) / 2) {
			char *line = strrchr(written, '\n');

			if (line) {
				size = strlen(line + 1);
				memmove(written, line + 1, size + 1);
			}
		}
	}
}

static void write_until_dropped(void)
{
	uint64_t before = log_dropped();

	for (int i = 0; i < 100000 && log_dropped() < before + 3; i++)
		log_info("gate", "a line", LOG_INT("number", i));
	assert_int_equal(log_dropped(), before + 3);
}

static void test_nobody_waits_for_a_reader_that_has_stopped_and_what_was_dropped_is_said(void **state)
{
	(void)state;
	assert_int_equal(log_start(), 0);
	write_until_dropped();
	read_pipe_until("lines were dropped");
	assert_non_null(strstr(written, "\"lines\":3"));
	log_info("gate", "it goes on");
	read_pipe_until("it goes on");
	log_stop();
}

static void test_what_was_logged_before_a_stop_is_written_by_it(void **state)
{
	(void)state;
	assert_int_equal(log_start(), 0);
	log_info("gate", "first");
	log_info("gate", "last");
	log_stop();
	read_pipe_until("last");
	assert_true(strstr(written, "first") < strstr(written, "last"));
	log_info("gate", "after the stop");
	read_pipe_until("after the stop");
}

static void test_a_failed_assertion_is_written_past_the_lines_that_wait(void **state)
{
	static const char word[] = "the last word\n";

	(void)state;
	assert_int_equal(log_start(), 0);
	write_until_dropped();
	log_at_once(word, sizeof(word) - 1); /* nobody reads: it must return */
	read_pipe_until("lines were dropped");
	log_at_once(word, sizeof(word) - 1);
	read_pipe_until("the last word");
	log_stop();
}

/* The last test: the writer is stuck for good after it. */
static void test_a_stop_does_not_wait_for_a_reader_that_has_stopped(void **state)
{
	(void)state;
	assert_int_equal(log_start(), 0);
	write_until_dropped();
	log_stop();
	log_info("gate", "after the stop");
}

int main(void)
{
#define PIPED(test) cmocka_unit_test_setup_teardown(test, begin_pipe, end_pipe)
#define JOURNAL(test) cmocka_unit_test_setup_teardown(test, begin, end_journal)
#define CAPTURED(test) cmocka_unit_test_setup_teardown(test, begin, end)
	const struct CMUnitTest tests[] = {
		CAPTURED(test_json_line_has_time_level_component_message_and_fields),
		CAPTURED(test_json_line_escapes_what_comes_from_outside),
		CAPTURED(test_cut_json_line_is_still_json),
		CAPTURED(test_line_of_many_fields_is_cut_between_them),
		CAPTURED(test_text_line_is_for_people),
		CAPTURED(test_text_line_quotes_and_escapes_odd_values),
		CAPTURED(test_what_would_deceive_a_terminal_is_escaped),
		CAPTURED(test_cut_text_line_ends_with_a_newline),
		JOURNAL(test_lines_for_the_journal_begin_with_their_priority),
		JOURNAL(test_what_is_not_the_journal_gets_no_priority),
		CAPTURED(test_level_holds_lines_back),
		CAPTURED(test_line_that_is_held_back_costs_no_evaluation),
		CAPTURED(test_logging_leaves_errno_alone),
		CAPTURED(test_level_names),
		CAPTURED(test_limiter_lets_one_line_a_second_pass_and_counts_the_rest),
		CAPTURED(test_limiter_passes_in_the_first_second_after_boot),
		CAPTURED(test_error_origin_logs_and_returns_the_code),
		CAPTURED(test_error_texts),
		PIPED(test_nobody_waits_for_a_reader_that_has_stopped_and_what_was_dropped_is_said),
		PIPED(test_what_was_logged_before_a_stop_is_written_by_it),
		PIPED(test_a_failed_assertion_is_written_past_the_lines_that_wait),
		PIPED(test_a_stop_does_not_wait_for_a_reader_that_has_stopped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
