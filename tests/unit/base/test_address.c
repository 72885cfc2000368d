#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <netinet/in.h>
#include "base/address.h"

static struct address parse(const char *text)
{
	struct address address;

	if (address_parse(slice_of(text), &address) < 0)
		fail_msg("no address: %s", text);
	return address;
}

static void assert_text(struct address address, const char *expected)
{
	char text[ADDRESS_TEXT_SIZE];

	address_format(&address, text);
	assert_string_equal(text, expected);
}

static void test_addresses_are_read_and_written(void **state)
{
	(void)state;
	assert_text(parse("192.0.2.1"), "192.0.2.1");
	assert_text(parse("2001:DB8:0:0::1"), "2001:db8::1");
	assert_text(parse("[2001:db8::1]"), "2001:db8::1");
	assert_text(parse("::ffff:192.0.2.1"), "192.0.2.1");
	assert_text(parse("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
	assert_true(address_is_ipv4(&(struct address){{[10] = 0xff, 0xff, 1, 2, 3, 4}}));
}

static void test_what_is_no_address_is_refused(void **state)
{
	static const char *const wrong[] = {"",
					    "1",
					    "1.2.3",
					    "1.2.3.256",
					    "1.2.3.4.5",
					    "01.2.3.4",
					    " 1.2.3.4",
					    "1.2.3.4 ",
					    "1.2.3.4:80",
					    "[1.2.3.4]",
					    "[::1",
					    "::1]",
					    "[]",
					    ":",
					    ":::",
					    "::g",
					    "fe80::1%eth0",
					    "localhost",
					    "1111111111111111111111111111111111111111111111111111111111111111"};
	struct address address;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(address_parse(slice_of(wrong[i]), &address), -EINVAL);
	assert_int_equal(address_parse((struct slice){"1.2.3.4\0", 8}, &address), -EINVAL);
	assert_int_equal(address_parse(SLICE_NULL, &address), -EINVAL);
}

static void test_loopback_is_known(void **state)
{
	static const struct {
		const char *text;
		bool loopback;
	} cases[] = {{"127.0.0.1", true}, {"127.255.0.9", true}, {"::1", true},
		     {"::", false},       {"128.0.0.1", false},  {"::2", false}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct address address = parse(cases[i].text);

		assert_int_equal(address_is_loopback(&address), cases[i].loopback);
	}
}

static void test_socket_addresses_are_taken_over(void **state)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0xc0000201)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_addr.s6_addr = {0x20, 1, 0x0d, 0xb8, [15] = 1}};
	struct sockaddr other = {.sa_family = AF_UNIX};
	struct address address;

	(void)state;
	address_from_sockaddr((struct sockaddr *)&in, &address);
	assert_text(address, "192.0.2.1");
	address_from_sockaddr((struct sockaddr *)&in6, &address);
	assert_text(address, "2001:db8::1");
	address_from_sockaddr(&other, &address);
	assert_text(address, "::");
}

static struct address key(const char *text)
{
	struct address address = parse(text);

	return address_client_key(&address);
}

static void test_a_client_is_an_ipv4_address_or_a_64_of_ipv6(void **state)
{
	(void)state;
	assert_text(key("192.0.2.1"), "192.0.2.1");
	assert_text(key("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
	assert_text(key("2001:db8:1:2:ffff::"), "2001:db8:1:2::");
	assert_text(key("2001:db8:1:3::"), "2001:db8:1:3::");
}

static bool contains(const char *networks, const char *text)
{
	struct address address = parse(text);
	struct network_list list;
	struct slice bad;

	assert_int_equal(network_list_parse(slice_of(networks), &list, &bad), 0);
	return network_list_contains(&list, &address);
}

static void test_networks_hold_their_addresses(void **state)
{
	(void)state;
	assert_true(contains("10.0.0.0/8, 2001:db8::/32 ,127.0.0.1", "10.255.0.1"));
	assert_true(contains("10.0.0.0/8, 2001:db8::/32 ,127.0.0.1", "2001:db8:ffff::1"));
	assert_true(contains("10.0.0.0/8, 2001:db8::/32 ,127.0.0.1", "127.0.0.1"));
	assert_false(contains("10.0.0.0/8, 2001:db8::/32 ,127.0.0.1", "11.0.0.1"));
	assert_false(contains("10.0.0.0/8, 2001:db8::/32 ,127.0.0.1", "2001:db9::1"));
	assert_false(contains("10.0.0.0/8, 2001:db8::/32 ,127.0.0.1", "127.0.0.2"));
	assert_true(contains("192.0.2.128/25", "192.0.2.255"));
	assert_false(contains("192.0.2.128/25", "192.0.2.127"));
	assert_true(contains("0.0.0.0/0", "203.0.113.1"));
	assert_false(contains("0.0.0.0/0", "2001:db8::1"));
	assert_true(contains("::/0", "2001:db8::1"));
	assert_true(contains("::ffff:10.0.0.0/104", "10.1.2.3"));
	assert_true(contains("[2001:db8::1]", "2001:db8::1"));
	assert_false(contains("", "127.0.0.1"));
	assert_false(contains("  ", "127.0.0.1"));
}

static void assert_bad_network(const char *text, const char *item)
{
	struct network_list list;
	struct slice bad;

	assert_int_equal(network_list_parse(slice_of(text), &list, &bad), -EINVAL);
	assert_true(slice_equal(bad, slice_of(item)));
}

static void test_bad_networks_are_named(void **state)
{
	(void)state;
	assert_bad_network("10.0.0.0/8, 10.0.0.0/33", "10.0.0.0/33");
	assert_bad_network("10.0.0.1/8", "10.0.0.1/8");
	assert_bad_network("::/129", "::/129");
	assert_bad_network("10.0.0.0/", "10.0.0.0/");
	assert_bad_network("10.0.0.0/-1", "10.0.0.0/-1");
	assert_bad_network("10.0.0.0/08", "10.0.0.0/08");
	assert_bad_network("/8", "/8");
	assert_bad_network("10.0.0.0/8,", "");
	assert_bad_network(",10.0.0.0/8", "");
	assert_bad_network("host", "host");
}

static void test_networks_have_a_limit(void **state)
{
	char text[NETWORKS_MAX * 8 + 16] = "";
	struct network_list list;
	struct slice bad;

	(void)state;
	for (int i = 0; i < NETWORKS_MAX; i++)
		strcat(text, i ? ",1.2.3.4" : "1.2.3.4");
	assert_int_equal(network_list_parse(slice_of(text), &list, &bad), 0);
	assert_int_equal(list.count, NETWORKS_MAX);
	strcat(text, ",1.2.3.5");
	assert_int_equal(network_list_parse(slice_of(text), &list, &bad), -E2BIG);
	assert_true(slice_equal(bad, SLICE("1.2.3.5")));
}

static void assert_client(const char *peer, const char *forwarded_for, const char *expected)
{
	struct address from = parse(peer);
	struct network_list trusted;
	struct slice bad;

	assert_int_equal(network_list_parse(SLICE("10.0.0.0/8, 2001:db8:f::/48"), &trusted, &bad), 0);
	assert_text(address_behind_proxies(&from, slice_of(forwarded_for), &trusted), expected);
}

static void test_the_client_is_the_rightmost_that_is_not_trusted(void **state)
{
	(void)state;
	/* A peer that is not trusted can say what it likes. */
	assert_client("192.0.2.1", "203.0.113.7", "192.0.2.1");
	assert_client("10.0.0.1", "203.0.113.7", "203.0.113.7");
	assert_client("10.0.0.1", "6.6.6.6, 203.0.113.7", "203.0.113.7");
	assert_client("10.0.0.1", "6.6.6.6,203.0.113.7 ,\t10.9.9.9", "203.0.113.7");
	assert_client("2001:db8:f::1", "2001:db8:1::7", "2001:db8:1::7");
	/* All are trusted: the leftmost. */
	assert_client("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3");
	assert_client("10.0.0.1", NULL, "10.0.0.1");
	assert_client("10.0.0.1", "", "10.0.0.1");
}

static void test_a_part_that_is_no_address_ends_the_walk(void **state)
{
	(void)state;
	assert_client("10.0.0.1", "203.0.113.7, unknown", "10.0.0.1");
	assert_client("10.0.0.1", "203.0.113.7, unknown, 10.0.0.2", "10.0.0.2");
	assert_client("10.0.0.1", "203.0.113.7,,10.0.0.2", "10.0.0.2");
	assert_client("10.0.0.1", ",", "10.0.0.1");
	assert_client("10.0.0.1", "203.0.113.7,", "10.0.0.1");
}

static void test_hops_may_have_a_port(void **state)
{
	(void)state;
	assert_client("10.0.0.1", "203.0.113.7:4711", "203.0.113.7");
	assert_client("10.0.0.1", "[2001:db8::7]:4711", "2001:db8::7");
	assert_client("10.0.0.1", "[2001:db8::7]", "2001:db8::7");
	assert_client("10.0.0.1", "203.0.113.7:", "10.0.0.1");
	assert_client("10.0.0.1", "203.0.113.7:99999", "10.0.0.1");
	assert_client("10.0.0.1", ":80", "10.0.0.1");
}

static void test_listening_places_are_read(void **state)
{
	struct listen_list list;
	struct slice bad;

	(void)state;
	assert_int_equal(listen_list_parse(SLICE("127.0.0.1:8080, [::1]:0,0.0.0.0:8090  proxy"), &list, &bad), 0);
	assert_int_equal(list.count, 3);
	assert_text(list.items[0].address, "127.0.0.1");
	assert_int_equal(list.items[0].port, 8080);
	assert_false(list.items[0].proxy);
	assert_text(list.items[1].address, "::1");
	assert_int_equal(list.items[1].port, 0);
	assert_text(list.items[2].address, "0.0.0.0");
	assert_int_equal(list.items[2].port, 8090);
	assert_true(list.items[2].proxy);
}

static void test_bad_listening_places_are_named(void **state)
{
	static const char *const wrong[] = {"",
					    "8080",
					    ":8080",
					    "127.0.0.1",
					    "127.0.0.1:",
					    "127.0.0.1:65536",
					    "127.0.0.1:080",
					    "::1:8080",
					    "[::1]8080",
					    "localhost:8080",
					    "127.0.0.1:8080 tls",
					    "127.0.0.1:8080 proxy proxy",
					    "[]:1"};
	struct listen_list list;
	struct slice bad;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(listen_list_parse(slice_of(wrong[i]), &list, &bad), -EINVAL);
		assert_true(slice_equal(bad, slice_of(wrong[i])));
	}
	assert_int_equal(listen_list_parse(SLICE_NULL, &list, &bad), -EINVAL);
	assert_int_equal(listen_list_parse(SLICE("1.1.1.1:1,1.1.1.1:2,"), &list, &bad), -EINVAL);
	assert_int_equal(listen_list_parse(SLICE("::1:1"), &list, &bad), -EINVAL);
	assert_int_equal(listen_list_parse(SLICE("[::]:1,[::]:2,[::]:3,[::]:4,[::]:5,[::]:6,[::]:7,[::]:8,[::]:9"), &list, &bad),
			 -E2BIG);
	assert_true(slice_equal(bad, SLICE("[::]:9")));
}

static void test_the_site_of_an_address_is_what_one_customer_has(void **state)
{
	struct address a, b, site;

	(void)state;
	assert_int_equal(address_parse(SLICE("2001:db8:1:ffff::1"), &a), 0);
	assert_int_equal(address_parse(SLICE("2001:db8:1::"), &b), 0);
	site = address_site(&a);
	assert_memory_equal(&site, &b, sizeof(b));
	assert_int_equal(address_parse(SLICE("192.0.2.1"), &a), 0);
	site = address_site(&a);
	assert_memory_equal(&site, &a, sizeof(a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses_are_read_and_written),
		cmocka_unit_test(test_the_site_of_an_address_is_what_one_customer_has),
		cmocka_unit_test(test_what_is_no_address_is_refused),
		cmocka_unit_test(test_loopback_is_known),
		cmocka_unit_test(test_socket_addresses_are_taken_over),
		cmocka_unit_test(test_a_client_is_an_ipv4_address_or_a_64_of_ipv6),
		cmocka_unit_test(test_networks_hold_their_addresses),
		cmocka_unit_test(test_bad_networks_are_named),
		cmocka_unit_test(test_networks_have_a_limit),
		cmocka_unit_test(test_the_client_is_the_rightmost_that_is_not_trusted),
		cmocka_unit_test(test_a_part_that_is_no_address_ends_the_walk),
		cmocka_unit_test(test_hops_may_have_a_port),
		cmocka_unit_test(test_listening_places_are_read),
		cmocka_unit_test(test_bad_listening_places_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
