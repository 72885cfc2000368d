/*
 * Deadlines of connections: a wheel of coarse slots, so that setting, moving and dropping one costs
 * a few stores however many there are. A deadline that moves later (every answered request moves
 * one) only changes a number: the wheel looks at the timer when its old slot comes round, and puts
 * it further along. Never early; late by a tick (17 ms) at most, plus what the loop is late.
 */
#pragma once

#include <stdint.h>

enum {
	TIMERS_SLOTS = 1024,
	TIMERS_TICK_BITS = 24
}; /* 2^24 ns a tick, 17 s around; what is further off is looked at once a round */

#define TIMER_NEVER INT64_MAX

struct timer {
	struct timer *next, **link; /* link NULL: not in the wheel */
	int64_t deadline_ns;        /* monotonic, or TIMER_NEVER */
	int64_t tick;               /* when the wheel looks at it */
};

struct timers {
	struct timer *slots[TIMERS_SLOTS];
	uint64_t used[TIMERS_SLOTS / 64]; /* a bit for each slot that may have timers */
	int64_t tick;                     /* the last that was looked at */
	int64_t next_tick;                /* no timer is due before; INT64_MAX: none is there */
};

void timers_init(struct timers *timers, int64_t now_ns);
/* The timer is zeroed memory at first. */
void timers_set(struct timers *timers, struct timer *timer, int64_t deadline_ns);
void timers_remove(struct timer *timer); /* may be repeated */
/* Calls expired() for each that is due, after taking it out; it may set and remove any. */
void timers_run(struct timers *timers, int64_t now_ns, void (*expired)(struct timer *timer, void *context), void *context);
/* When to run next; INT64_MAX: no need. */
int64_t timers_next_ns(const struct timers *timers);
