#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include "identity/operators.h"

#define ALICE_TOKEN "alice-token-0123456789"
#define BOB_TOKEN "bob-token-0123456789"

static struct operators *operators;
static const char *reason;

static int set_up(void **state)
{
	(void)state;
	return operators_new(&operators);
}

static int tear_down(void **state)
{
	(void)state;
	operators_free(operators);
	return 0;
}

static struct slice entry(struct buffer *out, const char *name, unsigned scopes, const char *token)
{
	buffer_init(out, 4096);
	operators_entry(slice_of(name), scopes, slice_of(token), out);
	return buffer_slice(out);
}

static void expect_known(const char *authorization, const char *name, unsigned scopes)
{
	const char *found = NULL;
	unsigned granted = 0;

	assert_int_equal(operators_check(operators, slice_of(authorization), &found, &granted), OPERATORS_KNOWN);
	assert_string_equal(found, name);
	assert_int_equal(granted, scopes);
}

static void expect_unknown(const char *authorization, int outcome)
{
	const char *found = NULL;
	unsigned granted = 0;

	assert_int_equal(operators_check(operators, slice_of(authorization), &found, &granted), outcome);
	assert_null(found);
	assert_int_equal(granted, 0);
}

static void test_each_operator_is_known_by_the_token(void **state)
{
	(void)state;
	assert_int_equal(operators_count(operators), 0);
	expect_unknown("Bearer " ALICE_TOKEN, OPERATORS_UNKNOWN);
	assert_int_equal(operators_add(operators, SLICE("alice"), OPERATOR_READ | OPERATOR_ORDERS, SLICE(ALICE_TOKEN), &reason), 0);
	assert_int_equal(operators_add(operators, SLICE("bob"), OPERATOR_ALL, SLICE(BOB_TOKEN), &reason), 0);
	assert_int_equal(operators_count(operators), 2);
	expect_known("Bearer " ALICE_TOKEN, "alice", OPERATOR_READ | OPERATOR_ORDERS);
	expect_known("bearer " BOB_TOKEN, "bob", OPERATOR_ALL);
	expect_unknown("Bearer " ALICE_TOKEN "0", OPERATORS_UNKNOWN);
	expect_unknown("Bearer alice", OPERATORS_UNKNOWN);
	expect_unknown("Bearer ", OPERATORS_MISSING);
	expect_unknown("Basic " ALICE_TOKEN, OPERATORS_MISSING);
	expect_unknown("", OPERATORS_MISSING);
}

static void test_the_settings_entry_leads_back_to_the_operator(void **state)
{
	struct buffer alice, bob, list;

	(void)state;
	entry(&alice, "alice", OPERATOR_READ | OPERATOR_STOCK, ALICE_TOKEN);
	entry(&bob, "bob", OPERATOR_ALL, BOB_TOKEN);
	assert_memory_equal(alice.data, "alice:read+stock:", 17);
	assert_null(memmem(alice.data, alice.size, ALICE_TOKEN, strlen(ALICE_TOKEN)));
	buffer_init(&list, 4096);
	buffer_printf(&list, " %.*s ,\n\t%.*s, ", (int)alice.size, alice.data, (int)bob.size, bob.data);
	assert_int_equal(operators_parse(operators, buffer_slice(&list), &reason), 0);
	assert_int_equal(operators_count(operators), 2);
	expect_known("Bearer " ALICE_TOKEN, "alice", OPERATOR_READ | OPERATOR_STOCK);
	expect_known("Bearer " BOB_TOKEN, "bob", OPERATOR_ALL);
	buffer_deinit(&alice);
	buffer_deinit(&bob);
	buffer_deinit(&list);
}

static void test_a_wrong_list_says_what_is_wrong(void **state)
{
	static const struct {
		const char *list, *reason;
	} cases[] = {
		{"alice", "NAME:SCOPES:HASH"},
		{"alice:read", "NAME:SCOPES:HASH"},
		{"alice:read:", "NAME:SCOPES:HASH"},
		{"alice:read:abcdef", "NAME:SCOPES:HASH"},
		{"alice:read:0123456789012345678901234567890123456789012:x", "NAME:SCOPES:HASH"},
		{"alice:read:!123456789012345678901234567890123456789012", "NAME:SCOPES:HASH"},
		{"alice::0123456789012345678901234567890123456789010", "scopes"},
		{"alice:read+write:012345678901234567890123456789012345678901A", "scopes"},
		{"alice:read+:012345678901234567890123456789012345678901A", "scopes"},
		{"alice:READ:012345678901234567890123456789012345678901A", "scopes"},
		{":read:012345678901234567890123456789012345678901A", "name"},
		{"al ice:read:012345678901234567890123456789012345678901A", "name"},
		{"clock:read:012345678901234567890123456789012345678901A", "neither clock nor buyer"},
		{"buyer:read:012345678901234567890123456789012345678901A", "neither clock nor buyer"},
		{"nobody:read:012345678901234567890123456789012345678901A", "nor nobody"}, /* tokens that are no operator's are logged so */
		{"a:read:012345678901234567890123456789012345678901A,a:read:112345678901234567890123456789012345678901A", "same name"},
		{"a:read:012345678901234567890123456789012345678901A,b:read:012345678901234567890123456789012345678901A", "same token"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(operators_parse(operators, slice_of(cases[i].list), &reason), -EINVAL);
		if (!strstr(reason, cases[i].reason))
			print_error("%s: %s\n", cases[i].list, reason);
		assert_non_null(strstr(reason, cases[i].reason));
		tear_down(state);
		assert_int_equal(set_up(state), 0);
	}
	assert_int_equal(operators_parse(operators, SLICE(""), &reason), 0);
	assert_int_equal(operators_parse(operators, SLICE(" , ,"), &reason), 0);
	assert_int_equal(operators_count(operators), 0);
}

static void test_weak_tokens_and_taken_names_are_refused(void **state)
{
	char name[OPERATOR_NAME_MAX + 2];

	(void)state;
	assert_int_equal(operators_add(operators, SLICE("alice"), OPERATOR_ALL, SLICE("fifteen-bytes-x"), &reason), -EINVAL);
	assert_non_null(strstr(reason, "16 bytes"));
	assert_int_equal(operators_add(operators, SLICE("alice"), OPERATOR_ALL, SLICE("sixteen-bytes-xx"), &reason), 0);
	assert_int_equal(operators_add(operators, SLICE("alice"), OPERATOR_ALL, SLICE(BOB_TOKEN), &reason), -EINVAL);
	assert_int_equal(operators_add(operators, SLICE("bob"), OPERATOR_ALL, SLICE("sixteen-bytes-xx"), &reason), -EINVAL);
	memset(name, 'n', sizeof(name));
	assert_int_equal(operators_add(operators, (struct slice){name, OPERATOR_NAME_MAX + 1}, OPERATOR_ALL, SLICE(BOB_TOKEN), &reason),
			 -EINVAL);
	assert_int_equal(operators_add(operators, (struct slice){name, OPERATOR_NAME_MAX}, OPERATOR_ALL, SLICE(BOB_TOKEN), &reason),
			 0);
	assert_int_equal(operators_count(operators), 2);
}

static void test_there_is_room_for_so_many_and_no_more(void **state)
{
	char name[32], token[48];

	(void)state;
	for (int i = 0; i <= OPERATORS_MAX; i++) {
		snprintf(name, sizeof(name), "operator-%02d", i);
		snprintf(token, sizeof(token), "token-0123456789-%02d", i);
		assert_int_equal(operators_add(operators, slice_of(name), OPERATOR_READ, slice_of(token), &reason),
				 i < OPERATORS_MAX ? 0 : -E2BIG);
	}
	expect_known("Bearer token-0123456789-00", "operator-00", OPERATOR_READ);
	expect_known("Bearer token-0123456789-63", "operator-63", OPERATOR_READ);
	expect_unknown("Bearer token-0123456789-64", OPERATORS_UNKNOWN);
}

static void test_made_tokens_are_long_and_never_the_same(void **state)
{
	char one[OPERATOR_TOKEN_SIZE], other[OPERATOR_TOKEN_SIZE];

	(void)state;
	operator_token_make(one);
	operator_token_make(other);
	assert_int_equal(strlen(one), OPERATOR_TOKEN_SIZE - 1);
	assert_int_equal(strspn(one, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"), OPERATOR_TOKEN_SIZE - 1);
	assert_string_not_equal(one, other);
}

static void test_scopes_have_names(void **state)
{
	unsigned scopes;

	(void)state;
	assert_int_equal(operator_scopes_parse(SLICE("read"), &scopes), 0);
	assert_int_equal(scopes, OPERATOR_READ);
	assert_int_equal(operator_scopes_parse(SLICE("stock+read+orders+read"), &scopes), 0);
	assert_int_equal(scopes, OPERATOR_ALL);
	assert_int_equal(operator_scopes_parse(SLICE(""), &scopes), -EINVAL);
	assert_int_equal(operator_scopes_parse(SLICE("+read"), &scopes), -EINVAL);
	assert_int_equal(operator_scopes_parse(SLICE("read++orders"), &scopes), -EINVAL);
	assert_int_equal(operator_scopes_parse(SLICE("read orders"), &scopes), -EINVAL);
	assert_string_equal(operator_scope_name(OPERATOR_STOCK), "stock");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_each_operator_is_known_by_the_token, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_the_settings_entry_leads_back_to_the_operator, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_wrong_list_says_what_is_wrong, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_weak_tokens_and_taken_names_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_there_is_room_for_so_many_and_no_more, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_made_tokens_are_long_and_never_the_same, set_up, tear_down),
		cmocka_unit_test(test_scopes_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
