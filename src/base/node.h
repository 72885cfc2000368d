/*
 * A node is what a process of ours has of its own of the world outside: its clocks, its randomness,
 * its failpoints, and who decides which of its threads runs. Each thread runs in one node, and a
 * thread that it starts runs in the same. The program as shipped has one, which leaves all of it to
 * the kernel. Tests and the simulation make more, so that several gates with clocks of their own
 * live in one process.
 *
 * The seams look here: base/clock, base/random, base/failpoint, and for the scheduler base/lock,
 * base/pause, base/lane and base/thread, which are made of its calls. Outside of a simulation that
 * is one branch a call, always predicted.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct clock_source; /* base/clock.h */
struct failpoints;   /* base/failpoint.c */
struct thread;       /* base/thread.h */

/*
 * Runs the threads of its nodes one at a time, in place of the kernel. All is called by the thread
 * that runs, and a thread that was put aside returns from its call when it is chosen again.
 */
struct scheduler_ops;
struct scheduler {
	const struct scheduler_ops *ops;
};
struct scheduler_ops {
	/*
	 * Another thread may run. `spinning`: this one needs another one to go on, so some other
	 * must.
	 */
	void (*yield)(struct scheduler *scheduler, bool spinning);
	/*
	 * Until wake() of this address (NULL: nobody wakes it), or until the clock of the thread's
	 * node has reached `deadline_ns` (INT64_MAX: never). Nothing runs between the call and the
	 * waiting.
	 */
	void (*wait)(struct scheduler *scheduler, const void *address, int64_t deadline_ns);
	/* One of those who wait there, or all. They run later: this thread goes on. */
	void (*wake)(struct scheduler *scheduler, const void *address, bool all);
	/* thread_run(thread) as a thread of its own. 0, or negative errno. */
	int (*start)(struct scheduler *scheduler, struct thread *thread);
	/* Until it has ended. */
	void (*join)(struct scheduler *scheduler, struct thread *thread);
	/*
	 * The value of a failpoint (base/failpoint.h), which is a place to yield and to die as
	 * well.
	 */
	int (*failpoint)(struct scheduler *scheduler, const char *name);
};

struct node {
	const struct clock_source *clock; /* NULL: the kernel's clocks */
	struct scheduler *scheduler;      /* NULL: the kernel's */
	bool seeded;                      /* random numbers come from `random`; else from the kernel */
	_Atomic uint64_t random;
	struct failpoints *failpoints; /* NULL: those of the environment; failpoints_set() */
};

/* The node of this thread; never NULL. */
extern _Thread_local struct node *node_current;

/*
 * Moves this thread into `node` (NULL: the process's own), where its later calls and threads are.
 * The node that it was in.
 */
struct node *node_enter(struct node *node);

static inline struct scheduler *node_scheduler(void)
{
	return node_current->scheduler;
}
