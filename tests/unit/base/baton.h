/*
 * A scheduler of its own for tests of the seams (base/node.h): its node's threads run one at a time, in an order that a seed decides, by a clock
 * that moves only when all of them wait. They are threads of the kernel that hand a baton on, so that sanitizers follow them.
 */
#pragma once

#include <pthread.h>
#include "base/clock.h"
#include "base/node.h"
#include "base/thread.h"

enum { BATON_TASKS_MAX = 32, BATON_TRACE_MAX = 1 << 20 };

struct baton_task {
	pthread_t handle;
	pthread_cond_t turn;
	struct thread *thread;
	const void *waits_at; /* NULL: it can run */
	int64_t until_ns;
	bool chosen, ended;
};

struct baton {
	struct scheduler scheduler; /* first */
	struct clock_source clock;
	struct node node;
	pthread_mutex_t mutex;
	pthread_cond_t ended; /* all threads have */
	bool over;
	struct baton_task tasks[BATON_TASKS_MAX];
	size_t task_count;
	int64_t now_ns;
	uint64_t random;
	char trace[BATON_TRACE_MAX]; /* who was chosen, one letter each: 'a' is the first */
	size_t trace_size;
	const char *last_failpoint;
};

/* Runs `run` as the first thread of a new node, and returns when all its threads have ended. A deadlock fails the test. */
void baton_run(struct baton *baton, uint64_t seed, void (*run)(void *), void *argument);
