/*
 * All interleavings of two or three threads, within bounds, by the C11 rules of memory: for what is
 * too small and too quick for luck to find (the lock-free parts).
 *
 * The sources are the program's own. They are compiled with -fsanitize=thread, which puts a call in
 * front of each access to memory, and those calls lead here (memory.c) and not to the sanitizer. So
 * nothing in them has to be marked, and a changed order of memory is a changed argument. Threads
 * are coroutines; the seams (base/node.h) give the locks.
 *
 * The model. Each atomic variable keeps all values that it has had. A thread has a view: of each
 * variable the oldest value that it may still read. A load may read any that is not older; acquire
 * takes over the view of the release that it reads from; sequentially consistent loads read nothing
 * older than the last sequentially consistent store. Plain accesses of two threads that nothing
 * orders are a race, which is an error.
 *
 * What the model leaves out. Stores are seen in the order in which their thread makes them: a
 * variable's values stand in the order of execution, so 2+2W is not there, nor a relaxed store that
 * overtakes a sequentially consistent one before it. Loads see no store of the future (load
 * buffering). A compare-and-swap that fails reads the newest value. Fences are not modelled, and
 * stop the search. test_interleaved_litmus.c holds the search to what is in.
 *
 * The bounds. A switch away from a thread that could go on is a preemption, a load that does not
 * read the newest value, or a weak compare-and-swap that fails for no reason, is a surprise; a
 * search makes so many of each in a run, and all combinations of them. Points where a switch
 * changes nothing are left out: accesses to variables that one thread alone uses, or that all only
 * read. Which these are is found on the way: a search begins again when it meets a new one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { INTERLEAVE_THREADS_MAX = 3 };

struct scene {
	const char *name;
	void (*begin)(void); /* alone, before the threads; each run begins with it */
	void (*threads[INTERLEAVE_THREADS_MAX])(void);
	void (*end)(void); /* alone, behind them */
	unsigned preemptions, surprises;
};

/*
 * Fails the test with the run that broke a rule, or in which all threads wait: which did what, step
 * by step. The number of runs. Memory of the scene's own is static, so that it is where it was.
 */
uint64_t interleave(const struct scene *scene);
/* A rule of the scene, in whichever thread. */
void interleave_check(bool holds, const char *rule);
