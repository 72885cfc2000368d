#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "base/random.h"
#include "gate/limit/address_limit.h"

static struct address address(const char *text)
{
	struct address address;

	assert_int_equal(address_parse(slice_of(text), &address), 0);
	return address;
}

static struct address numbered(uint32_t number)
{
	char text[ADDRESS_TEXT_SIZE];

	snprintf(text, sizeof(text), "10.%u.%u.%u", number >> 16 & 255, number >> 8 & 255, number & 255);
	return address(text);
}

static struct address_limit *make(uint32_t requests, uint32_t seconds)
{
	struct address_limit *limit;

	assert_int_equal(address_limit_new(&limit, requests, seconds, ADDRESS_LIMIT_CLIENTS), 0);
	return limit;
}

static void test_so_many_pass_in_any_window(void **state)
{
	struct address_limit *limit = make(3, 60);
	struct address client = address("192.0.2.1");
	int64_t retry_ms = -1;

	(void)state;
	assert_true(address_limit_pass(limit, &client, 1000, &retry_ms));
	assert_true(address_limit_pass(limit, &client, 31000, &retry_ms));
	assert_true(address_limit_pass(limit, &client, 31000, &retry_ms));
	assert_false(address_limit_pass(limit, &client, 31000, &retry_ms));
	assert_int_equal(retry_ms, 30000);
	assert_false(address_limit_pass(limit, &client, 60999, &retry_ms));
	assert_int_equal(retry_ms, 1);
	assert_true(address_limit_pass(limit, &client, 61000, &retry_ms));
	assert_false(address_limit_pass(limit, &client, 61000, &retry_ms));
	assert_int_equal(retry_ms, 30000);
	address_limit_free(limit);
	address_limit_free(NULL);
}

static void test_a_refusal_consumes_nothing(void **state)
{
	struct address_limit *limit = make(1, 1);
	struct address client = address("192.0.2.1");
	int64_t retry_ms;

	(void)state;
	assert_true(address_limit_pass(limit, &client, 5000, &retry_ms));
	for (int64_t now = 5000; now < 6000; now++)
		assert_false(address_limit_pass(limit, &client, now, &retry_ms));
	assert_true(address_limit_pass(limit, &client, 6000, &retry_ms));
	address_limit_free(limit);
}

static void test_addresses_are_counted_apart_but_ipv6_by_its_64(void **state)
{
	struct address_limit *limit = make(1, 60);
	struct address four = address("192.0.2.1"), other = address("192.0.2.2");
	struct address six = address("2001:db8:1:2::1"), neighbour = address("2001:db8:1:2:ffff::9"),
		       next = address("2001:db8:1:3::1");
	int64_t retry_ms;

	(void)state;
	assert_true(address_limit_pass(limit, &four, 1000, &retry_ms));
	assert_true(address_limit_pass(limit, &other, 1000, &retry_ms));
	assert_false(address_limit_pass(limit, &four, 1000, &retry_ms));
	assert_true(address_limit_pass(limit, &six, 1000, &retry_ms));
	assert_false(address_limit_pass(limit, &neighbour, 1000, &retry_ms));
	assert_true(address_limit_pass(limit, &next, 1000, &retry_ms));
	address_limit_free(limit);
}

/* A log of all passed requests, looked through each time: what the ring must come to. */
enum { CLIENTS = 5, STEPS = 20000, LOG_MAX = 20000 };
static struct {
	int client;
	int64_t at_ms;
} passed[LOG_MAX];

static void test_it_is_what_a_log_of_all_requests_says(void **state)
{
	static const uint32_t limits[][2] = {{1, 1}, {3, 60}, {7, 3}, {20, 1}};

	(void)state;
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		struct address_limit *limit = make(limits[i][0], limits[i][1]);
		int64_t now = 1000000, window = (int64_t)limits[i][1] * 1000;
		size_t count = 0;
		uint64_t seed = 100 + i;

		print_message("seed %llu\n", (unsigned long long)seed);
		random_set_seed(seed);
		for (int step = 0; step < STEPS; step++) {
			int client = (int)(random_u64() % CLIENTS);
			struct address place = numbered((uint32_t)client);
			int64_t retry_ms = -1, oldest = -1;
			uint32_t in_window = 0;

			now += (int64_t)(random_u64() % (uint64_t)(window / limits[i][0] / CLIENTS * 2 + 2));
			for (size_t j = count; j-- > 0 && passed[j].at_ms > now - window;)
				if (passed[j].client == client) {
					in_window++;
					oldest = passed[j].at_ms;
				}
			if (address_limit_pass(limit, &place, now, &retry_ms)) {
				assert_true(in_window < limits[i][0]);
				passed[count].client = client;
				passed[count++].at_ms = now;
			} else {
				assert_int_equal(in_window, limits[i][0]);
				assert_int_equal(retry_ms, oldest + window - now);
			}
		}
		random_set_seed(0);
		address_limit_free(limit);
	}
}

/*
 * Far more addresses than places: nobody is refused who has not asked too often, and who just asked
 * is still known.
 */
static void test_more_addresses_than_places_loosen_the_limit_and_refuse_nobody_wrongly(void **state)
{
	enum { MANY = 400000 };
	struct address_limit *limit = make(1, 3600);
	int64_t retry_ms;
	int known = 0;

	(void)state;
	for (uint32_t i = 0; i < MANY; i++) {
		struct address client = numbered(i);

		assert_true(address_limit_pass(limit, &client, 1000 + i, &retry_ms));
		assert_false(address_limit_pass(limit, &client, 1000 + i, &retry_ms));
	}
	for (uint32_t i = MANY - 1000; i < MANY; i++) {
		struct address client = numbered(i);

		known += !address_limit_pass(limit, &client, 1000 + MANY, &retry_ms);
	}
	assert_true(known > 990);
	address_limit_free(limit);
}

static void test_what_is_given_back_does_not_count(void **state)
{
	struct address_limit *limit = make(3, 60);
	struct address client = address("192.0.2.1"), other = address("192.0.2.2");
	int64_t retry_ms;

	(void)state;
	for (int64_t at = 1000; at <= 3000; at += 1000)
		assert_true(address_limit_pass(limit, &client, at, &retry_ms));
	address_limit_give_back(limit, &client, 2000);
	assert_true(address_limit_pass(limit, &client, 4000, &retry_ms));
	assert_false(address_limit_pass(limit, &client, 5000, &retry_ms));
	assert_int_equal(retry_ms, 56000); /* 1000, 3000 and 4000 are there, in this order */
	assert_false(address_limit_pass(limit, &client, 60999, &retry_ms));
	assert_true(address_limit_pass(limit, &client, 61000, &retry_ms));
	assert_false(address_limit_pass(limit, &client, 62999, &retry_ms));
	assert_true(address_limit_pass(limit, &client, 63000, &retry_ms));
	address_limit_give_back(limit, &client, 12345); /* never counted, or long gone */
	address_limit_give_back(limit, &other, 63000);
	assert_false(address_limit_pass(limit, &client, 63000, &retry_ms));
	address_limit_free(limit);
}

static void test_a_look_counts_nothing_and_takes_no_place(void **state)
{
	struct address_limit *limit = make(2, 60);
	struct address client = address("192.0.2.1"), other = address("192.0.2.2");
	int64_t retry_ms = -1;

	(void)state;
	for (int i = 0; i < 10; i++)
		assert_false(address_limit_full(limit, &client, 1000, &retry_ms));
	assert_true(address_limit_pass(limit, &client, 1000, &retry_ms));
	assert_false(address_limit_full(limit, &client, 1000, &retry_ms));
	assert_false(address_limit_may_be_full(limit, 1000));
	assert_true(address_limit_pass(limit, &client, 2000, &retry_ms));
	assert_true(address_limit_may_be_full(limit, 2000));
	assert_true(address_limit_full(limit, &client, 3000, &retry_ms));
	assert_int_equal(retry_ms, 58000);
	assert_false(address_limit_full(limit, &other, 3000, &retry_ms));
	assert_false(address_limit_full(limit, &client, 61000, &retry_ms));
	assert_false(address_limit_may_be_full(limit, 61000));
	address_limit_free(limit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_so_many_pass_in_any_window),
		cmocka_unit_test(test_a_refusal_consumes_nothing),
		cmocka_unit_test(test_what_is_given_back_does_not_count),
		cmocka_unit_test(test_a_look_counts_nothing_and_takes_no_place),
		cmocka_unit_test(test_addresses_are_counted_apart_but_ipv6_by_its_64),
		cmocka_unit_test(test_it_is_what_a_log_of_all_requests_says),
		cmocka_unit_test(test_more_addresses_than_places_loosen_the_limit_and_refuse_nobody_wrongly),
	};

	return cmocka_run_group_tests_name("gate: address limit", tests, NULL, NULL);
}
