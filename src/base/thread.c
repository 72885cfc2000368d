#include "base/thread.h"

#include <signal.h>
#include <stdio.h>

static void *thread_main(void *argument)
{
	struct thread *thread = argument;

	pthread_setname_np(pthread_self(), thread->name);
	thread->run(thread->argument);
	return NULL;
}

int thread_start(struct thread *thread, const char *name, void (*run)(void *), void *argument)
{
	sigset_t all, before;
	int failed;

	ASSERT(!thread->started);
	thread->run = run;
	thread->argument = argument;
	snprintf(thread->name, sizeof(thread->name), "%s", name);
	/* A thread inherits the mask: blocked here, so that no signal can reach it before it could block them itself. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	failed = pthread_create(&thread->handle, NULL, thread_main, thread);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (failed)
		return error_origin(-failed);
	thread->started = true;
	return 0;
}

void thread_join(struct thread *thread)
{
	if (!thread->started)
		return;
	ASSERT(pthread_join(thread->handle, NULL) == 0);
	thread->started = false;
}
