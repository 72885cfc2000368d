#include "exhaustive/interleave.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include "base/assertion.h"
#include "base/node.h"
#include "exhaustive/search.h"
#include "simulation/scheduler/coroutine.h"

enum { STACK_SIZE = 256 << 10, CHOICES_MAX = 4096, STEPS_MAX = 20000, TRACE_MAX = 512 };

enum state { READY, WAITING, ENDED };

struct choice {
	unsigned taken, count;
};

static struct search {
	const struct scene *scene;
	struct coroutine alone, coroutines[INTERLEAVE_THREADS_MAX];
	enum state states[INTERLEAVE_THREADS_MAX];
	const void *waits_at[INTERLEAVE_THREADS_MAX];
	int thread; /* that runs; -1 */
	struct choice choices[CHOICES_MAX];
	size_t choice_count, depth;
	unsigned preemptions, surprises, steps;
	bool again;
	const char *broken; /* a rule, in this run */
	struct step {
		int thread;
		const char *what;
		const void *address, *place;
		uint64_t value;
	} trace[TRACE_MAX];
	size_t trace_count;
} search = {.thread = -1};

int search_thread(void)
{
	return search.thread;
}

/* --- Choices --- */

unsigned search_choose(unsigned count)
{
	if (count < 2)
		return 0;
	if (search.depth == search.choice_count) {
		ASSERT(search.choice_count < CHOICES_MAX);
		search.choices[search.choice_count++] = (struct choice){0, count};
	}
	ASSERT(search.choices[search.depth].count == count); /* a run that is repeated is the same */
	return search.choices[search.depth++].taken;
}

/* The next run, by the last choice that has something left. False: there is none. */
static bool next_run(void)
{
	while (search.choice_count > 0) {
		struct choice *last = &search.choices[search.choice_count - 1];

		if (++last->taken < last->count)
			return true;
		search.choice_count--;
	}
	return false;
}

bool search_may_surprise(void)
{
	return search.surprises < search.scene->surprises;
}

void search_count_surprise(void)
{
	search.surprises++;
}

void search_begin_again(void)
{
	search.again = true;
}

bool search_is_void(void)
{
	return search.again;
}

/* --- What a run did --- */

void search_trace(const char *what, const void *address, uint64_t value, const void *place)
{
	if (search.thread >= 0 && search.trace_count < TRACE_MAX)
		search.trace[search.trace_count++] = (struct step){search.thread, what, address, place, value};
}

static void print_trace(void)
{
	for (size_t i = 0; i < search.trace_count; i++) {
		const struct step *step = &search.trace[i];

		print_error("  thread %d: %-10s %p: %lld, at %p\n", step->thread, step->what, step->address,
			    (long long)step->value, step->place);
	}
}

/* A thread never returns from it: the run ends where it is. */
void search_fail(const char *rule)
{
	int thread = search.thread;

	search.broken = rule;
	if (thread < 0)
		fail_msg("%s: %s", search.scene->name, rule);
	search.thread = -1;
	coroutine_leave(&search.coroutines[thread], &search.alone);
}

void interleave_check(bool holds, const char *rule)
{
	if (!holds)
		search_fail(rule);
}

/* --- Threads --- */

static void switch_to(int thread)
{
	int from = search.thread;

	if (thread == from)
		return;
	search.thread = thread;
	coroutine_switch(from < 0 ? &search.alone : &search.coroutines[from], thread < 0 ? &search.alone : &search.coroutines[thread]);
}

static unsigned count_others(int threads[INTERLEAVE_THREADS_MAX])
{
	unsigned count = 0;

	for (int i = 0; i < INTERLEAVE_THREADS_MAX; i++)
		if (i != search.thread && search.states[i] == READY)
			threads[count++] = i;
	return count;
}

static void count_step(void)
{
	if (++search.steps > STEPS_MAX)
		search_fail("the threads go on for ever");
}

void search_point(void)
{
	int others[INTERLEAVE_THREADS_MAX];
	unsigned count, chosen;

	if (search.thread < 0)
		return;
	count_step();
	count = search.preemptions < search.scene->preemptions ? count_others(others) : 0;
	chosen = search_choose(1 + count);
	if (chosen == 0)
		return;
	search.preemptions++;
	switch_to(others[chosen - 1]);
}

/* This one cannot go on now. `must`: another has to. */
static void give_way(bool must)
{
	int others[INTERLEAVE_THREADS_MAX];
	unsigned count = count_others(others);

	count_step();
	if (count > 0)
		switch_to(others[search_choose(count)]);
	else if (must)
		search_fail("all threads wait");
}

static void run_thread(void *argument)
{
	size_t number = (size_t)argument;
	int others[INTERLEAVE_THREADS_MAX];
	unsigned count;

	for (;;) { /* each time for another run */
		search.scene->threads[number]();
		search.states[number] = ENDED;
		count = count_others(others);
		if (count > 0) {
			switch_to(others[search_choose(count)]);
			continue;
		}
		for (int i = 0; i < INTERLEAVE_THREADS_MAX; i++)
			if (search.states[i] == WAITING)
				search_fail("all threads wait");
		switch_to(-1);
	}
}

/* --- The seams --- */

static void yield(struct scheduler *scheduler, bool spinning)
{
	(void)scheduler;
	if (search.thread >= 0 && spinning)
		give_way(false);
	else
		search_point();
}

static void wait(struct scheduler *scheduler, const void *address, int64_t deadline_ns)
{
	(void)scheduler;
	(void)deadline_ns; /* it never comes */
	if (search.thread < 0)
		search_fail("a thread that is alone waits");
	search.states[search.thread] = WAITING;
	search.waits_at[search.thread] = address;
	give_way(true);
}

static void wake(struct scheduler *scheduler, const void *address, bool all)
{
	(void)scheduler;
	for (int i = 0; i < INTERLEAVE_THREADS_MAX; i++) {
		if (search.states[i] != WAITING || search.waits_at[i] != address)
			continue;
		search.states[i] = READY;
		if (!all)
			return;
	}
}

static int start(struct scheduler *scheduler, struct thread *thread)
{
	(void)scheduler;
	(void)thread;
	search_fail("a scene's threads start none");
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

/* --- The search --- */

static void run_threads(void)
{
	int threads[INTERLEAVE_THREADS_MAX];
	unsigned count;

	for (int i = 0; i < INTERLEAVE_THREADS_MAX; i++)
		search.states[i] = search.scene->threads[i] ? READY : ENDED;
	memory_begin_threads();
	count = count_others(threads);
	switch_to(threads[search_choose(count)]);
}

static void run_once(void)
{
	search.depth = search.trace_count = 0;
	search.preemptions = search.surprises = search.steps = 0;
	memory_begin_run();
	search.scene->begin();
	run_threads();
	if (!search.broken && search.scene->end)
		search.scene->end();
}

static void end_search(void)
{
	for (int i = 0; i < INTERLEAVE_THREADS_MAX; i++)
		if (search.scene->threads[i])
			coroutine_free(&search.coroutines[i]);
	node_enter(NULL);
}

uint64_t interleave(const struct scene *scene)
{
	static const struct scheduler_ops ops = {yield, wait, wake, start, join, failpoint};
	static struct scheduler scheduler = {&ops};
	static struct node node = {.scheduler = &scheduler, .seeded = true};
	uint64_t runs = 0;
	bool more = true;

	search = (struct search){.scene = scene, .thread = -1};
	node_enter(&node);
	memory_forget();
	for (size_t i = 0; i < INTERLEAVE_THREADS_MAX; i++)
		if (scene->threads[i])
			coroutine_make(&search.coroutines[i], STACK_SIZE, run_thread, (void *)i);
	while (more && !search.broken) {
		run_once();
		runs++;
		more = search.again || next_run();
		search.choice_count = search.again ? 0 : search.choice_count;
		search.again = false;
	}
	end_search();
	if (search.broken) {
		print_trace();
		fail_msg("%s: %s, in run %llu", scene->name, search.broken, (unsigned long long)runs);
	}
	print_message("%s: %llu runs\n", scene->name, (unsigned long long)runs);
	return runs;
}
