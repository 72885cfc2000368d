#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "stock/sale_registry.h"

static struct sale_registry registry;
static _Atomic int64_t memory;
static char sale; /* one is as good as another */

static int begin(void **state)
{
	(void)state;
	atomic_init(&memory, 0);
	sale_registry_init(&registry, &memory);
	return 0;
}

static int end(void **state)
{
	(void)state;
	sale_registry_deinit(&registry);
	return 0;
}

static void put(uint32_t number, void *what)
{
	assert_int_equal(sale_registry_make_room(&registry, number), 0);
	sale_registry_swap(&registry, number, what);
}

static void assert_next(uint32_t from, uint32_t number)
{
	assert_ptr_equal(sale_registry_next(&registry, &from), &sale);
	assert_int_equal(from, number);
}

static void assert_end(uint32_t from)
{
	assert_null(sale_registry_next(&registry, &from));
}

static void test_a_walk_meets_each_sale_by_number_up_to_the_highest(void **state)
{
	static const uint32_t numbers[] = {1, SALE_REGISTRY_PAGE - 1, SALE_REGISTRY_PAGE, 5 * SALE_REGISTRY_PAGE + 3, UUID_TAG_MAX};

	(void)state;
	assert_end(0);
	/* The highest first: the others do not hide it. */
	for (size_t i = 5; i-- > 0;)
		put(numbers[i], &sale);
	for (size_t i = 0; i < 5; i++)
		assert_next(i == 0 ? 0 : numbers[i - 1] + 1, numbers[i]);
	assert_end(UUID_TAG_MAX + 1);
	for (size_t i = 0; i < 5; i++)
		put(numbers[i], NULL);
	assert_end(0);
}

static void test_a_number_that_never_had_a_sale_has_none(void **state)
{
	(void)state;
	assert_null(sale_registry_find(&registry, 7));
	assert_null(sale_registry_swap(&registry, 7, NULL));
	assert_null(sale_registry_find(&registry, UUID_TAG_MAX + 1));
	put(7, &sale);
	assert_ptr_equal(sale_registry_find(&registry, 7), &sale);
	assert_null(sale_registry_find(&registry, 8));
	assert_ptr_equal(sale_registry_swap(&registry, 7, NULL), &sale);
	assert_null(sale_registry_find(&registry, 7));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_walk_meets_each_sale_by_number_up_to_the_highest, begin, end),
		cmocka_unit_test_setup_teardown(test_a_number_that_never_had_a_sale_has_none, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
