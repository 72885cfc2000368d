#include "base/thread.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>

enum { NICE_BACK = 5 };

static void *thread_main(void *argument)
{
	struct thread *thread = argument;

	pthread_setname_np(pthread_self(), thread->name);
	thread_run(thread);
	return NULL;
}

void thread_run(struct thread *thread)
{
	struct node *before = node_enter(thread->node);

	thread->run(thread->argument);
	node_enter(before);
}

static int start_kernel(struct thread *thread)
{
	sigset_t all, before;
	int failed;

	/*
	 * A thread inherits the mask: blocked here, so that no signal can reach it before it could
	 * block them itself.
	 */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	failed = pthread_create(&thread->handle, NULL, thread_main, thread);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -failed;
}

int thread_start(struct thread *thread, const char *name, void (*run)(void *), void *argument)
{
	struct scheduler *scheduler = node_scheduler();
	int r;

	ASSERT(!thread->started);
	thread->run = run;
	thread->argument = argument;
	thread->node = node_current;
	snprintf(thread->name, sizeof(thread->name), "%s", name);
	r = scheduler ? scheduler->ops->start(scheduler, thread) : start_kernel(thread);
	if (r < 0)
		return error_origin(r);
	thread->started = true;
	return 0;
}

void thread_join(struct thread *thread)
{
	if (!thread->started)
		return;
	if (thread->node->scheduler)
		thread->node->scheduler->ops->join(thread->node->scheduler, thread);
	else
		ASSERT(pthread_join(thread->handle, NULL) == 0);
	thread->started = false;
}

void thread_yield(void)
{
	struct scheduler *scheduler = node_scheduler();

	if (scheduler)
		scheduler->ops->yield(scheduler, true);
	else
		sched_yield();
}

/* Of Linux a thread has a priority of its own. Where it may not be changed it stays. */
void thread_step_back(void)
{
	if (!node_scheduler() && getpriority(PRIO_PROCESS, 0) < NICE_BACK)
		(void)setpriority(PRIO_PROCESS, 0, NICE_BACK);
}
