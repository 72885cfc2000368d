#include "simulation/world_heap.h"

#include <errno.h>
#include <malloc.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "simulation/scheduler/coroutine.h"

#if defined(COROUTINE_ASAN) || defined(COROUTINE_TSAN)

void world_heap_reserve(unsigned places)
{
	(void)places;
}

void world_heap_begin(unsigned place)
{
	(void)place;
}

#else

enum {
	UNIT = 16,
	SMALL = 16,   /* steps of sizes: by units, up to SMALL * UNIT; beyond these QUARTERS for each doubling */
	QUARTERS = 4, /* as many as a doubling has */
	STEPS = 64,
	MAPPED = STEPS,    /* in place of a step: the kernel's, by itself */
	TABLED,            /* among the place's tables */
	LARGEST = 1 << 20, /* of a step */
	TABLE = 1 << 17,   /* zeroed memory from there on is a table: most of it is never touched */
	FAULT = 1 << 16,   /* the kernel maps so much at a fault, where pages are there */
	PIECE = 1 << 22,   /* what is asked of the kernel where nothing was reserved */
	PLACE = 1 << 27,   /* of addresses: pages are there once they have been used */
	TABLES = 1 << 30,  /* of addresses, for tables */
	PAGE = 4096,
};

/* In front of what was allocated. */
struct block {
	alignas(UNIT) size_t size;
	uint32_t step, ahead; /* ahead: of an aligned one, how far in front of it the block is that it lies in */
};
struct free_block {
	struct free_block *next;
};

static struct {
	char *at, *zeroed, *end; /* what was never given out; up to `zeroed` it is zero */
	struct free_block *free[STEPS];
	char *places;
	char *tables_at, *tables_end; /* zeroed memory that was never given out */
} heap;

static struct block *block_of(void *memory)
{
	return (struct block *)memory - 1;
}

/* --- Sizes --- */

static uint32_t step_of(size_t size)
{
	uint32_t doubling;

	if (size <= SMALL * UNIT)
		return size ? (uint32_t)((size - 1) / UNIT) : 0;
	doubling = 63 - (uint32_t)__builtin_clzll(size - 1);
	return SMALL + (doubling - 8) * QUARTERS + (uint32_t)((size - 1) >> (doubling - 2) & (QUARTERS - 1));
}

static size_t size_of_step(uint32_t step)
{
	uint32_t doubling = 8 + (step - SMALL) / QUARTERS;

	if (step < SMALL)
		return ((size_t)step + 1) * UNIT;
	return ((size_t)1 << doubling) + (((size_t)(step - SMALL) % QUARTERS + 1) << (doubling - 2));
}

/* --- Memory that was never given out --- */

static void *map(size_t size, int flags)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

/* Zeroed. What was freed is not given again before the next world. */
static void *take_table(size_t size)
{
	struct block *block = (struct block *)heap.tables_at;

	heap.tables_at += (size + sizeof(*block) + PAGE - 1) / PAGE * PAGE;
	*block = (struct block){.size = size, .step = TABLED};
	return block + 1;
}

static void *map_block(size_t size)
{
	struct block *block;

	if (size < (size_t)(heap.tables_end - heap.tables_at) / 2)
		return take_table(size);
	block = size < PTRDIFF_MAX ? map(size + sizeof(*block), MAP_PRIVATE) : NULL;
	if (!block) {
		errno = ENOMEM;
		return NULL;
	}
	*block = (struct block){.size = size, .step = MAPPED};
	return block + 1;
}

static bool next_piece(void)
{
	char *piece = map(PIECE, MAP_PRIVATE);

	if (!piece)
		return false;
	heap.at = piece;
	heap.zeroed = heap.end = piece + PIECE;
	return true;
}

/*
 * A read maps all of the pages around; a write to a page that nobody has looked at, that one alone.
 */
static void zero_until(const char *end)
{
	while (heap.zeroed < end) {
		(void)*(volatile char *)heap.zeroed;
		memset(heap.zeroed, 0, FAULT);
		heap.zeroed += FAULT;
	}
}

static void *take_fresh(uint32_t step)
{
	size_t size = size_of_step(step), whole = size + sizeof(struct block);
	struct block *block;

	if ((size_t)(heap.end - heap.at) < whole && !next_piece()) {
		errno = ENOMEM;
		return NULL;
	}
	block = (struct block *)heap.at;
	heap.at += whole;
	zero_until(heap.at);
	*block = (struct block){.size = size, .step = step};
	return block + 1;
}

static void *take_free(uint32_t step)
{
	struct free_block *found = heap.free[step];

	if (found)
		heap.free[step] = found->next;
	return found;
}

static void *allocate(size_t size)
{
	uint32_t step;
	void *memory;

	if (size > LARGEST)
		return map_block(size);
	step = step_of(size);
	memory = take_free(step);
	return memory ? memory : take_fresh(step);
}

/* --- What the C library has --- */

void *malloc(size_t size)
{
	return allocate(size);
}

void free(void *memory)
{
	struct block *block;

	if (!memory)
		return;
	block = block_of(memory);
	if (block->ahead) {
		memory = (char *)memory - block->ahead;
		block = block_of(memory);
	}
	if (block->step == TABLED)
		return;
	if (block->step == MAPPED) {
		munmap(block, block->size + sizeof(*block));
		return;
	}
	((struct free_block *)memory)->next = heap.free[block->step];
	heap.free[block->step] = memory;
}

void *calloc(size_t count, size_t size)
{
	uint32_t step;
	size_t whole;
	void *memory;

	if (__builtin_mul_overflow(count, size, &whole)) {
		errno = ENOMEM;
		return NULL;
	}
	if (whole >= TABLE)
		return map_block(whole);
	step = step_of(whole);
	memory = take_free(step);
	return memory ? memset(memory, 0, whole) : take_fresh(step);
}

static void *remap(struct block *block, size_t size)
{
	struct block *moved = mremap(block, block->size + sizeof(*block), size + sizeof(*block), MREMAP_MAYMOVE);

	if (moved == MAP_FAILED) {
		errno = ENOMEM;
		return NULL;
	}
	moved->size = size;
	return moved + 1;
}

void *realloc(void *memory, size_t size)
{
	struct block *block;
	void *moved;

	if (!memory)
		return allocate(size);
	block = block_of(memory);
	if (block->step == MAPPED && size > LARGEST && size < PTRDIFF_MAX)
		return remap(block, size);
	if (size <= block->size)
		return memory;
	moved = allocate(size);
	if (moved) {
		memcpy(moved, memory, block->size);
		free(memory);
	}
	return moved;
}

void *aligned_alloc(size_t alignment, size_t size)
{
	char *memory = size < PTRDIFF_MAX ? allocate(size + alignment) : NULL, *aligned;

	if (!memory || alignment <= UNIT)
		return memory;
	aligned = (char *)(((uintptr_t)memory + alignment - 1) / alignment * alignment);
	if (aligned != memory)
		*block_of(aligned) = (struct block){.size = size, .ahead = (uint32_t)(aligned - memory)};
	return aligned;
}

void *memalign(size_t alignment, size_t size)
{
	return aligned_alloc(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size)
{
	void *found = aligned_alloc(alignment, size);

	if (!found)
		return ENOMEM;
	*memory = found;
	return 0;
}

size_t malloc_usable_size(void *memory)
{
	return memory ? block_of(memory)->size : 0;
}

/* --- Places --- */

void world_heap_reserve(unsigned places)
{
	heap.places = map((size_t)places * PLACE, MAP_SHARED);
}

void world_heap_begin(unsigned place)
{
	if (!heap.places)
		return;
	/* What was free is on pages of before, which would be copied. */
	memset(heap.free, 0, sizeof(heap.free));
	heap.at = heap.zeroed = heap.places + (size_t)place * PLACE;
	heap.end = heap.at + PLACE;
	heap.tables_at = map(TABLES, MAP_PRIVATE);
	heap.tables_end = heap.tables_at ? heap.tables_at + TABLES : NULL;
}

#endif
