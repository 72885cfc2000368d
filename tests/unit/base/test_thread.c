#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <string.h>
#include "base/thread.h"

struct seen {
	char name[16];
	sigset_t mask;
};

static void look(void *argument)
{
	struct seen *seen = argument;

	pthread_getname_np(pthread_self(), seen->name, sizeof(seen->name));
	pthread_sigmask(SIG_SETMASK, NULL, &seen->mask);
}

static void run(struct seen *seen, const char *name)
{
	struct thread thread = {0};

	assert_int_equal(thread_start(&thread, name, look, seen), 0);
	assert_true(thread.started);
	thread_join(&thread);
	assert_false(thread.started);
}

static void test_thread_has_its_name(void **state)
{
	struct seen seen;

	(void)state;
	run(&seen, "journal");
	assert_string_equal(seen.name, "journal");
	run(&seen, "a name that is too long");
	assert_string_equal(seen.name, "a name that is ");
}

static void test_thread_blocks_signals_and_its_starter_does_not(void **state)
{
	struct seen seen;
	sigset_t here;

	(void)state;
	run(&seen, "signals");
	assert_int_equal(sigismember(&seen.mask, SIGTERM), 1);
	assert_int_equal(sigismember(&seen.mask, SIGINT), 1);
	pthread_sigmask(SIG_SETMASK, NULL, &here);
	assert_int_equal(sigismember(&here, SIGTERM), 0);
}

static void test_join_may_be_repeated_and_needs_no_start(void **state)
{
	struct thread thread = {0};
	struct seen seen;

	(void)state;
	thread_join(&thread);
	assert_int_equal(thread_start(&thread, "again", look, &seen), 0);
	thread_join(&thread);
	thread_join(&thread);
	assert_int_equal(thread_start(&thread, "again", look, &seen), 0);
	thread_join(&thread);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_thread_has_its_name),
		cmocka_unit_test(test_thread_blocks_signals_and_its_starter_does_not),
		cmocka_unit_test(test_join_may_be_repeated_and_needs_no_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
