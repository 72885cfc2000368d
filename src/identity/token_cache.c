#include "identity/token_cache.h"

#include <stdlib.h>
#include "base/random.h"

/*
 * A token has WAYS places, by its hash, and the one that was filled first is filled next: two
 * tokens that meet do not keep throwing each other out. The hashes lie together, apart from what
 * the tokens are good for: in a rush nearly every token is new, and is looked for in a line or two
 * of the processor's cache, not in one for each place.
 */
enum { WAYS = 4 };

enum { HEADER_MAX = 256 };

struct set {
	struct hash128 tokens[WAYS];
	uint32_t next;                   /* the place that is filled next */
	struct token_grant grants[WAYS]; /* no buyer: free */
};

struct identity_cache {
	struct siphash_key key;
	size_t set_count;
	size_t header_size; /* 0: none yet */
	int header_choice;  /* of keys */
	char header[HEADER_MAX];
	struct set sets[];
};

int token_cache_new(struct identity_cache **out, size_t entries)
{
	size_t set_count = (entries + WAYS - 1) / WAYS;
	/*
	 * calloc: this much comes as fresh pages, which the kernel fills with zeros when they are
	 * first touched.
	 */
	struct identity_cache *cache = calloc(1, sizeof(*cache) + set_count * sizeof(cache->sets[0]));

	if (!cache)
		return error_origin(-ENOMEM);
	random_bytes(&cache->key, sizeof(cache->key));
	cache->set_count = set_count;
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
	const struct set *set;

	if (cache->set_count == 0)
		return NULL;
	set = &cache->sets[token.low % cache->set_count];
	for (size_t i = 0; i < WAYS; i++)
		if (set->tokens[i].low == token.low && set->tokens[i].high == token.high && set->grants[i].buyer.size)
			return &set->grants[i];
	return NULL;
}

void token_cache_put(struct identity_cache *cache, struct hash128 token, const struct token_grant *grant)
{
	struct set *set;

	if (cache->set_count == 0)
		return;
	set = &cache->sets[token.low % cache->set_count];
	set->tokens[set->next] = token;
	set->grants[set->next] = *grant;
	set->next = (set->next + 1) % WAYS;
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
