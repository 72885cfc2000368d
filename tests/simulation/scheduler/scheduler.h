/*
 * A scheduler for the threads of many nodes (base/node.h), in one thread of the kernel: each of
 * them is a coroutine with a stack of its own, one runs at a time, and a seed decides which is
 * next. Time is virtual. The same seed and the same program make the same run, bit for bit.
 *
 * A node is a process of its own to those who run in it: clocks, random numbers, failpoints. It can
 * be killed, which drops its threads where they stand, and paused. What its threads had in the
 * heap or in objects that they share with other nodes stays as it was: a simulated service either
 * does not yield while it changes something, or holds a shield meanwhile (below).
 *
 * Threads yield where base/lock, base/lane, base/pause and base/thread say, at failpoints, and
 * before and after each call of a port (port_yield.h). Nothing else stops a thread: no kernel's
 * time is shared out, so a thread that loops without any of these hangs the run.
 *
 * All calls are for who runs in the simulation, or for who has set it up and has not yet run it.
 * Of what it is made (memory, stacks) too little is an abort.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "base/node.h"

enum { SCHEDULER_STACK = 1 << 20 };

enum scheduler_policy {
	SCHEDULER_UNIFORM, /* each one that can run is as likely as any other, at each step */
	/*
	 * Each thread has a priority, drawn at its start, and of those that can run the highest
	 * does; at a few steps, drawn in advance, the one that runs becomes the lowest. Finds what
	 * needs a few orderings and no more with a probability that does not fall with the length
	 * of the run (Burckhardt et al., "A Randomized Scheduler with Probabilistic Guarantees of
	 * Finding Bugs", ASPLOS 2010).
	 */
	SCHEDULER_PRIORITIES,
};

struct scheduler_settings {
	uint64_t seed;
	enum scheduler_policy policy;
	unsigned change_points; /* of PRIORITIES: so many, SCHEDULER_CHANGES_MAX at most */
	uint64_t change_steps; /* of PRIORITIES: the steps that they are drawn from, from the first on; about the length of a run */
	int64_t step_ns;       /* what each step takes; 0: time stands until nobody can run */
	/*
	 * Of a million steps so many choose a thread that is then held up instead, as by a busy
	 * machine, for up to `stall_max_ns`: short times are as likely as long ones by order of
	 * magnitude.
	 */
	unsigned stall_ppm;
	int64_t stall_max_ns;
	int64_t wall_us;    /* the true wall time at the start; 0: 2027-01-15T08:00:00Z */
	uint64_t steps_max; /* SCHEDULER_TOO_LONG; 0: no limit */
	uint64_t busy_max;  /* SCHEDULER_LIVELOCK: so many steps on end in which somebody could run; 0: a million */
	size_t stack_size;  /* of a thread; 0: SCHEDULER_STACK, of which the kernel gives only what is used */
	FILE *trace;        /* a line for each step and each note; NULL: none */
	/*
	 * NULL: not called. None of them may yield, nor take a lock that a thread could hold. They
	 * may kill and pause nodes, start others, and stop the run.
	 */
	void (*on_step)(void *context); /* between two steps, in no node */
	/* The value of a failpoint, in the node whose thread is at it; NULL: 0. */
	int (*on_failpoint)(void *context, const char *name);
	void *context;
};

enum { SCHEDULER_CHANGES_MAX = 16 };

enum scheduler_end {
	SCHEDULER_ENDED,    /* all threads have */
	SCHEDULER_STOPPED,  /* scheduler_stop() */
	SCHEDULER_DEADLOCK, /* nobody can run, and nobody waits for a time */
	SCHEDULER_LIVELOCK, /* busy_max */
	SCHEDULER_TOO_LONG, /* steps_max */
};

/* The settings are copied. One scheduler runs at a time in a process. */
struct scheduler *scheduler_new(const struct scheduler_settings *settings);
/* Drops the threads that have not ended. Its nodes are gone with it. */
void scheduler_free(struct scheduler *scheduler);
/* Returns when the run has ended; what is left can be looked at, and is not run again. */
enum scheduler_end scheduler_run(struct scheduler *scheduler);
/*
 * All of a run that has one node and begins with one thread. What does not end with its threads is
 * dumped, and aborts. The fingerprint.
 */
uint64_t scheduler_run_alone(uint64_t seed, void (*run)(void *argument), void *argument);
/* Ends the run, from a thread of it or from a hook. Does not return. */
_Noreturn void scheduler_stop(struct scheduler *scheduler);

/* --- Nodes --- */

/* How far a node's clocks are from the true ones at its start. */
struct scheduler_clock {
	int64_t wall_ahead_us;
	int64_t mono_ahead_ns;
	int64_t drift_ppb; /* both run so much faster; above -1,000,000,000 */
};
/*
 * A node with threads to come: thread_start() within it (node_enter()), or scheduler_start().
 * NULL: its clocks are true. Its random numbers come from the seed, its name, and how many of that
 * name there were: a node that is started again is a new one. The name is copied.
 */
struct node *scheduler_node_new(struct scheduler *scheduler, const char *name, const struct scheduler_clock *clock);
/* A thread of that node that nobody joins; from any. */
void scheduler_start(struct node *node, const char *name, void (*run)(void *argument), void *argument);
/* "gate-1", or "gate-1.2" where it is the second of that name. */
const char *scheduler_node_name(const struct node *node);

/*
 * Drops the node's threads, where they stand: nothing of theirs runs any more, and their stacks
 * cannot be read. Does not return where it is the caller's own node. A thread that holds a shield
 * goes on until it lets it go.
 */
void scheduler_kill(struct node *node);
/* No thread of a killed node is left: shields have been let go. */
bool scheduler_gone(const struct node *node);
/* Waits for that; from another node. */
void scheduler_await_gone(struct node *node);

enum scheduler_pause {
	SCHEDULER_CLOCK_GOES_ON, /* as by a stopped process, or a machine that sleeps */
	SCHEDULER_CLOCK_STANDS,  /* as of a virtual machine that is paused: both clocks are behind afterwards */
};
/*
 * Its threads are not chosen until scheduler_resume(); those with a shield still are. The caller's
 * own node: it returns then.
 */
void scheduler_pause(struct node *node, enum scheduler_pause pause);
void scheduler_resume(struct node *node);

/* The wall clock jumps. */
void scheduler_clock_step(struct node *node, int64_t wall_us);
/* From here on. */
void scheduler_clock_drift(struct node *node, int64_t drift_ppb);

/*
 * While a thread holds one it is neither dropped nor paused: for a simulated service, or a library
 * with locks of its own, that a thread of a node is in. They nest. Nothing to do outside of a
 * simulation. Letting the last one go is where a killed node's thread ends, and a paused one's
 * rests.
 */
void scheduler_shield(void);
void scheduler_unshield(void);

/* --- Idle times --- */

/*
 * From here on, where nobody can run, whoever rests is woken up to so much late, with others whose
 * time comes meanwhile: for the hours in which a world does nothing but look whether there is
 * something to do. Sleeps (pause_sleep()), stalls and punctual nodes are not late. 0: nobody is.
 */
void scheduler_set_late(struct scheduler *scheduler, int64_t late_ns);
void scheduler_set_punctual(struct node *node);

/* --- The run --- */

/*
 * Another thread may run here. `where` is static text, for the trace: "stock.reserve". Nothing to
 * do outside of a simulation.
 */
void scheduler_yield(const char *where);
/* The simulation that this thread is in; NULL: none. */
struct scheduler *scheduler_current(void);
int64_t scheduler_now_ns(const struct scheduler *scheduler);  /* the true time since the start of the run */
int64_t scheduler_wall_us(const struct scheduler *scheduler); /* the true wall time */
uint64_t scheduler_steps(const struct scheduler *scheduler);
/* Of all that was chosen until now, and when: two runs that are the same have the same. */
uint64_t scheduler_fingerprint(const struct scheduler *scheduler);
/* A line of the trace, where there is one. */
void scheduler_note(struct scheduler *scheduler, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool scheduler_traces(const struct scheduler *scheduler);
/* Who is there and waits at what, with the stack of each; and who ran last. */
void scheduler_dump(struct scheduler *scheduler, FILE *file);
const char *scheduler_end_text(enum scheduler_end end);
