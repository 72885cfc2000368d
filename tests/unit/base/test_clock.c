#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "base/clock.h"
#include "base/error.h"
#include "base/random.h"
#include "text/slice.h"

static int64_t fake_us, fake_ns;

static int64_t fake_wall_us(const struct clock_source *source)
{
	(void)source;
	return fake_us;
}

static int64_t fake_mono_ns(const struct clock_source *source)
{
	(void)source;
	return fake_ns;
}

static const struct clock_source fake = {fake_wall_us, fake_mono_ns};

static int restore(void **state)
{
	(void)state;
	clock_set_source(NULL);
	return 0;
}

static void assert_format(int64_t wall_ms, const char *expected)
{
	char text[CLOCK_TEXT_SIZE];

	clock_format(wall_ms, text);
	assert_string_equal(text, expected);
}

static void test_format_known_moments(void **state)
{
	(void)state;
	assert_format(0, "1970-01-01T00:00:00.000Z");
	assert_format(-1, "1969-12-31T23:59:59.999Z");
	assert_format(951782400000, "2000-02-29T00:00:00.000Z");
	assert_format(1798797600123, "2027-01-01T10:00:00.123Z");
	assert_format(253402300799999, "9999-12-31T23:59:59.999Z");
	assert_format(-62167219200000, "0000-01-01T00:00:00.000Z");
}

static void test_format_stays_within_four_digits_of_year(void **state)
{
	(void)state;
	assert_format(INT64_MAX, "9999-12-31T23:59:59.999Z");
	assert_format(INT64_MIN, "0000-01-01T00:00:00.000Z");
}

/* The C library is the judge. */
static void test_format_and_parse_agree_with_gmtime_on_random_moments(void **state)
{
	(void)state;
	random_set_seed(42);
	for (int i = 0; i < 20000; i++) {
		int64_t wall_ms = (int64_t)(random_u64() % 315569520000000) - 62167219200000, again;
		time_t seconds = (time_t)(wall_ms >= 0 ? wall_ms / 1000 : -((-wall_ms + 999) / 1000));
		char text[CLOCK_TEXT_SIZE], expected[64];
		struct tm parts;

		gmtime_r(&seconds, &parts);
		snprintf(expected, sizeof(expected), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", parts.tm_year + 1900, parts.tm_mon + 1,
			 parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, (int)(wall_ms - (int64_t)seconds * 1000));
		clock_format(wall_ms, text);
		assert_string_equal(text, expected);
		assert_int_equal(clock_parse(text, strlen(text), &again), 0);
		assert_int_equal(again, wall_ms);
	}
	random_set_seed(0);
}

static void assert_parse(const char *text, int64_t expected)
{
	int64_t wall_ms = -7;

	assert_int_equal(clock_parse(text, strlen(text), &wall_ms), 0);
	assert_int_equal(wall_ms, expected);
}

static void test_parse_takes_every_form_of_utc(void **state)
{
	(void)state;
	assert_parse("2027-01-01T10:00:00Z", 1798797600000);
	assert_parse("2027-01-01t10:00:00z", 1798797600000);
	assert_parse("2027-01-01T10:00:00+00:00", 1798797600000);
	assert_parse("2027-01-01T10:00:00.5Z", 1798797600500);
	assert_parse("2027-01-01T10:00:00.12Z", 1798797600120);
	assert_parse("2027-01-01T10:00:00.123+00:00", 1798797600123);
	assert_parse("2027-01-01T10:00:00.1239999999999999999999Z", 1798797600123);
}

static void test_parse_knows_leap_years(void **state)
{
	int64_t wall_ms;

	(void)state;
	assert_parse("2024-02-29T00:00:00Z", 1709164800000);
	assert_parse("2000-02-29T00:00:00Z", 951782400000);
	assert_int_equal(clock_parse("2023-02-29T00:00:00Z", 20, &wall_ms), -EINVAL);
	assert_int_equal(clock_parse("1900-02-29T00:00:00Z", 20, &wall_ms), -EINVAL);
	assert_int_equal(clock_parse("2100-02-29T00:00:00Z", 20, &wall_ms), -EINVAL);
}

static void test_parse_refuses_all_else(void **state)
{
	static const char *const bad[] = {
		"",
		"2027-01-01",
		"2027-01-01T10:00:00",
		"2027-01-01 10:00:00Z",
		"2027-01-01T10:00Z",
		"2027-01-01T10:00:00.Z",
		"2027-01-01T10:00:00,5Z",
		"2027-01-01T10:00:00ZZ",
		"2027-01-01T10:00:00+24:00",
		"2027-01-01T10:00:00+01:60",
		"2027-01-01T10:00:00 01:00",
		"2027-01-01T10:00:00-00:00",
		"2027-01-01T10:00:00+0000",
		"2027-13-01T10:00:00Z",
		"2027-00-01T10:00:00Z",
		"2027-01-00T10:00:00Z",
		"2027-01-32T10:00:00Z",
		"2027-04-31T10:00:00Z",
		"2027-01-01T24:00:00Z",
		"2027-01-01T10:60:00Z",
		"2027-01-01T23:59:60Z",
		"2027-1-01T10:00:00Z",
		"+027-01-01T10:00:00Z",
		"2027-01-01T10:00: 0Z",
		"20270101T100000Z....",
		"1798797600",
	};
	int64_t wall_ms = -7;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(clock_parse(bad[i], strlen(bad[i]), &wall_ms), -EINVAL);
	assert_int_equal(wall_ms, -7);
}

static void test_an_offset_is_the_same_moment_elsewhere(void **state)
{
	int64_t utc_ms, wall_ms;

	(void)state;
	assert_int_equal(clock_parse("2027-01-01T10:00:00.250Z", 24, &utc_ms), 0);
	assert_int_equal(clock_parse("2027-01-01T11:00:00.250+01:00", 29, &wall_ms), 0);
	assert_int_equal(wall_ms, utc_ms);
	assert_int_equal(clock_parse("2026-12-31T23:30:00.250-10:30", 29, &wall_ms), 0);
	assert_int_equal(wall_ms, utc_ms);
	assert_int_equal(clock_parse("2027-01-01T10:00:00.250+00:00", 29, &wall_ms), 0);
	assert_int_equal(wall_ms, utc_ms);
}

static void test_parse_looks_at_no_byte_beyond_its_size(void **state)
{
	int64_t wall_ms;

	(void)state;
	assert_int_equal(clock_parse("2027-01-01T10:00:00Zgarbage", 20, &wall_ms), 0);
	assert_int_equal(clock_parse("2027-01-01T10:00:00Z", 19, &wall_ms), -EINVAL);
}

static void test_source_can_be_replaced(void **state)
{
	(void)state;
	clock_set_source(&fake);
	fake_us = 1234567;
	fake_ns = 98765432;
	assert_int_equal(clock_wall_us(), 1234567);
	assert_int_equal(clock_wall_ms(), 1234);
	assert_int_equal(clock_mono_ns(), 98765432);
	assert_int_equal(clock_mono_ms(), 98);
	fake_us = -1;
	assert_int_equal(clock_wall_ms(), -1);
	clock_set_source(NULL);
	assert_true(clock_wall_ms() > 1700000000000);
}

static void test_monotonic_time_does_not_fall(void **state)
{
	int64_t before = clock_mono_ns();

	(void)state;
	for (int i = 0; i < 1000; i++) {
		int64_t now = clock_mono_ns();

		assert_true(now >= before);
		before = now;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_format_known_moments),
		cmocka_unit_test(test_format_stays_within_four_digits_of_year),
		cmocka_unit_test(test_format_and_parse_agree_with_gmtime_on_random_moments),
		cmocka_unit_test(test_parse_takes_every_form_of_utc),
		cmocka_unit_test(test_parse_knows_leap_years),
		cmocka_unit_test(test_parse_refuses_all_else),
		cmocka_unit_test(test_an_offset_is_the_same_moment_elsewhere),
		cmocka_unit_test(test_parse_looks_at_no_byte_beyond_its_size),
		cmocka_unit_test_teardown(test_source_can_be_replaced, restore),
		cmocka_unit_test(test_monotonic_time_does_not_fall),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
