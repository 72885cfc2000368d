#include "identity/key_set.h"

#include <stdlib.h>

struct named_key {
	char *name; /* NULL: none */
	struct jws_key *key;
};
struct key_set {
	size_t count;
	struct named_key keys[KEY_SET_MAX];
};

static const char too_many[] = "there are at most 8 keys";
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

/* Takes what a block or a secret says. 0 or as key_set_new(). */
static int add(struct key_set *set, enum identity_algorithm algorithm, const struct block *block, const char **reason)
{
	struct named_key *key = &set->keys[set->count];
	int r;

	*reason = NULL;
	if (set->count == KEY_SET_MAX)
		*reason = too_many;
	else if (block->kid.data && !is_name(block->kid))
		*reason = bad_name;
	else if (block->kid.data && key_set_choose(set, block->kid) != KEY_UNNAMED)
		*reason = twice;
	if (*reason)
		return -EINVAL;
	r = jws_key_new(&key->key, algorithm, block->text, reason);
	if (r < 0)
		return r;
	set->count++;
	if (block->kid.data && !(key->name = strndup(block->kid.data, block->kid.size)))
		return error_origin(-ENOMEM);
	return 0;
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

int key_set_choose(const struct key_set *set, struct slice kid)
{
	for (size_t i = 0; i < set->count; i++)
		if (set->keys[i].name && slice_equal(kid, (struct slice){set->keys[i].name, strlen(set->keys[i].name)}))
			return (int)i;
	return KEY_UNNAMED;
}

bool key_set_verify(const struct key_set *set, int choice, const struct jws *jws)
{
	ASSERT(choice == KEY_UNNAMED || (size_t)choice < set->count);
	if (choice != KEY_UNNAMED)
		return jws_verify(set->keys[choice].key, jws);
	for (size_t i = 0; i < set->count; i++)
		if (!set->keys[i].name && jws_verify(set->keys[i].key, jws))
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
