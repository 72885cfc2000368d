#include "contract/stock_shop.h"

#include <stdlib.h>
#include <string.h>

static const struct stock_factory *under_test;

const struct stock_factory *shop_factory(void)
{
	return under_test;
}

int stock_suite_run(const struct stock_factory *factory)
{
	const struct shop_tests *const parts[] = {&shop_tests_reserve, &shop_tests_rate,   &shop_tests_settle,
						  &shop_tests_pay,     &shop_tests_labels, &shop_tests_outbox,
						  &shop_tests_life,    &shop_tests_brake,  &shop_tests_reduce};
	enum { PARTS = sizeof(parts) / sizeof(parts[0]) };
	struct CMUnitTest *tests;
	size_t count = 0;
	int failed;

	under_test = factory;
	for (size_t i = 0; i < PARTS; i++)
		count += parts[i]->count;
	tests = calloc(count, sizeof(*tests));
	if (!tests)
		return 1;
	count = 0;
	for (size_t i = 0; i < PARTS; i++) {
		memcpy(tests + count, parts[i]->tests, parts[i]->count * sizeof(*tests));
		count += parts[i]->count;
	}
	failed = _cmocka_run_group_tests(factory->name, tests, count, NULL, NULL);
	free(tests);
	return failed;
}
