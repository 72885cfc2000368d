/*
 * Whose gates sell, by what each gate has itself seen move: no clock but its own takes part in it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include "stock/redis/versions.h"

enum { OWN = 5 };
#define SECOND INT64_C(1000000000)
#define START (1000 * SECOND)

static struct redis_versions versions;
static struct redis_other_gate gates[REDIS_GATES_MAX + 1];
static size_t count;

static int set_up(void **state)
{
	(void)state;
	assert_int_equal(redis_versions_init(&versions, OWN), 0);
	count = 0;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	redis_versions_deinit(&versions);
	return 0;
}

static struct redis_other_gate *join(unsigned version, char letter)
{
	snprintf(gates[count].name, sizeof(gates[count].name), "%u %c", version, letter);
	return &gates[count++];
}

static enum stock_sellers look(unsigned selling, int64_t now_ns)
{
	redis_versions_take(&versions, selling, gates, count, now_ns);
	return redis_versions_sellers(&versions, now_ns);
}

static void test_nothing_was_heard_so_nobody_takes_over(void **state)
{
	(void)state;
	assert_int_equal(redis_versions_sellers(&versions, START), STOCK_SELLERS_OTHERS);
}

static void test_a_gate_of_the_version_that_sells_lives_while_it_moves(void **state)
{
	struct redis_other_gate *old = join(OWN - 1, 'a');

	(void)state;
	for (int64_t at_ns = START; at_ns < START + 20 * SECOND; at_ns += SECOND) {
		old->beat++;
		assert_int_equal(look(OWN - 1, at_ns), STOCK_SELLERS_OTHERS);
	}
}

/*
 * Its number alone says so: not what the number is, nor how long it has stood still before anybody
 * looked.
 */
static void test_a_gate_that_stands_still_is_gone_after_three_seconds_of_looking(void **state)
{
	join(OWN - 1, 'a')->beat = 7;
	(void)state;
	assert_int_equal(look(OWN - 1, START), STOCK_SELLERS_OTHERS);
	assert_int_equal(look(OWN - 1, START + REDIS_GONE_NS - 1), STOCK_SELLERS_OTHERS);
	assert_int_equal(look(OWN - 1, START + REDIS_GONE_NS), STOCK_SELLERS_NONE);
	gates[0].beat = 6; /* it is back: it may well be behind what it was */
	assert_int_equal(look(OWN - 1, START + REDIS_GONE_NS), STOCK_SELLERS_OTHERS);
}

static void test_a_gate_that_has_left_is_not_waited_for(void **state)
{
	(void)state;
	join(OWN - 1, 'a');
	assert_int_equal(look(OWN - 1, START), STOCK_SELLERS_OTHERS);
	count = 0;
	assert_int_equal(look(OWN - 1, START + 1), STOCK_SELLERS_NONE);
	assert_int_equal(look(OWN, START + 2), STOCK_SELLERS_OURS);
}

/* Old news: a gate that does not reach Redis takes nothing over. */
static void test_who_hears_nothing_takes_nothing_over(void **state)
{
	(void)state;
	assert_int_equal(look(OWN - 1, START), STOCK_SELLERS_NONE);
	assert_int_equal(redis_versions_sellers(&versions, START + 5 * SECOND), STOCK_SELLERS_OTHERS);
}

static void test_the_newest_version_takes_over(void **state)
{
	struct redis_other_gate *newer;

	(void)state;
	newer = join(OWN + 1, 'a');
	assert_int_equal(look(OWN - 1, START), STOCK_SELLERS_OTHERS); /* it is the newer one's to take */
	newer->version = 0;
	assert_int_equal(look(OWN - 1, START + REDIS_GONE_NS), STOCK_SELLERS_NONE); /* which is dead */
	count = 0;
	join(OWN - 2, 'b');
	assert_int_equal(look(OWN - 1, START + 4 * SECOND), STOCK_SELLERS_NONE); /* an older one that stands by waits for us */
}

/* Back again: nobody of the newer version is left. */
static void test_an_older_version_takes_over_where_no_newer_gate_is_left(void **state)
{
	(void)state;
	join(OWN + 1, 'a');
	assert_int_equal(look(OWN + 1, START), STOCK_SELLERS_OTHERS);
	count = 0;
	assert_int_equal(look(OWN + 1, START + 1), STOCK_SELLERS_NONE);
}

static void test_the_first_version_says_nothing_and_who_is_elected_takes_over(void **state)
{
	(void)state;
	assert_int_equal(look(0, START), STOCK_SELLERS_NONE);
}

static void test_who_is_gone_is_told_to_be_forgotten(void **state)
{
	struct redis_other_gate gone[4];

	(void)state;
	join(OWN, 'a')->beat = 3;
	join(OWN, 'b')->beat = 4;
	(void)look(OWN, START);
	gates[1].beat = 5;
	(void)look(OWN, START + REDIS_GONE_NS);
	assert_int_equal(redis_versions_gone(&versions, START + REDIS_GONE_NS, gone, 4), 1);
	assert_string_equal(gone[0].name, "5 a");
	assert_int_equal(gone[0].beat, 3);
	assert_true(redis_versions_lives(&versions, OWN, START + REDIS_GONE_NS));
	assert_false(redis_versions_lives(&versions, OWN + 1, START + REDIS_GONE_NS));
}

/* What Redis answers is input. */
static void test_more_gates_than_there_may_be_are_not_kept(void **state)
{
	(void)state;
	for (int i = 0; i <= REDIS_GATES_MAX; i++)
		join((unsigned)i, 'x');
	(void)look(OWN, START);
	assert_int_equal(versions.count, REDIS_GATES_MAX);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nothing_was_heard_so_nobody_takes_over),
		TEST(test_a_gate_of_the_version_that_sells_lives_while_it_moves),
		TEST(test_a_gate_that_stands_still_is_gone_after_three_seconds_of_looking),
		TEST(test_a_gate_that_has_left_is_not_waited_for),
		TEST(test_who_hears_nothing_takes_nothing_over),
		TEST(test_the_newest_version_takes_over),
		TEST(test_an_older_version_takes_over_where_no_newer_gate_is_left),
		TEST(test_the_first_version_says_nothing_and_who_is_elected_takes_over),
		TEST(test_who_is_gone_is_told_to_be_forgotten),
		TEST(test_more_gates_than_there_may_be_are_not_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
