/*
 * Fixed-size records in slabs, addressed by 32-bit numbers from 1 (0: none). A record never moves.
 * A freed record is reused first; slabs go back when the arena goes. One owner.
 */
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum { RECORD_ARENA_SLAB_BITS = 5 }; /* 32 records a slab: a thousand small sales waste little, a large one has few slabs */

struct record_arena {
	char **slabs;
	uint32_t slab_count, slab_room;
	uint32_t used;           /* records ever handed out: 1 .. used */
	uint32_t free;           /* first of the freed records, linked through their first four bytes */
	uint32_t size;           /* bytes of a record */
	_Atomic int64_t *memory; /* bytes are counted here */
};

/* size: at least 4 bytes. */
void record_arena_init(struct record_arena *arena, size_t size, _Atomic int64_t *memory);
void record_arena_deinit(struct record_arena *arena); /* may be repeated */
/* The number of a zeroed record, or 0 when out of memory. */
uint32_t record_arena_new(struct record_arena *arena);
/* The record is zeroed but for its first four bytes. */
void record_arena_free(struct record_arena *arena, uint32_t number);

static inline void *record_arena_at(const struct record_arena *arena, uint32_t number)
{
	uint32_t place = number - 1;

	return arena->slabs[place >> RECORD_ARENA_SLAB_BITS] + (size_t)(place & ((1u << RECORD_ARENA_SLAB_BITS) - 1)) * arena->size;
}
