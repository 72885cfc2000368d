/*
 * Thread start is a seam. Threads are named (shown by top -H), block all signals, run in the node
 * of who started them, and are joined by their owner.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include "base/error.h"
#include "base/node.h"

struct thread {
	pthread_t handle;
	void (*run)(void *argument);
	void *argument;
	struct node *node;
	char name[16];
	bool started;
};

/* `thread` must outlive the run. 0, or negative errno. */
int thread_start(struct thread *thread, const char *name, void (*run)(void *), void *argument) MUST_CHECK;
void thread_join(struct thread *thread); /* nothing to do where it was never started; may be repeated */
/* Lets others run, for a thread that cannot go on before another one has. */
void thread_yield(void);
/*
 * The calling thread gets a core behind the others of the process where there are too few: a third
 * of its share, and not before one that wakes. For what may take long and nobody waits for.
 */
void thread_step_back(void);
/* For a scheduler (base/node.h): what the thread was started for, in its node. */
void thread_run(struct thread *thread);
