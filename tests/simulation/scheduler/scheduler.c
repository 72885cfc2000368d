#include "simulation/scheduler/scheduler.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/assertion.h"
#include "simulation/scheduler/scheduler_own.h"

/*
 * Who yields chooses who is next, and goes there at once: a step is one switch of stacks, or none
 * where it chooses itself.
 */

static struct simulation *current;

enum { DEFAULT_BUSY_MAX = 1000000 };

/* SplitMix64, as base/random's seeded numbers. */
uint64_t scheduler_draw(uint64_t *state)
{
	uint64_t mixed = *state += 0x9e3779b97f4a7c15;

	mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
	mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
	return mixed ^ (mixed >> 31);
}

static uint64_t draw_below(struct simulation *simulation, uint64_t limit)
{
	return (uint64_t)(((unsigned __int128)scheduler_draw(&simulation->choices) * limit) >> 64);
}

/* --- Where tasks wait --- */

static size_t bucket_of(const void *address)
{
	return (size_t)(((uintptr_t)address >> 3) * 0x9e3779b97f4a7c15 >> 56) % BUCKETS;
}

static void bucket_put(struct simulation *simulation, struct task *task, const void *address)
{
	size_t bucket = bucket_of(address);

	task->address = address;
	task->bucket_next = NULL;
	task->bucket_previous = simulation->buckets[bucket].last;
	if (task->bucket_previous)
		task->bucket_previous->bucket_next = task;
	else
		simulation->buckets[bucket].first = task;
	simulation->buckets[bucket].last = task;
}

static void bucket_take(struct simulation *simulation, struct task *task)
{
	size_t bucket = bucket_of(task->address);

	if (task->bucket_previous)
		task->bucket_previous->bucket_next = task->bucket_next;
	else
		simulation->buckets[bucket].first = task->bucket_next;
	if (task->bucket_next)
		task->bucket_next->bucket_previous = task->bucket_previous;
	else
		simulation->buckets[bucket].last = task->bucket_previous;
}

void scheduler_take_out(struct simulation *simulation, struct task *task)
{
	if (task->state == TASK_WAITING)
		bucket_take(simulation, task);
	if (task->timer_at != NOWHERE)
		timer_take(simulation, task);
	if (task->ready_at != NOWHERE)
		ready_take(simulation, task);
}

void scheduler_make_ready(struct simulation *simulation, struct task *task, enum task_cause cause)
{
	scheduler_take_out(simulation, task);
	task->state = TASK_READY;
	task->cause = cause;
	if (cause == CAUSE_TIME)
		task->address = NULL;
	if (!task->home->paused || task->shields > 0)
		ready_put(simulation, task);
}

/*
 * One of those who wait there, any of them; where tasks stand in a bucket is in the order of their
 * coming, whatever else shares the bucket, so that addresses have no part in the choice.
 */
void scheduler_wake_at(struct simulation *simulation, const void *address, bool all)
{
	struct task *next, *chosen = NULL;
	uint64_t seen = 0;

	for (struct task *task = simulation->buckets[bucket_of(address)].first; task; task = next) {
		next = task->bucket_next;
		if (task->address != address)
			continue;
		if (all)
			scheduler_make_ready(simulation, task, CAUSE_WOKEN);
		else if (++seen == 1 || draw_below(simulation, seen) == 0)
			chosen = task;
	}
	if (chosen)
		scheduler_make_ready(simulation, chosen, CAUSE_WOKEN);
}

/* --- Who is next --- */

static void fire(struct simulation *simulation)
{
	while (simulation->timer_count > 0 && simulation->timers[0]->due_ns <= simulation->now_ns) {
		struct task *task = simulation->timers[0];

		scheduler_make_ready(simulation, task, task->state == TASK_STALLED ? CAUSE_STALLED : CAUSE_TIME);
	}
}

static struct task *pick(struct simulation *simulation, const struct task *but)
{
	size_t count = simulation->ready_count, skipped = but && but->ready_at != NOWHERE ? but->ready_at : NOWHERE;
	struct task *highest = NULL;

	if (simulation->settings.policy == SCHEDULER_UNIFORM) {
		size_t at = count == 1 ? 0 : draw_below(simulation, skipped == NOWHERE ? count : count - 1);

		return simulation->ready[at >= skipped ? at + 1 : at];
	}
	for (size_t i = 0; i < count; i++)
		if (i != skipped && (!highest || simulation->ready[i]->priority > highest->priority))
			highest = simulation->ready[i];
	return highest;
}

static bool hold_up(struct simulation *simulation, struct task *task)
{
	const struct scheduler_settings *settings = &simulation->settings;
	int64_t time_ns = settings->stall_max_ns;

	if (settings->stall_ppm == 0 || draw_below(simulation, 1000000) >= settings->stall_ppm)
		return false;
	/* So many halvings, and then anything below. */
	time_ns >>= draw_below(simulation, 64 - (uint64_t)__builtin_clzll((uint64_t)time_ns | 1));
	time_ns = 1 + (int64_t)draw_below(simulation, (uint64_t)time_ns + 1);
	ready_take(simulation, task);
	task->state = TASK_STALLED;
	timer_set(simulation, task, simulation->now_ns + time_ns);
	return true;
}

/* The next time that may not be missed; at the latest late_ns behind the next of all. */
static int64_t late(const struct simulation *simulation)
{
	int64_t until_ns = simulation->timers[0]->due_ns + simulation->late_ns;

	for (size_t i = 0; i < simulation->timer_count; i++) {
		const struct task *task = simulation->timers[i];

		if (task->due_ns < until_ns && (task->sleeps || task->home->punctual || task->state == TASK_STALLED))
			until_ns = task->due_ns;
	}
	return until_ns;
}

/* NULL: nobody ever will. `but`: who cannot go on before another one has run. */
static struct task *choose(struct simulation *simulation, const struct task *but)
{
	for (;;) {
		fire(simulation);
		if (simulation->ready_count > (but && but->ready_at != NOWHERE)) {
			struct task *task = pick(simulation, but);

			if (!hold_up(simulation, task))
				return task;
			continue;
		}
		if (simulation->timer_count == 0)
			return NULL;
		simulation->now_ns = simulation->late_ns > 0 ? late(simulation) : simulation->timers[0]->due_ns;
		simulation->busy_since = simulation->steps;
	}
}

/* Nobody runs any more; stacks stay as they are, to be looked at. */
static _Noreturn void end_run(struct simulation *simulation, enum scheduler_end end)
{
	struct task *self = simulation->running ? simulation->running : simulation->leaving;

	simulation->end = end;
	simulation->over = true;
	coroutine_switch(&self->coroutine, &simulation->main);
	ASSERT(!"a run that has ended goes on");
}

static void call_hook(struct simulation *simulation)
{
	struct node *before = node_enter(NULL);
	int error = errno;

	simulation->in_hook = true;
	simulation->settings.on_step(simulation->settings.context);
	simulation->in_hook = false;
	errno = error;
	node_enter(before);
}

static void count_step(struct simulation *simulation, struct task *self)
{
	const struct scheduler_settings *settings = &simulation->settings;

	if (simulation->in_hook) /* which has killed the node of who runs: that belongs to the same step */
		return;
	simulation->steps++;
	simulation->now_ns += settings->step_ns;
	if (settings->on_step)
		call_hook(simulation);
	if (simulation->steps == simulation->changes[simulation->changes_done] && self) {
		self->priority = simulation->lowest--;
		while (simulation->changes[simulation->changes_done] == simulation->steps)
			simulation->changes_done++;
	}
	if (settings->steps_max > 0 && simulation->steps > settings->steps_max)
		end_run(simulation, SCHEDULER_TOO_LONG);
	if (simulation->steps - simulation->busy_since > settings->busy_max)
		end_run(simulation, SCHEDULER_LIVELOCK);
}

/* Who left for the last time. */
static void clear_up(struct simulation *simulation)
{
	struct task *left = simulation->leaving;

	if (!left)
		return;
	simulation->leaving = NULL;
	if (left->state == TASK_DROPPED)
		coroutine_drop(&left->coroutine);
	else
		coroutine_free(&left->coroutine);
}

static void arrive(struct simulation *simulation, struct task *task)
{
	clear_up(simulation);
	simulation->in_hook = false;
	simulation->running = task;
	task->address = NULL;
}

void scheduler_reschedule(struct simulation *simulation, const char *at, bool others_only)
{
	struct task *self = simulation->running, *next;

	self->at = at;
	count_step(simulation, self);
	if (others_only)
		self->priority = simulation->lowest--; /* or two that wait for a third would run in turn for ever */
	next = choose(simulation, others_only ? self : NULL);
	if (!next)
		end_run(simulation, SCHEDULER_DEADLOCK);
	trace_step(simulation, next);
	next->cause = CAUSE_GOES_ON;
	if (next == self) {
		self->address = NULL;
		return;
	}
	self->inside = node_current;
	self->error = errno;
	coroutine_switch(&self->coroutine, &next->coroutine);
	arrive(simulation, self);
	errno = self->error;
	node_current = self->inside;
}

/* Its place among those who run is given up. */
void scheduler_retire(struct simulation *simulation, struct task *task, enum task_state state)
{
	const void *woken_from = task->state == TASK_WAITING ? NULL : task->address;

	scheduler_take_out(simulation, task);
	task->state = state;
	task->at = "";
	simulation->living--;
	if (--task->home->living == 0)
		scheduler_wake_at(simulation, task->home, true);
	/* It was told that there is something to take, and never will: the next one is. */
	if (woken_from)
		scheduler_wake_at(simulation, woken_from, false);
	if (task != simulation->running)
		coroutine_drop(&task->coroutine);
}

void scheduler_go_away(struct simulation *simulation)
{
	struct task *self = simulation->running, *next = NULL;

	simulation->leaving = self;
	simulation->running = NULL;
	count_step(simulation, NULL);
	if (simulation->living > 0)
		next = choose(simulation, NULL);
	if (!next) {
		simulation->end = simulation->living > 0 ? SCHEDULER_DEADLOCK : SCHEDULER_ENDED;
		simulation->over = true;
		coroutine_leave(&self->coroutine, &simulation->main);
	}
	trace_step(simulation, next);
	next->cause = CAUSE_GOES_ON;
	coroutine_leave(&self->coroutine, &next->coroutine);
}

/* --- What base/node.h asks for --- */

static void yield(struct scheduler *scheduler, bool spinning)
{
	scheduler_reschedule(simulation_of(scheduler), spinning ? "spin" : "lock", spinning);
}

static void wait(struct scheduler *scheduler, const void *address, int64_t deadline_ns)
{
	struct simulation *simulation = simulation_of(scheduler);
	struct task *self = simulation->running;

	ready_take(simulation, self);
	self->state = TASK_WAITING;
	self->clock_node = node_of(node_current);
	self->deadline_ns = deadline_ns;
	self->sleeps = address == NULL;
	bucket_put(simulation, self, address);
	if (deadline_ns != NEVER) {
		int64_t due_ns = simulated_when(self->clock_node, deadline_ns);

		if (due_ns != NEVER)
			timer_set(simulation, self, due_ns);
	}
	scheduler_reschedule(simulation, "wait", false);
}

static void wake(struct scheduler *scheduler, const void *address, bool all)
{
	scheduler_wake_at(simulation_of(scheduler), address, all);
}

static void run_task(void *argument)
{
	struct task *self = argument;
	struct simulation *simulation = self->home->simulation;

	arrive(simulation, self);
	thread_run(self->thread);
	scheduler_wake_at(simulation, self->thread, true); /* who joins it */
	scheduler_retire(simulation, self, TASK_ENDED);
	scheduler_go_away(simulation);
}

static int start(struct scheduler *scheduler, struct thread *thread)
{
	struct simulation *simulation = simulation_of(scheduler);
	struct task *task = calloc(1, sizeof(*task));

	ASSERT(task);
	ASSERT(sizeof(thread->handle) == sizeof(task));
	memcpy(&thread->handle, &task, sizeof(task));
	task->thread = thread;
	memcpy(task->name, thread->name, sizeof(task->name));
	task->home = node_of(thread->node);
	task->number = ++simulation->task_count;
	task->timer_at = task->ready_at = NOWHERE;
	task->at = "start";
	task->priority = scheduler_draw(&simulation->choices) | (uint64_t)1 << 63;
	task->next = simulation->tasks;
	simulation->tasks = task;
	coroutine_make(&task->coroutine, simulation->settings.stack_size, run_task, task);
	simulation->living++;
	task->home->living++;
	scheduler_make_ready(simulation, task, CAUSE_START);
	if (task->home->killed) /* by a thread of it that holds a shield */
		scheduler_retire(simulation, task, TASK_DROPPED);
	return 0;
}

static void join(struct scheduler *scheduler, struct thread *thread)
{
	const struct task *task;

	memcpy(&task, &thread->handle, sizeof(task));
	while (task->state != TASK_ENDED)
		wait(scheduler, thread, NEVER);
}

static int failpoint(struct scheduler *scheduler, const char *name)
{
	const struct scheduler_settings *settings = &simulation_of(scheduler)->settings;

	scheduler_reschedule(simulation_of(scheduler), name, false);
	return settings->on_failpoint ? settings->on_failpoint(settings->context, name) : 0;
}

void scheduler_set_late(struct scheduler *scheduler, int64_t late_ns)
{
	simulation_of(scheduler)->late_ns = late_ns;
}

/* --- A run --- */

static void draw_changes(struct simulation *simulation)
{
	struct scheduler_settings *settings = &simulation->settings;

	ASSERT(settings->change_points <= SCHEDULER_CHANGES_MAX);
	for (unsigned i = 0; i < settings->change_points; i++) {
		uint64_t step = 1 + draw_below(simulation, settings->change_steps);
		unsigned at = i;

		for (; at > 0 && simulation->changes[at - 1] > step; at--)
			simulation->changes[at] = simulation->changes[at - 1];
		simulation->changes[at] = step;
	}
	simulation->changes[settings->change_points] = UINT64_MAX;
}

struct scheduler *scheduler_new(const struct scheduler_settings *settings)
{
	static const struct scheduler_ops ops = {yield, wait, wake, start, join, failpoint};
	struct simulation *simulation = calloc(1, sizeof(*simulation));

	ASSERT(simulation);
	simulation->scheduler.ops = &ops;
	simulation->settings = *settings;
	if (simulation->settings.busy_max == 0)
		simulation->settings.busy_max = DEFAULT_BUSY_MAX;
	if (simulation->settings.stack_size == 0)
		simulation->settings.stack_size = SCHEDULER_STACK;
	if (simulation->settings.wall_us == 0)
		simulation->settings.wall_us = 1800000000000000;
	simulation->choices = settings->seed;
	simulation->fingerprint = settings->seed;
	simulation->lowest = (uint64_t)1 << 62;
	draw_changes(simulation);
	node_enter(NULL); /* where a test has jumped out of a run */
	return &simulation->scheduler;
}

enum scheduler_end scheduler_run(struct scheduler *scheduler)
{
	struct simulation *simulation = simulation_of(scheduler);
	struct node *before = node_current;
	struct task *first;

	ASSERT(!simulation->over);
	if (simulation->living == 0)
		return SCHEDULER_ENDED;
	current = simulation;
	first = choose(simulation, NULL);
	ASSERT(first); /* a thread has been started, and has not yet waited */
	trace_step(simulation, first);
	first->cause = CAUSE_GOES_ON;
	coroutine_switch(&simulation->main, &first->coroutine);
	clear_up(simulation);
	simulation->running = NULL;
	current = NULL;
	node_current = before;
	return simulation->end;
}

void scheduler_stop(struct scheduler *scheduler)
{
	end_run(simulation_of(scheduler), SCHEDULER_STOPPED);
}

void scheduler_free(struct scheduler *scheduler)
{
	struct simulation *simulation = simulation_of(scheduler);
	struct simulated_node *node;
	struct task *task;

	if (!scheduler)
		return;
	while ((task = simulation->tasks)) {
		simulation->tasks = task->next;
		if (task->state != TASK_ENDED && task->state != TASK_DROPPED)
			coroutine_drop(&task->coroutine);
		coroutine_free(&task->coroutine);
		if (task->owns_thread)
			free(task->thread);
		free(task);
	}
	while ((node = simulation->nodes)) {
		simulation->nodes = node->next;
		free(node);
	}
	free(simulation->ready);
	free(simulation->timers);
	free(simulation);
}

uint64_t scheduler_run_alone(uint64_t seed, void (*run)(void *argument), void *argument)
{
	struct scheduler *scheduler = scheduler_new(&(struct scheduler_settings){.seed = seed});
	enum scheduler_end end;
	uint64_t fingerprint;

	scheduler_start(scheduler_node_new(scheduler, "node", NULL), "first", run, argument);
	end = scheduler_run(scheduler);
	if (end != SCHEDULER_ENDED)
		scheduler_dump(scheduler, stderr);
	ASSERT(end == SCHEDULER_ENDED);
	fingerprint = scheduler_fingerprint(scheduler);
	scheduler_free(scheduler);
	return fingerprint;
}

void scheduler_yield(const char *where)
{
	struct scheduler *scheduler = node_scheduler();

	if (scheduler)
		scheduler_reschedule(simulation_of(scheduler), where, false);
}

struct scheduler *scheduler_current(void)
{
	return current ? &current->scheduler : NULL;
}

int64_t scheduler_now_ns(const struct scheduler *scheduler)
{
	return simulation_of(scheduler)->now_ns;
}

int64_t scheduler_wall_us(const struct scheduler *scheduler)
{
	return simulation_of(scheduler)->settings.wall_us + simulation_of(scheduler)->now_ns / 1000;
}

uint64_t scheduler_steps(const struct scheduler *scheduler)
{
	return simulation_of(scheduler)->steps;
}

uint64_t scheduler_fingerprint(const struct scheduler *scheduler)
{
	return simulation_of(scheduler)->fingerprint;
}
