/*
 * A mutex and a condition, which are a seam: of a node with a scheduler it decides who gets a lock
 * and who is woken. Without one they are pthread's, inline: an uncontended lock costs what it costs
 * there. Locks are not recursive. docs/architecture.md lists each with its order.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/node.h"

struct lock {
	pthread_mutex_t mutex;
};

void lock_init(struct lock *lock);
void lock_deinit(struct lock *lock); /* nobody has it */

/* The scheduler's half of the two below. */
void lock_take_scheduled(struct lock *lock);
void lock_release_scheduled(struct lock *lock);

static inline void lock_take(struct lock *lock)
{
	if (__builtin_expect(node_scheduler() != NULL, false))
		lock_take_scheduled(lock);
	else
		pthread_mutex_lock(&lock->mutex);
}

static inline void lock_release(struct lock *lock)
{
	if (__builtin_expect(node_scheduler() != NULL, false))
		lock_release_scheduled(lock);
	else
		pthread_mutex_unlock(&lock->mutex);
}

struct lock_condition {
	pthread_cond_t condition;
};

void lock_condition_init(struct lock_condition *condition);
void lock_condition_deinit(struct lock_condition *condition);
/*
 * Lets the lock go, waits, takes it again. May return without a signal: the caller looks again at
 * what it waits for.
 */
void lock_condition_wait(struct lock_condition *condition, struct lock *lock);
/* The same, until clock_mono_ns() has reached `deadline_ns` at the latest. False: it has. */
bool lock_condition_wait_until(struct lock_condition *condition, struct lock *lock, int64_t deadline_ns);
/* With the lock or without it. */
void lock_condition_signal(struct lock_condition *condition);
void lock_condition_broadcast(struct lock_condition *condition);
