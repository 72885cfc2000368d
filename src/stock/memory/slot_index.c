#include "stock/memory/slot_index.h"

#include <stdlib.h>
#include <string.h>
#include "base/error.h"

enum { CAPACITY_MIN = 16, DOUBLE_UNTIL = 1024 };

static uint64_t *slots_of(const struct slot_index *index)
{
	return atomic_load_explicit(&index->slots, memory_order_relaxed);
}

static uint32_t capacity_of(const struct slot_index *index)
{
	return atomic_load_explicit(&index->capacity, memory_order_relaxed);
}

static uint32_t home(uint32_t hash, uint32_t capacity)
{
	return (uint32_t)(((uint64_t)hash * capacity) >> 32);
}

static uint32_t hash_of(uint64_t slot)
{
	return (uint32_t)(slot >> 32);
}

static int64_t bytes(uint32_t capacity)
{
	return capacity ? (int64_t)(capacity + SLOT_INDEX_SLACK) * (int64_t)sizeof(uint64_t) : 0;
}

void slot_index_init(struct slot_index *index, _Atomic int64_t *memory)
{
	*index = (struct slot_index){.memory = memory};
}

void slot_index_deinit(struct slot_index *index)
{
	free(slots_of(index));
	atomic_fetch_sub_explicit(index->memory, bytes(capacity_of(index)), memory_order_relaxed);
	slot_index_init(index, index->memory);
}

/* One pass in the order of the hashes. False where a run does not fit the slack. */
static bool copy_sorted(uint64_t *to, uint32_t to_capacity, const uint64_t *from, uint32_t from_capacity)
{
	uint32_t next = 0;

	for (uint32_t i = 0; from && i < from_capacity + SLOT_INDEX_SLACK; i++) {
		uint32_t at;

		if (!from[i])
			continue;
		at = home(hash_of(from[i]), to_capacity);
		if (at < next)
			at = next;
		if (at >= to_capacity + SLOT_INDEX_SLACK - 1)
			return false;
		to[at] = from[i];
		next = at + 1;
	}
	return true;
}

static uint32_t larger(uint32_t capacity)
{
	if (capacity < CAPACITY_MIN)
		return CAPACITY_MIN;
	return capacity < DOUBLE_UNTIL ? 2 * capacity : capacity + capacity / 2;
}

static bool grow(struct slot_index *index)
{
	uint64_t *old = slots_of(index), *slots;
	uint32_t old_capacity = capacity_of(index), capacity = old_capacity;

	for (;;) {
		capacity = larger(capacity);
		slots = calloc(capacity + SLOT_INDEX_SLACK, sizeof(*slots));
		if (!slots)
			return false;
		if (copy_sorted(slots, capacity, old, old_capacity))
			break;
		free(slots);
	}
	atomic_store_explicit(&index->slots, slots, memory_order_relaxed);
	atomic_store_explicit(&index->capacity, capacity, memory_order_relaxed);
	atomic_fetch_add_explicit(index->memory, bytes(capacity) - bytes(old_capacity), memory_order_relaxed);
	free(old);
	return true;
}

uint32_t slot_index_seek(const struct slot_index *index, uint32_t hash)
{
	const uint64_t *slots = slots_of(index);
	uint32_t at = home(hash, capacity_of(index));

	if (!slots)
		return 0;
	while (slots[at] && hash_of(slots[at]) < hash)
		at++;
	return at;
}

bool slot_index_match(const struct slot_index *index, uint32_t at, uint32_t hash, uint32_t *value)
{
	const uint64_t *slots = slots_of(index);

	if (!slots || !slots[at] || hash_of(slots[at]) != hash)
		return false;
	*value = (uint32_t)slots[at];
	return true;
}

/* The free slot that an insertion at `at` would use up, or none left before the last. */
static bool run_end(const struct slot_index *index, uint32_t at, uint32_t *end)
{
	const uint64_t *slots = slots_of(index);
	uint32_t last = capacity_of(index) + SLOT_INDEX_SLACK - 1;

	while (at < last && slots[at])
		at++;
	*end = at;
	return at < last;
}

/*
 * A run may outgrow the slack in a table that is nearly empty only if its hashes are all but equal;
 * more memory is no help then.
 */
static bool hopeless(const struct slot_index *index)
{
	return index->count >= SLOT_INDEX_SLACK - 1 && index->count < capacity_of(index) / 8;
}

bool slot_index_make_room(struct slot_index *index, uint32_t hash)
{
	uint32_t end;

	while (!slots_of(index) || index->count >= capacity_of(index) / 5 * 4 || !run_end(index, slot_index_seek(index, hash), &end))
		if (hopeless(index) || !grow(index))
			return false;
	return true;
}

void slot_index_insert(struct slot_index *index, uint32_t hash, uint32_t value)
{
	uint64_t *slots = slots_of(index);
	uint32_t at = slot_index_seek(index, hash), end;
	bool room = run_end(index, at, &end);

	ASSERT(value != 0);
	ASSERT(room);
	memmove(slots + at + 1, slots + at, (end - at) * sizeof(*slots));
	slots[at] = (uint64_t)hash << 32 | value;
	index->count++;
}

void slot_index_remove(struct slot_index *index, uint32_t hash, uint32_t value)
{
	uint64_t *slots = slots_of(index);
	uint32_t capacity = capacity_of(index), at = slot_index_seek(index, hash), found;

	for (;; at++) {
		bool match = slot_index_match(index, at, hash, &found);

		ASSERT(match);
		if (found == value)
			break;
	}
	/* Whatever stands behind its home place moves up by one. */
	for (; slots[at + 1] && home(hash_of(slots[at + 1]), capacity) <= at; at++)
		slots[at] = slots[at + 1];
	slots[at] = 0;
	index->count--;
}

void slot_index_prefetch(struct slot_index *index, uint32_t hash)
{
	/*
	 * Another thread may be swapping the two; the address is then useless, which a prefetch
	 * does not mind.
	 */
	uintptr_t slots = (uintptr_t)slots_of(index);

	__builtin_prefetch((const void *)(slots + home(hash, capacity_of(index)) * sizeof(uint64_t)), 1);
}
