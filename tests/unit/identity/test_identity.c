#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/random.h"
#include "identity/jws.h"
#include "text/base64url.h"
#include "unit/identity/forge.h"

/* One identity and its cache, as a thread has them. */
struct door {
	struct identity *identity;
	struct identity_cache *cache;
	struct identity_buyer buyer;
	const char *reason;
};

static void door_open(struct door *door, const struct identity_settings *settings)
{
	assert_int_equal(identity_new(&door->identity, settings, &door->reason), 0);
	assert_int_equal(identity_cache_new(&door->cache, door->identity), 0);
}

static void door_close(struct door *door)
{
	identity_cache_free(door->cache);
	identity_free(door->identity);
	forge_clear();
}

static int knock_at(struct door *door, struct slice authorization, int64_t wall_ms)
{
	memset(&door->buyer, 0, sizeof(door->buyer));
	return identity_verify(door->identity, door->cache, authorization, wall_ms, &door->buyer, &door->reason);
}

static int knock(struct door *door, struct slice authorization)
{
	return knock_at(door, authorization, FORGE_NOW_MS);
}

static void expect_buyer(struct door *door, struct slice authorization, const char *name)
{
	int r = knock(door, authorization);

	if (r != IDENTITY_KNOWN)
		print_error("%s\n", door->reason);
	assert_int_equal(r, IDENTITY_KNOWN);
	assert_int_equal(door->buyer.size, strlen(name));
	assert_memory_equal(door->buyer.name, name, strlen(name));
}

/* Refused twice: what was refused must not be remembered as good. */
static void expect_refused(struct door *door, struct slice authorization, const char *reason)
{
	for (int i = 0; i < 2; i++) {
		assert_int_equal(knock(door, authorization), IDENTITY_INVALID);
		assert_non_null(strstr(door->reason, reason));
		assert_int_equal(door->buyer.size, 0);
	}
}

static void test_a_good_token_names_its_buyer(void **state)
{
	struct identity_settings settings = forge_settings();
	struct door door;

	(void)state;
	door_open(&door, &settings);
	expect_buyer(&door, forge_claims(FORGE_CLAIMS), "alice");
	expect_buyer(&door, forge("{\"alg\":\"HS256\"}", FORGE_CLAIMS, settings.key), "alice");
	expect_buyer(&door, forge("{\"typ\":\"at+jwt\",\"kid\":\"7\",\"alg\":\"HS256\"}", FORGE_CLAIMS, settings.key), "alice");
	expect_buyer(&door, forge_claims("{\"exp\":1800000600.5,\"sub\":\"auth0|5f\\u0041\",\"nested\":{\"sub\":\"eve\"}}"),
		     "auth0|5fA");
	expect_buyer(&door, forge_text("bEARER   %s", forge_claims(FORGE_CLAIMS).data + 7), "alice");
	door_close(&door);
}

/*
 * The last good header is known again without being read: that must not make another one good, nor
 * a signature.
 */
static void test_a_known_header_vouches_for_itself_alone(void **state)
{
	struct identity_settings settings = forge_settings();
	char longer[400], padding[320];
	struct door door;

	(void)state;
	memset(padding, 'x', sizeof(padding));
	snprintf(longer, sizeof(longer), "{\"alg\":\"HS256\",\"kid\":\"%.*s\"}", (int)sizeof(padding), padding);
	door_open(&door, &settings);
	expect_refused(&door, forge("{\"alg\":\"none\"}", FORGE_CLAIMS, settings.key), "another algorithm");
	expect_buyer(&door, forge_claims(FORGE_CLAIMS), "alice");
	expect_refused(&door, forge("{\"alg\":\"none\"}", FORGE_CLAIMS, settings.key), "another algorithm");
	expect_refused(&door, forge(FORGE_HS256 " ", FORGE_CLAIMS, SLICE("another secret of thirty-two bytes")), "signature");
	expect_refused(&door, forge(FORGE_HS256, FORGE_CLAIMS, SLICE("another secret of thirty-two bytes")), "signature");
	expect_buyer(&door, forge(longer, "{\"sub\":\"bob\",\"exp\":1800000600}", settings.key), "bob");
	expect_buyer(&door, forge_claims("{\"sub\":\"carol\",\"exp\":1800000600}"), "carol");
	door_close(&door);
}

static void test_a_header_without_a_bearer_token_is_missing(void **state)
{
	struct identity_settings settings = forge_settings();
	struct door door;

	(void)state;
	door_open(&door, &settings);
	assert_int_equal(knock(&door, SLICE_NULL), IDENTITY_MISSING);
	assert_int_equal(knock(&door, SLICE("")), IDENTITY_MISSING);
	assert_int_equal(knock(&door, SLICE("Bearer")), IDENTITY_MISSING);
	assert_int_equal(knock(&door, SLICE("Bearer   ")), IDENTITY_MISSING);
	assert_int_equal(knock(&door, SLICE("Basic YWxpY2U6c2VjcmV0")), IDENTITY_MISSING);
	door_close(&door);
}

/* RFC 8725, section 2.1. */
static void test_an_unsigned_token_is_refused(void **state)
{
	static const char *const headers[] = {"{\"alg\":\"none\"}", "{\"alg\":\"None\",\"typ\":\"JWT\"}", "{\"typ\":\"JWT\"}",
					      "{\"alg\":null}", "{\"alg\":[\"HS256\"]}"};
	struct identity_settings settings = forge_settings();
	struct door door;

	(void)state;
	door_open(&door, &settings);
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		expect_refused(&door, forge(headers[i], FORGE_CLAIMS, settings.key), "another algorithm");
	/* {"alg":"none"}.FORGE_CLAIMS. */
	expect_refused(&door, SLICE("Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSIsImV4cCI6MTgwMDAwMDYwMH0."), "not a signed JWT");
	expect_refused(&door, SLICE("Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSIsImV4cCI6MTgwMDAwMDYwMH0"), "not a signed JWT");
	door_close(&door);
}

static void test_the_algorithm_is_the_settings_and_not_the_tokens(void **state)
{
	static const char *const others[] = {"HS384", "HS512", "RS256", "ES256", "hs256", "HS256 ", ""};
	struct identity_settings settings = forge_settings();
	struct door door;

	(void)state;
	door_open(&door, &settings);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		expect_refused(&door, forge(forge_text("{\"alg\":\"%s\"}", others[i]).data, FORGE_CLAIMS, settings.key),
			       "another algorithm");
	door_close(&door);
}

/*
 * The public key is public: a token that is signed by HMAC with its text must not pass for one
 * signed by the private key.
 */
static void test_a_public_key_is_no_hmac_secret(void **state)
{
	static const enum forge_key keys[] = {FORGE_RSA_2048, FORGE_P256};
	struct identity_settings settings = forge_settings();
	struct door door;
	const char *reason;
	struct identity *identity;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		settings.algorithm = i == 0 ? IDENTITY_RS256 : IDENTITY_ES256;
		settings.key = slice_of(forge_public(keys[i]));
		door_open(&door, &settings);
		expect_refused(&door, forge(FORGE_HS256, FORGE_CLAIMS, settings.key), "another algorithm");
		expect_refused(&door, forge("{\"alg\":\"RS256\"}", FORGE_CLAIMS, settings.key),
			       i == 0 ? "signature" : "another algorithm");
		expect_refused(&door, forge("{\"alg\":\"ES256\"}", FORGE_CLAIMS, settings.key),
			       i == 1 ? "signature" : "another algorithm");
		door_close(&door);

		settings.algorithm = IDENTITY_HS256;
		assert_int_equal(identity_new(&identity, &settings, &reason), -EINVAL);
		assert_non_null(strstr(reason, "PEM"));
	}
}

static void test_any_changed_character_breaks_the_token(void **state)
{
	struct identity_settings settings = forge_settings();
	struct slice token = forge_claims(FORGE_CLAIMS);
	struct door door;

	(void)state;
	door_open(&door, &settings);
	expect_buyer(&door, token, "alice");
	for (size_t i = strlen("Bearer "); i < token.size; i++)
		assert_int_equal(knock(&door, forge_changed(token, i)), IDENTITY_INVALID);
	for (size_t size = strlen("Bearer ") + 1; size < token.size; size++)
		assert_int_equal(knock(&door, (struct slice){token.data, size}), IDENTITY_INVALID);
	expect_refused(&door, forge(FORGE_HS256, FORGE_CLAIMS, SLICE("another secret of thirty-two bytes")), "signature");
	door_close(&door);
}

/*
 * A signature of 32 bytes leaves two bits of its last character over: each signature has one
 * spelling.
 */
static void test_a_token_has_one_spelling(void **state)
{
	struct identity_settings settings = forge_settings();
	struct slice token = forge_claims(FORGE_CLAIMS);
	struct door door;

	(void)state;
	door_open(&door, &settings);
	for (char c = '!'; c <= '~'; c++) {
		struct slice other = forge_text("%s", token.data);

		if (c == token.data[token.size - 1])
			continue;
		((char *)(uintptr_t)other.data)[other.size - 1] = c;
		assert_int_equal(knock(&door, other), IDENTITY_INVALID);
	}
	expect_refused(&door, forge_text("%s=", token.data), "signature");
	expect_refused(&door, forge_text("%s ", token.data), "signature");
	expect_refused(&door, forge_text("%s.", token.data), "not a signed JWT");
	door_close(&door);
}

static void test_a_member_named_twice_is_refused(void **state)
{
	struct identity_settings settings = forge_settings();
	struct door door;

	(void)state;
	door_open(&door, &settings);
	expect_refused(&door, forge_claims("{\"sub\":\"alice\",\"exp\":1800000600,\"sub\":\"bob\"}"), "payload is malformed");
	expect_refused(&door, forge_claims("{\"sub\":\"alice\",\"exp\":1800000600,\"s\\u0075b\":\"bob\"}"), "payload is malformed");
	expect_refused(&door, forge_claims("{\"sub\":\"alice\",\"exp\":1,\"exp\":1800000600}"), "payload is malformed");
	expect_refused(&door, forge("{\"alg\":\"HS256\",\"alg\":\"HS256\"}", FORGE_CLAIMS, settings.key), "header is malformed");
	door_close(&door);
}

static void test_headers_that_ask_for_more_are_refused(void **state)
{
	struct identity_settings settings = forge_settings();
	struct door door;

	(void)state;
	door_open(&door, &settings);
	expect_refused(&door, forge("{\"alg\":\"HS256\",\"crit\":[\"b64\"],\"b64\":false}", FORGE_CLAIMS, settings.key), "critical");
	expect_refused(&door, forge("{\"alg\":\"HS256\",\"crit\":[]}", FORGE_CLAIMS, settings.key), "critical");
	expect_refused(&door, forge("{\"alg\":\"HS256\",\"crit\":null}", FORGE_CLAIMS, settings.key), "critical");
	expect_refused(&door, forge("{\"alg\":\"HS256\",\"typ\":\"logout+jwt\"}", FORGE_CLAIMS, settings.key), "another type");
	expect_refused(&door, forge("{\"alg\":\"HS256\",\"typ\":7}", FORGE_CLAIMS, settings.key), "another type");
	expect_refused(&door, forge("[\"HS256\"]", FORGE_CLAIMS, settings.key), "header is malformed");
	expect_refused(&door, forge("HS256", FORGE_CLAIMS, settings.key), "header is malformed");
	door_close(&door);
}

static void test_what_is_no_token_is_refused(void **state)
{
	static const char *const texts[] = {"Bearer x",           "Bearer .",
					    "Bearer ..",          "Bearer ...",
					    "Bearer a.b",         "Bearer a.b.c",
					    "Bearer a.b.c.d.e",   "Bearer \x01\x02.\xff.\xfe",
					    "Bearer e30.e30.e30", "Bearer eyJhbGciOiJIUzI1NiJ9.e30.",
					    "Bearer *.*.*"};
	struct identity_settings settings = forge_settings();
	struct door door;

	(void)state;
	door_open(&door, &settings);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(knock(&door, slice_of(texts[i])), IDENTITY_INVALID);
	expect_refused(&door, forge_claims("{\"sub\":\"alice\",\"exp\":1800000600"), "payload is malformed");
	expect_refused(&door, forge_claims("[{\"sub\":\"alice\",\"exp\":1800000600}]"), "payload is malformed");
	expect_refused(&door, forge_claims("{\"sub\":\"al\\u0000ice\",\"exp\":1800000600}"), "payload is malformed");
	expect_refused(&door, forge_claims("{\"sub\":\"alice\",\"exp\":1800000600}{}"), "payload is malformed");
	expect_refused(&door, forge_claims("null"), "payload is malformed");
	door_close(&door);
}

static void test_a_token_of_any_size_gets_its_answer(void **state)
{
	static char padding[8192];
	struct identity_settings settings = forge_settings();
	struct door door;

	(void)state;
	memset(padding, 'x', sizeof(padding) - 1);
	door_open(&door, &settings);
	for (int size = 2900; size < 3100; size++) {
		struct slice token =
			forge_claims(forge_text("{\"sub\":\"alice\",\"exp\":1800000600,\"pad\":\"%.*s\"}", size, padding).data);
		int r = knock(&door, token);

		assert_int_equal(r, token.size - strlen("Bearer ") <= 4096 ? IDENTITY_KNOWN : IDENTITY_INVALID);
		forge_clear();
	}
	expect_refused(&door, forge_claims(forge_text("{\"pad\":\"%s\"}", padding).data), "at most 4096");
	/* Nested as deep as it fits. */
	memset(padding, '[', 3000);
	expect_refused(&door, forge_claims(forge_text("{\"a\":%.*s}", 3000, padding).data), "payload is malformed");
	door_close(&door);
}

static void test_the_subject_must_be_a_buyers_name(void **state)
{
	static const char *const subjects[] = {"null",
					       "7",
					       "true",
					       "\"\"",
					       "\"al ice\"",
					       "\"al\\nice\"",
					       "\"\\u00e4lice\"",
					       "\"\x7f\"",
					       "[\"alice\"]",
					       "{\"name\":\"alice\"}"};
	struct identity_settings settings = forge_settings();
	char name[BUYER_MAX + 2];
	struct door door;

	(void)state;
	door_open(&door, &settings);
	for (size_t i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++)
		expect_refused(&door, forge_claims(forge_text("{\"sub\":%s,\"exp\":1800000600}", subjects[i]).data),
			       "sub must name the buyer");
	expect_refused(&door, forge_claims("{\"exp\":1800000600}"), "sub must name the buyer");
	memset(name, 'b', sizeof(name));
	name[BUYER_MAX] = '\0';
	expect_buyer(&door, forge_claims(forge_text("{\"sub\":\"%s\",\"exp\":1800000600}", name).data), name);
	expect_refused(&door, forge_claims(forge_text("{\"sub\":\"%sb\",\"exp\":1800000600}", name).data), "sub must name the buyer");
	door_close(&door);
}

static void test_expiry_is_required_and_kept(void **state)
{
	static const char *const wrong[] = {
		"", ",\"exp\":null", ",\"exp\":\"1800000600\"", ",\"exp\":-1", ",\"exp\":[1800000600]", ",\"exp\":true"};
	struct identity_settings settings = forge_settings();
	struct door door;

	(void)state;
	door_open(&door, &settings);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		expect_refused(&door, forge_claims(forge_text("{\"sub\":\"alice\"%s}", wrong[i]).data), "must have an exp");
	expect_buyer(&door, forge_claims("{\"sub\":\"alice\",\"exp\":1799999996}"), "alice"); /* the leeway is 5 s */
	expect_refused(&door, forge_claims("{\"sub\":\"alice\",\"exp\":1799999995}"), "has expired");
	expect_refused(&door, forge_claims("{\"sub\":\"alice\",\"exp\":0}"), "has expired");
	expect_buyer(&door, forge_claims("{\"sub\":\"alice\",\"exp\":9223372036854775807}"), "alice");
	expect_buyer(&door, forge_claims("{\"sub\":\"alice\",\"exp\":1e300}"), "alice");
	door_close(&door);
}

static void test_not_before_is_kept(void **state)
{
	struct identity_settings settings = forge_settings();
	struct door door;

	(void)state;
	door_open(&door, &settings);
	expect_buyer(&door, forge_claims("{\"sub\":\"alice\",\"exp\":1800000600,\"nbf\":1800000000}"), "alice");
	expect_buyer(&door, forge_claims("{\"sub\":\"alice\",\"exp\":1800000600,\"nbf\":1800000005}"), "alice");
	expect_refused(&door, forge_claims("{\"sub\":\"alice\",\"exp\":1800000600,\"nbf\":1800000006}"), "not valid yet");
	expect_refused(&door, forge_claims("{\"sub\":\"alice\",\"exp\":1800000600,\"nbf\":\"1\"}"), "nbf must be");
	expect_refused(&door, forge_claims("{\"sub\":\"alice\",\"exp\":1800000600,\"nbf\":null}"), "nbf must be");
	door_close(&door);
}

static void test_the_cache_keeps_to_the_tokens_times(void **state)
{
	struct identity_settings settings = forge_settings();
	struct slice token = forge_claims("{\"sub\":\"alice\",\"exp\":1800000600,\"nbf\":1800000000}");
	struct door door;

	(void)state;
	settings.leeway_ms = 0;
	door_open(&door, &settings);
	for (int i = 0; i < 2; i++) { /* the second time, and within it, the token is remembered */
		assert_int_equal(knock_at(&door, token, FORGE_NOW_MS - 1), IDENTITY_INVALID);
		assert_int_equal(knock_at(&door, token, FORGE_NOW_MS), IDENTITY_KNOWN);
		assert_int_equal(knock_at(&door, token, FORGE_NOW_MS + 599999), IDENTITY_KNOWN);
		assert_int_equal(knock_at(&door, token, FORGE_NOW_MS + 600000), IDENTITY_INVALID);
		assert_string_equal(door.reason, "The token has expired.");
	}
	door_close(&door);
}

static void test_a_full_or_absent_cache_changes_no_answer(void **state)
{
	static const size_t sizes[] = {0, 1, 4, 64};
	struct identity_settings settings = forge_settings();
	struct slice tokens[200];
	char names[200][16];
	struct door door;

	(void)state;
	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		settings.cache_entries = sizes[s];
		door_open(&door, &settings);
		for (int i = 0; i < 200; i++) {
			snprintf(names[i], sizeof(names[i]), "b%d", i);
			tokens[i] = forge_claims(forge_text("{\"sub\":\"%s\",\"exp\":1800000600}", names[i]).data);
		}
		for (int i = 0; i < 1000; i++) {
			size_t pick = random_u64() % 200;

			expect_buyer(&door, tokens[pick], names[pick]);
		}
		door_close(&door);
	}
}

static void test_the_issuer_must_be_exact(void **state)
{
	struct identity_settings settings = forge_settings();
	struct door door;

	(void)state;
	settings.issuer = SLICE("https://login.example");
	door_open(&door, &settings);
	expect_buyer(&door, forge_claims("{\"sub\":\"alice\",\"exp\":1800000600,\"iss\":\"https:\\/\\/login.example\"}"), "alice");
	expect_refused(&door, forge_claims(FORGE_CLAIMS), "another issuer");
	expect_refused(&door, forge_claims("{\"sub\":\"alice\",\"exp\":1800000600,\"iss\":\"https://login.example/\"}"),
		       "another issuer");
	expect_refused(&door, forge_claims("{\"sub\":\"alice\",\"exp\":1800000600,\"iss\":[\"https://login.example\"]}"),
		       "another issuer");
	door_close(&door);
}

static void test_the_audience_may_be_one_or_several(void **state)
{
	struct identity_settings settings = forge_settings();
	struct door door;

	(void)state;
	settings.audience = SLICE("shop");
	door_open(&door, &settings);
	expect_buyer(&door, forge_claims("{\"sub\":\"alice\",\"exp\":1800000600,\"aud\":\"shop\"}"), "alice");
	expect_buyer(&door, forge_claims("{\"sub\":\"alice\",\"exp\":1800000600,\"aud\":[\"forum\",\"shop\"]}"), "alice");
	expect_refused(&door, forge_claims(FORGE_CLAIMS), "another audience");
	expect_refused(&door, forge_claims("{\"sub\":\"alice\",\"exp\":1800000600,\"aud\":\"shops\"}"), "another audience");
	expect_refused(&door, forge_claims("{\"sub\":\"alice\",\"exp\":1800000600,\"aud\":[]}"), "another audience");
	expect_refused(&door, forge_claims("{\"sub\":\"alice\",\"exp\":1800000600,\"aud\":[[\"shop\"]]}"), "another audience");
	expect_refused(&door, forge_claims("{\"sub\":\"alice\",\"exp\":1800000600,\"aud\":{\"shop\":1}}"), "another audience");
	door_close(&door);
}

static void test_weak_or_wrong_keys_are_refused_at_the_start(void **state)
{
	const struct {
		enum identity_algorithm algorithm;
		const char *key, *reason;
	} cases[] = {
		{IDENTITY_HS256, "", "32 bytes"},
		{IDENTITY_HS256, "thirty-one bytes are not enough", "32 bytes"},
		{IDENTITY_RS256, FORGE_SECRET, "PEM"},
		{IDENTITY_RS256, "", "PEM"},
		{IDENTITY_RS256, forge_public(FORGE_RSA_1024), "2048"},
		{IDENTITY_RS256, forge_public(FORGE_P256), "2048"},
		{IDENTITY_PS256, forge_public(FORGE_RSA_1024), "2048"},
		{IDENTITY_PS256, forge_public(FORGE_ED25519), "2048"},
		{IDENTITY_EDDSA, forge_public(FORGE_P256), "Ed25519"},
		{IDENTITY_EDDSA, FORGE_SECRET, "PEM"},
		{IDENTITY_ES256, forge_public(FORGE_ED25519), "P-256"},
		{IDENTITY_ES256, forge_public(FORGE_RSA_2048), "P-256"},
		{IDENTITY_ES256, forge_public(FORGE_P384), "P-256"},
		{IDENTITY_ES256, "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "PEM"},
		{IDENTITY_ES256, forge_text("%s-----BEGIN PUBLIC KEY-----\n", forge_public(FORGE_P256)).data, "no end"},
		{IDENTITY_ES256, forge_text("%s%s", forge_public(FORGE_P256), forge_public(FORGE_P384)).data, "P-256"},
		{IDENTITY_ES256, forge_text("kid: a b\n%s", forge_public(FORGE_P256)).data, "kid"},
		{IDENTITY_ES256, forge_text("kid: a\n%skid: a\n%s", forge_public(FORGE_P256), forge_public(FORGE_P256_NEXT)).data,
		 "same name"},
		{IDENTITY_ES256,
		 forge_text("%s-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", forge_public(FORGE_P256)).data,
		 "neither"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct identity_settings settings = {.algorithm = cases[i].algorithm, .key = slice_of(cases[i].key)};
		struct identity *identity;
		const char *reason = NULL;
		char *token;

		assert_int_equal(identity_new(&identity, &settings, &reason), -EINVAL);
		assert_non_null(strstr(reason, cases[i].reason));
		assert_int_equal(identity_make_token(&settings, SLICE("alice"), FORGE_NOW_MS, 600, &token), -EINVAL);
		assert_null(token);
	}
}

/* "Bearer TOKEN" signed by the first private key of `keys`. */
static struct slice signed_by(const char *keys, const char *buyer)
{
	struct identity_settings settings = {.algorithm = IDENTITY_ES256, .key = slice_of(keys)};
	struct slice authorization;
	char *token;

	assert_int_equal(identity_make_token(&settings, slice_of(buyer), FORGE_NOW_MS, 600, &token), 0);
	authorization = forge_text("Bearer %s", token);
	free(token);
	return authorization;
}

/* The second key of a text was dropped, and with it every token of the login's next key. */
static void test_each_key_of_a_text_is_used(void **state)
{
	const char *old_key = forge_private(FORGE_P256), *next_key = forge_private(FORGE_P256_NEXT);
	struct identity_settings settings = {.algorithm = IDENTITY_ES256, .cache_entries = 16};
	struct door door;

	(void)state;
	settings.key = forge_text("%s%s", forge_public(FORGE_P256), forge_public(FORGE_P256_NEXT));
	door_open(&door, &settings);
	expect_buyer(&door, signed_by(old_key, "alice"), "alice");
	expect_buyer(&door, signed_by(next_key, "bob"), "bob");
	expect_buyer(&door, signed_by(forge_text("kid: unheard-of\n%s", next_key).data, "carol"), "carol");
	door_close(&door);
}

static void test_a_token_that_names_a_key_is_held_against_that_one_alone(void **state)
{
	const char *old_key = forge_private(FORGE_P256), *next_key = forge_private(FORGE_P256_NEXT);
	struct identity_settings settings = {.algorithm = IDENTITY_ES256, .cache_entries = 16};
	struct door door;

	(void)state;
	settings.key = forge_text("# the login's\nkid: old\n%s\r\n  kid: next \r\n%s", forge_public(FORGE_P256),
				  forge_public(FORGE_P256_NEXT));
	door_open(&door, &settings);
	expect_buyer(&door, signed_by(forge_text("kid: old\n%s", old_key).data, "alice"), "alice");
	expect_buyer(&door, signed_by(forge_text("kid: next\n%s", next_key).data, "bob"), "bob");
	expect_refused(&door, signed_by(forge_text("kid: old\n%s", next_key).data, "eve"), "signature");
	expect_refused(&door, signed_by(old_key, "eve"), "signature");
	expect_buyer(&door, signed_by(forge_text("kid: old\n%s", old_key).data, "carol"), "carol");
	door_close(&door);
	settings.key = forge_text("kid: old\n%s%s", forge_public(FORGE_P256), forge_public(FORGE_P256_NEXT));
	door_open(&door, &settings);
	expect_buyer(&door, signed_by(next_key, "bob"), "bob");
	expect_refused(&door, signed_by(forge_text("kid: old\n%s", next_key).data, "eve"), "signature");
	door_close(&door);
}

static void test_made_tokens_are_taken_and_only_by_their_own_key(void **state)
{
	static const enum forge_key keys[] = {FORGE_KEYS, FORGE_RSA_2048, FORGE_P256, FORGE_RSA_2048, FORGE_ED25519};

	(void)state;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		struct identity_settings settings = forge_settings(), maker = settings;
		struct slice authorization;
		struct door door;
		char *token;

		settings.algorithm = maker.algorithm = (enum identity_algorithm)i;
		settings.issuer = maker.issuer = SLICE("penstock");
		settings.audience = maker.audience = SLICE("shop");
		if (keys[i] != FORGE_KEYS) {
			settings.key = slice_of(forge_public(keys[i]));
			maker.key = slice_of(forge_private(keys[i]));
			assert_int_equal(identity_make_token(&settings, SLICE("alice"), FORGE_NOW_MS, 600, &token), -EINVAL);
		}
		assert_int_equal(identity_make_token(&maker, SLICE("a\"\\|b"), FORGE_NOW_MS, 600, &token), 0);
		authorization = forge_text("Bearer %s", token);
		free(token);
		door_open(&door, &settings);
		expect_buyer(&door, authorization, "a\"\\|b");
		assert_int_equal(knock_at(&door, authorization, FORGE_NOW_MS + 605000), IDENTITY_INVALID);
		for (size_t place = authorization.size - 90; place < authorization.size; place++)
			assert_int_equal(knock(&door, forge_changed(authorization, place)), IDENTITY_INVALID);
		door_close(&door);
	}
}

/* One RSA key serves two algorithms: what is signed by the one is no signature of the other. */
static void test_an_rsa_key_takes_one_padding_alone(void **state)
{
	static const struct {
		enum identity_algorithm algorithm;
		const char *header;
	} ways[] = {{IDENTITY_RS256, "{\"alg\":\"RS256\"}"}, {IDENTITY_PS256, "{\"alg\":\"PS256\"}"}};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct identity_settings settings = forge_settings();
		struct slice good, input, swapped;
		unsigned char signature[JWS_SIGNATURE_MAX];
		char coded[2 * JWS_SIGNATURE_MAX];
		size_t size;
		struct door door;

		settings.algorithm = ways[i].algorithm;
		settings.key = slice_of(forge_public(FORGE_RSA_2048));
		door_open(&door, &settings);
		for (size_t k = 0; k < 2; k++) {
			good = forge(ways[i].header, FORGE_CLAIMS, SLICE(FORGE_SECRET));
			input = (struct slice){good.data + 7,
					       (size_t)((const char *)memrchr(good.data, '.', good.size) - good.data) - 7};
			assert_int_equal(
				jws_sign(ways[k].algorithm, slice_of(forge_private(FORGE_RSA_2048)), input, signature, &size), 0);
			base64url_encode(signature, size, coded);
			swapped = forge_text("Bearer %.*s.%.*s", (int)input.size, input.data, (int)((size * 8 + 5) / 6), coded);
			if (i == k)
				expect_buyer(&door, swapped, "alice");
			else
				expect_refused(&door, swapped, "signature");
		}
		door_close(&door);
	}
}

static void test_no_token_is_made_for_what_is_no_buyer(void **state)
{
	struct identity_settings settings = forge_settings();
	char *token;

	(void)state;
	assert_int_equal(identity_make_token(&settings, SLICE("al ice"), FORGE_NOW_MS, 600, &token), -EINVAL);
	assert_int_equal(identity_make_token(&settings, SLICE_NULL, FORGE_NOW_MS, 600, &token), -EINVAL);
}

/* For who wants to know without the cost of a check. */
static void test_a_token_that_was_good_is_remembered_while_it_is_in_time(void **state)
{
	struct identity_settings settings = forge_settings();
	struct slice token;
	struct door door;

	(void)state;
	door_open(&door, &settings);
	token = forge_claims(FORGE_CLAIMS);
	assert_false(identity_remembers(door.cache, token, FORGE_NOW_MS));
	expect_buyer(&door, token, "alice");
	assert_true(identity_remembers(door.cache, token, FORGE_NOW_MS));
	assert_false(identity_remembers(door.cache, token, FORGE_NOW_MS + INT64_C(100000000000)));
	assert_false(identity_remembers(door.cache, SLICE("Bearer x"), FORGE_NOW_MS));
	assert_false(identity_remembers(door.cache, SLICE_NULL, FORGE_NOW_MS));
	door_close(&door);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_good_token_names_its_buyer),
		cmocka_unit_test(test_a_token_that_was_good_is_remembered_while_it_is_in_time),
		cmocka_unit_test(test_a_known_header_vouches_for_itself_alone),
		cmocka_unit_test(test_a_header_without_a_bearer_token_is_missing),
		cmocka_unit_test(test_an_unsigned_token_is_refused),
		cmocka_unit_test(test_the_algorithm_is_the_settings_and_not_the_tokens),
		cmocka_unit_test(test_a_public_key_is_no_hmac_secret),
		cmocka_unit_test(test_any_changed_character_breaks_the_token),
		cmocka_unit_test(test_a_token_has_one_spelling),
		cmocka_unit_test(test_a_member_named_twice_is_refused),
		cmocka_unit_test(test_headers_that_ask_for_more_are_refused),
		cmocka_unit_test(test_what_is_no_token_is_refused),
		cmocka_unit_test(test_a_token_of_any_size_gets_its_answer),
		cmocka_unit_test(test_the_subject_must_be_a_buyers_name),
		cmocka_unit_test(test_expiry_is_required_and_kept),
		cmocka_unit_test(test_not_before_is_kept),
		cmocka_unit_test(test_the_cache_keeps_to_the_tokens_times),
		cmocka_unit_test(test_a_full_or_absent_cache_changes_no_answer),
		cmocka_unit_test(test_the_issuer_must_be_exact),
		cmocka_unit_test(test_the_audience_may_be_one_or_several),
		cmocka_unit_test(test_weak_or_wrong_keys_are_refused_at_the_start),
		cmocka_unit_test(test_each_key_of_a_text_is_used),
		cmocka_unit_test(test_a_token_that_names_a_key_is_held_against_that_one_alone),
		cmocka_unit_test(test_made_tokens_are_taken_and_only_by_their_own_key),
		cmocka_unit_test(test_an_rsa_key_takes_one_padding_alone),
		cmocka_unit_test(test_no_token_is_made_for_what_is_no_buyer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
