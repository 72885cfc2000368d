/* What the files of the scheduler share. */
#pragma once

#include "base/clock.h"
#include "base/thread.h"
#include "simulation/scheduler/coroutine.h"
#include "simulation/scheduler/scheduler.h"

enum { BUCKETS = 256, NAME_SIZE = 40, RECENT = 256 };
static const int64_t NEVER = INT64_MAX;
static const size_t NOWHERE = SIZE_MAX;

enum task_state {
	TASK_READY,   /* it can run; in `ready`, unless its node is paused */
	TASK_WAITING, /* in a bucket, for an address; with a timer, where it waits for a time too */
	TASK_STALLED, /* it could run, and is held up: a timer */
	TASK_ENDED,
	TASK_DROPPED, /* its node was killed */
};

/* Why a task can run. */
enum task_cause { CAUSE_START, CAUSE_GOES_ON, CAUSE_WOKEN, CAUSE_TIME, CAUSE_STALLED };

struct simulated_node;
/* A thread of a node. What `thread` points to may have gone with its node. */
struct task {
	struct coroutine coroutine;
	struct thread *thread;
	char name[16];
	bool sleeps;                              /* WAITING: at a place of its own, so that nobody wakes it before its time */
	bool owns_thread;                         /* of scheduler_start() */
	struct simulated_node *home, *clock_node; /* where it began; whose clock it waits by */
	struct node *inside;                      /* node_current and errno, while another runs */
	int error;
	enum task_state state;
	enum task_cause cause;
	unsigned number, shields; /* numbers begin with 1 */
	uint64_t priority;
	const char *at;            /* where it yields or waits: static text */
	const void *address;       /* WAITING: what it waits at; READY: what it was woken from, and has not yet gone on */
	int64_t deadline_ns;       /* WAITING: by the clock of clock_node */
	int64_t due_ns;            /* by the true one, of a task with a timer */
	uint64_t timer_order;      /* equal times: the first that was set */
	size_t timer_at, ready_at; /* places in `timers` and `ready`; NOWHERE */
	struct task *bucket_next, *bucket_previous, *next; /* `next`: all tasks, the youngest first */
};

struct simulated_node {
	struct node node; /* first */
	struct clock_source clock;
	struct simulation *simulation;
	struct simulated_node *next;
	char name[NAME_SIZE];
	/*
	 * The clocks: what they showed at `since_ns`, and how fast they go (in 2^-32) from then on.
	 */
	int64_t since_ns, mono_ns, wall_ns;
	uint64_t rate, running_rate; /* 0 while they stand; else */
	unsigned incarnation, living;
	bool paused, killed, punctual;
};

struct step_record {
	int64_t now_ns;
	const struct task *task;
	const char *at;
	enum task_cause cause;
};

struct simulation {
	struct scheduler scheduler; /* first */
	struct scheduler_settings settings;
	struct coroutine main;
	struct task *running; /* NULL: the run has not begun, or has ended */
	struct task *leaving; /* has run for the last time: its stack goes when another has come */
	struct task *tasks;
	struct simulated_node *nodes;
	struct task **ready;
	size_t ready_count, ready_size;
	struct task **timers; /* a heap */
	size_t timer_count, timer_size;
	uint64_t timer_order;
	struct {
		struct task *first, *last;
	} buckets[BUCKETS];
	unsigned task_count, living;
	enum scheduler_end end;
	bool over, in_hook;
	int64_t now_ns, late_ns;
	uint64_t steps, busy_since; /* the step in which nobody could run last */
	uint64_t choices;           /* state of the random numbers that decide */
	uint64_t lowest;            /* the priority that comes next below all others */
	uint64_t changes[SCHEDULER_CHANGES_MAX + 1];
	unsigned changes_done;
	uint64_t fingerprint;
	struct step_record recent[RECENT];
};

static inline struct simulation *simulation_of(const struct scheduler *scheduler)
{
	return (struct simulation *)scheduler;
}
static inline struct simulated_node *node_of(const struct node *node)
{
	return (struct simulated_node *)node;
}

/* scheduler.c */
uint64_t scheduler_draw(uint64_t *state);
void scheduler_make_ready(struct simulation *simulation, struct task *task, enum task_cause cause);
void scheduler_take_out(struct simulation *simulation, struct task *task); /* of wherever it waits */
void scheduler_reschedule(struct simulation *simulation, const char *at, bool others_only);
void scheduler_retire(struct simulation *simulation, struct task *task, enum task_state state);
_Noreturn void scheduler_go_away(struct simulation *simulation); /* who runs has been retired */
void scheduler_wake_at(struct simulation *simulation, const void *address, bool all);

/* ready.c: who can run, and who will at a time. */
void ready_put(struct simulation *simulation, struct task *task);
void ready_take(struct simulation *simulation, struct task *task);
void timer_set(struct simulation *simulation, struct task *task, int64_t due_ns);
void timer_take(struct simulation *simulation, struct task *task);

/* nodes.c */
int64_t simulated_mono_ns(const struct simulated_node *node);
/* The true time at which its clock will have come so far; NEVER. */
int64_t simulated_when(const struct simulated_node *node, int64_t mono_ns);

/* trace.c */
void trace_step(struct simulation *simulation, const struct task *task);
void trace_print(FILE *file, uint64_t step, const struct step_record *record);
