/*
 * A binary heap of deadlines. Each entry knows its place through the `moved` call, so that it can
 * be taken out of the middle. The memory is booked before it is needed: a push after a booking
 * cannot fail. Twelve bytes an entry. One owner.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct deadline_entry {
	int64_t deadline_ns;
	uint32_t what; /* the caller's number */
} __attribute__((packed, aligned(4)));

struct deadline_heap {
	struct deadline_entry *entries;
	uint32_t count, booked, room;
	/* The entry of `what` is now at `position` (from 1); 0: it has left. */
	void (*moved)(void *owner, uint32_t what, uint32_t position);
	void *owner;
	_Atomic int64_t *memory; /* bytes are counted here */
};

void deadline_heap_init(struct deadline_heap *heap, void (*moved)(void *, uint32_t, uint32_t), void *owner, _Atomic int64_t *memory);
void deadline_heap_deinit(struct deadline_heap *heap); /* may be repeated */
/* Room for one entry more, to be used at any later time. False when out of memory. */
bool deadline_heap_book(struct deadline_heap *heap);
void deadline_heap_unbook(struct deadline_heap *heap);
/* At most as many as are booked. */
void deadline_heap_push(struct deadline_heap *heap, int64_t deadline_ns, uint32_t what);
void deadline_heap_remove(struct deadline_heap *heap, uint32_t position);
void deadline_heap_change(struct deadline_heap *heap, uint32_t position, int64_t deadline_ns);

static inline int64_t deadline_heap_at(const struct deadline_heap *heap, uint32_t position)
{
	return heap->entries[position - 1].deadline_ns;
}

/* The earliest, or INT64_MAX. */
static inline int64_t deadline_heap_first(const struct deadline_heap *heap)
{
	return heap->count ? heap->entries[0].deadline_ns : INT64_MAX;
}
