/*
 * Tokens are verified by libjwt. What is ours: the rules of RFC 8725 around it (the algorithm is the settings', not the token's; no `crit`; keys of
 * enough strength; exp is required), and the cache: a table of a fixed size by a keyed hash of the whole token, one entry a place, the newest wins.
 * 128 bits of SipHash under a random key stand for the token: to get at another's entry one would have to find a second token of the same hash
 * without knowing the key.
 */
#include "identity/identity.h"

#include <jansson.h>
#include <jwt.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include "base/base64url.h"
#include "base/random.h"
#include "base/siphash.h"
#include "identity/bearer.h"
#include "model/sale.h"

enum {
	TOKEN_MAX = 4096,        /* bytes */
	SECRET_MIN = 32,         /* bytes of an HS256 secret: as long as the hash (RFC 7518, section 3.2) */
	RSA_BITS_MIN = 2048,     /* RFC 7518, section 3.3 */
	P256_BITS = 256,
	SECONDS_MAX = 253402300799, /* the year 9999 */
};

struct identity {
	jwt_alg_t algorithm;
	char *key, *issuer, *audience; /* NULL: not checked */
	size_t key_size;
	int64_t leeway_ms;
	size_t cache_entries;
};

struct entry {
	struct hash128 token; /* both 0: free */
	int64_t not_before_ms, expires_ms;
	uint32_t size;
	char name[BUYER_MAX];
};

struct identity_cache {
	struct siphash_key key;
	size_t count;
	struct entry entries[];
};

static const jwt_alg_t algorithms[] = {[IDENTITY_HS256] = JWT_ALG_HS256, [IDENTITY_RS256] = JWT_ALG_RS256, [IDENTITY_ES256] = JWT_ALG_ES256};

static EVP_PKEY *read_key(struct slice pem)
{
	BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.size);
	EVP_PKEY *key = bio ? PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL) : NULL;

	if (!key && bio && BIO_reset(bio) == 1)
		key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	BIO_free(bio);
	return key;
}

/* NULL, or why this key is not one for this algorithm. */
static const char *judge_key(enum identity_algorithm algorithm, struct slice pem)
{
	const char *reason = NULL;
	EVP_PKEY *key;

	if (algorithm == IDENTITY_HS256)
		return pem.size < SECRET_MIN ? "an HS256 secret has at least 32 bytes" : NULL;
	key = read_key(pem);
	if (!key)
		return "the key is not a PEM key";
	if (algorithm == IDENTITY_RS256 && (EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA || EVP_PKEY_get_bits(key) < RSA_BITS_MIN))
		reason = "RS256 needs an RSA key of at least 2048 bits";
	if (algorithm == IDENTITY_ES256 && (EVP_PKEY_get_base_id(key) != EVP_PKEY_EC || EVP_PKEY_get_bits(key) != P256_BITS))
		reason = "ES256 needs a key on the curve P-256";
	EVP_PKEY_free(key);
	return reason;
}

static char *copy(struct slice text)
{
	return text.size ? strndup(text.data, text.size) : NULL;
}

int identity_new(struct identity **out, const struct identity_settings *settings, const char **reason)
{
	struct identity *identity;

	*reason = judge_key(settings->algorithm, settings->key);
	if (*reason)
		return -EINVAL;
	*reason = "out of memory";
	identity = calloc(1, sizeof(*identity));
	if (!identity)
		return error_origin(-ENOMEM);
	identity->algorithm = algorithms[settings->algorithm];
	identity->key = copy(settings->key);
	identity->key_size = settings->key.size;
	identity->issuer = copy(settings->issuer);
	identity->audience = copy(settings->audience);
	identity->leeway_ms = settings->leeway_ms;
	identity->cache_entries = settings->cache_entries;
	if (!identity->key) {
		identity_free(identity);
		return error_origin(-ENOMEM);
	}
	*out = identity;
	return 0;
}

void identity_free(struct identity *identity)
{
	if (!identity)
		return;
	if (identity->key)
		explicit_bzero(identity->key, identity->key_size);
	free(identity->key);
	free(identity->issuer);
	free(identity->audience);
	free(identity);
}

int identity_cache_new(struct identity_cache **out, const struct identity *identity)
{
	struct identity_cache *cache = calloc(1, sizeof(*cache) + identity->cache_entries * sizeof(cache->entries[0]));

	if (!cache)
		return error_origin(-ENOMEM);
	random_bytes(&cache->key, sizeof(cache->key));
	cache->count = identity->cache_entries;
	*out = cache;
	return 0;
}

void identity_cache_free(struct identity_cache *cache)
{
	free(cache);
}

/* --- Claims --- */

/* A NumericDate claim (RFC 7519, section 2). 0; 1: absent; -EINVAL: not a number of seconds. */
static int read_time(jwt_t *jwt, const char *name, int64_t *ms)
{
	char *text = jwt_get_grants_json(jwt, name);
	json_t *value = text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
	double seconds = json_is_number(value) ? json_number_value(value) : -1;

	json_decref(value);
	free(text);
	if (!text)
		return 1;
	if (!(seconds >= 0 && seconds <= (double)SECONDS_MAX))
		return -EINVAL;
	*ms = (int64_t)(seconds * 1000);
	return 0;
}

/* `aud` is one text or an array of them (RFC 7519, section 4.1.3). */
static bool is_for(jwt_t *jwt, const char *audience)
{
	char *text = jwt_get_grants_json(jwt, "aud");
	json_t *value = text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL, *item;
	bool found = json_is_string(value) && strcmp(json_string_value(value), audience) == 0;
	size_t i;

	json_array_foreach(value, i, item)
		found = found || (json_is_string(item) && strcmp(json_string_value(item), audience) == 0);
	json_decref(value);
	free(text);
	return found;
}

/* NULL, or why these claims do not make a buyer. Fills entry but for its token. */
static const char *judge_claims(const struct identity *identity, jwt_t *jwt, struct entry *entry)
{
	const char *subject = jwt_get_grant(jwt, "sub"), *issuer;
	int r;

	if (!subject || !buyer_valid(slice_of(subject)))
		return "The token's sub must name the buyer: 1 to 128 printable ASCII characters without spaces.";
	entry->size = (uint32_t)strlen(subject);
	memcpy(entry->name, subject, entry->size);
	if (read_time(jwt, "exp", &entry->expires_ms) != 0)
		return "The token must have an exp that is a number of seconds.";
	entry->not_before_ms = INT64_MIN;
	r = read_time(jwt, "nbf", &entry->not_before_ms);
	if (r < 0)
		return "The token's nbf must be a number of seconds.";
	if (r == 0)
		entry->not_before_ms -= identity->leeway_ms;
	entry->expires_ms += identity->leeway_ms;
	if (identity->issuer) {
		issuer = jwt_get_grant(jwt, "iss");
		if (!issuer || strcmp(issuer, identity->issuer) != 0)
			return "The token is of another issuer.";
	}
	if (identity->audience && !is_for(jwt, identity->audience))
		return "The token is for another audience.";
	return NULL;
}

/* NULL, or why not. */
static const char *decode(const struct identity *identity, struct slice token, struct entry *entry)
{
	char text[TOKEN_MAX + 1], *critical;
	const char *reason;
	jwt_t *jwt = NULL;

	memcpy(text, token.data, token.size);
	text[token.size] = '\0';
	if (strlen(text) != token.size)
		return "The token is not a JWT.";
	if (jwt_decode(&jwt, text, (const unsigned char *)identity->key, (int)identity->key_size) != 0)
		return "The token is malformed, or its signature is not right.";
	if (jwt_get_alg(jwt) != identity->algorithm) {
		jwt_free(jwt);
		return "The token is signed with another algorithm than this server takes.";
	}
	critical = jwt_get_headers_json(jwt, "crit");
	reason = critical ? "The token has critical headers that this server does not know." : judge_claims(identity, jwt, entry);
	free(critical);
	jwt_free(jwt);
	return reason;
}

static int judge_time(const struct entry *entry, int64_t wall_ms, struct identity_buyer *buyer, const char **reason)
{
	if (wall_ms >= entry->expires_ms) {
		*reason = "The token has expired.";
		return IDENTITY_INVALID;
	}
	if (wall_ms < entry->not_before_ms) {
		*reason = "The token is not valid yet.";
		return IDENTITY_INVALID;
	}
	buyer->size = entry->size;
	memcpy(buyer->name, entry->name, entry->size);
	return IDENTITY_KNOWN;
}

int identity_verify(const struct identity *identity, struct identity_cache *cache, struct slice authorization, int64_t wall_ms,
		    struct identity_buyer *buyer, const char **reason)
{
	struct slice token = bearer_token(authorization);
	struct entry fresh = {0}, *place = NULL;

	*reason = "There is no bearer token.";
	if (token.size == 0)
		return IDENTITY_MISSING;
	*reason = "The token is longer than 4096 bytes.";
	if (token.size > TOKEN_MAX)
		return IDENTITY_INVALID;
	if (cache->count) {
		fresh.token = siphash128(&cache->key, token.data, token.size);
		place = &cache->entries[fresh.token.low % cache->count];
		if (place->token.low == fresh.token.low && place->token.high == fresh.token.high)
			return judge_time(place, wall_ms, buyer, reason);
	}
	*reason = decode(identity, token, &fresh);
	if (*reason)
		return IDENTITY_INVALID;
	if (place && wall_ms < fresh.expires_ms)
		*place = fresh;
	return judge_time(&fresh, wall_ms, buyer, reason);
}

/* --- Without trust --- */

/*
 * The value of a top-level "sub" in the payload, where that is plain to see: the name occurs once, as "sub", at the top level, and its value is a text
 * without escapes. Strings before it are skipped whole; nesting is counted.
 */
static bool scan_subject(const char *text, size_t size, struct slice *subject)
{
	static const char name[] = "\"sub\"";
	int depth = 0;
	bool found = false;
	size_t i = 0;

	while (i < size) {
		size_t start = i, end;

		if (text[i] == '{' || text[i] == '[')
			depth++;
		else if (text[i] == '}' || text[i] == ']')
			depth--;
		if (text[i] != '"') {
			i++;
			continue;
		}
		for (end = i + 1; end < size && text[end] != '"'; end++)
			if (text[end] == '\\')
				return false;
		i = end + 1;
		if (depth != 1 || i - start != sizeof(name) - 1 || memcmp(text + start, name, sizeof(name) - 1) != 0)
			continue;
		while (i < size && (text[i] == ' ' || text[i] == '\t' || text[i] == '\n' || text[i] == '\r'))
			i++;
		if (i == size || text[i] != ':')
			continue; /* it was a value */
		for (i++; i < size && (text[i] == ' ' || text[i] == '\t' || text[i] == '\n' || text[i] == '\r'); i++)
			continue;
		if (found || i == size || text[i] != '"')
			return false;
		found = true;
		subject->data = text + i + 1;
		for (end = i + 1; end < size && text[end] != '"'; end++)
			if (text[end] == '\\')
				return false;
		subject->size = end - i - 1;
		i = end + 1;
	}
	return found;
}

bool identity_peek_subject(struct slice authorization, struct identity_buyer *buyer)
{
	struct slice token = bearer_token(authorization), payload, subject;
	const char *first, *second;
	char text[TOKEN_MAX];
	ssize_t size;

	if (token.size == 0 || token.size > TOKEN_MAX)
		return false;
	first = memchr(token.data, '.', token.size);
	if (!first)
		return false;
	first++;
	second = memchr(first, '.', (size_t)(token.data + token.size - first));
	if (!second)
		return false;
	payload = (struct slice){first, (size_t)(second - first)};
	size = base64url_decode(payload, text, sizeof(text));
	if (size < 0 || !scan_subject(text, (size_t)size, &subject) || !buyer_valid(subject))
		return false;
	memcpy(buyer->name, subject.data, subject.size);
	buyer->size = subject.size;
	return true;
}

int identity_make_token(const struct identity_settings *settings, struct slice buyer, int64_t wall_ms, int64_t lifetime_s, char **token)
{
	char *subject = copy(buyer), *issuer = copy(settings->issuer), *audience = copy(settings->audience);
	jwt_t *jwt = NULL;
	int r = 0;

	*token = NULL;
	if (!subject || judge_key(settings->algorithm, settings->key) || jwt_new(&jwt) != 0)
		r = -EINVAL;
	if (r == 0 && jwt_set_alg(jwt, algorithms[settings->algorithm], (const unsigned char *)settings->key.data, (int)settings->key.size) != 0)
		r = -EINVAL;
	if (r == 0 && (jwt_add_grant(jwt, "sub", subject) || jwt_add_grant_int(jwt, "iat", wall_ms / 1000) ||
		       jwt_add_grant_int(jwt, "exp", wall_ms / 1000 + lifetime_s) || (issuer && jwt_add_grant(jwt, "iss", issuer)) ||
		       (audience && jwt_add_grant(jwt, "aud", audience))))
		r = -ENOMEM;
	if (r == 0) {
		*token = jwt_encode_str(jwt);
		r = *token ? 0 : -EINVAL;
	}
	jwt_free(jwt);
	free(subject);
	free(issuer);
	free(audience);
	return r;
}
