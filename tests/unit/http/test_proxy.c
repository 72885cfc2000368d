#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include "http/proxy.h"

static const char peer_text[] = "198.51.100.9";
static struct address source;
static size_t used;

static enum proxy_outcome read_exactly(const char *data, size_t size)
{
	char *copy = malloc(size ? size : 1);
	enum proxy_outcome outcome;

	assert_int_equal(address_parse(slice_of(peer_text), &source), 0);
	memcpy(copy, data, size);
	outcome = proxy_read(copy, size, &source, &used);
	free(copy);
	return outcome;
}

/* Split at every byte, with HTTP behind it. */
static void assert_source(const char *data, size_t size, const char *expected)
{
	char text[ADDRESS_TEXT_SIZE], more[8192];

	for (size_t i = 0; i < size; i++)
		assert_int_equal(read_exactly(data, i), PROXY_MORE);
	memcpy(more, data, size);
	strcpy(more + size, "GET / HTTP/1.1\r\n");
	assert_int_equal(read_exactly(more, size + 16), PROXY_WHOLE);
	assert_int_equal(used, size);
	address_format(&source, text);
	assert_string_equal(text, expected);
}

static void assert_malformed(const char *data, size_t size)
{
	if (read_exactly(data, size) != PROXY_MALFORMED)
		fail_msg("not refused: %s", data);
}

static void test_version_1_names_the_source(void **state)
{
	static const char ipv4[] = "PROXY TCP4 192.0.2.1 192.0.2.2 4711 80\r\n";
	static const char ipv6[] = "PROXY TCP6 2001:db8::1 2001:db8::2 65535 0\r\n";

	(void)state;
	assert_source(ipv4, sizeof(ipv4) - 1, "192.0.2.1");
	assert_source(ipv6, sizeof(ipv6) - 1, "2001:db8::1");
}

static void test_version_1_unknown_keeps_the_peer(void **state)
{
	static const char bare[] = "PROXY UNKNOWN\r\n";
	static const char full[] = "PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n";

	(void)state;
	assert_source(bare, sizeof(bare) - 1, peer_text);
	assert_source(full, sizeof(full) - 1, peer_text);
}

static void test_malformed_version_1_is_refused(void **state)
{
	static const char *const wrong[] = {
		"GET / HTTP/1.1\r\n",
		"PROXY\r\n",
		"PROXY \r\n",
		"proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
		"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n",
		"PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n",
		"PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n",
		"PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n",
		"PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n",
		"PROXY TCP4 192.0.2.1 192.0.2.2 1 x\r\n",
		"PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n",
		"PROXY TCP4 192.0.2.256 192.0.2.2 1 2\r\n",
		"PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n",
		"PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n",
		"PROXY TCP6 [2001:db8::1] 2001:db8::2 1 2\r\n",
		"PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n",
		"PROXY UNKNOWN 0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789\r\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_malformed(wrong[i], strlen(wrong[i]));
}

#define V2 "\r\n\r\n\0\r\nQUIT\n"

static void test_version_2_names_the_source(void **state)
{
	static const char ipv4[] = V2 "\x21\x11\0\x0c"
				      "\xc0\0\2\1"
				      "\xc0\0\2\2"
				      "\x12\x67\0\x50";
	static const char extended[] = V2 "\x21\x11\0\x10"
					  "\xc0\0\2\1"
					  "\xc0\0\2\2"
					  "\x12\x67\0\x50"
					  "\4\0\1x";
	static const char ipv6[] = V2 "\x21\x21\0\x24"
				      "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"
				      "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\2"
				      "\0\1\0\2";

	(void)state;
	assert_source(ipv4, sizeof(ipv4) - 1, "192.0.2.1");
	assert_source(extended, sizeof(extended) - 1, "192.0.2.1");
	assert_source(ipv6, sizeof(ipv6) - 1, "2001:db8::1");
}

static void test_version_2_local_and_other_families_keep_the_peer(void **state)
{
	static const char local[] = V2 "\x20\0\0\0";
	static const char local_with_address[] = V2 "\x20\x11\0\x0c"
						    "\xc0\0\2\1"
						    "\xc0\0\2\2"
						    "\x12\x67\0\x50";
	static const char unspecified[] = V2 "\x21\0\0\2xy";
	static const char udp[] = V2 "\x21\x12\0\x0c"
				     "\xc0\0\2\1"
				     "\xc0\0\2\2"
				     "\x12\x67\0\x50";

	(void)state;
	assert_source(local, sizeof(local) - 1, peer_text);
	assert_source(local_with_address, sizeof(local_with_address) - 1, peer_text);
	assert_source(unspecified, sizeof(unspecified) - 1, peer_text);
	assert_source(udp, sizeof(udp) - 1, peer_text);
}

static void test_malformed_version_2_is_refused(void **state)
{
	(void)state;
	assert_malformed(V2 "\x11\x11\0\x0c", 16);
	assert_malformed(V2 "\x22\x11\0\x0c", 16);
	assert_malformed(V2 "\x21\x11\0\x0b", 16);
	assert_malformed(V2 "\x21\x21\0\x23", 16);
	assert_malformed(V2 "\x21\0\xff\xff", 16);
	assert_malformed("\r\n\r\n\0\r\nQUIX", 12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_version_1_names_the_source),
		cmocka_unit_test(test_version_1_unknown_keeps_the_peer),
		cmocka_unit_test(test_malformed_version_1_is_refused),
		cmocka_unit_test(test_version_2_names_the_source),
		cmocka_unit_test(test_version_2_local_and_other_families_keep_the_peer),
		cmocka_unit_test(test_malformed_version_2_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
