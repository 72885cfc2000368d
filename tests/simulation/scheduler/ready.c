#include <stdlib.h>
#include "base/assertion.h"
#include "simulation/scheduler/scheduler_own.h"

static struct task **grow(struct task **tasks, size_t *size)
{
	*size = *size ? 2 * *size : 64;
	tasks = realloc(tasks, *size * sizeof(struct task *));
	ASSERT(tasks);
	return tasks;
}

/* --- Who can run: in no order, so that any is found and taken out at once. --- */

void ready_put(struct simulation *simulation, struct task *task)
{
	ASSERT(task->ready_at == NOWHERE);
	if (simulation->ready_count == simulation->ready_size)
		simulation->ready = grow(simulation->ready, &simulation->ready_size);
	task->ready_at = simulation->ready_count;
	simulation->ready[simulation->ready_count++] = task;
}

void ready_take(struct simulation *simulation, struct task *task)
{
	struct task *last = simulation->ready[--simulation->ready_count];

	simulation->ready[task->ready_at] = last;
	last->ready_at = task->ready_at;
	task->ready_at = NOWHERE;
}

/* --- Who will at a time: a heap, the earliest first. --- */

static bool earlier(const struct task *one, const struct task *other)
{
	return one->due_ns < other->due_ns || (one->due_ns == other->due_ns && one->timer_order < other->timer_order);
}

static void place(struct simulation *simulation, size_t at, struct task *task)
{
	simulation->timers[at] = task;
	task->timer_at = at;
}

static void sift_up(struct simulation *simulation, size_t at, struct task *task)
{
	while (at > 0 && earlier(task, simulation->timers[(at - 1) / 2])) {
		place(simulation, at, simulation->timers[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	place(simulation, at, task);
}

static void sift_down(struct simulation *simulation, size_t at, struct task *task)
{
	for (size_t child = 2 * at + 1; child < simulation->timer_count; child = 2 * at + 1) {
		if (child + 1 < simulation->timer_count && earlier(simulation->timers[child + 1], simulation->timers[child]))
			child++;
		if (!earlier(simulation->timers[child], task))
			break;
		place(simulation, at, simulation->timers[child]);
		at = child;
	}
	place(simulation, at, task);
}

void timer_set(struct simulation *simulation, struct task *task, int64_t due_ns)
{
	ASSERT(task->timer_at == NOWHERE);
	if (simulation->timer_count == simulation->timer_size)
		simulation->timers = grow(simulation->timers, &simulation->timer_size);
	task->due_ns = due_ns;
	task->timer_order = simulation->timer_order++;
	sift_up(simulation, simulation->timer_count++, task);
}

void timer_take(struct simulation *simulation, struct task *task)
{
	struct task *last = simulation->timers[--simulation->timer_count];
	size_t at = task->timer_at;

	task->timer_at = NOWHERE;
	if (last == task)
		return;
	if (at > 0 && earlier(last, simulation->timers[(at - 1) / 2]))
		sift_up(simulation, at, last);
	else
		sift_down(simulation, at, last);
}
