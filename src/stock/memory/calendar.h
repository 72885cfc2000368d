/*
 * Which sale has the next deadline. Every shard of a sale keeps its own heap of holds and publishes
 * its earliest; the calendar is a heap of sales by a lower bound of these. A new hold touches it
 * only where it is earlier than the bound, which is seldom: holds of one sale last equally long. A
 * bound that has become too low is put right when the housekeeper comes to it. So the cost is
 * logarithmic in the sales that have holds, and no purchase waits for another sale.
 */
#pragma once

#include "base/error.h"
#include "base/lock.h"
#include "stock/memory/deadline_heap.h"

/* Embedded by a sale. */
struct calendar_seat {
	_Atomic int64_t bound_ns; /* no hold of this sale is due before; INT64_MAX: none. Written with the calendar's lock */
	uint32_t number;          /* 0: not seated */
	uint32_t position;
	int64_t (*earliest_ns)(struct calendar_seat *seat); /* the truth: atomic reads only */
};

struct calendar {
	struct lock lock; /* taken under a shard's lock */
	struct deadline_heap heap;
	struct calendar_seat **seats; /* by number - 1 */
	uint32_t seat_count, seat_room, *spare;
	uint32_t spare_count;
	_Atomic int64_t *memory;
};

void calendar_init(struct calendar *calendar, _Atomic int64_t *memory);
void calendar_deinit(struct calendar *calendar);
int calendar_join(struct calendar *calendar, struct calendar_seat *seat,
		  int64_t (*earliest_ns)(struct calendar_seat *seat)) MUST_CHECK; /* 0 or -ENOMEM */
void calendar_leave(struct calendar *calendar, struct calendar_seat *seat);       /* may be repeated */
/*
 * The sale's earliest deadline has become this, after it was published where earliest_ns() reads
 * it.
 */
void calendar_lower(struct calendar *calendar, struct calendar_seat *seat, int64_t deadline_ns);
/* The sale's bound is its truth again. */
void calendar_refresh(struct calendar *calendar, struct calendar_seat *seat);
/* The seat with the earliest deadline, exact; NULL and INT64_MAX where nobody waits. */
struct calendar_seat *calendar_first(struct calendar *calendar, int64_t *deadline_ns);
