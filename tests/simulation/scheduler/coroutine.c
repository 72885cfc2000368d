#include "simulation/scheduler/coroutine.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "base/assertion.h"

#ifdef COROUTINE_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <stdlib.h>
#endif
#ifdef COROUTINE_TSAN
#include <sanitizer/tsan_interface.h>
#endif

/*
 * Stacks of coroutines that have ended, for those to come: two system calls and their page faults
 * are saved.
 */
enum { KEPT_MAX = 128 };
static char *kept[KEPT_MAX];
static size_t kept_count, kept_size;

/*
 * Stacks that stay, for whoever runs one world after another (world_memory.h). They are shared
 * memory, which is not put back: what is on a stack nobody reads before it is written.
 */
static struct {
	char *from, *to;
	char *dropped[KEPT_MAX];
	size_t dropped_count;
} reserved;

/* Between whom the switch is that is under way. */
static struct coroutine *leaving, *arriving;

static size_t page_size(void)
{
	static size_t size;

	if (size == 0)
		size = (size_t)sysconf(_SC_PAGESIZE);
	return size;
}

static char *map_stack(size_t size)
{
	char *memory;

	if (kept_count > 0 && kept_size == size)
		return kept[--kept_count];
	memory = mmap(NULL, page_size() + size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK,
		      -1, 0);
	ASSERT(memory != MAP_FAILED);
	ASSERT(mprotect(memory, page_size(), PROT_NONE) == 0);
	return memory;
}

static void unmap_stack(char *memory, size_t size)
{
	if (memory >= reserved.from && memory < reserved.to)
		return;
#ifdef COROUTINE_ASAN
	__asan_unpoison_memory_region(memory + page_size(), size);
#endif
	munmap(memory, page_size() + size);
}

#ifdef COROUTINE_ASAN
/* For the search for leaks: what a dropped stack points to was dropped with it, and is no leak. */
static struct dropped {
	struct dropped *next;
	char stack[];
} * dropped;

__attribute__((no_sanitize("address"))) static void keep_pointers(const struct coroutine *coroutine)
{
	const char *from = coroutine->stack_pointer, *top = coroutine->memory + page_size() + coroutine->size;
	struct dropped *kept_stack = malloc(sizeof(*kept_stack) + (size_t)(top - from));

	ASSERT(kept_stack);
	for (size_t i = 0; i < (size_t)(top - from); i++)
		kept_stack->stack[i] = from[i];
	kept_stack->next = dropped;
	dropped = kept_stack;
}
#endif

/* --- The switch --- */

#ifdef __x86_64__

/* Keeps what the calling convention says a function keeps; the rest is dead where it is called. */
__attribute__((naked, noinline)) static void swap_stacks(void **stack_pointer __attribute__((unused)),
							 void *to __attribute__((unused)))
{
	__asm__("pushq %rbp\n\t"
		"pushq %rbx\n\t"
		"pushq %r12\n\t"
		"pushq %r13\n\t"
		"pushq %r14\n\t"
		"pushq %r15\n\t"
		"movq %rsp, (%rdi)\n\t"
		"movq %rsi, %rsp\n\t"
		"popq %r15\n\t"
		"popq %r14\n\t"
		"popq %r13\n\t"
		"popq %r12\n\t"
		"popq %rbx\n\t"
		"popq %rbp\n\t"
		"ret");
}
enum { SAVED_REGISTERS = 6, SAVED_FRAME_POINTER = 5 };

static void go(struct coroutine *from, struct coroutine *to)
{
	swap_stacks(&from->stack_pointer, to->stack_pointer);
}

static void prepare(struct coroutine *coroutine, void (*entry)(void))
{
	void **top = (void **)(coroutine->memory + page_size() + coroutine->size);

	*--top = NULL; /* it returns nowhere, and finds the stack as after a call: 8 below a multiple of 16 */
	*--top = (void *)(uintptr_t)entry;
	top -= SAVED_REGISTERS;
	memset(top, 0, SAVED_REGISTERS * sizeof(*top));
	coroutine->stack_pointer = top;
}

static void **saved_frame(const struct coroutine *coroutine, void **return_address)
{
	void **saved = coroutine->stack_pointer;

	*return_address = saved[SAVED_REGISTERS];
	return saved[SAVED_FRAME_POINTER];
}

#else

static void go(struct coroutine *from, struct coroutine *to)
{
	from->stack_pointer = __builtin_frame_address(0);
	swapcontext(&from->context, &to->context);
}

static void prepare(struct coroutine *coroutine, void (*entry)(void))
{
	getcontext(&coroutine->context);
	coroutine->context.uc_stack.ss_sp = coroutine->memory + page_size();
	coroutine->context.uc_stack.ss_size = coroutine->size;
	coroutine->context.uc_link = NULL;
	coroutine->stack_pointer = NULL;
	makecontext(&coroutine->context, entry, 0);
}

static void **saved_frame(const struct coroutine *coroutine, void **return_address)
{
	*return_address = NULL;
	return coroutine->stack_pointer;
}

#endif

static void before_switch(struct coroutine *from, struct coroutine *to, bool last)
{
	leaving = from;
	arriving = to;
#ifdef COROUTINE_ASAN
	const void *bottom = to->memory ? to->memory + page_size() : to->bottom;

	__sanitizer_start_switch_fiber(last ? NULL : &from->fake_stack, bottom, to->memory ? to->size : to->bottom_size);
#endif
#ifdef COROUTINE_TSAN
	if (!from->memory)
		from->fiber = __tsan_get_current_fiber();
	__tsan_switch_to_fiber(to->fiber, 0);
#endif
	(void)last;
}

static void after_switch(struct coroutine *self)
{
#ifdef COROUTINE_ASAN
	const void *bottom;
	size_t size;

	__sanitizer_finish_switch_fiber(self->fake_stack, &bottom, &size);
	if (!leaving->memory) {
		leaving->bottom = bottom;
		leaving->bottom_size = size;
	}
#endif
	(void)self;
}

static void enter(void)
{
	struct coroutine *self = arriving;

	after_switch(self);
	self->run(self->argument);
	ASSERT(!"a coroutine has returned");
}

/* --- For others --- */

void coroutine_reserve(size_t stack_size)
{
#if defined(COROUTINE_ASAN) || defined(COROUTINE_TSAN)
	(void)stack_size; /* a process has one world there */
#else
	size_t each = page_size() + stack_size;

	ASSERT(kept_count == 0);
	reserved.from = mmap(NULL, KEPT_MAX * each, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ASSERT(reserved.from != MAP_FAILED);
	reserved.to = reserved.from + KEPT_MAX * each;
	kept_size = stack_size;
	for (char *stack = reserved.from; stack < reserved.to; stack += each) {
		ASSERT(mprotect(stack, page_size(), PROT_NONE) == 0);
		kept[kept_count++] = stack;
	}
#endif
}

void coroutine_allow_dropped(void)
{
	for (size_t i = 0; i < reserved.dropped_count; i++)
		ASSERT(mprotect(reserved.dropped[i] + page_size(), kept_size, PROT_READ | PROT_WRITE) == 0);
}

void coroutine_make(struct coroutine *coroutine, size_t stack_size, void (*run)(void *argument), void *argument)
{
	memset(coroutine, 0, sizeof(*coroutine));
	coroutine->size = (stack_size + page_size() - 1) / page_size() * page_size();
	coroutine->memory = map_stack(coroutine->size);
	coroutine->run = run;
	coroutine->argument = argument;
#ifdef COROUTINE_TSAN
	coroutine->fiber = __tsan_create_fiber(0);
#endif
	prepare(coroutine, enter);
}

void coroutine_switch(struct coroutine *from, struct coroutine *to)
{
	before_switch(from, to, false);
	go(from, to);
	after_switch(from);
}

void coroutine_leave(struct coroutine *from, struct coroutine *to)
{
	before_switch(from, to, true);
	go(from, to);
	ASSERT(!"a coroutine that was left runs");
}

void coroutine_drop(struct coroutine *coroutine)
{
#ifdef COROUTINE_ASAN
	keep_pointers(coroutine);
#endif
	ASSERT(mprotect(coroutine->memory, page_size() + coroutine->size, PROT_NONE) == 0);
	if (coroutine->memory >= reserved.from && coroutine->memory < reserved.to)
		reserved.dropped[reserved.dropped_count++] = coroutine->memory;
	coroutine->stack_pointer = NULL;
	coroutine->run = NULL;
}

void coroutine_free(struct coroutine *coroutine)
{
	if (!coroutine->memory)
		return;
#ifdef COROUTINE_TSAN
	__tsan_destroy_fiber(coroutine->fiber);
#endif
	if (!coroutine->run || kept_count == KEPT_MAX || (kept_count > 0 && kept_size != coroutine->size)) {
		unmap_stack(coroutine->memory, coroutine->size);
	} else {
#ifdef COROUTINE_ASAN
		__asan_unpoison_memory_region(coroutine->memory + page_size(), coroutine->size);
#endif
		kept_size = coroutine->size;
		kept[kept_count++] = coroutine->memory;
	}
	coroutine->memory = NULL;
}

size_t coroutine_frames(const struct coroutine *coroutine, void **frames, size_t max)
{
	const char *low = coroutine->memory + page_size(), *high = low + coroutine->size;
	void *address, **frame;
	size_t count = 0;

	if (!coroutine->memory || !coroutine->stack_pointer || max == 0)
		return 0;
	frame = saved_frame(coroutine, &address);
	if (address)
		frames[count++] = address;
	while (count < max && (char *)frame >= low && (char *)(frame + 2) <= high && frame[1]) {
		frames[count++] = frame[1];
		frame = frame[0];
	}
	return count;
}

bool coroutine_overflowed(const struct coroutine *coroutine, const void *address)
{
	const char *at = address;

	return coroutine->memory && at >= coroutine->memory && at < coroutine->memory + page_size();
}
