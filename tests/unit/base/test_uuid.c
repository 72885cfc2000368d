#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "base/error.h"
#include "base/uuid.h"

static const int64_t noon_ms = 1798797600123;

static void test_id_tells_its_time_and_tag(void **state)
{
	static const uint32_t tags[] = {0, 1, 0x123456, UUID_TAG_MAX};
	struct uuid_generator generator = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
		struct uuid id = uuid_make(&generator, noon_ms + (int64_t)i, tags[i]);

		assert_int_equal(uuid_tag(&id), tags[i]);
		assert_int_equal(uuid_wall_ms(&id), noon_ms + (int64_t)i);
		assert_int_equal(id.bytes[6] >> 4, 7);
		assert_int_equal(id.bytes[8] >> 6, 2);
	}
}

static void test_ids_of_one_moment_rise(void **state)
{
	struct uuid_generator generator = {0};
	struct uuid before = uuid_make(&generator, noon_ms, 5);

	(void)state;
	for (int i = 0; i < 1000; i++) {
		struct uuid id = uuid_make(&generator, noon_ms, 5);

		assert_true(uuid_compare(&before, &id) < 0);
		before = id;
	}
	assert_int_equal(uuid_wall_ms(&before), noon_ms);
}

static void test_full_counter_carries_into_the_time(void **state)
{
	struct uuid_generator generator = {0};
	struct uuid before = uuid_make(&generator, noon_ms, 5);

	(void)state;
	for (int i = 1; i < 3 * 4096; i++) {
		struct uuid id = uuid_make(&generator, noon_ms, 5);

		assert_true(uuid_compare(&before, &id) < 0);
		assert_int_equal(uuid_wall_ms(&id), noon_ms + i / 4096);
		before = id;
	}
	/* The real time catches up and is followed again. */
	before = uuid_make(&generator, noon_ms + 100, 5);
	assert_int_equal(uuid_wall_ms(&before), noon_ms + 100);
}

static void test_ids_rise_when_the_clock_falls(void **state)
{
	struct uuid_generator generator = {0};
	struct uuid first = uuid_make(&generator, noon_ms, 5), second = uuid_make(&generator, noon_ms - 3600000, 5);

	(void)state;
	assert_true(uuid_compare(&first, &second) < 0);
	assert_int_equal(uuid_wall_ms(&second), noon_ms);
	second = uuid_make(&generator, -1, 5);
	assert_true(uuid_compare(&first, &second) < 0);
}

static void test_ids_of_two_generators_differ(void **state)
{
	struct uuid_generator one = {0}, two = {0};

	(void)state;
	for (int i = 0; i < 100; i++) {
		struct uuid a = uuid_make(&one, noon_ms, 5), b = uuid_make(&two, noon_ms, 5);

		assert_false(uuid_equal(&a, &b));
	}
}

static void test_text_round_trip(void **state)
{
	struct uuid_generator generator = {0};

	(void)state;
	for (int i = 0; i < 100; i++) {
		struct uuid id = uuid_make(&generator, noon_ms + i, (uint32_t)i), again;
		char text[UUID_TEXT_SIZE];

		uuid_format(&id, text);
		assert_int_equal(strlen(text), 36);
		assert_int_equal(uuid_parse(slice_of(text), &again), 0);
		assert_true(uuid_equal(&id, &again));
		assert_false(uuid_is_null(&id));
	}
}

static void test_parse_takes_the_example_of_the_rfc_in_both_cases(void **state)
{
	/* RFC 9562, appendix A.6 */
	static const char text[] = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f";
	struct uuid id, upper;
	char again[UUID_TEXT_SIZE];

	(void)state;
	assert_int_equal(uuid_parse(slice_of(text), &id), 0);
	assert_int_equal(uuid_wall_ms(&id), 0x017f22e279b0);
	uuid_format(&id, again);
	assert_string_equal(again, text);
	assert_int_equal(uuid_parse(SLICE("017F22E2-79B0-7CC3-98C4-DC0C0C07398F"), &upper), 0);
	assert_true(uuid_equal(&id, &upper));
}

static void test_parse_refuses_all_else(void **state)
{
	static const char *const bad[] = {
		"",
		"017f22e2-79b0-7cc3-98c4-dc0c0c07398",   /* short */
		"017f22e2-79b0-7cc3-98c4-dc0c0c07398f0", /* long */
		"017f22e279b07cc398c4dc0c0c07398f",      /* no dashes */
		"017f22e2-79b0-7cc3-98c4-dc0c0c07398g",  /* no digit */
		"017f22e2-79b0-7cc3-98c4_dc0c0c07398f",  /* no dash */
		"017f22e27-9b0-7cc3-98c4-dc0c0c07398f",  /* dash elsewhere */
		"017f22e2-79b0-4cc3-98c4-dc0c0c07398f",  /* version 4 */
		"017f22e2-79b0-7cc3-18c4-dc0c0c07398f",  /* variant 0 */
		"017f22e2-79b0-7cc3-d8c4-dc0c0c07398f",  /* variant 3 */
		"00000000-0000-0000-0000-000000000000",
		"{17f22e2-79b0-7cc3-98c4-dc0c0c07398}",
		" 17f22e2-79b0-7cc3-98c4-dc0c0c07398f",
	};
	struct uuid id = {{1}};
	const struct uuid untouched = id;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(uuid_parse(slice_of(bad[i]), &id), -EINVAL);
	assert_true(uuid_equal(&id, &untouched));
}

static void test_null_id_is_known(void **state)
{
	const struct uuid null = {{0}};

	(void)state;
	assert_true(uuid_is_null(&null));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_id_tells_its_time_and_tag),
		cmocka_unit_test(test_ids_of_one_moment_rise),
		cmocka_unit_test(test_full_counter_carries_into_the_time),
		cmocka_unit_test(test_ids_rise_when_the_clock_falls),
		cmocka_unit_test(test_ids_of_two_generators_differ),
		cmocka_unit_test(test_text_round_trip),
		cmocka_unit_test(test_parse_takes_the_example_of_the_rfc_in_both_cases),
		cmocka_unit_test(test_parse_refuses_all_else),
		cmocka_unit_test(test_null_id_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
