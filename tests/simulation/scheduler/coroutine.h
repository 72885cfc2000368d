/*
 * Coroutines: stacks that a thread of the kernel goes from one to another of. A stack lies above a
 * page that cannot be touched, so one that is too small ends the process instead of writing over
 * what is beside it. Sanitizers are told of each switch.
 *
 * On x86-64 a switch is a dozen instructions of our own; elsewhere it is swapcontext(), which asks
 * the kernel for the signal mask each time (measured in docs/testing.md).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#define COROUTINE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define COROUTINE_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define COROUTINE_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define COROUTINE_TSAN 1
#endif
#endif

#ifndef __x86_64__
#include <ucontext.h>
#endif

/* One that was never made, all zero, is where the kernel's own stack is kept while others run. */
struct coroutine {
	void (*run)(void *argument);
	void *argument;
	char *memory;        /* the page that cannot be touched, and the stack above it; NULL: the kernel's */
	size_t size;         /* of the stack */
	void *stack_pointer; /* while another runs */
#ifndef __x86_64__
	ucontext_t context;
#endif
#ifdef COROUTINE_ASAN
	void *fake_stack;
	const void *bottom; /* of the kernel's stack, as the sanitizer says it */
	size_t bottom_size;
#endif
#ifdef COROUTINE_TSAN
	void *fiber;
#endif
};

/*
 * It runs with the first switch to it. `run` never returns: it ends with a switch that is its last.
 */
void coroutine_make(struct coroutine *coroutine, size_t stack_size, void (*run)(void *argument), void *argument);
/* `from` is the one that runs. Returns when another switches back. */
void coroutine_switch(struct coroutine *from, struct coroutine *to);
/* The same, of one that never runs again. */
_Noreturn void coroutine_leave(struct coroutine *from, struct coroutine *to);
/*
 * What is on its stack cannot be read from here on: one that was dropped. Its memory is kept until
 * coroutine_free().
 */
void coroutine_drop(struct coroutine *coroutine);
void coroutine_free(struct coroutine *coroutine); /* one that does not run */
/*
 * Before the first: stacks of that size, whole pages, which this process keeps (world_memory.h).
 */
void coroutine_reserve(size_t stack_size);
/* Those of them that were dropped may be used again: whoever has dropped them is gone. */
void coroutine_allow_dropped(void);
/* The return addresses of one that does not run, from the innermost; how many. */
size_t coroutine_frames(const struct coroutine *coroutine, void **frames, size_t max);
/* Whether the address is in the page below its stack. */
bool coroutine_overflowed(const struct coroutine *coroutine, const void *address);
