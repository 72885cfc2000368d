#include "identity/operators.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdint.h>
#include <stdlib.h>
#include "base/random.h"
#include "identity/bearer.h"
#include "text/base64url.h"

struct operator_entry {
	char name[OPERATOR_NAME_MAX + 1];
	unsigned scopes;
	uint8_t hash[SHA256_DIGEST_LENGTH];
};

struct operators {
	size_t count;
	struct operator_entry items[OPERATORS_MAX];
};

static const struct {
	enum operator_scope scope;
	const char *name;
} scope_names[] = {{OPERATOR_READ, "read"}, {OPERATOR_ORDERS, "orders"}, {OPERATOR_STOCK, "stock"}};

int operators_new(struct operators **operators)
{
	*operators = calloc(1, sizeof(**operators));
	return *operators ? 0 : error_origin(-ENOMEM);
}

void operators_free(struct operators *operators)
{
	if (operators)
		explicit_bzero(operators, sizeof(*operators));
	free(operators);
}

size_t operators_count(const struct operators *operators)
{
	return operators->count;
}

const char *operator_scope_name(enum operator_scope scope)
{
	for (size_t i = 0; i < sizeof(scope_names) / sizeof(scope_names[0]); i++)
		if (scope_names[i].scope == scope)
			return scope_names[i].name;
	assertion_failed("a known scope", __FILE__, __LINE__, __func__);
}

/* Cuts the part before `separator` off the front of *rest; all of it where there is none. */
static struct slice cut(struct slice *rest, char separator)
{
	const char *end = rest->size ? memchr(rest->data, separator, rest->size) : NULL;
	struct slice part = {rest->data, end ? (size_t)(end - rest->data) : rest->size};

	rest->data += part.size + (end ? 1 : 0);
	rest->size -= part.size + (end ? 1 : 0);
	return part;
}

int operator_scopes_parse(struct slice text, unsigned *scopes)
{
	unsigned found = 0;

	if (text.size && text.data[text.size - 1] == '+')
		return -EINVAL;
	do {
		struct slice name = cut(&text, '+');
		bool known = false;

		for (size_t i = 0; i < sizeof(scope_names) / sizeof(scope_names[0]); i++)
			if (slice_equal(name, slice_of(scope_names[i].name))) {
				found |= (unsigned)scope_names[i].scope;
				known = true;
			}
		if (!known)
			return -EINVAL;
	} while (text.size);
	*scopes = found;
	return 0;
}

static bool name_fine(struct slice name)
{
	if (name.size == 0 || name.size > OPERATOR_NAME_MAX)
		return false;
	for (size_t i = 0; i < name.size; i++) {
		char c = name.data[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') && c != '.' && c != '-' && c != '_')
			return false;
	}
	return true;
}

static int add(struct operators *operators, struct slice name, unsigned scopes, const uint8_t hash[SHA256_DIGEST_LENGTH],
	       const char **reason)
{
	struct operator_entry *added = &operators->items[operators->count];

	*reason = "an operator's name has 1 to 64 letters, digits, dots, dashes or underscores";
	if (!name_fine(name))
		return -EINVAL;
	*reason = "an operator's name is neither clock nor buyer nor nobody: those are in the log too, and it would not tell who did";
	if (slice_equal(name, SLICE("clock")) || slice_equal(name, SLICE("buyer")) || slice_equal(name, SLICE("nobody")))
		return -EINVAL;
	*reason = "two operators have the same name";
	for (size_t i = 0; i < operators->count; i++)
		if (slice_equal(slice_of(operators->items[i].name), name))
			return -EINVAL;
	*reason = "two operators have the same token";
	for (size_t i = 0; i < operators->count; i++)
		if (CRYPTO_memcmp(operators->items[i].hash, hash, SHA256_DIGEST_LENGTH) == 0)
			return -EINVAL;
	*reason = "there are more than 64 operators";
	if (operators->count == OPERATORS_MAX)
		return -E2BIG;
	memcpy(added->name, name.data, name.size);
	added->scopes = scopes;
	memcpy(added->hash, hash, sizeof(added->hash));
	operators->count++;
	*reason = NULL;
	return 0;
}

int operators_add(struct operators *operators, struct slice name, unsigned scopes, struct slice token, const char **reason)
{
	uint8_t hash[SHA256_DIGEST_LENGTH];

	*reason = "an operator's token has at least 16 bytes";
	if (token.size < OPERATOR_TOKEN_MIN)
		return -EINVAL;
	SHA256((const uint8_t *)token.data, token.size, hash);
	return add(operators, name, scopes, hash, reason);
}

static struct slice trimmed(struct slice text)
{
	while (text.size && (*text.data == ' ' || *text.data == '\t' || *text.data == '\n' || *text.data == '\r')) {
		text.data++;
		text.size--;
	}
	while (text.size && strchr(" \t\r\n", text.data[text.size - 1]))
		text.size--;
	return text;
}

static int parse_entry(struct operators *operators, struct slice entry, const char **reason)
{
	struct slice name = cut(&entry, ':'), scopes_text = cut(&entry, ':');
	uint8_t hash[SHA256_DIGEST_LENGTH + 2];
	unsigned scopes;

	*reason = "an entry of operator.tokens is NAME:SCOPES:HASH, as `penstock token --operator NAME` prints it";
	if (entry.size != BASE64URL_SIZE(SHA256_DIGEST_LENGTH) || base64url_decode(entry, hash, sizeof(hash)) != SHA256_DIGEST_LENGTH)
		return -EINVAL;
	*reason = "the scopes in an entry of operator.tokens are read, orders, stock, joined by +";
	if (operator_scopes_parse(scopes_text, &scopes) < 0)
		return -EINVAL;
	return add(operators, name, scopes, hash, reason);
}

int operators_parse(struct operators *operators, struct slice list, const char **reason)
{
	while (list.size) {
		struct slice entry = trimmed(cut(&list, ','));
		int r;

		if (entry.size == 0)
			continue;
		r = parse_entry(operators, entry, reason);
		if (r < 0)
			return r;
	}
	return 0;
}

int operators_check(const struct operators *operators, struct slice authorization, const char **name, unsigned *scopes)
{
	struct slice token = bearer_token(authorization);
	uint8_t hash[SHA256_DIGEST_LENGTH];
	const struct operator_entry *found = NULL;

	if (token.size == 0)
		return OPERATORS_MISSING;
	SHA256((const uint8_t *)token.data, token.size, hash);
	for (size_t i = 0; i < operators->count; i++)
		if (CRYPTO_memcmp(operators->items[i].hash, hash, sizeof(hash)) == 0)
			found = &operators->items[i];
	if (!found)
		return OPERATORS_UNKNOWN;
	*name = found->name;
	*scopes = found->scopes;
	return OPERATORS_KNOWN;
}

static const struct operator_entry *find(const struct operators *operators, const char *name)
{
	for (size_t i = 0; i < operators->count; i++)
		if (strcmp(operators->items[i].name, name) == 0)
			return &operators->items[i];
	return NULL;
}

bool operators_keep(const struct operators *fresh, const struct operators *old, const char *name, unsigned scope)
{
	const struct operator_entry *now = find(fresh, name), *before = find(old, name);

	return now && before && (now->scopes & scope) == scope && CRYPTO_memcmp(now->hash, before->hash, SHA256_DIGEST_LENGTH) == 0;
}

void operator_token_make(char token[static OPERATOR_TOKEN_SIZE])
{
	uint8_t bytes[32];

	random_bytes(bytes, sizeof(bytes));
	base64url_encode(bytes, sizeof(bytes), token);
	explicit_bzero(bytes, sizeof(bytes));
}

void operators_entry(struct slice name, unsigned scopes, struct slice token, struct buffer *out)
{
	char text[BASE64URL_SIZE(SHA256_DIGEST_LENGTH) + 1];
	uint8_t hash[SHA256_DIGEST_LENGTH];
	bool first = true;

	buffer_append_slice(out, name);
	buffer_append_literal(out, ":");
	for (size_t i = 0; i < sizeof(scope_names) / sizeof(scope_names[0]); i++) {
		if (!(scopes & (unsigned)scope_names[i].scope))
			continue;
		if (!first)
			buffer_append_literal(out, "+");
		buffer_append_text(out, scope_names[i].name);
		first = false;
	}
	SHA256((const uint8_t *)token.data, token.size, hash);
	base64url_encode(hash, sizeof(hash), text);
	buffer_append_literal(out, ":");
	buffer_append_text(out, text);
}
