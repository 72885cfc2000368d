/* Failures of one address, and of the networks of one customer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include "gate/limit/identity_budget.h"

enum { REQUESTS = 4, SECONDS = 60 };

static struct address address(const char *text)
{
	struct address address;

	assert_int_equal(address_parse(slice_of(text), &address), 0);
	return address;
}

static struct identity_budget *make(void)
{
	struct identity_budget *budget;

	assert_int_equal(identity_budget_new(&budget, REQUESTS, SECONDS), 0);
	return budget;
}

static void spend(struct identity_budget *budget, const char *text, int times)
{
	struct address client = address(text);

	for (int i = 0; i < times; i++)
		identity_budget_count(budget, &client, 1000);
}

static bool spent(struct identity_budget *budget, const char *text, int64_t now_ms)
{
	struct address client = address(text);
	int64_t retry_after_ms = 0;
	bool is = identity_budget_spent(budget, &client, now_ms, &retry_after_ms);

	assert_true(!is || retry_after_ms == 1000 + SECONDS * 1000 - now_ms);
	return is;
}

static void test_an_address_has_so_many_failures_in_a_window(void **state)
{
	struct identity_budget *budget = make();

	(void)state;
	assert_false(identity_budget_may_be_spent(budget, 1000));
	spend(budget, "192.0.2.1", REQUESTS - 1);
	assert_false(spent(budget, "192.0.2.1", 1000));
	assert_false(identity_budget_may_be_spent(budget, 1000));
	spend(budget, "192.0.2.1", 5);
	assert_true(spent(budget, "192.0.2.1", 2000));
	assert_true(identity_budget_may_be_spent(budget, 2000));
	assert_false(spent(budget, "192.0.2.2", 2000));
	assert_false(spent(budget, "192.0.2.1", 61000));
	assert_false(identity_budget_may_be_spent(budget, 61000));
	identity_budget_free(budget);
	identity_budget_free(NULL);
}

/* Whoever has a /48 asks from 65,536 networks. */
static void test_the_networks_of_a_48_share_a_larger_budget(void **state)
{
	struct identity_budget *budget = make();
	char text[ADDRESS_TEXT_SIZE];

	(void)state;
	spend(budget, "2001:db8:1:1::1", REQUESTS);
	assert_true(spent(budget, "2001:db8:1:1:ffff::2", 2000));
	assert_false(spent(budget, "2001:db8:1:2::1", 2000));
	for (int i = 0; i < REQUESTS * (IDENTITY_BUDGET_SITE - 1); i++) {
		assert_false(spent(budget, "2001:db8:1:2::1", 2000));
		snprintf(text, sizeof(text), "2001:db8:1:%x::1", 16 + i);
		spend(budget, text, 1);
	}
	assert_true(spent(budget, "2001:db8:1:2::1", 2000));
	assert_false(spent(budget, "2001:db8:2:2::1", 2000));
	identity_budget_free(budget);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_address_has_so_many_failures_in_a_window),
		cmocka_unit_test(test_the_networks_of_a_48_share_a_larger_budget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
