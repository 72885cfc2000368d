#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include "cli/operator/unseen_changes.h"

static struct unseen_changes unseen;

static const char *id_of(int number)
{
	static char text[UUID_TEXT_SIZE];

	snprintf(text, sizeof(text), "0193e0a1-5c3f-7000-9c1e-2f6a%08x", (unsigned)number);
	return text;
}

/* At so many seconds; updated -1: it does not say. */
static void add(int number, int placed, int updated)
{
	json_t *order =
		json_pack("{s:s, s:o}", "id", id_of(number), "placed_at", json_sprintf("2027-01-01T10:00:%02d.000Z", placed));

	if (updated >= 0)
		json_object_set_new(order, "updated_at", json_sprintf("2027-01-01T10:00:%02d.000Z", updated));
	assert_int_equal(unseen_changes_add(&unseen, order), 0);
	json_decref(order);
}

static void see(int number, int at)
{
	json_t *change = json_pack("{s:o, s:{s:{s:s}}}", "timestamp", json_sprintf("2027-01-01T10:00:%02d.000Z", at), "data",
				   "order", "id", id_of(number));

	unseen_changes_see(&unseen, change);
	json_decref(change);
}

static int end(void **state)
{
	(void)state;
	unseen_changes_deinit(&unseen);
	return 0;
}

static void test_orders_that_were_never_changed_need_no_feed(void **state)
{
	(void)state;
	assert_true(unseen_changes_are_none(&unseen));
	add(1, 5, 5);
	add(2, 6, 6);
	assert_true(unseen_changes_are_none(&unseen));
	assert_string_equal(unseen.since, "");
}

static void test_the_feed_is_left_when_the_last_change_of_each_has_gone_by(void **state)
{
	(void)state;
	add(1, 3, 3);
	add(2, 5, 20);
	add(3, 4, 30); /* another gate's clock */
	assert_string_equal(unseen.since, "2027-01-01T10:00:04.000Z");
	see(2, 5);
	see(9, 40); /* another sale's */
	see(3, 30);
	see(3, 30); /* at least once */
	see(3, 35);
	assert_false(unseen_changes_are_none(&unseen));
	see(2, 21); /* changed again since the orders were read */
	assert_true(unseen_changes_are_none(&unseen));
}

static void test_of_an_order_that_does_not_say_when_the_feed_is_read_to_its_end(void **state)
{
	(void)state;
	add(1, 3, -1);
	add(2, 4, 8);
	assert_string_equal(unseen.since, "2027-01-01T10:00:03.000Z");
	see(1, 5);
	see(2, 8);
	assert_false(unseen_changes_are_none(&unseen));
}

static void test_orders_out_of_their_order_are_not_relied_on(void **state)
{
	(void)state;
	add(2, 3, 5);
	add(1, 3, 5);
	see(2, 5);
	see(1, 5);
	assert_false(unseen_changes_are_none(&unseen));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_orders_that_were_never_changed_need_no_feed, end),
		cmocka_unit_test_teardown(test_the_feed_is_left_when_the_last_change_of_each_has_gone_by, end),
		cmocka_unit_test_teardown(test_of_an_order_that_does_not_say_when_the_feed_is_read_to_its_end, end),
		cmocka_unit_test_teardown(test_orders_out_of_their_order_are_not_relied_on, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
