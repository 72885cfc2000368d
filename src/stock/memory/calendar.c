#include "stock/memory/calendar.h"

#include <stdlib.h>

static void moved(void *owner, uint32_t what, uint32_t position)
{
	struct calendar *calendar = owner;

	calendar->seats[what - 1]->position = position;
}

void calendar_init(struct calendar *calendar, _Atomic int64_t *memory)
{
	*calendar = (struct calendar){.memory = memory};
	lock_init(&calendar->lock);
	deadline_heap_init(&calendar->heap, moved, calendar, memory);
}

void calendar_deinit(struct calendar *calendar)
{
	deadline_heap_deinit(&calendar->heap);
	free(calendar->seats);
	free(calendar->spare);
	lock_deinit(&calendar->lock);
}

/* Room for one seat more, and for giving every seat back. */
static int grow(struct calendar *calendar)
{
	uint32_t room = calendar->seat_room ? 2 * calendar->seat_room : 16;
	struct calendar_seat **seats = realloc(calendar->seats, room * sizeof(struct calendar_seat *));
	uint32_t *spare;

	if (!seats)
		return error_origin(-ENOMEM);
	calendar->seats = seats;
	spare = realloc(calendar->spare, room * sizeof(*spare));
	if (!spare)
		return error_origin(-ENOMEM);
	calendar->spare = spare;
	atomic_fetch_add(calendar->memory, (room - calendar->seat_room) * (sizeof(struct calendar_seat *) + sizeof(*spare)));
	calendar->seat_room = room;
	return 0;
}

int calendar_join(struct calendar *calendar, struct calendar_seat *seat, int64_t (*earliest_ns)(struct calendar_seat *seat))
{
	int r = 0;

	lock_take(&calendar->lock);
	if (!calendar->spare_count && calendar->seat_count == calendar->seat_room)
		r = grow(calendar);
	if (r == 0 && !deadline_heap_book(&calendar->heap))
		r = error_origin(-ENOMEM);
	if (r == 0) {
		seat->number = calendar->spare_count ? calendar->spare[--calendar->spare_count] : ++calendar->seat_count;
		seat->position = 0;
		seat->earliest_ns = earliest_ns;
		atomic_store(&seat->bound_ns, INT64_MAX);
		calendar->seats[seat->number - 1] = seat;
	}
	lock_release(&calendar->lock);
	return r;
}

/* Lock held. */
static void set_bound(struct calendar *calendar, struct calendar_seat *seat, int64_t bound_ns)
{
	atomic_store(&seat->bound_ns, bound_ns);
	if (bound_ns == INT64_MAX) {
		if (seat->position)
			deadline_heap_remove(&calendar->heap, seat->position);
	} else if (seat->position) {
		deadline_heap_change(&calendar->heap, seat->position, bound_ns);
	} else {
		deadline_heap_push(&calendar->heap, bound_ns, seat->number);
	}
}

void calendar_leave(struct calendar *calendar, struct calendar_seat *seat)
{
	lock_take(&calendar->lock);
	if (seat->number) {
		set_bound(calendar, seat, INT64_MAX);
		deadline_heap_unbook(&calendar->heap);
		calendar->seats[seat->number - 1] = NULL;
		calendar->spare[calendar->spare_count++] = seat->number;
		seat->number = 0;
	}
	lock_release(&calendar->lock);
}

void calendar_lower(struct calendar *calendar, struct calendar_seat *seat, int64_t deadline_ns)
{
	lock_take(&calendar->lock);
	if (seat->number && deadline_ns < atomic_load(&seat->bound_ns))
		set_bound(calendar, seat, deadline_ns);
	lock_release(&calendar->lock);
}

/*
 * Lock held. A shard publishes its earliest and then reads the bound; this writes the bound and
 * then reads what is published. So one of the two sees the other (all four are sequentially
 * consistent), and no deadline is missed.
 */
static void refresh(struct calendar *calendar, struct calendar_seat *seat)
{
	do
		set_bound(calendar, seat, seat->earliest_ns(seat));
	while (seat->earliest_ns(seat) < atomic_load(&seat->bound_ns));
}

void calendar_refresh(struct calendar *calendar, struct calendar_seat *seat)
{
	lock_take(&calendar->lock);
	if (seat->number)
		refresh(calendar, seat);
	lock_release(&calendar->lock);
}

struct calendar_seat *calendar_first(struct calendar *calendar, int64_t *deadline_ns)
{
	struct calendar_seat *seat = NULL;

	*deadline_ns = INT64_MAX;
	lock_take(&calendar->lock);
	while (calendar->heap.count) {
		seat = calendar->seats[calendar->heap.entries[0].what - 1];
		*deadline_ns = calendar->heap.entries[0].deadline_ns;
		if (seat->earliest_ns(seat) <= *deadline_ns)
			break;
		refresh(calendar, seat);
		seat = NULL;
		*deadline_ns = INT64_MAX;
	}
	lock_release(&calendar->lock);
	return seat;
}
