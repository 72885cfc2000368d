#include <stdlib.h>
#include <string.h>
#include "base/assertion.h"
#include "simulation/scheduler/scheduler_own.h"

/* A clock that is 0 may mean "never" to who reads it: machines have been up for some time. */
static const int64_t MONO_START_NS = 1000000000000;
static const uint64_t RATE_TRUE = (uint64_t)1 << 32;

/* --- Clocks --- */

static struct simulated_node *node_of_clock(const struct clock_source *source)
{
	return (struct simulated_node *)((char *)source - offsetof(struct simulated_node, clock));
}

static int64_t elapsed_ns(const struct simulated_node *node)
{
	int64_t true_ns = node->simulation->now_ns - node->since_ns;

	if (node->rate == RATE_TRUE)
		return true_ns;
	return (int64_t)((unsigned __int128)(uint64_t)true_ns * node->rate >> 32);
}

int64_t simulated_mono_ns(const struct simulated_node *node)
{
	return node->mono_ns + elapsed_ns(node);
}

static int64_t read_mono_ns(const struct clock_source *source)
{
	return simulated_mono_ns(node_of_clock(source));
}

static int64_t read_wall_us(const struct clock_source *source)
{
	const struct simulated_node *node = node_of_clock(source);

	return (node->wall_ns + elapsed_ns(node)) / 1000;
}

int64_t simulated_when(const struct simulated_node *node, int64_t mono_ns)
{
	int64_t left_ns = mono_ns - node->mono_ns;

	if (left_ns <= 0)
		return node->since_ns;
	if (node->rate == 0)
		return NEVER;
	if (node->rate == RATE_TRUE)
		return left_ns < NEVER - node->since_ns ? node->since_ns + left_ns : NEVER;
	unsigned __int128 true_ns = (((unsigned __int128)(uint64_t)left_ns << 32) + node->rate - 1) / node->rate;

	return true_ns < (unsigned __int128)(uint64_t)(NEVER - node->since_ns) ? node->since_ns + (int64_t)true_ns : NEVER;
}

/* Who waits by it waits for another time now. */
static void set_rate(struct simulated_node *node, uint64_t rate)
{
	struct simulation *simulation = node->simulation;
	int64_t passed_ns = elapsed_ns(node);

	node->mono_ns += passed_ns;
	node->wall_ns += passed_ns;
	node->since_ns = simulation->now_ns;
	node->rate = rate;
	for (struct task *task = simulation->tasks; task; task = task->next) {
		int64_t due_ns;

		if (task->state != TASK_WAITING || task->clock_node != node || task->deadline_ns == NEVER)
			continue;
		if (task->timer_at != NOWHERE)
			timer_take(simulation, task);
		due_ns = simulated_when(node, task->deadline_ns);
		if (due_ns != NEVER)
			timer_set(simulation, task, due_ns);
	}
}

static uint64_t rate_of(int64_t drift_ppb)
{
	ASSERT(drift_ppb > -1000000000 && drift_ppb < 1000000000);
	return RATE_TRUE + (uint64_t)(drift_ppb * (int64_t)RATE_TRUE / 1000000000);
}

void scheduler_clock_step(struct node *node, int64_t wall_us)
{
	node_of(node)->wall_ns += wall_us * 1000;
}

void scheduler_set_punctual(struct node *node)
{
	node_of(node)->punctual = true;
}

void scheduler_clock_drift(struct node *node, int64_t drift_ppb)
{
	struct simulated_node *simulated = node_of(node);

	simulated->running_rate = rate_of(drift_ppb);
	if (simulated->rate != 0)
		set_rate(simulated, simulated->running_rate);
}

/* --- Their lives --- */

static uint64_t seed_of(const struct simulation *simulation, const struct simulated_node *node)
{
	uint64_t state = simulation->settings.seed;

	for (const char *at = node->name; *at; at++) {
		state ^= (unsigned char)*at;
		scheduler_draw(&state);
		state *= 0x100000001b3;
	}
	return scheduler_draw(&state) | 1;
}

struct node *scheduler_node_new(struct scheduler *scheduler, const char *name, const struct scheduler_clock *clock)
{
	static const struct scheduler_clock right;
	struct simulation *simulation = simulation_of(scheduler);
	struct simulated_node *node = calloc(1, sizeof(*node));
	size_t size = strlen(name);

	ASSERT(node);
	ASSERT(size < NAME_SIZE - 12);
	clock = clock ? clock : &right;
	node->simulation = simulation;
	node->incarnation = 1;
	for (const struct simulated_node *other = simulation->nodes; other; other = other->next)
		if (strncmp(other->name, name, size) == 0 && (!other->name[size] || other->name[size] == '.'))
			node->incarnation++;
	memcpy(node->name, name, size);
	if (node->incarnation > 1)
		snprintf(node->name + size, NAME_SIZE - size, ".%u", node->incarnation);
	node->clock = (struct clock_source){read_wall_us, read_mono_ns};
	node->since_ns = simulation->now_ns;
	node->mono_ns = MONO_START_NS + simulation->now_ns + clock->mono_ahead_ns;
	node->wall_ns = simulation->settings.wall_us * 1000 + simulation->now_ns + clock->wall_ahead_us * 1000;
	node->rate = node->running_rate = rate_of(clock->drift_ppb);
	node->node.clock = &node->clock;
	node->node.scheduler = scheduler;
	node->node.seeded = true;
	atomic_init(&node->node.random, seed_of(simulation, node));
	node->next = simulation->nodes;
	simulation->nodes = node;
	return &node->node;
}

const char *scheduler_node_name(const struct node *node)
{
	return node_of(node)->name;
}

/* Its task goes with the scheduler, and the thread with the task. */
void scheduler_start(struct node *node, const char *name, void (*run)(void *argument), void *argument)
{
	struct thread *thread = calloc(1, sizeof(*thread));
	struct node *before = node_enter(node);

	ASSERT(thread);
	ASSERT(thread_start(thread, name, run, argument) == 0);
	node_of(node)->simulation->tasks->owns_thread = true;
	node_enter(before);
}

void scheduler_kill(struct node *node)
{
	struct simulated_node *killed = node_of(node);
	struct simulation *simulation = killed->simulation;
	bool own = false;

	if (killed->killed)
		return;
	killed->killed = true;
	for (struct task *task = simulation->tasks; task; task = task->next) {
		if (task->home != killed || task->state == TASK_ENDED || task->state == TASK_DROPPED || task->shields > 0)
			continue;
		own |= task == simulation->running;
		scheduler_retire(simulation, task, TASK_DROPPED);
	}
	if (own)
		scheduler_go_away(simulation);
}

bool scheduler_gone(const struct node *node)
{
	return node_of(node)->killed && node_of(node)->living == 0;
}

void scheduler_await_gone(struct node *node)
{
	struct scheduler *scheduler = &node_of(node)->simulation->scheduler;

	ASSERT(node_of(node)->killed);
	while (node_of(node)->living > 0)
		scheduler->ops->wait(scheduler, node, NEVER);
}

void scheduler_pause(struct node *node, enum scheduler_pause pause)
{
	struct simulated_node *paused = node_of(node);
	struct simulation *simulation = paused->simulation;
	struct task *self = simulation->running;

	if (paused->paused)
		return;
	paused->paused = true;
	if (pause == SCHEDULER_CLOCK_STANDS)
		set_rate(paused, 0);
	for (struct task *task = simulation->tasks; task; task = task->next)
		if (task->home == paused && task->ready_at != NOWHERE && task->shields == 0)
			ready_take(simulation, task);
	if (self && self->home == paused && self->shields == 0 && !simulation->in_hook)
		scheduler_reschedule(simulation, "pause", false);
}

void scheduler_resume(struct node *node)
{
	struct simulated_node *paused = node_of(node);

	if (!paused->paused)
		return;
	paused->paused = false;
	if (paused->rate == 0)
		set_rate(paused, paused->running_rate);
	for (struct task *task = paused->simulation->tasks; task; task = task->next)
		if (task->home == paused && task->state == TASK_READY && task->ready_at == NOWHERE)
			ready_put(paused->simulation, task);
}

/* --- Shields --- */

void scheduler_shield(void)
{
	if (node_scheduler())
		simulation_of(node_scheduler())->running->shields++;
}

void scheduler_unshield(void)
{
	struct simulation *simulation = node_scheduler() ? simulation_of(node_scheduler()) : NULL;
	struct task *self = simulation ? simulation->running : NULL;

	if (!self)
		return;
	ASSERT(self->shields > 0);
	if (--self->shields > 0)
		return;
	if (self->home->killed) {
		scheduler_retire(simulation, self, TASK_DROPPED);
		scheduler_go_away(simulation);
	}
	if (self->home->paused) {
		ready_take(simulation, self);
		scheduler_reschedule(simulation, "pause", false);
	}
}
