#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "cli/relay/lines.h"

static const int64_t SECOND = 1000000000;

static int64_t now_ns;

static int64_t read_ns(const struct clock_source *source)
{
	(void)source;
	return now_ns;
}

static int start(void **state)
{
	static const struct clock_source still = {read_ns, read_ns};
	static struct lines lines;

	now_ns = 1000 * SECOND;
	clock_set_source(&still);
	lines = (struct lines){0};
	*state = &lines;
	return 0;
}

static int end(void **state)
{
	lines_deinit(*state);
	clock_set_source(NULL);
	return 0;
}

/* The feed's change of a number, its id "c" and the number. */
static void add(struct lines *lines, int number, const char *sale)
{
	char id[16], cursor[32];
	json_t *change;

	snprintf(id, sizeof(id), "c%d", number);
	snprintf(cursor, sizeof(cursor), "1.%d.9f86d081884c7d65", number);
	change = json_pack("{s:s, s:s, s:{s:s}}", "id", id, "cursor", cursor, "data", "sale", sale);
	assert_int_equal(lines_add(lines, change), 0);
	json_decref(change);
}

/* The next whose turn it is, by its id; "" where it is nobody's. */
static struct change *next(struct lines *lines, const char *id)
{
	int64_t wait_ns = SECOND;
	struct change *change = lines_due(lines, now_ns, &wait_ns);

	assert_string_equal(change ? change->id : "", id);
	return change;
}

/* The number of the mark that all is done up to; 0: there is none. */
static int low(const struct lines *lines)
{
	int number = 0;

	if (lines->low)
		assert_int_equal(sscanf(lines->low, "1.%d.", &number), 1);
	return number;
}

static void test_those_of_a_sale_go_one_after_the_other_beside_those_of_others(void **state)
{
	struct lines *lines = *state;
	struct change *first, *other;

	add(lines, 1, "a");
	add(lines, 2, "a");
	add(lines, 3, "b");
	other = next(lines, "c3");
	first = next(lines, "c1");
	(void)next(lines, "");
	lines_done(lines, first);
	lines_done(lines, next(lines, "c2"));
	(void)next(lines, "");
	lines_done(lines, other);
	assert_int_equal(lines->count, 0);
}

static void test_the_mark_rises_over_what_is_done_and_over_nothing_else(void **state)
{
	struct lines *lines = *state;
	struct change *first, *third;

	add(lines, 11, "a");
	add(lines, 12, "b");
	add(lines, 13, "c");
	third = next(lines, "c13");
	lines_done(lines, next(lines, "c12"));
	first = next(lines, "c11");
	lines_done(lines, third);
	assert_int_equal(low(lines), 0);
	lines_done(lines, first);
	assert_int_equal(low(lines), 13);
}

/* What is kept, put into others that read the feed from the mark on. */
static void restore(struct lines *into, const struct lines *from)
{
	json_t *position = lines_position(from);

	assert_non_null(position);
	assert_int_equal(lines_restore(into, position), 0);
	json_decref(position);
}

static void test_what_is_ahead_of_the_mark_is_not_sent_again_after_a_restart(void **state)
{
	struct lines *lines = *state, later = {0};
	struct change *first;

	add(lines, 1, "stuck");
	add(lines, 2, "goes");
	add(lines, 3, "goes");
	lines_done(lines, next(lines, "c2"));
	restore(&later, lines);
	assert_int_equal(low(&later), 0);
	add(&later, 1, "stuck");
	add(&later, 2, "goes");
	add(&later, 3, "goes");
	first = next(&later, "c1");
	(void)next(&later, "c3");
	(void)next(&later, "");
	lines_done(&later, first);
	assert_int_equal(low(&later), 2);
	lines_deinit(&later);
}

static void test_a_mark_is_kept_and_found_again(void **state)
{
	struct lines *lines = *state, later = {0};

	add(lines, 7, "a");
	lines_done(lines, next(lines, "c7"));
	restore(&later, lines);
	assert_int_equal(low(&later), 7);
	lines_deinit(&later);
}

static void test_a_position_has_few_sales_ahead_and_never_too_high_a_mark(void **state)
{
	struct lines *lines = *state;
	json_t *position;
	char sale[16];

	add(lines, 1, "stuck");
	for (int i = 0; i < 60; i++) {
		snprintf(sale, sizeof(sale), "s%d", i);
		add(lines, 2 + i, sale);
	}
	for (struct change *change; (change = lines_due(lines, now_ns, &(int64_t){SECOND}));)
		if (change->number != 1)
			lines_done(lines, change);
	position = lines_position(lines);
	assert_true(json_is_null(json_object_get(position, "after")));
	assert_in_range(json_array_size(json_object_get(position, "ahead")), 1, 59);
	json_decref(position);
}

static void test_one_that_is_refused_holds_back_its_sale_alone_and_comes_again_later(void **state)
{
	struct lines *lines = *state;
	int64_t wait_ns = 100 * SECOND;
	struct change *change;
	const struct line *line;

	add(lines, 1, "a");
	add(lines, 2, "a");
	add(lines, 3, "b");
	lines_done(lines, next(lines, "c3"));
	change = next(lines, "c1");
	lines_failed(change, now_ns);
	assert_int_equal(change->line->failing_since_ns, now_ns);
	assert_null(lines_due(lines, now_ns, &wait_ns));
	assert_in_range(wait_ns, 250000000, 500000000);
	now_ns += SECOND;
	add(lines, 4, "b");
	lines_done(lines, next(lines, "c4"));
	assert_ptr_equal(next(lines, "c1"), change);
	lines_failed(change, now_ns);
	assert_int_equal(change->line->failing_since_ns, now_ns - SECOND);
	now_ns += 120 * SECOND;
	line = change->line;
	lines_done(lines, next(lines, "c1"));
	assert_int_equal(line->failing_since_ns, 0);
	lines_done(lines, next(lines, "c2"));
	assert_int_equal(low(lines), 4);
}

static void test_tries_come_at_most_a_minute_apart(void **state)
{
	struct lines *lines = *state;
	int64_t wait_ns;

	add(lines, 1, "a");
	for (int i = 0; i < 40; i++) {
		lines_failed(next(lines, "c1"), now_ns);
		wait_ns = 1000 * SECOND;
		assert_null(lines_due(lines, now_ns, &wait_ns));
		assert_in_range(wait_ns, 250000000, 60 * SECOND);
		now_ns += wait_ns;
	}
	assert_in_range(wait_ns, 30 * SECOND, 60 * SECOND);
}

static void test_what_is_no_change_is_refused(void **state)
{
	static const char *const texts[] = {
		"null",
		"[]",
		"{}",
		"{\"id\":\"c\",\"data\":{\"sale\":\"a\"}}",
		"{\"id\":\"c\",\"cursor\":7,\"data\":{\"sale\":\"a\"}}",
		"{\"id\":\"c\",\"cursor\":\"1\",\"data\":{\"sale\":\"a\"}}",
		"{\"id\":\"c\",\"cursor\":\"1.x.00\",\"data\":{\"sale\":\"a\"}}",
		"{\"id\":\"c\",\"cursor\":\"1.7.00\",\"data\":{}}",
		"{\"cursor\":\"1.7.00\",\"data\":{\"sale\":\"a\"}}",
	};
	struct lines *lines = *state;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		json_t *change = json_loads(texts[i], JSON_DECODE_ANY, NULL);

		assert_int_equal(lines_add(lines, change), -EBADMSG);
		json_decref(change);
	}
	assert_int_equal(lines->count, 0);
}

static void test_a_position_that_is_none_is_refused_and_no_position_is_the_beginning(void **state)
{
	static const char *const refused[] = {"{\"after\":null,\"ahead\":[[\"a\",\"1\"]]}",
					      "{\"after\":null,\"ahead\":[[\"a\"]]}", "{\"after\":null,\"ahead\":[7]}"};
	struct lines *lines = *state;

	assert_int_equal(lines_restore(lines, NULL), 0);
	assert_null(lines->low);
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		json_t *position = json_loads(refused[i], 0, NULL);

		assert_int_equal(lines_restore(lines, position), -EBADMSG);
		json_decref(position);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_those_of_a_sale_go_one_after_the_other_beside_those_of_others, start, end),
		cmocka_unit_test_setup_teardown(test_the_mark_rises_over_what_is_done_and_over_nothing_else, start, end),
		cmocka_unit_test_setup_teardown(test_what_is_ahead_of_the_mark_is_not_sent_again_after_a_restart, start, end),
		cmocka_unit_test_setup_teardown(test_a_mark_is_kept_and_found_again, start, end),
		cmocka_unit_test_setup_teardown(test_a_position_has_few_sales_ahead_and_never_too_high_a_mark, start, end),
		cmocka_unit_test_setup_teardown(test_one_that_is_refused_holds_back_its_sale_alone_and_comes_again_later, start, end),
		cmocka_unit_test_setup_teardown(test_tries_come_at_most_a_minute_apart, start, end),
		cmocka_unit_test_setup_teardown(test_what_is_no_change_is_refused, start, end),
		cmocka_unit_test_setup_teardown(test_a_position_that_is_none_is_refused_and_no_position_is_the_beginning, start, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
