/*
 * A lock that is had in the order in which it was asked for: for what is held across I/O.
 *
 * A mutex goes to whoever comes while it is free. A thread that lets it go and soon asks again is
 * there before another has woken up, so beside a stream of batches, each of which holds it for a
 * commit, an operator's change waited for half a minute, and more where the kernel lets who runs
 * run on. Here one that waits lets none pass who comes later: it waits for those that were there
 * before it, and for no more.
 *
 * A turn that is handed over costs a wake-up, which is little beside a commit; for a copy of some
 * bytes take base/lock.h.
 */
#pragma once

#include <stdint.h>
#include "base/lock.h"

struct fair_lock {
	struct lock lock; /* of the two numbers, never held for longer than it takes to change them */
	struct lock_condition turned;
	uint64_t asked, let_go; /* how many have: the difference is who has it, and those who wait */
};

void fair_lock_init(struct fair_lock *lock);
void fair_lock_deinit(struct fair_lock *lock); /* nobody has it */
void fair_lock_take(struct fair_lock *lock);
void fair_lock_release(struct fair_lock *lock);
