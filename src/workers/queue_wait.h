/*
 * How long purchases wait in a lane, told by the one who takes them out, with each batch. A batch
 * that is not full has taken all there was: however long that took to come, there is no queue. So a
 * journal whose commits are slow, but each of which takes everybody along, is none.
 */
#pragma once

#include <stdatomic.h>
#include "workers/message.h"

struct queue_wait {
	_Atomic int64_t wait_ns; /* 0: there is no queue */
	int64_t standing_ns;     /* since when each batch was full; 0: the last one was not */
};

/* What was taken out, in its order; `full`: there may be more. The taker's thread. */
void queue_wait_note(struct queue_wait *queue, struct message *const *jobs, size_t count, bool full, int64_t now_ns);
/*
 * How long the first purchase of the last batch had waited, or since when there is a queue, where
 * that is less. Any thread.
 */
static inline int64_t queue_wait_ns(const struct queue_wait *queue)
{
	return atomic_load_explicit(&queue->wait_ns, memory_order_relaxed);
}
