/* Which of the late purchases are turned away, and when they are told to come back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "gate/limit/overload.h"

static const int64_t START_NS = 7000000000, MS = 1000000;

/* So many come at once, and are turned away but for every 16th; what the last of them is told. */
static int64_t turn_away(struct overload *overload, int64_t now_ns, int count)
{
	int64_t retry_ms = 0;

	for (int turned = 0; turned < count; turned += overload_turns_away(overload, now_ns, &retry_ms))
		continue;
	return retry_ms;
}

static void decide(struct overload *overload, int count)
{
	for (int i = 0; i < count; i++)
		overload_decided(overload);
}

/* 1,000 a second, as the first tenth of one shows. Nobody is turned away yet. */
static struct overload at_a_thousand(void)
{
	struct overload overload = {0};

	turn_away(&overload, START_NS, 1);
	decide(&overload, 100);
	return overload;
}

static void test_every_sixteenth_is_decided_all_the_same(void **state)
{
	struct overload overload = {0};
	int64_t retry_ms;
	int decided = 0;

	(void)state;
	for (int i = 0; i < 160; i++)
		decided += !overload_turns_away(&overload, START_NS, &retry_ms);
	assert_int_equal(decided, 10);
}

static void test_before_the_rate_is_known_it_is_a_second(void **state)
{
	struct overload overload = {0};

	(void)state;
	decide(&overload, 1000000); /* before there was a queue */
	assert_int_equal(turn_away(&overload, START_NS, 5000), 1000);
	assert_int_equal(turn_away(&overload, START_NS + 99 * MS, 5000), 1000);
}

static void test_who_comes_behind_ten_thousand_comes_back_when_they_have_been_served(void **state)
{
	struct overload overload = at_a_thousand();

	(void)state;
	assert_int_equal(turn_away(&overload, START_NS + 100 * MS, 500), 1000);
	assert_in_range(turn_away(&overload, START_NS + 100 * MS, 9500), 9900, 10100);
}

static void test_the_queue_gets_shorter_as_it_is_served(void **state)
{
	struct overload overload = at_a_thousand();

	(void)state;
	turn_away(&overload, START_NS + 100 * MS, 10000);
	assert_in_range(turn_away(&overload, START_NS + 1000 * MS, 1), 9000, 9200);
}

static void test_the_rate_is_that_of_the_last_second(void **state)
{
	struct overload overload = at_a_thousand();

	(void)state;
	turn_away(&overload, START_NS + 100 * MS, 10000);
	decide(&overload, 2000);
	assert_in_range(turn_away(&overload, START_NS + 1100 * MS, 1), 3900, 4600); /* 8,000 at 2,000 a second */
}

static void test_nobody_is_sent_away_for_longer_than_a_minute(void **state)
{
	struct overload overload = at_a_thousand();

	(void)state;
	assert_int_equal(turn_away(&overload, START_NS + 100 * MS, 1000000), OVERLOAD_RETRY_MS_MAX);
}

static void test_an_overload_of_yesterday_says_nothing(void **state)
{
	struct overload overload = at_a_thousand();

	(void)state;
	turn_away(&overload, START_NS + 100 * MS, 100000);
	assert_int_equal(turn_away(&overload, START_NS + 1101 * MS, 1), 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_sixteenth_is_decided_all_the_same),
		cmocka_unit_test(test_before_the_rate_is_known_it_is_a_second),
		cmocka_unit_test(test_who_comes_behind_ten_thousand_comes_back_when_they_have_been_served),
		cmocka_unit_test(test_the_queue_gets_shorter_as_it_is_served),
		cmocka_unit_test(test_the_rate_is_that_of_the_last_second),
		cmocka_unit_test(test_nobody_is_sent_away_for_longer_than_a_minute),
		cmocka_unit_test(test_an_overload_of_yesterday_says_nothing),
	};

	return cmocka_run_group_tests_name("overload", tests, NULL, NULL);
}
