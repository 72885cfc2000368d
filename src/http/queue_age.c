#include "http/queue_age.h"

static void set_age(struct queue_age *queue, int64_t age_ns)
{
	if (queue_age_ns(queue) != age_ns)
		atomic_store_explicit(&queue->age_ns, age_ns, memory_order_relaxed);
}

void queue_age_begin_round(struct queue_age *queue, bool more, int64_t now_ns)
{
	queue->until_look = 0;
	standing_note(&queue->standing, more, now_ns);
	if (!more)
		set_age(queue, 0);
}

bool queue_age_is_beyond(struct queue_age *queue, const struct endpoint *at, int64_t target_ns, int64_t now_ns)
{
	if (standing_wait_max(&queue->standing, now_ns) <= target_ns)
		return false;
	if (queue->until_look > 0) {
		queue->until_look--;
	} else if (at) {
		set_age(queue, endpoint_waited_ns(at));
		queue->until_look = QUEUE_AGE_STEP - 1;
	}
	return queue_age_ns(queue) > target_ns;
}
