/*
 * How long purchases wait in a lane, told by the one who takes them out, with each batch.
 *
 * Whoever comes while a batch is under way waits for its end, however much time there is: that is
 * no queue. What a batch takes at least, whatever its size, is learnt from small ones; a disk, a
 * broker or a Redis that is slow is slow for those too. There is a queue where a full batch is
 * taken out, or where the first had waited for twice as long as that: then batches take their time
 * because of their size. What counts of a wait is what is beyond that time (and base/standing.h).
 */
#pragma once

#include <stdatomic.h>
#include "base/standing.h"
#include "workers/message.h"

struct queue_wait {
	_Atomic int64_t wait_ns; /* 0: there is no queue */
	struct standing standing;
	int64_t least_ns;   /* what a batch takes whatever its size; 0: not known yet */
	int64_t emptied_ns; /* when a batch took all there was, last: who comes later has waited since then at most */
};

/*
 * What was taken out, in its order; `full`: there may be more. The taker's thread, like the next.
 */
void queue_wait_note(struct queue_wait *queue, struct message *const *jobs, size_t count, bool full, int64_t now_ns);
/* So many took so long; whether others have come meanwhile. Else there is no queue any more. */
void queue_wait_served(struct queue_wait *queue, size_t count, int64_t took_ns, bool more);
/*
 * How long the first purchase of the last batch had waited, as far as it counts. Any thread.
 */
static inline int64_t queue_wait_ns(const struct queue_wait *queue)
{
	return atomic_load_explicit(&queue->wait_ns, memory_order_relaxed);
}
