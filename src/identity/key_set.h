/*
 * The keys that a token may be signed with: of HS256 one secret; of the others as many PEM
 * blocks as stand in one text, up to KEY_SET_MAX, so that the login's next key is here before its
 * first token. A line `kid: NAME` above a block names its key (RFC 7468 allows text between
 * blocks):
 *
 *   kid: 2026-10
 *   -----BEGIN PUBLIC KEY-----
 *
 * A token whose `kid` is the name of a key is held against that key alone; every other token
 * against the keys without a name, one after the other. Read once and then only read: any thread
 * may use it.
 */
#pragma once

#include <stdbool.h>
#include "identity/jws.h"

enum { KEY_SET_MAX = 32, KEY_NAME_MAX = 128 };

struct key_set;
/* 0, -EINVAL (*reason: static text), -ENOMEM. */
int key_set_new(struct key_set **set, enum identity_algorithm algorithm, struct slice text, const char **reason) MUST_CHECK;
/*
 * The same of a JWK Set (RFC 7517): each key takes the tokens of its own algorithm, and its `kid`
 * is its name. Keys for something else are passed over; one of ours must be left.
 */
int key_set_of_jwks(struct key_set **set, struct slice text, const char **reason) MUST_CHECK;
void key_set_free(struct key_set *set); /* NULL is fine */
/* Whether any of its keys is for tokens of this algorithm. */
bool key_set_has(const struct key_set *set, enum identity_algorithm algorithm);
/*
 * Which keys a token of this `kid` (empty: it has none) and algorithm is held against: that of the
 * name, those of the algorithm without a name, or none. For key_set_verify().
 */
int key_set_choose(const struct key_set *set, struct slice kid, enum identity_algorithm algorithm);
bool key_set_verify(const struct key_set *set, int choice, const struct jws *jws) MUST_CHECK;

/*
 * The first block of a private key, which can sign, and its name; the whole text where there is
 * none.
 */
struct slice key_set_signer(struct slice text, struct slice *kid);
