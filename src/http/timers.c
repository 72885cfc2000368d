#include "http/timers.h"

#include <stddef.h>

void timers_init(struct timers *timers, int64_t now_ns)
{
	*timers = (struct timers){.tick = now_ns >> TIMERS_TICK_BITS, .next_tick = INT64_MAX};
}

void timers_remove(struct timer *timer)
{
	if (!timer->link)
		return;
	*timer->link = timer->next;
	if (timer->next)
		timer->next->link = timer->link;
	timer->link = NULL;
}

static void insert(struct timers *timers, struct timer *timer, int64_t tick)
{
	size_t slot;

	if (tick <= timers->tick)
		tick = timers->tick + 1;
	if (tick > timers->tick + TIMERS_SLOTS - 1)
		tick = timers->tick + TIMERS_SLOTS - 1;
	slot = (size_t)tick % TIMERS_SLOTS;
	timer->tick = tick;
	timer->next = timers->slots[slot];
	timer->link = &timers->slots[slot];
	if (timer->next)
		timer->next->link = &timer->next;
	timers->slots[slot] = timer;
	timers->used[slot / 64] |= (uint64_t)1 << slot % 64;
	if (tick < timers->next_tick)
		timers->next_tick = tick;
}

/* The first tick that begins at the deadline or after it: never early. */
static int64_t tick_of(int64_t deadline_ns)
{
	return (deadline_ns >> TIMERS_TICK_BITS) + 1;
}

void timers_set(struct timers *timers, struct timer *timer, int64_t deadline_ns)
{
	timer->deadline_ns = deadline_ns;
	if (deadline_ns == TIMER_NEVER)
		return; /* dropped when its slot comes round, which is cheaper than now where it comes back soon */
	if (timer->link && timer->tick <= tick_of(deadline_ns))
		return;
	timers_remove(timer);
	insert(timers, timer, tick_of(deadline_ns));
}

/* The first tick from timers->tick + 1 on whose slot is marked. */
static int64_t find_next(const struct timers *timers)
{
	int64_t tick = timers->tick + 1;
	int64_t end = timers->tick + TIMERS_SLOTS;

	while (tick < end) {
		size_t slot = (size_t)tick % TIMERS_SLOTS;
		uint64_t word = timers->used[slot / 64] >> slot % 64;

		if (word)
			return tick + __builtin_ctzll(word);
		tick += 64 - (int64_t)(slot % 64);
	}
	return INT64_MAX;
}

static void run_slot(struct timers *timers, int64_t now_ns, void (*expired)(struct timer *timer, void *context), void *context)
{
	size_t slot = (size_t)timers->tick % TIMERS_SLOTS;
	struct timer *timer;

	/*
	 * What is set from here on goes to another slot: at least one tick on, and less than a
	 * round.
	 */
	timers->used[slot / 64] &= ~((uint64_t)1 << slot % 64);
	while ((timer = timers->slots[slot]) != NULL) {
		timers_remove(timer);
		if (timer->deadline_ns == TIMER_NEVER)
			continue;
		if (timer->deadline_ns <= now_ns)
			expired(timer, context);
		else
			insert(timers, timer, tick_of(timer->deadline_ns));
	}
}

void timers_run(struct timers *timers, int64_t now_ns, void (*expired)(struct timer *timer, void *context), void *context)
{
	int64_t now = now_ns >> TIMERS_TICK_BITS;

	if (now <= timers->tick || now < timers->next_tick)
		return;
	/* After a long sleep of the machine each slot is looked at once. */
	if (now - timers->tick > TIMERS_SLOTS)
		timers->tick = now - TIMERS_SLOTS;
	while (timers->tick < now) {
		int64_t next = find_next(timers);

		timers->tick = next < now ? next : now;
		run_slot(timers, now_ns, expired, context);
	}
	timers->next_tick = find_next(timers);
}

int64_t timers_next_ns(const struct timers *timers)
{
	return timers->next_tick == INT64_MAX ? INT64_MAX : timers->next_tick << TIMERS_TICK_BITS;
}
