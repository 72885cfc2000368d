#include "workers/queue_wait.h"

enum { FEW = 64, LEARNS = 8 /* a small batch that took longer is believed to an eighth */ };

static void set_wait(struct queue_wait *queue, int64_t wait_ns)
{
	if (queue_wait_ns(queue) != wait_ns)
		atomic_store_explicit(&queue->wait_ns, wait_ns, memory_order_relaxed);
}

static int64_t latest(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

void queue_wait_note(struct queue_wait *queue, struct message *const *jobs, size_t count, bool full, int64_t now_ns)
{
	int64_t waited_ns = 0, max_ns;
	size_t first = 0;

	while (first < count && ((const struct job *)jobs[first])->kind != JOB_PURCHASE)
		first++;
	if (first == count && full)
		return; /* they have overtaken all purchases, which will say how long they wait */
	if (first < count)
		waited_ns = now_ns - latest(((const struct job *)jobs[first])->started_ns, queue->emptied_ns);
	if (!full)
		queue->emptied_ns = now_ns;
	standing_note(&queue->standing, full || (queue->least_ns > 0 && waited_ns > 2 * queue->least_ns), now_ns);
	max_ns = standing_wait_max(&queue->standing, now_ns);
	waited_ns -= queue->least_ns;
	set_wait(queue, waited_ns < 0 ? 0 : waited_ns < max_ns ? waited_ns : max_ns);
}

void queue_wait_served(struct queue_wait *queue, size_t count, int64_t took_ns, bool more)
{
	if (!more) {
		queue->standing.since_ns = 0;
		set_wait(queue, 0);
	}
	if (queue->least_ns == 0 || took_ns < queue->least_ns)
		queue->least_ns = took_ns > 0 ? took_ns : 1;
	else if (count <= FEW)
		queue->least_ns += (took_ns - queue->least_ns) / LEARNS;
}
