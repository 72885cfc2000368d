/*
 * What the search itself can see: the small programs by which memory models are told apart. Each
 * says which ends are possible, and all of those must come, and no other.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdatomic.h>
#include "exhaustive/interleave.h"

static atomic_int x, y;
static int first, second;
static unsigned ends; /* of all runs: bit first * 2 + second */

static void begin(void)
{
	atomic_init(&x, 0);
	atomic_init(&y, 0);
	first = second = 0;
}

static void keep_end(void)
{
	ends |= 1u << (first * 2 + second);
}

enum { BOTH_0 = 1, SECOND_1 = 2, FIRST_1 = 4, BOTH_1 = 8 };

static void expect(const char *name, void (*one)(void), void (*other)(void), unsigned expected)
{
	struct scene scene = {.name = name, .begin = begin, .threads = {one, other}, .end = keep_end, .preemptions = 4, .surprises = 2};

	ends = 0;
	interleave(&scene);
	assert_int_equal(ends, expected);
}

/* --- Each stores, and reads what the other stores --- */

static void store_x_read_y_relaxed(void)
{
	atomic_store_explicit(&x, 1, memory_order_relaxed);
	first = atomic_load_explicit(&y, memory_order_relaxed);
}

static void store_y_read_x_relaxed(void)
{
	atomic_store_explicit(&y, 1, memory_order_relaxed);
	second = atomic_load_explicit(&x, memory_order_relaxed);
}

static void store_x_read_y_acquire(void)
{
	atomic_store_explicit(&x, 1, memory_order_release);
	first = atomic_load_explicit(&y, memory_order_acquire);
}

static void store_y_read_x_acquire(void)
{
	atomic_store_explicit(&y, 1, memory_order_release);
	second = atomic_load_explicit(&x, memory_order_acquire);
}

static void store_x_read_y(void)
{
	atomic_store(&x, 1);
	first = atomic_load(&y);
}

static void store_y_read_x(void)
{
	atomic_store(&y, 1);
	second = atomic_load(&x);
}

static void test_stores_wait_in_buffers_unless_all_is_sequentially_consistent(void **state)
{
	(void)state;
	expect("store buffering, relaxed", store_x_read_y_relaxed, store_y_read_x_relaxed, BOTH_0 | FIRST_1 | SECOND_1 | BOTH_1);
	expect("store buffering, release and acquire", store_x_read_y_acquire, store_y_read_x_acquire,
	       BOTH_0 | FIRST_1 | SECOND_1 | BOTH_1);
	expect("store buffering, sequentially consistent", store_x_read_y, store_y_read_x, FIRST_1 | SECOND_1 | BOTH_1);
}

/* --- One stores something and then that it is there --- */

static void send_relaxed(void)
{
	atomic_store_explicit(&x, 1, memory_order_relaxed);
	atomic_store_explicit(&y, 1, memory_order_relaxed);
}

static void send_release(void)
{
	atomic_store_explicit(&x, 1, memory_order_relaxed);
	atomic_store_explicit(&y, 1, memory_order_release);
}

static void receive_relaxed(void)
{
	first = atomic_load_explicit(&y, memory_order_relaxed);
	second = atomic_load_explicit(&x, memory_order_relaxed);
}

static void receive_acquire(void)
{
	first = atomic_load_explicit(&y, memory_order_acquire);
	second = atomic_load_explicit(&x, memory_order_relaxed);
}

static void test_a_message_is_whole_where_a_release_is_acquired(void **state)
{
	(void)state;
	expect("message, relaxed", send_relaxed, receive_relaxed, BOTH_0 | FIRST_1 | SECOND_1 | BOTH_1);
	expect("message, released", send_release, receive_relaxed, BOTH_0 | FIRST_1 | SECOND_1 | BOTH_1);
	expect("message, acquired", send_relaxed, receive_acquire, BOTH_0 | FIRST_1 | SECOND_1 | BOTH_1);
	expect("message, released and acquired", send_release, receive_acquire, BOTH_0 | SECOND_1 | BOTH_1);
}

/* --- One variable --- */

static void store_x(void)
{
	atomic_store_explicit(&x, 1, memory_order_relaxed);
}

static void read_x_twice(void)
{
	first = atomic_load_explicit(&x, memory_order_relaxed);
	second = atomic_load_explicit(&x, memory_order_relaxed);
}

static void test_no_thread_sees_one_variable_go_back(void **state)
{
	(void)state;
	expect("coherence", store_x, read_x_twice, BOTH_0 | SECOND_1 | BOTH_1);
}

static void add_for_first(void)
{
	first = atomic_fetch_add_explicit(&x, 1, memory_order_relaxed);
}

static void add_for_second(void)
{
	second = atomic_fetch_add_explicit(&x, 1, memory_order_relaxed);
}

static void test_no_addition_is_lost(void **state)
{
	(void)state;
	expect("additions", add_for_first, add_for_second, FIRST_1 | SECOND_1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stores_wait_in_buffers_unless_all_is_sequentially_consistent),
		cmocka_unit_test(test_a_message_is_whole_where_a_release_is_acquired),
		cmocka_unit_test(test_no_thread_sees_one_variable_go_back),
		cmocka_unit_test(test_no_addition_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
