/* The filter of buyers: none who was added is told no, and of others hardly any is told yes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/siphash.h"
#include "stock/buyer_filter.h"

enum { STRANGERS = 100000 };

static struct hash128 hash_of(uint64_t number)
{
	static const struct siphash_key key = {1, 2};

	return siphash128(&key, &number, sizeof(number));
}

/* Of STRANGERS, with so many buyers. */
static unsigned int taken_for_buyers(uint64_t buyers)
{
	unsigned int taken = 0;
	struct buyer_filter filter;
	_Atomic int64_t memory = 0;

	buyer_filter_init(&filter, &memory);
	for (uint64_t i = 0; i < buyers; i++)
		buyer_filter_add(&filter, hash_of(i));
	for (uint64_t i = 0; i < buyers; i++)
		assert_true(buyer_filter_may_have(&filter, hash_of(i)));
	for (uint64_t i = 0; i < STRANGERS; i++)
		taken += buyer_filter_may_have(&filter, hash_of(buyers + i));
	buyer_filter_deinit(&filter);
	assert_int_equal(memory, 0);
	return taken;
}

/*
 * Each pays for a signature and a question to the stock, where a refusal would have done: with
 * 20,000 buyers it was one in ten.
 */
static void test_strangers_are_hardly_ever_taken_for_buyers(void **state)
{
	(void)state;
	assert_int_equal(taken_for_buyers(0), 0);
	assert_in_range(taken_for_buyers(500), 0, STRANGERS / 500);
	assert_in_range(taken_for_buyers(20000), 0, STRANGERS / 250);
	assert_in_range(taken_for_buyers(1000000), 0, STRANGERS / 100);
}

static void test_a_million_buyers_take_few_bytes(void **state)
{
	enum { BUYERS = 1000000 };
	struct buyer_filter filter;
	_Atomic int64_t memory = 0;

	(void)state;
	buyer_filter_init(&filter, &memory);
	for (uint64_t i = 0; i < BUYERS; i++)
		buyer_filter_add(&filter, hash_of(i));
	assert_in_range(memory, 1, 3 * BUYERS);
	buyer_filter_deinit(&filter);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strangers_are_hardly_ever_taken_for_buyers),
		cmocka_unit_test(test_a_million_buyers_take_few_bytes),
	};

	return cmocka_run_group_tests_name("stock: buyer filter", tests, NULL, NULL);
}
