/*
 * SipHash-2-4 (Aumasson, Bernstein 2012), 64 and 128 bits wide: a keyed hash for tables whose keys
 * come from outside. Pure functions; any thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct siphash_key {
	uint64_t k0, k1;
};
struct hash128 {
	uint64_t low, high;
};

uint64_t siphash64(const struct siphash_key *key, const void *data, size_t size);
struct hash128 siphash128(const struct siphash_key *key, const void *data, size_t size);
