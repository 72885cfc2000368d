#include "stock/memory/deadline_heap.h"

#include <stdlib.h>
#include "base/error.h"

enum { ROOM_MIN = 4, DOUBLE_UNTIL = 1024 };

void deadline_heap_init(struct deadline_heap *heap, void (*moved)(void *, uint32_t, uint32_t), void *owner, _Atomic int64_t *memory)
{
	*heap = (struct deadline_heap){.moved = moved, .owner = owner, .memory = memory};
}

static void count_bytes(struct deadline_heap *heap, int64_t entries)
{
	atomic_fetch_add_explicit(heap->memory, entries * (int64_t)sizeof(*heap->entries), memory_order_relaxed);
}

void deadline_heap_deinit(struct deadline_heap *heap)
{
	count_bytes(heap, -(int64_t)heap->room);
	free(heap->entries);
	deadline_heap_init(heap, heap->moved, heap->owner, heap->memory);
}

bool deadline_heap_book(struct deadline_heap *heap)
{
	if (heap->booked == heap->room) {
		uint32_t room = heap->room < DOUBLE_UNTIL ? 2 * heap->room + ROOM_MIN : heap->room + heap->room / 4;
		struct deadline_entry *entries = realloc(heap->entries, room * sizeof(*entries));

		if (!entries)
			return false;
		count_bytes(heap, (int64_t)room - heap->room);
		heap->entries = entries;
		heap->room = room;
	}
	heap->booked++;
	return true;
}

void deadline_heap_unbook(struct deadline_heap *heap)
{
	ASSERT(heap->booked > heap->count);
	heap->booked--;
}

static void put(struct deadline_heap *heap, uint32_t position, struct deadline_entry entry)
{
	heap->entries[position - 1] = entry;
	heap->moved(heap->owner, entry.what, position);
}

/* `entry` belongs at `position` or above it. */
static void sift_up(struct deadline_heap *heap, uint32_t position, struct deadline_entry entry)
{
	while (position > 1 && deadline_heap_at(heap, position / 2) > entry.deadline_ns) {
		put(heap, position, heap->entries[position / 2 - 1]);
		position /= 2;
	}
	put(heap, position, entry);
}

/* `entry` belongs at `position` or below it. */
static void sift_down(struct deadline_heap *heap, uint32_t position, struct deadline_entry entry)
{
	for (;;) {
		uint32_t child = 2 * position;

		if (child > heap->count)
			break;
		if (child < heap->count && deadline_heap_at(heap, child + 1) < deadline_heap_at(heap, child))
			child++;
		if (deadline_heap_at(heap, child) >= entry.deadline_ns)
			break;
		put(heap, position, heap->entries[child - 1]);
		position = child;
	}
	put(heap, position, entry);
}

static void sift(struct deadline_heap *heap, uint32_t position, struct deadline_entry entry)
{
	if (position > 1 && deadline_heap_at(heap, position / 2) > entry.deadline_ns)
		sift_up(heap, position, entry);
	else
		sift_down(heap, position, entry);
}

void deadline_heap_push(struct deadline_heap *heap, int64_t deadline_ns, uint32_t what)
{
	ASSERT(heap->count < heap->booked);
	heap->count++;
	sift_up(heap, heap->count, (struct deadline_entry){deadline_ns, what});
}

void deadline_heap_remove(struct deadline_heap *heap, uint32_t position)
{
	struct deadline_entry last;

	ASSERT(position >= 1);
	ASSERT(position <= heap->count);
	heap->moved(heap->owner, heap->entries[position - 1].what, 0);
	last = heap->entries[--heap->count];
	if (position <= heap->count)
		sift(heap, position, last);
}

void deadline_heap_change(struct deadline_heap *heap, uint32_t position, int64_t deadline_ns)
{
	struct deadline_entry entry = heap->entries[position - 1];

	ASSERT(position <= heap->count);
	entry.deadline_ns = deadline_ns;
	sift(heap, position, entry);
}
