#include "unit/base/baton.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static _Thread_local struct baton_task *own_task;

static struct baton *baton_of(struct scheduler *scheduler)
{
	return (struct baton *)scheduler;
}

static uint64_t next_random(struct baton *baton)
{
	baton->random = baton->random * 6364136223846793005u + 1442695040888963407u;
	return baton->random >> 33;
}

static bool can_run(const struct baton *baton, const struct baton_task *task)
{
	return !task->ended && (!task->waits_at || task->until_ns <= baton->now_ns);
}

/* Nobody can run: the clock moves to where somebody can. False: there is nobody, or nobody waits for a time. */
static bool move_clock(struct baton *baton)
{
	int64_t next_ns = INT64_MAX;

	for (size_t i = 0; i < baton->task_count; i++)
		if (!baton->tasks[i].ended && baton->tasks[i].until_ns < next_ns)
			next_ns = baton->tasks[i].until_ns;
	if (next_ns == INT64_MAX)
		return false;
	baton->now_ns = next_ns;
	return true;
}

/* NULL: all have ended. `but`: whoever cannot go on before another one has run. */
static struct baton_task *choose(struct baton *baton, const struct baton_task *but)
{
	struct baton_task *able[BATON_TASKS_MAX], *chosen;
	size_t count = 0, living = 0;

	for (size_t i = 0; i < baton->task_count; i++) {
		living += !baton->tasks[i].ended;
		if (&baton->tasks[i] != but && can_run(baton, &baton->tasks[i]))
			able[count++] = &baton->tasks[i];
	}
	if (living == 0)
		return NULL;
	if (count == 0) {
		if (!move_clock(baton))
			abort(); /* a deadlock */
		return choose(baton, but);
	}
	chosen = able[next_random(baton) % count];
	if (baton->trace_size < BATON_TRACE_MAX - 1)
		baton->trace[baton->trace_size++] = (char)('a' + (chosen - baton->tasks));
	return chosen;
}

/* Under the mutex. */
static void hand_on(struct baton_task *to)
{
	to->waits_at = NULL;
	to->until_ns = INT64_MAX;
	to->chosen = true;
	pthread_cond_signal(&to->turn);
}

static void await_turn(struct baton *baton, struct baton_task *task)
{
	while (!task->chosen)
		pthread_cond_wait(&task->turn, &baton->mutex);
	task->chosen = false;
}

static void switch_over(struct baton *baton, bool others_only)
{
	struct baton_task *self = own_task;

	pthread_mutex_lock(&baton->mutex);
	hand_on(choose(baton, others_only ? self : NULL));
	await_turn(baton, self);
	pthread_mutex_unlock(&baton->mutex);
}

static void yield(struct scheduler *scheduler, bool spinning)
{
	switch_over(baton_of(scheduler), spinning);
}

static void wait(struct scheduler *scheduler, const void *address, int64_t deadline_ns)
{
	own_task->waits_at = address;
	own_task->until_ns = deadline_ns;
	switch_over(baton_of(scheduler), false);
}

static void wake(struct scheduler *scheduler, const void *address, bool all)
{
	struct baton *baton = baton_of(scheduler);

	for (size_t i = 0; i < baton->task_count; i++) {
		if (baton->tasks[i].waits_at != address)
			continue;
		baton->tasks[i].waits_at = NULL;
		baton->tasks[i].until_ns = INT64_MAX;
		if (!all)
			return;
	}
}

static void *task_main(void *argument)
{
	struct baton_task *task = argument;
	struct baton *baton = baton_of(task->thread->node->scheduler);
	struct baton_task *next;

	own_task = task;
	pthread_mutex_lock(&baton->mutex);
	await_turn(baton, task);
	pthread_mutex_unlock(&baton->mutex);
	thread_run(task->thread);
	pthread_mutex_lock(&baton->mutex);
	task->ended = true;
	wake(&baton->scheduler, task->thread, true); /* who joins it */
	next = choose(baton, NULL);
	if (next)
		hand_on(next);
	baton->over = !next;
	pthread_cond_signal(&baton->ended);
	pthread_mutex_unlock(&baton->mutex);
	return NULL;
}

static int start(struct scheduler *scheduler, struct thread *thread)
{
	struct baton *baton = baton_of(scheduler);
	struct baton_task *task = &baton->tasks[baton->task_count];

	if (baton->task_count == BATON_TASKS_MAX)
		return -EAGAIN;
	*task = (struct baton_task){.thread = thread, .until_ns = INT64_MAX};
	pthread_cond_init(&task->turn, NULL);
	baton->task_count++;
	return -pthread_create(&task->handle, NULL, task_main, task);
}

static const struct baton_task *find_task(const struct baton *baton, const struct thread *thread)
{
	for (size_t i = baton->task_count; i-- > 0;)
		if (baton->tasks[i].thread == thread)
			return &baton->tasks[i];
	abort();
}

static void join(struct scheduler *scheduler, struct thread *thread)
{
	while (!find_task(baton_of(scheduler), thread)->ended)
		wait(scheduler, thread, INT64_MAX);
}

static int failpoint(struct scheduler *scheduler, const char *name)
{
	baton_of(scheduler)->last_failpoint = name;
	yield(scheduler, false);
	return strcmp(name, "node.test") == 0 ? 7 : 0;
}

static int64_t read_wall_us(const struct clock_source *source)
{
	const struct baton *baton = (const struct baton *)((const char *)source - offsetof(struct baton, clock));

	return 1800000000000000 + baton->now_ns / 1000;
}

static int64_t read_mono_ns(const struct clock_source *source)
{
	return ((const struct baton *)((const char *)source - offsetof(struct baton, clock)))->now_ns;
}

void baton_run(struct baton *baton, uint64_t seed, void (*run)(void *), void *argument)
{
	static const struct scheduler_ops ops = {yield, wait, wake, start, join, failpoint};
	struct thread first = {0};
	struct node *before;

	memset(baton, 0, sizeof(*baton));
	baton->scheduler.ops = &ops;
	baton->clock = (struct clock_source){read_wall_us, read_mono_ns};
	baton->node.clock = &baton->clock;
	baton->node.scheduler = &baton->scheduler;
	baton->now_ns = 1000000000;
	baton->random = seed;
	pthread_mutex_init(&baton->mutex, NULL);
	pthread_cond_init(&baton->ended, NULL);
	before = node_enter(&baton->node);
	assert_int_equal(thread_start(&first, "first", run, argument), 0);
	node_enter(before);
	pthread_mutex_lock(&baton->mutex);
	hand_on(choose(baton, NULL));
	while (!baton->over)
		pthread_cond_wait(&baton->ended, &baton->mutex);
	pthread_mutex_unlock(&baton->mutex);
	for (size_t i = 0; i < baton->task_count; i++) {
		pthread_join(baton->tasks[i].handle, NULL);
		pthread_cond_destroy(&baton->tasks[i].turn);
	}
	pthread_cond_destroy(&baton->ended);
	pthread_mutex_destroy(&baton->mutex);
}
