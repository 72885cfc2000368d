#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/clock.h"
#include "workers/ledger_age.h"

enum { PARTITIONS = 2 };

static int64_t ends[PARTITIONS], positions[PARTITIONS], now_ns;
static int failure;

static int fake_ends(struct journal *journal, int64_t *out, uint32_t max, uint32_t *count)
{
	(void)journal;
	assert_true(max >= PARTITIONS);
	for (int i = 0; i < PARTITIONS; i++)
		out[i] = ends[i];
	*count = PARTITIONS;
	return failure;
}

static int fake_position(struct ledger *ledger, uint32_t partition, int64_t *next, uint64_t *mark)
{
	(void)ledger;
	*next = positions[partition];
	*mark = 0;
	return positions[partition] ? LEDGER_DONE : LEDGER_NOT_FOUND;
}

static const struct journal_ops journal_ops = {.name = "fake", .ends = fake_ends};
static const struct ledger_ops ledger_ops = {.name = "fake", .journal_position = fake_position};
static struct journal journal = {.ops = &journal_ops};
static struct ledger ledger = {.ops = &ledger_ops};

static int64_t wall_us(const struct clock_source *source)
{
	(void)source;
	return now_ns / 1000;
}

static int64_t mono_ns(const struct clock_source *source)
{
	(void)source;
	return now_ns;
}

static const struct clock_source clock_of_the_test = {.wall_us = wall_us, .mono_ns = mono_ns};

static int open_age(void **state)
{
	struct ledger_age *age;

	now_ns = INT64_C(1000000000000);
	clock_set_source(&clock_of_the_test);
	failure = 0;
	for (int i = 0; i < PARTITIONS; i++)
		ends[i] = positions[i] = 0;
	assert_int_equal(ledger_age_new(&age, &journal, &ledger), 0);
	*state = age;
	return 0;
}

static int close_age(void **state)
{
	ledger_age_free(*state);
	ledger_age_free(NULL);
	clock_set_source(NULL);
	return 0;
}

/* A second later, and one look. */
static struct ledger_age_state look(struct ledger_age *age)
{
	now_ns += INT64_C(1000000000);
	ledger_age_turn(age);
	return ledger_age_look(age);
}

static void test_a_ledger_that_has_all_is_of_now(void **state)
{
	struct ledger_age_state seen;

	ends[0] = positions[0] = 10;
	seen = look(*state);
	assert_true(seen.as_of_ms == now_ns / 1000000);
	assert_int_equal(seen.lag_records, 0);
}

static void test_a_ledger_that_lags_is_as_old_as_the_newest_moment_that_it_has_reached(void **state)
{
	int64_t first_ms, second_ms;
	struct ledger_age_state seen;

	ends[0] = 10;
	ends[1] = 5;
	seen = look(*state);
	first_ms = now_ns / 1000000;
	assert_true(seen.as_of_ms == 0); /* nobody knows */
	assert_int_equal(seen.lag_records, 15);
	ends[0] = 20;
	seen = look(*state);
	second_ms = now_ns / 1000000;
	positions[0] = 20;
	positions[1] = 4;
	seen = look(*state);
	assert_true(seen.as_of_ms == 0); /* one partition has not got there */
	assert_int_equal(seen.lag_records, 1);
	assert_int_equal(seen.rate, 24);
	ends[0] = 30;
	positions[1] = 5;
	(void)look(*state);
	seen = ledger_age_look(*state);
	assert_true(seen.as_of_ms > second_ms);
	assert_true(seen.as_of_ms < now_ns / 1000000);
	assert_true(first_ms < second_ms);
}

static void test_what_cannot_be_asked_leaves_what_was_known(void **state)
{
	struct ledger_age_state before, after;

	ends[0] = positions[0] = 10;
	before = look(*state);
	failure = -ENOTCONN;
	ends[0] = 20;
	after = look(*state);
	assert_true(after.as_of_ms == before.as_of_ms);
}

/* Marks are thinned where they grow too many: what is said is older than it is, never younger. */
static void test_a_long_lag_is_never_said_to_be_shorter(void **state)
{
	int64_t at_ms[1000];
	struct ledger_age_state seen;

	for (int i = 0; i < 1000; i++) {
		ends[0] = i + 1;
		(void)look(*state);
		at_ms[i] = now_ns / 1000000;
	}
	for (int i = 100; i < 1000; i += 100) {
		positions[0] = i + 1;
		seen = look(*state);
		assert_true(seen.as_of_ms <= at_ms[i]);
		assert_true(seen.as_of_ms > at_ms[i] - 100000);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_age, close_age)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_ledger_that_has_all_is_of_now),
		TEST(test_a_ledger_that_lags_is_as_old_as_the_newest_moment_that_it_has_reached),
		TEST(test_what_cannot_be_asked_leaves_what_was_known),
		TEST(test_a_long_lag_is_never_said_to_be_shorter),
	};

	return cmocka_run_group_tests_name("workers: age of the ledger", tests, NULL, NULL);
}
