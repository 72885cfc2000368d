/* The stock in memory against the plain model of the port. */
#include "unit/stock/stock_model.h"

/* cmocka wants these first */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "stock/memory/memory.h"

enum { STEPS = 30000 };

static void test_the_stock_in_memory_equals_a_plain_model(void **state)
{
	static const struct stock_factory factory = {.name = "memory", .make = stock_memory_new};

	(void)state;
	stock_model_run(&factory, STEPS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_stock_in_memory_equals_a_plain_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
