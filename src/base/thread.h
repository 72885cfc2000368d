/* Thread start is a seam. Threads are named (shown by top -H), block all signals, and are joined by their owner. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include "base/error.h"

struct thread {
	pthread_t handle;
	void (*run)(void *argument);
	void *argument;
	char name[16];
	bool started;
};

/* `thread` must outlive the run. 0, or negative errno. */
int thread_start(struct thread *thread, const char *name, void (*run)(void *), void *argument) MUST_CHECK;
void thread_join(struct thread *thread); /* nothing to do where it was never started; may be repeated */
