/* Which stops of a sale a release answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "model/sale_stops.h"

static struct uuid id(uint8_t number)
{
	return (struct uuid){{number}};
}

static struct sale_stops stops_of(uint8_t count)
{
	struct sale_stops stops = {.count = 0};

	for (uint8_t i = 1; i <= count; i++) {
		const struct uuid request = id(i);

		sale_stops_add(&stops, &request);
	}
	return stops;
}

static void test_a_release_answers_what_was_counted_when_it_was_made(void **state)
{
	const struct sale_stops stops = stops_of(3);

	(void)state;
	assert_true(sale_release_answers(&(struct sale_release){.stops = 3}, &stops));
	assert_true(sale_release_answers(&(struct sale_release){.stops = 4}, &stops)); /* the row is from before */
	assert_false(sale_release_answers(&(struct sale_release){.stops = 2}, &stops));
}

static void test_a_release_answers_what_lies_before_it_in_the_history(void **state)
{
	const struct sale_stops stops = stops_of(3);
	struct sale_release release = {.stops = 1, .before_count = 2, .before = {id(3), id(2)}};

	(void)state;
	assert_true(sale_release_answers(&release, &stops));
	release.before_count = 1; /* the older one of the two went by the ledger alone */
	assert_false(sale_release_answers(&release, &stops));
	release.before[0] = id(2); /* the newer one */
	assert_false(sale_release_answers(&release, &stops));
}

/*
 * A gate that is cut off from the ledger may stop the sale, and let it go on, as often as it likes.
 */
static void test_what_an_earlier_release_has_answered_needs_no_other(void **state)
{
	struct sale_stops stops = stops_of(SALE_STOPS_KEPT + 2);
	const struct sale_release release = {.stops = 0, .before_count = 1, .before = {id(SALE_STOPS_KEPT + 2)}};

	(void)state;
	assert_false(sale_release_answers(&release, &stops));
	stops.answered = SALE_STOPS_KEPT + 1;
	assert_true(sale_release_answers(&release, &stops));
	stops.answered = SALE_STOPS_KEPT;
	assert_false(sale_release_answers(&release, &stops));
}

static void test_of_more_stops_than_are_kept_none_is_answered_unseen(void **state)
{
	struct sale_stops stops = stops_of(SALE_STOPS_KEPT + 2);
	struct sale_release release = {.stops = 2, .before_count = SALE_STOPS_KEPT};

	(void)state;
	for (uint32_t i = 0; i < SALE_STOPS_KEPT; i++)
		release.before[i] = id((uint8_t)(i + 3));
	assert_true(sale_release_answers(&release, &stops));
	release.stops = 1; /* of the second nobody knows the request any more */
	assert_false(sale_release_answers(&release, &stops));
}

static void test_stops_are_kept_as_bytes_and_read_again(void **state)
{
	const struct sale_stops stops = stops_of(SALE_STOPS_KEPT + 2);
	const struct slice bytes = sale_stops_bytes(&stops);
	const struct uuid newest = id(SALE_STOPS_KEPT + 2), second = id(2), third = id(3);
	struct sale_stops read;

	(void)state;
	sale_stops_read(&read, stops.count, stops.answered, bytes);
	assert_memory_equal(&read, &stops, sizeof(read));
	assert_true(sale_stops_has(&read, &newest));
	assert_true(sale_stops_has(&read, &third));
	assert_false(sale_stops_has(&read, &second)); /* pushed out */
	/*
	 * Not as many as there should be: nobody knows whose they were, so no release answers them
	 * unseen.
	 */
	sale_stops_read(&read, 2, 0, (struct slice){bytes.data, 16});
	assert_int_equal(read.count, 2);
	assert_false(sale_release_answers(&(struct sale_release){.stops = 1, .before_count = 1, .before = {third}}, &read));
	assert_true(sale_release_answers(&(struct sale_release){.stops = 2}, &read));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_release_answers_what_was_counted_when_it_was_made),
		cmocka_unit_test(test_a_release_answers_what_lies_before_it_in_the_history),
		cmocka_unit_test(test_what_an_earlier_release_has_answered_needs_no_other),
		cmocka_unit_test(test_of_more_stops_than_are_kept_none_is_answered_unseen),
		cmocka_unit_test(test_stops_are_kept_as_bytes_and_read_again),
	};

	return cmocka_run_group_tests_name("model: stops of a sale", tests, NULL, NULL);
}
