#include "workers/queue_wait.h"

static void set_wait(struct queue_wait *queue, int64_t wait_ns)
{
	if (queue_wait_ns(queue) != wait_ns)
		atomic_store_explicit(&queue->wait_ns, wait_ns, memory_order_relaxed);
}

void queue_wait_note(struct queue_wait *queue, struct message *const *jobs, size_t count, bool full, int64_t now_ns)
{
	int64_t standing_ns, waited_ns;

	if (!full) {
		queue->standing_ns = 0;
		set_wait(queue, 0);
		return;
	}
	if (queue->standing_ns == 0)
		queue->standing_ns = now_ns;
	standing_ns = now_ns - queue->standing_ns;
	for (size_t i = 0; i < count; i++) {
		const struct job *job = (const struct job *)jobs[i];

		if (job->kind != JOB_PURCHASE)
			continue; /* it was let pass: the purchases behind it say how long they wait */
		waited_ns = now_ns - job->started_ns;
		set_wait(queue, waited_ns < standing_ns ? waited_ns : standing_ns);
		return;
	}
}
