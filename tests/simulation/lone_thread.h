/*
 * A scheduler for a test that is one thread (base/node.h): time passes while it waits, and no other
 * way, and what others do meanwhile is a function that the test gives.
 */
#pragma once

#include "base/clock.h"
#include "base/node.h"

struct lone_thread;

/* A clock that is ahead of it, or behind: of the wall by what it was set, monotonic by nothing. */
struct lone_clock {
	struct clock_source clock; /* first */
	const struct lone_thread *lone;
	int64_t ahead_ms;
};

struct lone_thread {
	struct scheduler scheduler; /* first */
	struct lone_clock clock;
	struct node node; /* the thread's, by that clock */
	int64_t now_ns;
	unsigned yields;
	void (*meanwhile)(void); /* once, when it waits next */
	void (*at_yield)(void);  /* once, at its next yield */
};

/* The thread is in the node from here on. */
void lone_thread_begin(struct lone_thread *lone);
void lone_thread_end(struct lone_thread *lone);
void lone_thread_pass(struct lone_thread *lone, int64_t ms);
void lone_clock_init(struct lone_clock *clock, const struct lone_thread *lone);
