/*
 * The rest that a thread takes between two rounds of its work, by the clock of its node, and that
 * the order to stop ends at once. One thread rests; any may end it.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/lock.h"

struct pause {
	struct lock lock;
	struct lock_condition changed;
	atomic_bool ended; /* written under the lock */
};

void pause_init(struct pause *pause);
void pause_deinit(struct pause *pause);
/* Rests so long. False: it was ended, before or meanwhile. */
bool pause_rest(struct pause *pause, int64_t time_ns);
/* Ends this rest and each one after it. May be repeated. */
void pause_end(struct pause *pause);
bool pause_ended(const struct pause *pause);
/*
 * A rest that nobody ends, of a command that waits for another program. A signal that has a handler
 * cuts it short.
 */
void pause_sleep(int64_t time_ns);
