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
static void add_units(int number, int placed, int updated, int units, const char *state)
{
	json_t *order = json_pack("{s:s, s:o, s:i, s:s}", "id", id_of(number), "placed_at",
				  json_sprintf("2027-01-01T10:00:%02d.000Z", placed), "quantity", units, "state", state);

	if (updated >= 0)
		json_object_set_new(order, "updated_at", json_sprintf("2027-01-01T10:00:%02d.000Z", updated));
	assert_int_equal(unseen_changes_add(&unseen, order), 0);
	json_decref(order);
}

static void add(int number, int placed, int updated)
{
	add_units(number, placed, updated, 1, "cancelled");
}

static void see_event(int number, int at, const char *kind, const char *member, int units)
{
	json_t *change = json_pack("{s:o, s:{s:{s:s}, s:{s:s, s:i}}}", "timestamp", json_sprintf("2027-01-01T10:00:%02d.000Z", at),
				   "data", "order", "id", id_of(number), "event", "kind", kind, member, units);

	unseen_changes_see(&unseen, change);
	json_decref(change);
}

static void see(int number, int at)
{
	see_event(number, at, "order.extended", "v", 1);
}

static int64_t at_second(int second)
{
	static const char first[] = "2027-01-01T10:00:00.000Z";
	int64_t ms;

	assert_int_equal(clock_parse(first, sizeof(first) - 1, &ms), 0);
	return ms + second * 1000;
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

/* Found: a payment that was told a month later had all read that had happened meanwhile. */
static void test_what_is_done_to_an_order_that_has_all_its_units_is_not_waited_for(void **state)
{
	(void)state;
	add_units(1, 3, 50, 2, "confirmed");
	add_units(2, 4, 50, 2, "expired");
	see_event(1, 3, "order.reserved", "quantity", 2);
	see_event(2, 4, "order.reserved", "quantity", 3);
	assert_int_equal(unseen_changes_next_ms(&unseen), 0); /* when it was reduced is not known */
	see_event(2, 10, "order.reduced", "left", 2);
	assert_true(unseen_changes_are_none(&unseen));
}

/* Found: a refund a month later had all read that had happened meanwhile, of every sale. */
static void test_what_lies_before_a_late_refund_may_be_passed_over(void **state)
{
	(void)state;
	add_units(1, 3, 50, 1, "cancelled");
	add_units(2, 4, 40, 1, "cancelled");
	add_units(3, 5, 45, 1, "cancelled");
	see_event(1, 3, "order.reserved", "quantity", 1);
	see_event(2, 4, "order.reserved", "quantity", 1);
	assert_int_equal(unseen_changes_next_ms(&unseen), 0);
	see_event(3, 5, "order.reserved", "quantity", 2);
	assert_int_equal(unseen_changes_next_ms(&unseen), 0);
	see_event(3, 6, "order.reduced", "left", 1);
	assert_int_equal(unseen_changes_next_ms(&unseen), at_second(40));
	see_event(2, 40, "order.refunded", "quantity", 1);
	assert_int_equal(unseen_changes_next_ms(&unseen), at_second(45));
	see_event(3, 45, "order.refunded", "quantity", 1);
	see_event(1, 50, "order.refunded", "quantity", 1);
	assert_true(unseen_changes_are_none(&unseen));
	assert_int_equal(unseen_changes_next_ms(&unseen), 0);
}

static void test_beside_an_order_that_does_not_say_when_nothing_is_passed_over(void **state)
{
	(void)state;
	add(1, 3, -1);
	add(2, 4, 40);
	see_event(2, 4, "order.reserved", "quantity", 1);
	assert_int_equal(unseen_changes_next_ms(&unseen), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_orders_that_were_never_changed_need_no_feed, end),
		cmocka_unit_test_teardown(test_the_feed_is_left_when_the_last_change_of_each_has_gone_by, end),
		cmocka_unit_test_teardown(test_of_an_order_that_does_not_say_when_the_feed_is_read_to_its_end, end),
		cmocka_unit_test_teardown(test_orders_out_of_their_order_are_not_relied_on, end),
		cmocka_unit_test_teardown(test_what_is_done_to_an_order_that_has_all_its_units_is_not_waited_for, end),
		cmocka_unit_test_teardown(test_what_lies_before_a_late_refund_may_be_passed_over, end),
		cmocka_unit_test_teardown(test_beside_an_order_that_does_not_say_when_nothing_is_passed_over, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
