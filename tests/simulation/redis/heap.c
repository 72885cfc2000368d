#include "simulation/redis/heap.h"

#include <stdlib.h>
#include <string.h>
#include "simulation/redis/table.h"

/* Sizes up to SMALL_MOST come in steps, from blocks; larger ones from malloc(). */
enum { STEP = 16, SMALL_MOST = 256, STEPS = SMALL_MOST / STEP, BLOCK = 16384 };

struct block {
	struct block *next;
	_Alignas(STEP) char room[BLOCK];
};

struct sim_heap {
	struct block *blocks;
	size_t used;           /* of the first */
	void *free[STEPS + 1]; /* by steps; each begins with the next */
};

struct sim_heap *sim_heap_new(void)
{
	struct sim_heap *heap = sim_alloc(sizeof(*heap));

	heap->used = BLOCK;
	return heap;
}

void sim_heap_free(struct sim_heap *heap)
{
	while (heap->blocks) {
		struct block *block = heap->blocks;

		heap->blocks = block->next;
		free(block);
	}
	free(heap);
}

static size_t steps_of(size_t size)
{
	return (size + STEP - 1) / STEP;
}

static void *take(struct sim_heap *heap, size_t size)
{
	size_t steps = steps_of(size);
	void *memory = heap->free[steps];

	if (memory) {
		memcpy(&heap->free[steps], memory, sizeof(void *));
		return memory;
	}
	if (BLOCK - heap->used < steps * STEP) {
		struct block *block = malloc(sizeof(*block));

		if (!block)
			return NULL;
		block->next = heap->blocks;
		heap->blocks = block;
		heap->used = 0;
	}
	memory = heap->blocks->room + heap->used;
	heap->used += steps * STEP;
	return memory;
}

static void give(struct sim_heap *heap, void *memory, size_t size)
{
	memcpy(memory, &heap->free[steps_of(size)], sizeof(void *));
	heap->free[steps_of(size)] = memory;
}

void *sim_heap_resize(void *context, void *memory, size_t size, size_t wanted)
{
	struct sim_heap *heap = context;
	bool small = size <= SMALL_MOST, stays_small = wanted <= SMALL_MOST;
	void *moved;

	if (size == 0)
		return wanted == 0 ? NULL : stays_small ? take(heap, wanted) : malloc(wanted);
	if (!small && !stays_small)
		return realloc(memory, wanted);
	if (small && stays_small && steps_of(size) == steps_of(wanted))
		return memory;
	moved = wanted == 0 ? NULL : stays_small ? take(heap, wanted) : malloc(wanted);
	if (moved)
		memcpy(moved, memory, size < wanted ? size : wanted);
	else if (wanted > 0)
		return NULL;
	if (small)
		give(heap, memory, size);
	else
		free(memory);
	return moved;
}
