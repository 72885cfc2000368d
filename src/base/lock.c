#include "base/lock.h"

#include <time.h>
#include "base/assertion.h"
#include "base/clock.h"

/*
 * Under a scheduler one thread runs at a time, so a lock that is taken is found by trylock and
 * waited for by its address. The mutex itself says who has it: no second word has to be kept in
 * step with it.
 */

/* A node's own clock tells nobody when it was moved, so who waits by it looks so often. */
static const int64_t LOOK_NS = 1000000;

void lock_init(struct lock *lock)
{
	int failed = pthread_mutex_init(&lock->mutex, NULL);

	ASSERT(failed == 0); /* glibc allocates nothing for it, nor for a condition */
}

void lock_deinit(struct lock *lock)
{
	pthread_mutex_destroy(&lock->mutex);
}

static void take_again(struct scheduler *scheduler, struct lock *lock)
{
	while (pthread_mutex_trylock(&lock->mutex) != 0)
		scheduler->ops->wait(scheduler, lock, INT64_MAX);
}

void lock_take_scheduled(struct lock *lock)
{
	struct scheduler *scheduler = node_scheduler();

	scheduler->ops->yield(scheduler, false);
	take_again(scheduler, lock);
}

void lock_release_scheduled(struct lock *lock)
{
	struct scheduler *scheduler = node_scheduler();

	pthread_mutex_unlock(&lock->mutex);
	scheduler->ops->wake(scheduler, lock, false);
}

void lock_condition_init(struct lock_condition *condition)
{
	pthread_condattr_t attributes;
	int failed;

	/* A wait must not be stretched or cut by a jump of the wall clock. */
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	failed = pthread_cond_init(&condition->condition, &attributes);
	ASSERT(failed == 0);
	pthread_condattr_destroy(&attributes);
}

void lock_condition_deinit(struct lock_condition *condition)
{
	pthread_cond_destroy(&condition->condition);
}

static void wait_scheduled(struct scheduler *scheduler, struct lock_condition *condition, struct lock *lock, int64_t deadline_ns)
{
	lock_release_scheduled(lock);
	scheduler->ops->wait(scheduler, condition, deadline_ns);
	take_again(scheduler, lock);
}

void lock_condition_wait(struct lock_condition *condition, struct lock *lock)
{
	struct scheduler *scheduler = node_scheduler();

	if (scheduler)
		wait_scheduled(scheduler, condition, lock, INT64_MAX);
	else
		pthread_cond_wait(&condition->condition, &lock->mutex);
}

/*
 * By the clock that the condition waits by: base/clock has another, or none that the kernel knows.
 */
static void wait_kernel(struct lock_condition *condition, struct lock *lock, int64_t time_ns)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += time_ns / 1000000000;
	until.tv_nsec += time_ns % 1000000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_cond_timedwait(&condition->condition, &lock->mutex, &until);
}

bool lock_condition_wait_until(struct lock_condition *condition, struct lock *lock, int64_t deadline_ns)
{
	struct scheduler *scheduler = node_scheduler();
	int64_t left_ns = deadline_ns - clock_mono_ns();

	if (left_ns <= 0)
		return false;
	if (scheduler)
		wait_scheduled(scheduler, condition, lock, deadline_ns);
	else
		wait_kernel(condition, lock, node_current->clock && left_ns > LOOK_NS ? LOOK_NS : left_ns);
	return clock_mono_ns() < deadline_ns;
}

void lock_condition_signal(struct lock_condition *condition)
{
	struct scheduler *scheduler = node_scheduler();

	if (scheduler)
		scheduler->ops->wake(scheduler, condition, false);
	else
		pthread_cond_signal(&condition->condition);
}

void lock_condition_broadcast(struct lock_condition *condition)
{
	struct scheduler *scheduler = node_scheduler();

	if (scheduler)
		scheduler->ops->wake(scheduler, condition, true);
	else
		pthread_cond_broadcast(&condition->condition);
}
