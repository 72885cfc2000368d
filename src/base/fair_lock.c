#include "base/fair_lock.h"

void fair_lock_init(struct fair_lock *lock)
{
	lock_init(&lock->lock);
	lock_condition_init(&lock->turned);
	lock->asked = lock->let_go = 0;
}

void fair_lock_deinit(struct fair_lock *lock)
{
	lock_condition_deinit(&lock->turned);
	lock_deinit(&lock->lock);
}

void fair_lock_take(struct fair_lock *lock)
{
	uint64_t turn;

	lock_take(&lock->lock);
	turn = lock->asked++;
	while (lock->let_go != turn)
		lock_condition_wait(&lock->turned, &lock->lock);
	lock_release(&lock->lock);
}

/* All are woken, for a condition does not say whose turn it is; few ever wait. */
void fair_lock_release(struct fair_lock *lock)
{
	lock_take(&lock->lock);
	lock->let_go++;
	lock_condition_broadcast(&lock->turned);
	lock_release(&lock->lock);
}
