/* One key of a JWK Set (RFC 7517): what key_set_of_jwks() is made of. */
#pragma once

#include <jansson.h>
#include "identity/jws.h"

/*
 * 0: *key is it, or NULL where the key is for something else; -EINVAL (*reason: static text): it
 * should be one of ours, and is malformed, weak or private; -ENOMEM.
 */
int jwks_read_key(const json_t *jwk, struct jws_key **key, const char **reason) MUST_CHECK;
