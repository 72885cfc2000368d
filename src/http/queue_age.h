/*
 * How long what a loop reads has waited for it. Who is ready is read in the order of becoming so,
 * at most so many a round: a round that leaves nobody behind has read all there was, and however
 * late it came, there is no queue. Only where a queue has stood for long enough (base/standing.h)
 * is the kernel asked how old the bytes are, and only of every QUEUE_AGE_STEP-th request that wants
 * to know: those beside it have waited as long. So a loop that keeps up pays a comparison.
 *
 * The loop's thread only, but for queue_age_ns().
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/standing.h"
#include "http/endpoint.h"

enum { QUEUE_AGE_STEP = 16 };

struct queue_age {
	struct standing standing;
	_Atomic int64_t age_ns; /* as last looked at; 0: there is no queue. The loop writes */
	unsigned until_look;    /* so many requests, in this round */
};

/* As last looked at; any thread. */
static inline int64_t queue_age_ns(const struct queue_age *queue)
{
	return atomic_load_explicit(&queue->age_ns, memory_order_relaxed);
}
/* A round begins: whether it, or the accepting of the last one, leaves somebody behind. */
void queue_age_begin_round(struct queue_age *queue, bool more, int64_t now_ns);
/*
 * Whether there has been a queue for STANDING_TIMES as long as `target_ns`, and this request has
 * waited in it for longer than that. at: where its bytes were read from in this round; NULL: they
 * were read earlier.
 */
bool queue_age_is_beyond(struct queue_age *queue, const struct endpoint *at, int64_t target_ns, int64_t now_ns);
