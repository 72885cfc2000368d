#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/thread.h"

static char path[] = "/tmp/penstock-failpoints-XXXXXX", hits_path[sizeof(path) + 5];

/*
 * Sizes differ from one content to the next, so the change is seen even where a file's time is
 * coarse.
 */
static void write_file(const char *text)
{
	static int pad;
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fprintf(file, "%s%*s\n", text, ++pad, "");
	fclose(file);
}

static void test_unknown_point_does_nothing(void **state)
{
	(void)state;
	assert_int_equal(FAILPOINT("nobody.named.this"), 0);
}

static void test_environment_sets_points(void **state)
{
	(void)state;
	assert_int_equal(FAILPOINT("env.error"), -ENOSPC);
	assert_int_equal(FAILPOINT("env.on"), 1);
}

static void test_skip_and_count_choose_the_hits(void **state)
{
	static const int expected[] = {0, 0, -EIO, -EIO, -EIO, 0, 0};

	(void)state;
	write_file("chosen=error:5@2x3");
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		assert_int_equal(FAILPOINT("chosen"), expected[i]);
}

static void test_file_is_read_again_when_it_changes(void **state)
{
	(void)state;
	write_file("a=on");
	assert_int_equal(FAILPOINT("a"), 1);
	assert_int_equal(FAILPOINT("b"), 0);
	write_file("b=on, c=error:7");
	assert_int_equal(FAILPOINT("a"), 0);
	assert_int_equal(FAILPOINT("b"), 1);
	assert_int_equal(FAILPOINT("c"), -7);
	write_file("");
	assert_int_equal(FAILPOINT("b"), 0);
	assert_int_equal(FAILPOINT("env.on"), 1);
}

static void test_bad_file_counts_as_empty(void **state)
{
	static const char *const bad[] = {"a",      "a=",      "a=fly", "a=error", "a=error:x",
					  "a=on:3", "a=delay", "=on",   "a=on@",   "a=on@x2"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		write_file(bad[i]);
		assert_int_equal(FAILPOINT("a"), 0);
	}
}

static void test_delay_stalls(void **state)
{
	int64_t begun = clock_mono_ns();

	(void)state;
	write_file("slow=delay:5");
	assert_int_equal(FAILPOINT("slow"), 0);
	assert_true(clock_mono_ns() - begun >= 5000000);
}

static atomic_bool lifted;

/* Once somebody is held. */
static void lift(void *unused)
{
	(void)unused;
	while (access(hits_path, F_OK) < 0)
		poll(NULL, 0, 1);
	atomic_store(&lifted, true);
	write_file("");
}

static void test_hold_lasts_until_it_is_lifted(void **state)
{
	struct thread thread = {0};

	(void)state;
	unlink(hits_path);
	write_file("held=hold");
	assert_int_equal(thread_start(&thread, "lift", lift, NULL), 0);
	assert_int_equal(FAILPOINT("held"), 0);
	assert_true(atomic_load(&lifted));
	thread_join(&thread);
	assert_int_equal(FAILPOINT("held"), 0);
}

static void test_what_acts_leaves_its_name(void **state)
{
	char line[64];
	FILE *hits;

	(void)state;
	unlink(hits_path);
	write_file("one=delay:1x1, two=on, three=error:5@1");
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(FAILPOINT("one"), 0);
		assert_int_equal(FAILPOINT("two"), 1);
		assert_int_equal(FAILPOINT("three"), i == 0 ? 0 : -5);
	}
	hits = fopen(hits_path, "r");
	assert_non_null(hits);
	assert_non_null(fgets(line, sizeof(line), hits));
	assert_string_equal(line, "one\n");
	assert_non_null(fgets(line, sizeof(line), hits));
	assert_string_equal(line, "three\n");
	assert_null(fgets(line, sizeof(line), hits));
	fclose(hits);
}

static void test_kill_kills(void **state)
{
	pid_t child;
	int status;

	(void)state;
	write_file("die=kill@1");
	child = fork();
	if (child == 0) {
		if (FAILPOINT("die") == 0)
			(void)!FAILPOINT("die");
		_exit(3);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unknown_point_does_nothing),     cmocka_unit_test(test_environment_sets_points),
		cmocka_unit_test(test_skip_and_count_choose_the_hits), cmocka_unit_test(test_file_is_read_again_when_it_changes),
		cmocka_unit_test(test_bad_file_counts_as_empty),       cmocka_unit_test(test_delay_stalls),
		cmocka_unit_test(test_what_acts_leaves_its_name),      cmocka_unit_test(test_kill_kills),
		cmocka_unit_test(test_hold_lasts_until_it_is_lifted),
	};
	int failed, fd = mkstemp(path);

	if (fd < 0)
		return 1;
	close(fd);
	snprintf(hits_path, sizeof(hits_path), "%s.hits", path);
	setenv("PENSTOCK_FAILPOINTS", "env.error=error:28,env.on=on", 1);
	setenv("PENSTOCK_FAILPOINTS_FILE", path, 1);
	setenv("PENSTOCK_FAILPOINTS_HITS", hits_path, 1);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	unlink(hits_path);
	return failed;
}
