#include "simulation/lone_thread.h"

#include <errno.h>
#include "base/assertion.h"

static const int64_t START_MS = INT64_C(1800000000000), START_NS = INT64_C(5000000000000);

static int64_t wall_us(const struct clock_source *source)
{
	const struct lone_clock *clock = (const struct lone_clock *)source;

	return START_MS * 1000 + (clock->lone->now_ns - START_NS) / 1000 + clock->ahead_ms * 1000;
}

static int64_t mono_ns(const struct clock_source *source)
{
	return ((const struct lone_clock *)source)->lone->now_ns;
}

void lone_clock_init(struct lone_clock *clock, const struct lone_thread *lone)
{
	*clock = (struct lone_clock){.clock = {wall_us, mono_ns}, .lone = lone};
}

static void call_once(void (**what)(void))
{
	void (*call)(void) = *what;

	*what = NULL;
	if (call)
		call();
}

static void yield(struct scheduler *scheduler, bool spinning)
{
	struct lone_thread *lone = (struct lone_thread *)scheduler;

	ASSERT(!spinning); /* nobody else is there to go on */
	lone->yields++;
	call_once(&lone->at_yield);
}

static void wait(struct scheduler *scheduler, const void *address, int64_t deadline_ns)
{
	struct lone_thread *lone = (struct lone_thread *)scheduler;
	bool told = lone->meanwhile != NULL;

	(void)address;
	call_once(&lone->meanwhile);
	if (told)
		return; /* it may have been woken by that */
	ASSERT(deadline_ns != INT64_MAX);
	lone->now_ns = lone->now_ns > deadline_ns ? lone->now_ns : deadline_ns;
}

static void wake(struct scheduler *scheduler, const void *address, bool all)
{
	(void)scheduler;
	(void)address;
	(void)all;
}

static int start(struct scheduler *scheduler, struct thread *thread)
{
	(void)scheduler;
	(void)thread;
	return -ENOTSUP;
}

static void join(struct scheduler *scheduler, struct thread *thread)
{
	(void)scheduler;
	(void)thread;
}

static int failpoint(struct scheduler *scheduler, const char *name)
{
	(void)scheduler;
	(void)name;
	return 0;
}

void lone_thread_begin(struct lone_thread *lone)
{
	static const struct scheduler_ops ops = {yield, wait, wake, start, join, failpoint};

	*lone = (struct lone_thread){.scheduler.ops = &ops, .now_ns = START_NS};
	lone_clock_init(&lone->clock, lone);
	lone->node = (struct node){.clock = &lone->clock.clock, .scheduler = &lone->scheduler, .seeded = true};
	node_enter(&lone->node);
}

void lone_thread_end(struct lone_thread *lone)
{
	ASSERT(node_current == &lone->node);
	node_enter(NULL);
}

void lone_thread_pass(struct lone_thread *lone, int64_t ms)
{
	lone->now_ns += ms * 1000000;
}
