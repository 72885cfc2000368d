#include "base/pause.h"

#include <time.h>
#include "base/clock.h"

void pause_init(struct pause *pause)
{
	lock_init(&pause->lock);
	lock_condition_init(&pause->changed);
	atomic_init(&pause->ended, false);
}

void pause_deinit(struct pause *pause)
{
	lock_condition_deinit(&pause->changed);
	lock_deinit(&pause->lock);
}

bool pause_rest(struct pause *pause, int64_t time_ns)
{
	int64_t deadline_ns = clock_mono_ns() + time_ns;

	lock_take(&pause->lock);
	while (!pause_ended(pause) && lock_condition_wait_until(&pause->changed, &pause->lock, deadline_ns))
		continue;
	lock_release(&pause->lock);
	return !pause_ended(pause);
}

void pause_end(struct pause *pause)
{
	lock_take(&pause->lock);
	atomic_store(&pause->ended, true);
	lock_condition_broadcast(&pause->changed);
	lock_release(&pause->lock);
}

bool pause_ended(const struct pause *pause)
{
	return atomic_load_explicit(&pause->ended, memory_order_acquire);
}

void pause_sleep(int64_t time_ns)
{
	struct scheduler *scheduler = node_scheduler();

	if (scheduler)
		scheduler->ops->wait(scheduler, NULL, clock_mono_ns() + time_ns);
	else
		nanosleep(&(struct timespec){time_ns / 1000000000, time_ns % 1000000000}, NULL);
}
