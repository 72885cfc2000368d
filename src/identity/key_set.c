#include "identity/key_set.h"

#include <stdlib.h>
#include "identity/jwks.h"

struct named_key {
	char *name; /* NULL: none */
	struct jws_key *key;
};
/* A choice: a place, or one of these. */
enum { CHOICE_NONE = -1, CHOICE_UNNAMED = -2 /* less the algorithm */ };

struct key_set {
	size_t count;
	struct named_key keys[KEY_SET_MAX];
};

static const char too_many[] = "there are at most 32 keys";
static const char unfinished[] = "a PEM block has no end";
static const char no_key[] = "a PEM block is neither a public nor a private key";
static const char bad_name[] = "a key's name (kid) has 1 to 128 printable characters without spaces";
static const char twice[] = "two keys have the same name (kid)";

/* --- Blocks --- */

struct block {
	struct slice kid;  /* data NULL: no line names it; size 0: one names it nothing */
	struct slice type; /* "PUBLIC KEY" */
	struct slice text; /* data NULL: it does not end */
};

static struct slice find(struct slice text, const char *what)
{
	const char *found = text.size ? memmem(text.data, text.size, what, strlen(what)) : NULL;

	return found ? (struct slice){found, (size_t)(text.data + text.size - found)} : SLICE_NULL;
}

static struct slice trim(struct slice text)
{
	while (text.size && strchr(" \t\r", text.data[0]))
		text = (struct slice){text.data + 1, text.size - 1};
	while (text.size && strchr(" \t\r", text.data[text.size - 1]))
		text.size--;
	return text;
}

/* The last line "kid: NAME" of what stands before a block. */
static struct slice find_kid(struct slice text)
{
	static const struct slice mark = {"kid:", 4};
	struct slice kid = SLICE_NULL;

	while (text.size) {
		const char *end = memchr(text.data, '\n', text.size);
		size_t size = end ? (size_t)(end - text.data) : text.size, next = end ? size + 1 : size;
		struct slice line = trim((struct slice){text.data, size});

		if (line.size >= mark.size && memcmp(line.data, mark.data, mark.size) == 0)
			kid = trim((struct slice){line.data + mark.size, line.size - mark.size});
		text = (struct slice){text.data + next, text.size - next};
	}
	return kid;
}

/* The next block, and *rest behind it. */
static bool next_block(struct slice *rest, struct block *block)
{
	static const char begin[] = "-----BEGIN ", end[] = "-----END ", dashes[] = "-----";
	struct slice start = find(*rest, begin), stop, type, line;

	if (!start.data)
		return false;
	*block = (struct block){.kid = find_kid((struct slice){rest->data, (size_t)(start.data - rest->data)})};
	type = (struct slice){start.data + strlen(begin), start.size - strlen(begin)};
	line = find(type, dashes);
	stop = find(start, end);
	if (stop.data)
		stop = find((struct slice){stop.data + strlen(end), stop.size - strlen(end)}, dashes);
	*rest = SLICE("");
	if (!line.data || !stop.data)
		return true;
	block->type = (struct slice){type.data, (size_t)(line.data - type.data)};
	block->text = (struct slice){start.data, (size_t)(stop.data - start.data) + strlen(dashes)};
	*rest = (struct slice){stop.data + strlen(dashes), stop.size - strlen(dashes)};
	return true;
}

static bool ends_with(struct slice text, struct slice end)
{
	return text.size >= end.size && memcmp(text.data + text.size - end.size, end.data, end.size) == 0;
}

static bool is_private(const struct block *block)
{
	return ends_with(block->type, SLICE("PRIVATE KEY"));
}

/* --- The set --- */

static bool is_name(struct slice kid)
{
	for (size_t i = 0; i < kid.size; i++)
		if (kid.data[i] <= ' ' || kid.data[i] > '~')
			return false;
	return kid.size > 0 && kid.size <= KEY_NAME_MAX;
}

static const struct named_key *find_name(const struct key_set *set, struct slice kid)
{
	for (size_t i = 0; i < set->count; i++)
		if (set->keys[i].name && slice_equal(kid, slice_of(set->keys[i].name)))
			return &set->keys[i];
	return NULL;
}

/* Whether there is room for a key of this name (data NULL: of none). */
static int judge_name(const struct key_set *set, struct slice kid, const char **reason)
{
	*reason = NULL;
	if (set->count == KEY_SET_MAX)
		*reason = too_many;
	else if (kid.data && !is_name(kid))
		*reason = bad_name;
	else if (kid.data && find_name(set, kid))
		*reason = twice;
	return *reason ? -EINVAL : 0;
}

/* Takes the key. */
static int append(struct key_set *set, struct jws_key *key, struct slice kid)
{
	struct named_key *place = &set->keys[set->count++];

	place->key = key;
	if (kid.data && !(place->name = strndup(kid.data, kid.size)))
		return error_origin(-ENOMEM);
	return 0;
}

/* Takes what a block or a secret says. 0 or as key_set_new(). */
static int add(struct key_set *set, enum identity_algorithm algorithm, const struct block *block, const char **reason)
{
	struct jws_key *key;
	int r = judge_name(set, block->kid, reason);

	if (r == 0)
		r = jws_key_new(&key, algorithm, block->text, reason);
	return r < 0 ? r : append(set, key, block->kid);
}

static int add_blocks(struct key_set *set, enum identity_algorithm algorithm, struct slice text, const char **reason)
{
	struct block block;
	int r = 0;

	while (r == 0 && next_block(&text, &block)) {
		*reason = unfinished;
		if (!block.text.data)
			return -EINVAL;
		if (slice_equal(block.type, SLICE("EC PARAMETERS"))) /* OpenSSL puts the curve's name before the key, which says it too */
			continue;
		*reason = no_key;
		if (!is_private(&block) && !ends_with(block.type, SLICE("PUBLIC KEY")))
			return -EINVAL;
		r = add(set, algorithm, &block, reason);
	}
	return r;
}

int key_set_new(struct key_set **out, enum identity_algorithm algorithm, struct slice text, const char **reason)
{
	struct key_set *set = calloc(1, sizeof(*set));
	int r = 0;

	*reason = "out of memory";
	if (!set)
		return error_origin(-ENOMEM);
	if (algorithm != IDENTITY_HS256)
		r = add_blocks(set, algorithm, text, reason);
	if (r == 0 && set->count == 0) /* a secret; or what is no PEM, which is refused in its words */
		r = add(set, algorithm, &(struct block){.text = text}, reason);
	if (r < 0) {
		key_set_free(set);
		return r;
	}
	*out = set;
	return 0;
}

static int add_jwk(struct key_set *set, const json_t *jwk, const char **reason)
{
	const json_t *kid = json_object_get(jwk, "kid");
	struct slice name = {json_string_value(kid), json_string_length(kid)};
	struct jws_key *key;
	int r = jwks_read_key(jwk, &key, reason);

	if (r < 0 || !key)
		return r;
	*reason = bad_name;
	r = kid && !name.data ? -EINVAL : judge_name(set, name, reason);
	if (r == 0)
		return append(set, key, name);
	jws_key_free(key);
	return r;
}

int key_set_of_jwks(struct key_set **out, struct slice text, const char **reason)
{
	struct key_set *set = calloc(1, sizeof(*set));
	struct slice json = slice_without_mark(text);
	json_t *object = json_loadb(json.data ? json.data : "", json.size, JSON_REJECT_DUPLICATES, NULL);
	const json_t *keys = json_object_get(object, "keys"), *jwk;
	int r = set ? 0 : error_origin(-ENOMEM);
	size_t i;

	*reason = r < 0 ? "out of memory" : "it is no JSON object with an array of keys";
	if (r == 0 && !json_is_array(keys))
		r = -EINVAL;
	for (i = 0; r == 0 && i < json_array_size(keys); i++) {
		jwk = json_array_get(keys, i);
		r = add_jwk(set, jwk, reason);
	}
	json_decref(object);
	if (r == 0 && set->count == 0) {
		*reason = "none of its keys is for signatures by RS256, PS256, ES256 or EdDSA";
		r = -EINVAL;
	}
	if (r < 0)
		key_set_free(set);
	else
		*out = set;
	return r;
}

void key_set_free(struct key_set *set)
{
	if (!set)
		return;
	for (size_t i = 0; i < set->count; i++) {
		jws_key_free(set->keys[i].key);
		free(set->keys[i].name);
	}
	free(set);
}

bool key_set_has(const struct key_set *set, enum identity_algorithm algorithm)
{
	for (size_t i = 0; i < set->count; i++)
		if (jws_key_algorithm(set->keys[i].key) == algorithm)
			return true;
	return false;
}

int key_set_choose(const struct key_set *set, struct slice kid, enum identity_algorithm algorithm)
{
	const struct named_key *named = kid.size ? find_name(set, kid) : NULL;

	if (!named)
		return CHOICE_UNNAMED - (int)algorithm;
	return jws_key_algorithm(named->key) == algorithm ? (int)(named - set->keys) : CHOICE_NONE;
}

bool key_set_verify(const struct key_set *set, int choice, const struct jws *jws)
{
	ASSERT(choice < 0 || (size_t)choice < set->count);
	if (choice >= 0)
		return jws_verify(set->keys[choice].key, jws);
	for (size_t i = 0; i < set->count; i++)
		if (!set->keys[i].name && choice == CHOICE_UNNAMED - (int)jws_key_algorithm(set->keys[i].key) &&
		    jws_verify(set->keys[i].key, jws))
			return true;
	return false;
}

struct slice key_set_signer(struct slice text, struct slice *kid)
{
	struct slice rest = text;
	struct block block;

	*kid = SLICE_NULL;
	while (next_block(&rest, &block))
		if (block.text.data && is_private(&block)) {
			*kid = block.kid;
			return block.text;
		}
	return text;
}
