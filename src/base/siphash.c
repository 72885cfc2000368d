#include "base/siphash.h"

#include <endian.h>
#include <string.h>

struct state {
	uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotate_left(uint64_t value, int bits)
{
	return value << bits | value >> (64 - bits);
}

static inline void sip_round(struct state *s)
{
	s->v0 += s->v1;
	s->v1 = rotate_left(s->v1, 13) ^ s->v0;
	s->v0 = rotate_left(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = rotate_left(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = rotate_left(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = rotate_left(s->v1, 17) ^ s->v2;
	s->v2 = rotate_left(s->v2, 32);
}

static inline void absorb(struct state *s, uint64_t word)
{
	s->v3 ^= word;
	sip_round(s);
	sip_round(s);
	s->v0 ^= word;
}

static inline uint64_t squeeze(struct state *s)
{
	for (int i = 0; i < 4; i++)
		sip_round(s);
	return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

static inline struct state absorb_all(const struct siphash_key *key, const void *data, size_t size, uint64_t width_mark)
{
	struct state s = {
		key->k0 ^ 0x736f6d6570736575,
		key->k1 ^ 0x646f72616e646f6d ^ width_mark,
		key->k0 ^ 0x6c7967656e657261,
		key->k1 ^ 0x7465646279746573,
	};
	const unsigned char *at = data;
	uint64_t last = (uint64_t)size << 56, word;

	for (size_t left = size / 8; left > 0; left--, at += 8) {
		memcpy(&word, at, 8);
		absorb(&s, le64toh(word));
	}
	for (size_t i = 0; i < size % 8; i++)
		last |= (uint64_t)at[i] << (8 * i);
	absorb(&s, last);
	return s;
}

uint64_t siphash64(const struct siphash_key *key, const void *data, size_t size)
{
	struct state s = absorb_all(key, data, size, 0);

	s.v2 ^= 0xff;
	return squeeze(&s);
}

struct hash128 siphash128(const struct siphash_key *key, const void *data, size_t size)
{
	struct state s = absorb_all(key, data, size, 0xee);
	struct hash128 hash;

	s.v2 ^= 0xee;
	hash.low = squeeze(&s);
	s.v1 ^= 0xdd;
	hash.high = squeeze(&s);
	return hash;
}
