#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "model/order.h"

/*
 * The whole machine: for each state and action, where it leads (same state and refused: not
 * allowed).
 */
static void test_every_move(void **state)
{
	enum { HELD = ORDER_HELD, CONFIRMED = ORDER_CONFIRMED, CANCELLED = ORDER_CANCELLED, EXPIRED = ORDER_EXPIRED };
	static const struct {
		int from, action, move, to;
	} moves[] = {
		{HELD, ORDER_CONFIRM, ORDER_MOVED, CONFIRMED},
		{HELD, ORDER_CANCEL, ORDER_MOVED, CANCELLED},
		{HELD, ORDER_REFUND, ORDER_MOVE_REFUSED, HELD},
		{HELD, ORDER_REDUCE, ORDER_MOVED, HELD},
		{CONFIRMED, ORDER_REDUCE, ORDER_MOVED, CONFIRMED},
		{CANCELLED, ORDER_REDUCE, ORDER_MOVE_REFUSED, CANCELLED},
		{EXPIRED, ORDER_REDUCE, ORDER_MOVE_REFUSED, EXPIRED},
		{HELD, ORDER_EXPIRE, ORDER_MOVED, EXPIRED},
		{HELD, ORDER_EXTEND, ORDER_MOVED, HELD},
		{CONFIRMED, ORDER_CONFIRM, ORDER_ALREADY, CONFIRMED},
		{CONFIRMED, ORDER_CANCEL, ORDER_MOVE_REFUSED, CONFIRMED},
		{CONFIRMED, ORDER_REFUND, ORDER_MOVED, CANCELLED},
		{CONFIRMED, ORDER_EXPIRE, ORDER_MOVE_REFUSED, CONFIRMED},
		{CONFIRMED, ORDER_EXTEND, ORDER_MOVE_REFUSED, CONFIRMED},
		{CANCELLED, ORDER_CONFIRM, ORDER_MOVE_REFUSED, CANCELLED},
		{CANCELLED, ORDER_CANCEL, ORDER_ALREADY, CANCELLED},
		{CANCELLED, ORDER_REFUND, ORDER_ALREADY, CANCELLED},
		{CANCELLED, ORDER_EXPIRE, ORDER_MOVE_REFUSED, CANCELLED},
		{CANCELLED, ORDER_EXTEND, ORDER_MOVE_REFUSED, CANCELLED},
		{EXPIRED, ORDER_CONFIRM, ORDER_MOVE_REFUSED, EXPIRED},
		{EXPIRED, ORDER_CANCEL, ORDER_MOVE_REFUSED, EXPIRED},
		{EXPIRED, ORDER_REFUND, ORDER_MOVE_REFUSED, EXPIRED},
		{EXPIRED, ORDER_EXPIRE, ORDER_ALREADY, EXPIRED},
		{EXPIRED, ORDER_EXTEND, ORDER_MOVE_REFUSED, EXPIRED},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(moves) / sizeof(moves[0]); i++) {
		enum order_state next = 0;

		assert_int_equal(order_next((enum order_state)moves[i].from, (enum order_action)moves[i].action, &next),
				 moves[i].move);
		assert_int_equal(next, moves[i].to);
	}
}

/*
 * What a unit's return to sale rests on: no action brings an order that gave its units back to
 * life.
 */
static void test_no_move_leads_back_to_a_live_order(void **state)
{
	(void)state;
	for (int from = ORDER_HELD; from <= ORDER_EXPIRED; from++)
		for (int action = ORDER_CONFIRM; action <= ORDER_EXTEND; action++) {
			enum order_state next;

			(void)!order_next((enum order_state)from, (enum order_action)action, &next);
			if (!order_is_live((enum order_state)from))
				assert_false(order_is_live(next));
		}
}

static void test_names_are_read_back(void **state)
{
	enum order_state parsed = ORDER_HELD;

	(void)state;
	for (int i = ORDER_HELD; i <= ORDER_EXPIRED; i++) {
		assert_int_equal(order_state_parse(slice_of(order_state_name((enum order_state)i)), &parsed), 0);
		assert_int_equal(parsed, i);
	}
	assert_int_equal(order_state_parse(SLICE("Held"), &parsed), -EINVAL);
	assert_int_equal(order_state_parse(SLICE("hel"), &parsed), -EINVAL);
	assert_int_equal(order_state_parse(SLICE_NULL, &parsed), -EINVAL);
	assert_int_equal(parsed, ORDER_EXPIRED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_move),
		cmocka_unit_test(test_no_move_leads_back_to_a_live_order),
		cmocka_unit_test(test_names_are_read_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
