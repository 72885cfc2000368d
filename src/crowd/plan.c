#include "crowd/plan.h"

#include <math.h>
#include <stdlib.h>
#include "base/array.h"

int plan_init(struct plan *plan, size_t capacity)
{
	*plan = (struct plan){.list = calloc(capacity ? capacity : 1, sizeof(struct shot)), .list_capacity = capacity};
	return plan->list ? 0 : -ENOMEM;
}

void plan_deinit(struct plan *plan)
{
	free(plan->list);
	free(plan->heap);
	*plan = (struct plan){0};
}

void plan_append(struct plan *plan, const struct shot *shot)
{
	ASSERT(plan->list_count < plan->list_capacity);
	ASSERT(plan->list_count == 0 || plan->list[plan->list_count - 1].due_ns <= shot->due_ns);
	plan->list[plan->list_count++] = *shot;
}

static void swap(struct shot *a, struct shot *b)
{
	struct shot kept = *a;

	*a = *b;
	*b = kept;
}

int plan_push(struct plan *plan, const struct shot *shot)
{
	size_t i = plan->heap_count;
	int r = array_fit(&plan->heap, &plan->heap_capacity, i + 1, sizeof(*plan->heap));

	if (r)
		return r;
	plan->heap[plan->heap_count++] = *shot;
	for (; i > 0 && plan->heap[i].due_ns < plan->heap[(i - 1) / 2].due_ns; i = (i - 1) / 2)
		swap(&plan->heap[i], &plan->heap[(i - 1) / 2]);
	return 0;
}

bool plan_is_empty(const struct plan *plan)
{
	return plan->list_next == plan->list_count && plan->heap_count == 0;
}

static int64_t list_due(const struct plan *plan)
{
	return plan->list_next < plan->list_count ? plan->list[plan->list_next].due_ns : INT64_MAX;
}

static int64_t heap_due(const struct plan *plan)
{
	return plan->heap_count > 0 ? plan->heap[0].due_ns : INT64_MAX;
}

int64_t plan_next_due(const struct plan *plan)
{
	return list_due(plan) <= heap_due(plan) ? list_due(plan) : heap_due(plan);
}

struct shot plan_pop(struct plan *plan)
{
	struct shot shot;
	size_t i = 0;

	ASSERT(!plan_is_empty(plan));
	if (list_due(plan) <= heap_due(plan))
		return plan->list[plan->list_next++];
	shot = plan->heap[0];
	plan->heap[0] = plan->heap[--plan->heap_count];
	for (;;) {
		size_t least = i, child = 2 * i + 1;

		if (child < plan->heap_count && plan->heap[child].due_ns < plan->heap[least].due_ns)
			least = child;
		if (child + 1 < plan->heap_count && plan->heap[child + 1].due_ns < plan->heap[least].due_ns)
			least = child + 1;
		if (least == i)
			return shot;
		swap(&plan->heap[i], &plan->heap[least]);
		i = least;
	}
}

void plan_cut(struct plan *plan)
{
	plan->list_next = plan->list_count;
}

int64_t plan_arrival_time(enum arrival arrival, size_t index, size_t count, int64_t over_ns)
{
	double part = ((double)index + 0.5) / (double)count;

	switch (arrival) {
	case ARRIVAL_AT_ONCE:
		return 0;
	case ARRIVAL_STEADY:
		return (int64_t)((double)over_ns * part);
	case ARRIVAL_SPIKE:
		return (int64_t)((double)over_ns * part * part * part);
	case ARRIVAL_RAMP:
		return (int64_t)((double)over_ns * sqrt(part));
	}
	ASSERT(false);
	return 0;
}
