/*
 * Who the buyer is: by a JWT (RFC 7519, checked as RFC 8725 says: the algorithm is the settings',
 * never the token's), or by a header that a gateway in front has set after authenticating (only
 * from trusted proxies; the gate checks that).
 *
 * An identity is immutable and shared by all threads; each thread has a cache of tokens that it has
 * verified, which honours exp.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/error.h"
#include "model/limits.h"
#include "text/slice.h"

enum identity_algorithm { IDENTITY_HS256, IDENTITY_RS256, IDENTITY_ES256, IDENTITY_PS256, IDENTITY_EDDSA };

struct identity_settings {
	enum identity_algorithm algorithm; /* of a JWK Set each key has its own */
	bool jwks;                         /* `key` is a JWK Set (RFC 7517); it makes no tokens */
	struct slice key; /* HS256: secret of at least 32 bytes; else public key in PEM (a private one serves for making tokens) */
	struct slice issuer, audience; /* empty: not checked */
	int64_t leeway_ms;
	size_t cache_entries; /* per cache; 0: none */
};

struct identity;
struct identity_cache;

/* 0, -EINVAL (*reason: static text: weak or malformed key), -ENOMEM. */
int identity_new(struct identity **identity, const struct identity_settings *settings, const char **reason) MUST_CHECK;
void identity_free(struct identity *identity);
int identity_cache_new(struct identity_cache **cache, const struct identity *identity) MUST_CHECK;
void identity_cache_free(struct identity_cache *cache);

enum identity_outcome { IDENTITY_KNOWN = 0, IDENTITY_MISSING = 1, IDENTITY_INVALID = 2 };

struct identity_buyer {
	char name[BUYER_MAX];
	size_t size;
};

/*
 * `authorization`: the header's value ("Bearer …"). IDENTITY_KNOWN fills buyer; else *reason says
 * why (static text, fit for the client: "the token has expired").
 */
int identity_verify(const struct identity *identity, struct identity_cache *cache, struct slice authorization, int64_t wall_ms,
		    struct identity_buyer *buyer, const char **reason) MUST_CHECK;
/*
 * Whether identity_verify() would know this token without checking it: it was good before, and is
 * still in time.
 */
bool identity_remembers(const struct identity_cache *cache, struct slice authorization, int64_t wall_ms);
/*
 * What the token says its `sub` is, without any trust: only to choose between a quick 410 and the
 * whole way. False where that is not plain to see (odd escapes, no token): then the whole way is
 * right. Cheap: no signature, no allocation.
 */
bool identity_peek_subject(struct slice authorization, struct identity_buyer *buyer);

/*
 * Makes a token for `buyer` (NUL-terminated result, malloc'd) valid for lifetime_s. 0, -EINVAL,
 * -ENOMEM.
 */
int identity_make_token(const struct identity_settings *settings, struct slice buyer, int64_t wall_ms, int64_t lifetime_s,
			char **token) MUST_CHECK;
