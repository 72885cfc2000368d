#include "identity/token_cache.h"

#include <stdlib.h>
#include "base/random.h"

/*
 * A token has WAYS places, by its hash, the newest first: two tokens that meet do not keep throwing
 * each other out.
 */
enum { WAYS = 4 };

enum { HEADER_MAX = 256 };

struct entry {
	struct hash128 token;
	struct token_grant grant; /* no buyer: free */
};

struct identity_cache {
	struct siphash_key key;
	size_t sets;
	size_t header_size; /* 0: none yet */
	int header_choice;  /* of keys */
	char header[HEADER_MAX];
	struct entry entries[]; /* sets x WAYS */
};

int token_cache_new(struct identity_cache **out, size_t entries)
{
	size_t sets = (entries + WAYS - 1) / WAYS;
	/*
	 * calloc: this much comes as fresh pages, which the kernel fills with zeros when they are
	 * first touched.
	 */
	struct identity_cache *cache = calloc(1, sizeof(*cache) + sets * WAYS * sizeof(cache->entries[0]));

	if (!cache)
		return error_origin(-ENOMEM);
	random_bytes(&cache->key, sizeof(cache->key));
	cache->sets = sets;
	*out = cache;
	return 0;
}

void identity_cache_free(struct identity_cache *cache)
{
	free(cache);
}

struct hash128 token_cache_hash(const struct identity_cache *cache, struct slice token)
{
	return siphash128(&cache->key, token.data, token.size);
}

const struct token_grant *token_cache_find(const struct identity_cache *cache, struct hash128 token)
{
	const struct entry *set;

	if (cache->sets == 0)
		return NULL;
	set = &cache->entries[token.low % cache->sets * WAYS];
	for (size_t i = 0; i < WAYS && set[i].grant.buyer.size; i++)
		if (set[i].token.low == token.low && set[i].token.high == token.high)
			return &set[i].grant;
	return NULL;
}

void token_cache_put(struct identity_cache *cache, struct hash128 token, const struct token_grant *grant)
{
	struct entry *set;

	if (cache->sets == 0)
		return;
	set = &cache->entries[token.low % cache->sets * WAYS];
	memmove(set + 1, set, (WAYS - 1) * sizeof(set[0]));
	set[0].token = token;
	set[0].grant = *grant;
}

bool token_cache_header_known(const struct identity_cache *cache, struct slice header, int *choice)
{
	*choice = cache->header_choice;
	return header.size > 0 && header.size == cache->header_size && memcmp(header.data, cache->header, header.size) == 0;
}

void token_cache_header_put(struct identity_cache *cache, struct slice header, int choice)
{
	if (header.size > HEADER_MAX)
		return;
	memcpy(cache->header, header.data, header.size);
	cache->header_size = header.size;
	cache->header_choice = choice;
}
