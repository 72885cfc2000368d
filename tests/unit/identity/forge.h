/*
 * Tokens made by hand, right and wrong, for tests: whatever a forger could send. Everything
 * returned lives until forge_clear().
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include "identity/identity.h"
#include "text/slice.h"

#define FORGE_SECRET "a secret of thirty-two bytes, all"
enum { FORGE_NOW_S = 1800000000 };
#define FORGE_NOW_MS ((int64_t)FORGE_NOW_S * 1000)
#define FORGE_HS256 "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"
#define FORGE_CLAIMS "{\"sub\":\"alice\",\"exp\":1800000600}"

/*
 * "Bearer HEADER.PAYLOAD.SIGNATURE", the JSON as given, signed by HMAC-SHA256 with `secret`
 * whatever the header says.
 */
struct slice forge(const char *header, const char *payload, struct slice secret);
/* The same under FORGE_HS256 and FORGE_SECRET. */
struct slice forge_claims(const char *payload);
/* "Bearer A.B.C": parts that are in base64url already. */
struct slice forge_parts(const char *header, const char *payload, const char *signature);
struct slice forge_text(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A copy with the character at `place` changed to another one of base64url. */
struct slice forge_changed(struct slice token, size_t place);
void forge_clear(void);

/* PEM keys made anew for this run. */
enum forge_key { FORGE_RSA_2048, FORGE_RSA_1024, FORGE_P256, FORGE_P256_NEXT, FORGE_P384, FORGE_ED25519, FORGE_KEYS };
const char *forge_public(enum forge_key key);
const char *forge_private(enum forge_key key);

/* Settings with FORGE_SECRET and a small cache. */
struct identity_settings forge_settings(void);
