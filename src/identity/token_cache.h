/*
 * The tokens that one thread has verified, so that a buyer who asks again costs no signature check.
 * Fixed size; memory that no token has needed yet is never touched. A token is known by 128 bits of
 * SipHash under a random key: to get at another's entry one would have to find a second token of
 * the same hash without knowing the key.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/error.h"
#include "base/siphash.h"
#include "identity/identity.h"
#include "text/slice.h"

/* What a verified token is good for, leeway included; wall time. */
struct token_grant {
	int64_t not_before_ms, expires_ms; /* good in not_before_ms <= t < expires_ms */
	struct identity_buyer buyer;
};

/* entries: 0 keeps none. 0 or -ENOMEM. */
int token_cache_new(struct identity_cache **cache, size_t entries) MUST_CHECK;
struct hash128 token_cache_hash(const struct identity_cache *cache, struct slice token);
/*
 * NULL where it is not known. Good until the next token_cache_put(). The times are the caller's to
 * judge: a clock may jump.
 */
const struct token_grant *token_cache_find(const struct identity_cache *cache, struct hash128 token);
void token_cache_put(struct identity_cache *cache, struct hash128 token, const struct token_grant *grant);

/*
 * The last token header (as it stands in the token) that was found good, and which keys it chose;
 * one that is longer than most is not kept.
 */
bool token_cache_header_known(const struct identity_cache *cache, struct slice header, int *choice);
void token_cache_header_put(struct identity_cache *cache, struct slice header, int choice);
