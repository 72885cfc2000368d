#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "stock/redis/url.h"

#include <stdio.h>
#include <string.h>

static struct redis_url parsed(const char *text)
{
	struct redis_url url;
	const char *reason = "";

	if (redis_url_parse(text, &url, &reason) < 0)
		fail_msg("%s: %s", text, reason);
	return url;
}

/* The reason must have this word. */
static void assert_refused(const char *text, const char *word)
{
	struct redis_url url;
	const char *reason = "";

	assert_int_equal(redis_url_parse(text, &url, &reason), -EINVAL);
	if (!strstr(reason, word))
		fail_msg("%s: %s", text, reason);
}

static void test_url_names_a_server(void **state)
{
	struct redis_url url = parsed("redis://shop:p%40ss%2Fword@cache.example:7001/3");

	(void)state;
	assert_false(url.sentinel);
	assert_string_equal(url.addresses[0].host, "cache.example");
	assert_int_equal(url.addresses[0].port, 7001);
	assert_string_equal(url.user, "shop");
	assert_string_equal(url.password, "p@ss/word");
	assert_int_equal(url.database, 3);
}

static void test_url_may_be_short(void **state)
{
	struct redis_url url = parsed("redis://localhost");

	(void)state;
	assert_int_equal(url.addresses[0].port, 6379);
	assert_int_equal(url.database, 0);
	assert_string_equal(url.password, "");
	url = parsed("redis://:secret@[::1]:6380/");
	assert_string_equal(url.user, "");
	assert_string_equal(url.password, "secret");
	assert_string_equal(url.addresses[0].host, "::1");
	assert_int_equal(url.addresses[0].port, 6380);
}

static void test_url_names_sentinels(void **state)
{
	struct redis_url url = parsed("redis+sentinel://u:p@a,b:26380,[fe80::1]:3/drops/2");

	(void)state;
	assert_true(url.sentinel);
	assert_int_equal(url.address_count, 3);
	assert_string_equal(url.addresses[0].host, "a");
	assert_int_equal(url.addresses[0].port, 26379);
	assert_int_equal(url.addresses[1].port, 26380);
	assert_string_equal(url.addresses[2].host, "fe80::1");
	assert_string_equal(url.name, "drops");
	assert_int_equal(url.database, 2);
	assert_int_equal(parsed("redis+sentinel://a/drops").database, 0);
}

static void test_url_says_what_is_wrong(void **state)
{
	char hosts[256] = "redis+sentinel://a";

	(void)state;
	assert_refused("", "redis://");
	assert_refused("http://a", "redis://");
	assert_refused("redis:", "redis://");
	assert_refused("rediss://a", "tunnel");
	assert_refused("redis://", "host");
	assert_refused("redis://:6379", "host");
	assert_refused("redis://a:", "port");
	assert_refused("redis://a:0", "port");
	assert_refused("redis://a:65536", "port");
	assert_refused("redis://a:1x", "port");
	assert_refused("redis://a/x", "database");
	assert_refused("redis://a/-1", "database");
	assert_refused("redis://a/0?db=1", "parameters");
	assert_refused("redis://[::1", "bracket");
	assert_refused("redis://[::1]6379", "bracket");
	assert_refused("redis://secret@a", "user:password");
	assert_refused("redis://u:@a", "password");
	assert_refused("redis://u:%4@a", "%25");
	assert_refused("redis://u:%00@a", "%25");
	assert_refused("redis://u:p%zz@a", "%25");
	assert_refused("redis+sentinel://a", "name");
	assert_refused("redis+sentinel://a/", "name");
	assert_refused("redis+sentinel://a,/m", "host");
	for (int i = 0; i < 8; i++)
		snprintf(hosts + strlen(hosts), sizeof(hosts) - strlen(hosts), ",h%d", i);
	strcat(hosts, "/m");
	assert_refused(hosts, "8");
}

static void test_every_prefix_and_every_byte_of_a_url_is_survived(void **state)
{
	static const char text[] = "redis+sentinel://us%41r:pa%2Fss@host-a:26379,[::1]:2,c/name/12";
	char cut[sizeof(text)], changed[sizeof(text)];
	struct redis_url url;
	const char *reason;

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++) {
		memcpy(cut, text, i);
		cut[i] = '\0';
		(void)!redis_url_parse(cut, &url, &reason);
		for (int byte = 1; byte < 256 && i + 1 < sizeof(text); byte++) {
			memcpy(changed, text, sizeof(text));
			changed[i] = (char)byte;
			(void)!redis_url_parse(changed, &url, &reason);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_url_names_a_server),
		cmocka_unit_test(test_url_may_be_short),
		cmocka_unit_test(test_url_names_sentinels),
		cmocka_unit_test(test_url_says_what_is_wrong),
		cmocka_unit_test(test_every_prefix_and_every_byte_of_a_url_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
