#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdbool.h>
#include <string.h>
#include "base/random.h"
#include "base/thread.h"

static int restore(void **state)
{
	(void)state;
	random_set_seed(0);
	return 0;
}

static void test_numbers_differ(void **state)
{
	uint64_t seen[1000];

	(void)state;
	for (size_t i = 0; i < 1000; i++) {
		seen[i] = random_u64();
		for (size_t j = 0; j < i; j++)
			assert_int_not_equal(seen[i], seen[j]);
	}
}

static void test_every_size_is_filled(void **state)
{
	static unsigned char bytes[3000];

	(void)state;
	for (size_t size = 16; size <= sizeof(bytes); size = size * 3 / 2 + 1) {
		size_t zeros = 0;

		memset(bytes, 0, sizeof(bytes));
		random_bytes(bytes, size);
		for (size_t i = 0; i < size; i++)
			zeros += bytes[i] == 0;
		/*
		 * 1 in 256 is zero; more than a quarter never happens (under 10^-15 for 16 bytes
		 * and less for more).
		 */
		assert_true(zeros <= size / 2);
		for (size_t i = size; i < sizeof(bytes); i++)
			assert_int_equal(bytes[i], 0);
	}
}

static void test_every_bit_is_set_at_times(void **state)
{
	uint64_t ones = 0, zeros = 0;

	(void)state;
	for (int i = 0; i < 200; i++) {
		uint64_t value = random_u64();

		ones |= value;
		zeros |= ~value;
	}
	assert_true(ones == UINT64_MAX);
	assert_true(zeros == UINT64_MAX);
}

static void test_seed_repeats_the_sequence(void **state)
{
	uint64_t first[10];
	unsigned char bytes[13], again[13];

	(void)state;
	random_set_seed(5);
	for (int i = 0; i < 10; i++)
		first[i] = random_u64();
	random_bytes(bytes, sizeof(bytes));
	random_set_seed(5);
	for (int i = 0; i < 10; i++)
		assert_int_equal(random_u64(), first[i]);
	random_bytes(again, sizeof(again));
	assert_memory_equal(bytes, again, sizeof(bytes));
	random_set_seed(6);
	assert_int_not_equal(random_u64(), first[0]);
	random_set_seed(0);
	assert_int_not_equal(random_u64(), first[0]);
}

static void take_number(void *argument)
{
	uint64_t *number = argument;

	*number = random_u64();
}

static void test_seed_is_the_nodes_own(void **state)
{
	struct thread thread = {0};
	struct node other = {0};
	uint64_t sequence[2], number;

	(void)state;
	random_set_seed(5);
	sequence[0] = random_u64();
	sequence[1] = random_u64();
	random_set_seed(5);
	assert_int_equal(random_u64(), sequence[0]);
	/* A thread of the same node goes on with its sequence. */
	assert_int_equal(thread_start(&thread, "random", take_number, &number), 0);
	thread_join(&thread);
	assert_int_equal(number, sequence[1]);
	/* Another node has another. */
	random_set_seed(5);
	node_enter(&other);
	random_set_seed(6);
	assert_int_equal(thread_start(&thread, "random", take_number, &number), 0);
	thread_join(&thread);
	node_enter(NULL);
	assert_int_not_equal(number, sequence[0]);
	assert_int_equal(random_u64(), sequence[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers_differ),
		cmocka_unit_test(test_every_size_is_filled),
		cmocka_unit_test(test_every_bit_is_set_at_times),
		cmocka_unit_test_teardown(test_seed_repeats_the_sequence, restore),
		cmocka_unit_test_teardown(test_seed_is_the_nodes_own, restore),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
