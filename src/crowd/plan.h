/*
 * When what is sent: a list made beforehand, in the order of time, and a heap of what turned up
 * later (retries, payments). Plain data; one owner.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

enum arrival {
	ARRIVAL_AT_ONCE, /* closed loop: as fast as the connections allow */
	ARRIVAL_STEADY,  /* evenly spread */
	ARRIVAL_SPIKE,   /* most of them at the start: half within the first eighth of the time */
	ARRIVAL_RAMP,    /* more and more: half of them in the last third of the time */
};

struct shot {
	int64_t due_ns;      /* when it is to be sent */
	int64_t intended_ns; /* what its latency counts from: kept when it is sent again after a lost connection */
	int64_t since_ns;    /* when this attempt and its repetitions began */
	uint32_t purchase;
	uint16_t repetitions;
};

struct plan {
	struct shot *list;
	size_t list_count, list_capacity, list_next;
	struct shot *heap;
	size_t heap_count, heap_capacity;
};
/* Room for `capacity` shots in the list. 0 or -ENOMEM. */
int plan_init(struct plan *plan, size_t capacity) MUST_CHECK;
void plan_deinit(struct plan *plan); /* may be repeated */
/* To the list; must not be due before the one added last. */
void plan_append(struct plan *plan, const struct shot *shot);
/* At any time. 0 or -ENOMEM. */
int plan_push(struct plan *plan, const struct shot *shot) MUST_CHECK;
bool plan_is_empty(const struct plan *plan);
/* When the next shot is due; INT64_MAX: none. */
int64_t plan_next_due(const struct plan *plan);
/* Takes the next shot; the plan must not be empty. */
struct shot plan_pop(struct plan *plan);
/* Drops the rest of the list, not the heap. */
void plan_cut(struct plan *plan);

/*
 * When the arrival number `index` of `count` comes, from the start, for a crowd that arrives within
 * over_ns.
 */
int64_t plan_arrival_time(enum arrival arrival, size_t index, size_t count, int64_t over_ns);
