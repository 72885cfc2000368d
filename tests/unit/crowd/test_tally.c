#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "crowd/tally.h"

#define MS INT64_C(1000000)

static int setup(void **state)
{
	static struct tally tally;

	tally_init(&tally);
	*state = &tally;
	return 0;
}

static int teardown(void **state)
{
	tally_deinit(*state);
	tally_deinit(*state);
	return 0;
}

static void test_outcomes_are_counted_by_status_and_code(void **state)
{
	struct tally *tally = *state;

	tally_outcome(tally, 410, SLICE("sold-out"));
	tally_outcome(tally, 410, SLICE("sale-ended"));
	tally_outcome(tally, 410, SLICE("sold-out"));
	tally_outcome(tally, 202, SLICE_NULL);
	assert_int_equal(tally->outcome_count, 3);
	assert_int_equal(tally->outcomes[0].count, 2);
	assert_string_equal(tally->outcomes[0].code, "sold-out");
	assert_string_equal(tally->outcomes[2].code, "");
}

static void test_outcomes_without_end_and_codes_without_end_are_bounded(void **state)
{
	struct tally *tally = *state;
	char code[200];
	uint64_t total = 0;

	memset(code, 'x', sizeof(code));
	for (int status = 200; status < 500; status++)
		tally_outcome(tally, status, (struct slice){code, sizeof(code)});
	assert_int_equal(tally->outcome_count, TALLY_OUTCOMES_MAX);
	assert_int_equal(strlen(tally->outcomes[0].code), TALLY_CODE_SIZE - 1);
	for (size_t i = 0; i < tally->outcome_count; i++)
		total += tally->outcomes[i].count;
	assert_int_equal(total, 300);
}

static void test_time_is_cut_in_slices(void **state)
{
	struct tally *tally = *state;

	tally_count(tally, TALLY_ACCEPTED, -5);
	tally_count(tally, TALLY_ACCEPTED, 99 * MS);
	tally_count(tally, TALLY_LOST, 100 * MS);
	tally_count(tally, TALLY_SOLD_OUT, 950 * MS);
	assert_int_equal(tally->slice_count, 10);
	assert_int_equal(tally->slices[0].counts[TALLY_ACCEPTED], 2);
	assert_int_equal(tally->slices[1].counts[TALLY_LOST], 1);
	assert_int_equal(tally->slices[9].counts[TALLY_SOLD_OUT], 1);
	assert_int_equal(tally->kinds[TALLY_ACCEPTED], 2);
}

static void test_a_day_takes_no_more_room_than_an_hour(void **state)
{
	struct tally *tally = *state;

	tally_count(tally, TALLY_ACCEPTED, INT64_C(86400) * 1000 * MS);
	assert_int_equal(tally->slice_count, TALLY_SLICES_MAX);
}

static void test_a_merge_adds_at_its_time(void **state)
{
	struct tally *tally = *state, other;

	tally_init(&other);
	tally_count(tally, TALLY_ACCEPTED, 0);
	tally_outcome(tally, 202, SLICE_NULL);
	tally_count(&other, TALLY_ACCEPTED, 50 * MS);
	tally_outcome(&other, 202, SLICE_NULL);
	tally_merge(tally, &other, 300 * MS);
	tally_deinit(&other);
	assert_int_equal(tally->kinds[TALLY_ACCEPTED], 2);
	assert_int_equal(tally->slices[3].counts[TALLY_ACCEPTED], 1);
	assert_int_equal(tally->outcomes[0].count, 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_outcomes_are_counted_by_status_and_code),
		TEST(test_outcomes_without_end_and_codes_without_end_are_bounded),
		TEST(test_time_is_cut_in_slices),
		TEST(test_a_day_takes_no_more_room_than_an_hour),
		TEST(test_a_merge_adds_at_its_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
