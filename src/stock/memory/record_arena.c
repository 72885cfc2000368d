#include "stock/memory/record_arena.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "base/error.h"

static size_t slab_bytes(const struct record_arena *arena)
{
	return (size_t)arena->size << RECORD_ARENA_SLAB_BITS;
}

static void count_bytes(struct record_arena *arena, int64_t bytes)
{
	atomic_fetch_add_explicit(arena->memory, bytes, memory_order_relaxed);
}

void record_arena_init(struct record_arena *arena, size_t size, _Atomic int64_t *memory)
{
	ASSERT(size >= sizeof(uint32_t));
	*arena = (struct record_arena){.size = (uint32_t)size, .memory = memory};
}

void record_arena_deinit(struct record_arena *arena)
{
	count_bytes(arena, -(int64_t)(arena->slab_count * slab_bytes(arena) + arena->slab_room * sizeof(*arena->slabs)));
	for (uint32_t i = 0; i < arena->slab_count; i++)
		free(arena->slabs[i]);
	free(arena->slabs);
	record_arena_init(arena, arena->size, arena->memory);
}

static bool add_slab(struct record_arena *arena)
{
	char *slab;

	if (arena->slab_count == arena->slab_room) {
		uint32_t room = arena->slab_room < 4 ? 4 : arena->slab_room + arena->slab_room / 2;
		char **slabs = realloc(arena->slabs, room * sizeof(*slabs));

		if (!slabs)
			return false;
		count_bytes(arena, (int64_t)((room - arena->slab_room) * sizeof(*slabs)));
		arena->slabs = slabs;
		arena->slab_room = room;
	}
	slab = malloc(slab_bytes(arena));
	if (!slab)
		return false;
	arena->slabs[arena->slab_count++] = slab;
	count_bytes(arena, (int64_t)slab_bytes(arena));
	return true;
}

uint32_t record_arena_new(struct record_arena *arena)
{
	uint32_t number = arena->free;

	if (number) {
		memcpy(&arena->free, record_arena_at(arena, number), sizeof(arena->free));
	} else {
		if (arena->used == arena->slab_count << RECORD_ARENA_SLAB_BITS && !add_slab(arena))
			return 0;
		number = ++arena->used;
	}
	memset(record_arena_at(arena, number), 0, arena->size);
	return number;
}

void record_arena_free(struct record_arena *arena, uint32_t number)
{
	void *record = record_arena_at(arena, number);

	memset(record, 0, arena->size);
	memcpy(record, &arena->free, sizeof(arena->free));
	arena->free = number;
}
