/*
 * Operators: several, named, each with scopes, known by bearer tokens. Only SHA-256 hashes of
 * tokens are kept (tokens are long and random, so a slow hash would buy nothing); every entry is
 * compared, in constant time. Immutable once the threads run.
 */
#pragma once

#include <stdbool.h>
#include "base/error.h"
#include "text/buffer.h"
#include "text/slice.h"

enum operator_scope { OPERATOR_READ = 1, OPERATOR_ORDERS = 2, OPERATOR_STOCK = 4, OPERATOR_ALL = 7 };
enum { OPERATORS_MAX = 64, OPERATOR_NAME_MAX = 64, OPERATOR_TOKEN_MIN = 16 /* bytes */ };

struct operators;
int operators_new(struct operators **operators) MUST_CHECK;
void operators_free(struct operators *operators);
size_t operators_count(const struct operators *operators);
/* A plain token. 0, -EINVAL (too short, bad name, name taken), -E2BIG; *reason: static text. */
int operators_add(struct operators *operators, struct slice name, unsigned scopes, struct slice token, const char **reason) MUST_CHECK;
/* "alice:read+orders:HASH, bob:…" as operators_entry() makes them. */
int operators_parse(struct operators *operators, struct slice list, const char **reason) MUST_CHECK;

enum operators_outcome { OPERATORS_KNOWN = 0, OPERATORS_MISSING = 1, OPERATORS_UNKNOWN = 2 };
/* `authorization`: "Bearer TOKEN". *name: NUL-terminated, lives as long as the operators. */
int operators_check(const struct operators *operators, struct slice authorization, const char **name, unsigned *scopes) MUST_CHECK;

/* Whether `fresh` has the operator `name` of `old` still: with the same token, and this scope. */
bool operators_keep(const struct operators *fresh, const struct operators *old, const char *name, unsigned scope);

/* "read+orders" to scopes; 0 or -EINVAL. */
int operator_scopes_parse(struct slice text, unsigned *scopes);
const char *operator_scope_name(enum operator_scope scope);
/*
 * A new random token (43 characters, URL-safe base64 of 32 bytes) and its entry for the settings.
 */
enum { OPERATOR_TOKEN_SIZE = 44 };
void operator_token_make(char token[static OPERATOR_TOKEN_SIZE]);
void operators_entry(struct slice name, unsigned scopes, struct slice token, struct buffer *out);
