/*
 * What a token must be to name a buyer (RFC 7519, RFC 8725), in this order: well-formed; of the
 * key's algorithm, whatever its header would like; signed; and only then read: who, until when,
 * by whom, for whom. JSON that names a member twice is refused, for two readers could take it for
 * two buyers.
 */
#include "identity/identity.h"

#include <jansson.h>
#include <stdlib.h>
#include "identity/bearer.h"
#include "identity/key_set.h"
#include "identity/token_cache.h"
#include "model/sale.h"
#include "text/base64url.h"
#include "text/buffer.h"

/* The year 9999: what lies beyond is as good as that, and no sum with it overflows. */
static const double seconds_max = 253402300799;

struct identity {
	struct key_set *keys;
	char *issuer, *audience; /* NULL: not checked */
	int64_t leeway_ms;
	size_t cache_entries;
};

static const char *const algorithms[] = {
	[IDENTITY_HS256] = "HS256", [IDENTITY_RS256] = "RS256", [IDENTITY_ES256] = "ES256",
	[IDENTITY_PS256] = "PS256", [IDENTITY_EDDSA] = "EdDSA",
};

/* An empty text becomes NULL. */
static int copy(struct slice text, char **copied)
{
	*copied = text.size ? strndup(text.data, text.size) : NULL;
	return text.size && !*copied ? error_origin(-ENOMEM) : 0;
}

int identity_new(struct identity **out, const struct identity_settings *settings, const char **reason)
{
	struct identity *identity = calloc(1, sizeof(*identity));
	int r;

	*reason = "out of memory";
	if (!identity)
		return error_origin(-ENOMEM);
	identity->leeway_ms = settings->leeway_ms;
	identity->cache_entries = settings->cache_entries;
	r = copy(settings->issuer, &identity->issuer);
	if (r == 0)
		r = copy(settings->audience, &identity->audience);
	if (r == 0)
		r = settings->jwks ? key_set_of_jwks(&identity->keys, settings->key, reason)
				   : key_set_new(&identity->keys, settings->algorithm, settings->key, reason);
	if (r < 0) {
		identity_free(identity);
		return r;
	}
	*out = identity;
	return 0;
}

void identity_free(struct identity *identity)
{
	if (!identity)
		return;
	key_set_free(identity->keys);
	free(identity->issuer);
	free(identity->audience);
	free(identity);
}

int identity_cache_new(struct identity_cache **cache, const struct identity *identity)
{
	return token_cache_new(cache, identity->cache_entries);
}

/* --- What the token says --- */

/* The JSON object in a part of the token; NULL where it is none. */
static json_t *read_object(struct slice part)
{
	char text[JWS_SIZE_MAX];
	ssize_t size = base64url_decode(part, text, sizeof(text));
	json_t *object = size > 0 ? json_loadb(text, (size_t)size, JSON_REJECT_DUPLICATES, NULL) : NULL;

	if (json_is_object(object))
		return object;
	json_decref(object);
	return NULL;
}

static bool is_text(const json_t *value, const char *text)
{
	return json_is_string(value) && strcmp(json_string_value(value), text) == 0;
}

/*
 * A token made for something else (a logout, a proof of possession) says so in its type (RFC 8725,
 * section 3.11).
 */
static bool type_fits(const json_t *type)
{
	static const char *const types[] = {"JWT", "at+jwt", "application/jwt", "application/at+jwt"};

	if (!type)
		return true;
	for (size_t i = 0; json_is_string(type) && i < sizeof(types) / sizeof(types[0]); i++)
		if (strcasecmp(json_string_value(type), types[i]) == 0)
			return true;
	return false;
}

/* NULL and the algorithm, or why not. */
static const char *judge_header(const struct identity *identity, const json_t *header, enum identity_algorithm *algorithm)
{
	enum identity_algorithm known = 0;

	while (known < sizeof(algorithms) / sizeof(algorithms[0]) && !is_text(json_object_get(header, "alg"), algorithms[known]))
		known++;
	*algorithm = known;
	if (known == sizeof(algorithms) / sizeof(algorithms[0]) || !key_set_has(identity->keys, known))
		return "The token is signed with another algorithm than this server takes.";
	if (json_object_get(header, "crit"))
		return "The token has critical headers that this server does not know.";
	if (!type_fits(json_object_get(header, "typ")))
		return "The token is of another type than an access token.";
	return NULL;
}

/*
 * NULL and which keys the token is held against, or why it is not. The tokens of one issuer have
 * one header: what is byte for byte the one that was good last is good, and need not be read.
 */
static const char *judge_header_part(const struct identity *identity, struct identity_cache *cache, struct slice part, int *choice)
{
	const char *reason = "The token's header is malformed.";
	enum identity_algorithm algorithm = IDENTITY_HS256;
	const json_t *kid;
	json_t *header;

	if (token_cache_header_known(cache, part, choice))
		return NULL;
	header = read_object(part);
	if (header)
		reason = judge_header(identity, header, &algorithm);
	kid = json_object_get(header, "kid");
	*choice = key_set_choose(identity->keys, (struct slice){json_string_value(kid), json_string_length(kid)}, algorithm);
	json_decref(header);
	if (!reason)
		token_cache_header_put(cache, part, *choice);
	return reason;
}

/* A NumericDate (RFC 7519, section 2) in milliseconds; false where it is none. */
static bool read_time(const json_t *value, int64_t *ms)
{
	double seconds = json_is_number(value) ? json_number_value(value) : -1;

	if (seconds < 0)
		return false;
	*ms = (int64_t)((seconds < seconds_max ? seconds : seconds_max) * 1000);
	return true;
}

/* `aud` is one text or an array of them (RFC 7519, section 4.1.3). */
static bool is_for(const json_t *audiences, const char *audience)
{
	const json_t *item;
	size_t i;

	json_array_foreach(audiences, i, item) if (is_text(item, audience)) return true;
	return is_text(audiences, audience);
}

/* NULL, or why these claims do not make a buyer. */
static const char *judge_claims(const struct identity *identity, const json_t *claims, struct token_grant *grant)
{
	const json_t *subject = json_object_get(claims, "sub"), *not_before = json_object_get(claims, "nbf");
	struct slice name = {json_string_value(subject), json_string_length(subject)};

	if (!sale_buyer_valid(name))
		return "The token's sub must name the buyer: 1 to 128 printable ASCII characters without spaces.";
	memcpy(grant->buyer.name, name.data, name.size);
	grant->buyer.size = name.size;
	if (!read_time(json_object_get(claims, "exp"), &grant->expires_ms))
		return "The token must have an exp that is a number of seconds.";
	grant->expires_ms += identity->leeway_ms;
	grant->not_before_ms = INT64_MIN;
	if (not_before) {
		if (!read_time(not_before, &grant->not_before_ms))
			return "The token's nbf must be a number of seconds.";
		grant->not_before_ms -= identity->leeway_ms;
	}
	if (identity->issuer && !is_text(json_object_get(claims, "iss"), identity->issuer))
		return "The token is of another issuer.";
	if (identity->audience && !is_for(json_object_get(claims, "aud"), identity->audience))
		return "The token is for another audience.";
	return NULL;
}

/* NULL and the grant, or why there is none. */
static const char *decode(const struct identity *identity, struct identity_cache *cache, struct slice token, struct token_grant *grant)
{
	json_t *object;
	const char *reason;
	struct jws jws;
	int choice;

	if (!jws_split(token, &jws))
		return "The token is not a signed JWT of at most 4096 bytes.";
	reason = judge_header_part(identity, cache, jws.header, &choice);
	if (reason)
		return reason;
	if (!key_set_verify(identity->keys, choice, &jws))
		return "The token's signature is not right.";
	object = read_object(jws.payload);
	if (!object)
		return "The token's payload is malformed.";
	reason = judge_claims(identity, object, grant);
	json_decref(object);
	return reason;
}

/* NULL, or why it is not good now. */
static const char *judge_time(const struct token_grant *grant, int64_t wall_ms)
{
	if (wall_ms >= grant->expires_ms)
		return "The token has expired.";
	if (wall_ms < grant->not_before_ms)
		return "The token is not valid yet.";
	return NULL;
}

int identity_verify(const struct identity *identity, struct identity_cache *cache, struct slice authorization, int64_t wall_ms,
		    struct identity_buyer *buyer, const char **reason)
{
	struct slice token = bearer_token(authorization);
	const struct token_grant *grant;
	struct token_grant fresh;
	struct hash128 hash;

	*reason = "There is no bearer token.";
	if (token.size == 0)
		return IDENTITY_MISSING;
	*reason = "The token is not a signed JWT of at most 4096 bytes.";
	if (token.size > JWS_SIZE_MAX)
		return IDENTITY_INVALID;
	hash = token_cache_hash(cache, token);
	grant = token_cache_find(cache, hash);
	if (!grant) {
		*reason = decode(identity, cache, token, &fresh);
		if (*reason)
			return IDENTITY_INVALID;
		grant = &fresh;
	}
	*reason = judge_time(grant, wall_ms);
	if (*reason)
		return IDENTITY_INVALID;
	memcpy(buyer->name, grant->buyer.name, grant->buyer.size);
	buyer->size = grant->buyer.size;
	if (grant == &fresh)
		token_cache_put(cache, hash, &fresh);
	return IDENTITY_KNOWN;
}

bool identity_remembers(const struct identity_cache *cache, struct slice authorization, int64_t wall_ms)
{
	struct slice token = bearer_token(authorization);
	const struct token_grant *grant = NULL;

	if (token.size > 0 && token.size <= JWS_SIZE_MAX)
		grant = token_cache_find(cache, token_cache_hash(cache, token));
	return grant && !judge_time(grant, wall_ms);
}

/* --- Making one --- */

/* Takes the object. Its JSON in base64url, behind what `out` has. */
static void put_part(struct buffer *out, json_t *object)
{
	char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
	size_t size = text ? strlen(text) : 0;
	char *coded = malloc(4 * size / 3 + 4);

	if (text && coded) {
		base64url_encode((const uint8_t *)text, size, coded);
		buffer_append(out, coded, (size * 8 + 5) / 6);
	} else {
		out->failed = true;
	}
	free(coded);
	free(text);
	json_decref(object);
}

/* False: out of memory. */
static bool set_text(json_t *object, const char *name, struct slice text)
{
	return text.size == 0 || json_object_set_new(object, name, json_stringn(text.data, text.size)) == 0;
}

static json_t *make_claims(const struct identity_settings *settings, struct slice buyer, int64_t wall_ms, int64_t lifetime_s)
{
	json_int_t now = wall_ms / 1000;
	json_t *claims = json_pack("{s:I,s:I}", "iat", now, "exp", now + (json_int_t)lifetime_s);

	if (set_text(claims, "sub", buyer) && set_text(claims, "iss", settings->issuer) && set_text(claims, "aud", settings->audience))
		return claims;
	json_decref(claims);
	return NULL;
}

static int sign(struct buffer *token, enum identity_algorithm algorithm, struct slice signer)
{
	unsigned char signature[JWS_SIGNATURE_MAX];
	char coded[4 * JWS_SIGNATURE_MAX / 3 + 4];
	size_t size = 0;
	int r;

	if (token->failed)
		return error_origin(-ENOMEM);
	r = jws_sign(algorithm, signer, buffer_slice(token), signature, &size);
	if (r < 0)
		return r;
	base64url_encode(signature, size, coded);
	buffer_append_literal(token, ".");
	buffer_append(token, coded, (size * 8 + 5) / 6);
	return token->failed ? error_origin(-ENOMEM) : 0;
}

int identity_make_token(const struct identity_settings *settings, struct slice buyer, int64_t wall_ms, int64_t lifetime_s, char **token)
{
	struct slice kid, signer = key_set_signer(settings->key, &kid);
	struct key_set *keys = NULL;
	struct buffer text;
	const char *reason;
	json_t *header;
	int r;

	*token = NULL;
	if (!sale_buyer_valid(buyer))
		return -EINVAL;
	r = key_set_new(&keys, settings->algorithm, settings->key, &reason);
	key_set_free(keys);
	if (r < 0)
		return r;
	buffer_init(&text, 4 * JWS_SIZE_MAX);
	header = json_pack("{s:s,s:s}", "alg", algorithms[settings->algorithm], "typ", "JWT");
	if (!set_text(header, "kid", kid))
		text.failed = true;
	put_part(&text, header);
	buffer_append_literal(&text, ".");
	put_part(&text, make_claims(settings, buyer, wall_ms, lifetime_s));
	r = sign(&text, settings->algorithm, signer);
	if (r == 0) {
		*token = strndup(text.data, text.size);
		r = *token ? 0 : error_origin(-ENOMEM);
	}
	buffer_deinit(&text);
	return r;
}
