#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/random.h"
#include "text/buffer.h"
#include "unit/identity/forge.h"

static bool peek(struct slice authorization, struct identity_buyer *buyer)
{
	memset(buyer, 0, sizeof(*buyer));
	return identity_peek_subject(authorization, buyer);
}

static void expect_seen(const char *payload, const char *name)
{
	struct identity_buyer buyer;

	assert_true(peek(forge_claims(payload), &buyer));
	assert_int_equal(buyer.size, strlen(name));
	assert_memory_equal(buyer.name, name, buyer.size);
}

static void expect_unclear(const char *payload)
{
	struct identity_buyer buyer;

	assert_false(peek(forge_claims(payload), &buyer));
}

static void test_a_plain_subject_is_seen(void **state)
{
	(void)state;
	expect_seen(FORGE_CLAIMS, "alice");
	expect_seen("{\"exp\":1800000600,\"sub\":\"alice\"}", "alice");
	expect_seen(" { \"a\" : [ 1 , { \"sub\" : \"eve\" } ] ,\n\t\"sub\" : \"alice\" , \"b\" : true } ", "alice");
	expect_seen("{\"iss\":\"https:\\/\\/a\\\"b\",\"x\":{\"}\":[\"]\"]},\"sub\":\"alice\"}", "alice");
	expect_seen("{\"na\\u006de\":\"sub\",\"sub\":\"alice\"}", "alice");
	expect_seen("{\"x\":\"sub\",\"y\":-1.5e3,\"z\":null,\"sub\":\"alice\"}", "alice");
	forge_clear();
}

static void test_what_is_not_plain_is_left_to_the_whole_way(void **state)
{
	struct identity_buyer buyer;

	(void)state;
	expect_unclear("{\"sub\":\"al\\u0069ce\",\"exp\":1800000600}");
	expect_unclear("{\"s\\u0075b\":\"alice\",\"exp\":1800000600}");
	expect_unclear("{\"sub\":7}");
	expect_unclear("{\"sub\":null,\"a\":\"alice\"}");
	expect_unclear("{\"sub\":\"\"}");
	expect_unclear("{\"sub\":\"al ice\"}");
	expect_unclear("{\"nested\":{\"sub\":\"alice\"}}");
	expect_unclear("{\"list\":[\"sub\",\"alice\"]}");
	expect_unclear("[\"sub\",\"alice\"]");
	expect_unclear("{}");
	expect_unclear("{\"sub\":\"alice");
	expect_unclear("{\"sub\"");
	expect_unclear("{\"a\":\"\\");
	expect_unclear("{\"a\":]]]],\"sub\":\"alice\"}");
	assert_false(peek(SLICE_NULL, &buyer));
	assert_false(peek(SLICE("Basic abc"), &buyer));
	assert_false(peek(SLICE("Bearer opaque-token"), &buyer));
	assert_false(peek(SLICE("Bearer a..b"), &buyer));
	assert_false(peek(SLICE("Bearer e30.!!!!.e30"), &buyer));
	forge_clear();
}

/* --- What is seen is never another than what is verified --- */

static uint64_t below(uint64_t bound)
{
	return random_u64() % bound;
}

static void some_space(struct buffer *out)
{
	static const char *const spaces[] = {"", "", "", " ", "\n", "\t", " \r "};

	buffer_append_text(out, spaces[below(sizeof(spaces) / sizeof(spaces[0]))]);
}

static void some_string(struct buffer *out)
{
	static const char *const pieces[] = {"sub", "alice", "bob", "\\\"",    "\\\\",    "{",        "}", "[",
					     "]",   ",",     ":",   "\\u0073", "\\u0022", "\xc3\xa4", " ", "x"};

	buffer_append_literal(out, "\"");
	for (uint64_t count = below(4); count > 0; count--)
		buffer_append_text(out, pieces[below(sizeof(pieces) / sizeof(pieces[0]))]);
	buffer_append_literal(out, "\"");
}

static void some_object(struct buffer *out, int depth);

static void some_value(struct buffer *out, int depth)
{
	static const char *const plain[] = {"0", "-1.5e3", "true", "false", "null", "1800000600", "\"\"", "\"alice\""};

	some_space(out);
	switch (depth > 0 ? below(6) : below(4)) {
	case 0:
	case 1:
		buffer_append_text(out, plain[below(sizeof(plain) / sizeof(plain[0]))]);
		break;
	case 2:
	case 3:
		some_string(out);
		break;
	case 4:
		buffer_append_literal(out, "[");
		for (uint64_t i = 0, count = below(3); i < count; i++) {
			if (i)
				buffer_append_literal(out, ",");
			some_value(out, depth - 1);
		}
		buffer_append_literal(out, "]");
		break;
	default:
		some_object(out, depth - 1);
	}
	some_space(out);
}

/* Now and then with a fault in it. */
static void some_object(struct buffer *out, int depth)
{
	static const char *const names[] = {"\"sub\"", "\"sub\"", "\"s\\u0075b\"", "\"exp\"", "\"su\"", "\"subs\"", "\"SUB\""};

	buffer_append_literal(out, "{");
	some_space(out);
	for (uint64_t i = 0, count = below(5); i < count; i++) {
		if (i)
			buffer_append_literal(out, ",");
		some_space(out);
		if (below(3))
			buffer_append_text(out, names[below(sizeof(names) / sizeof(names[0]))]);
		else
			some_string(out);
		some_space(out);
		buffer_append_text(out, below(40) ? ":" : ",");
		some_value(out, depth);
	}
	buffer_append_text(out, below(40) ? "}" : "]");
}

/* A good expiry in front, so that most of what is valid JSON with a subject is a good token. */
static void some_payload(struct buffer *out)
{
	buffer_clear(out);
	some_object(out, 3);
	if (out->size > 2 && below(10)) {
		struct slice rest = {out->data + 1, out->size - 1};
		struct slice whole = forge_text("{\"exp\":1800000600%s%.*s", memchr(rest.data, ':', rest.size) ? "," : "",
						(int)rest.size, rest.data);

		buffer_clear(out);
		buffer_append_slice(out, whole);
	}
	buffer_append(out, "", 1);
}

static void test_what_is_seen_is_what_is_verified(void **state)
{
	struct identity_settings settings = forge_settings();
	uint64_t seed = random_u64();
	struct identity *identity;
	struct identity_cache *cache;
	struct buffer payload;
	int verified = 0, seen_of_them = 0;
	const char *reason;

	(void)state;
	print_message("seed %llu\n", (unsigned long long)seed);
	random_set_seed(seed);
	settings.cache_entries = 0;
	assert_int_equal(identity_new(&identity, &settings, &reason), 0);
	assert_int_equal(identity_cache_new(&cache, identity), 0);
	buffer_init(&payload, 1 << 16);
	for (int i = 0; i < 20000; i++) {
		struct identity_buyer seen, known;
		struct slice authorization;

		some_payload(&payload);
		authorization = forge_claims(payload.data);
		if (identity_verify(identity, cache, authorization, FORGE_NOW_MS, &known, &reason) == IDENTITY_KNOWN) {
			verified++;
			if (peek(authorization, &seen)) {
				seen_of_them++;
				assert_int_equal(seen.size, known.size);
				assert_memory_equal(seen.name, known.name, known.size);
			}
		}
		forge_clear();
	}
	print_message("%d verified, %d of them seen\n", verified, seen_of_them);
	assert_true(verified > 200);
	assert_true(seen_of_them > verified / 4);
	buffer_deinit(&payload);
	identity_cache_free(cache);
	identity_free(identity);
	random_set_seed(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_plain_subject_is_seen),
		cmocka_unit_test(test_what_is_not_plain_is_left_to_the_whole_way),
		cmocka_unit_test(test_what_is_seen_is_what_is_verified),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
