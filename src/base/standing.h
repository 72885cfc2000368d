/*
 * A queue that stands, told from a moment's delay: CoDel's rule in its simplest form. Whoever takes
 * from a queue says each time whether he has left somebody behind. Who has waited for long counts
 * as waiting no longer than a STANDING_TIMES-th of the time for which that has been so: what came
 * together while its taker was held up is soon taken, and nobody need be turned away for it; a
 * queue that is longer each time is not.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { STANDING_TIMES = 2 };

/* Since when each look has left somebody behind (monotonic ns); 0: the last one has not. */
struct standing {
	int64_t since_ns;
};

/* Somebody looks, and leaves more behind or not. */
static inline void standing_note(struct standing *standing, bool more, int64_t now_ns)
{
	if (!more)
		standing->since_ns = 0;
	else if (standing->since_ns == 0)
		standing->since_ns = now_ns;
}

/* The longest wait that counts; 0: there is no queue. */
static inline int64_t standing_wait_max(const struct standing *standing, int64_t now_ns)
{
	return standing->since_ns ? (now_ns - standing->since_ns) / STANDING_TIMES : 0;
}
