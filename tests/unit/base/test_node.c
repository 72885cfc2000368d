/*
 * Clocks and failpoints of nodes whose threads are the kernel's; those of a scheduler:
 * tests/simulation/test_scheduler.c.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdatomic.h>
#include <string.h>
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/lane.h"
#include "base/lock.h"
#include "base/pause.h"
#include "base/random.h"
#include "base/thread.h"

enum { TIMEOUT_MS = 100 };
static const int64_t MS = 1000000;

struct still_clock {
	struct clock_source source;
	_Atomic int64_t mono_ns;
};

static int64_t read_wall_us(const struct clock_source *source)
{
	return atomic_load(&((const struct still_clock *)source)->mono_ns) / 1000;
}

static int64_t read_mono_ns(const struct clock_source *source)
{
	return atomic_load(&((const struct still_clock *)source)->mono_ns);
}

struct nest {
	struct node node;
	struct still_clock clock;
	struct thread thread;
	struct lane *lane;
	struct pause pause;
	_Atomic int popped; /* -1: not yet */
	int64_t seen_ns;
	int failed;
};

static void nest_init(struct nest *nest, int64_t mono_ns)
{
	struct node *before = node_enter(&nest->node);

	nest->clock = (struct still_clock){{read_wall_us, read_mono_ns}, mono_ns};
	clock_set_source(&nest->clock.source);
	assert_int_equal(lane_new(&nest->lane, 1), 0);
	pause_init(&nest->pause);
	atomic_store(&nest->popped, -1);
	node_enter(before);
}

static void nest_start(struct nest *nest, void (*run)(void *))
{
	struct node *before = node_enter(&nest->node);

	assert_int_equal(thread_start(&nest->thread, "nest", run, nest), 0);
	node_enter(before);
}

static void nest_end(struct nest *nest)
{
	thread_join(&nest->thread);
	lane_free(nest->lane);
	pause_deinit(&nest->pause);
}

static void pop(void *argument)
{
	struct nest *nest = argument;
	void *item;
	size_t count = lane_pop(nest->lane, &item, 1, TIMEOUT_MS * MS);

	nest->seen_ns = clock_mono_ns();
	atomic_store(&nest->popped, (int)count);
}

static void rest_once(void *argument)
{
	struct nest *nest = argument;
	bool whole = pause_rest(&nest->pause, TIMEOUT_MS * MS);

	nest->seen_ns = clock_mono_ns();
	atomic_store(&nest->popped, whole);
}

/* The same wait by the kernel's clock, begun later and twice as long, ends. */
static void outwait(void)
{
	struct lane *lane;
	void *item;

	assert_int_equal(lane_new(&lane, 1), 0);
	assert_int_equal(lane_pop(lane, &item, 1, 2 * TIMEOUT_MS * MS), 0);
	lane_free(lane);
}

/* Moves its clock until its thread has seen enough of it. */
static void move_until_done(struct nest *nest)
{
	while (atomic_load(&nest->popped) < 0) {
		atomic_fetch_add(&nest->clock.mono_ns, TIMEOUT_MS * MS);
		thread_yield();
	}
	thread_join(&nest->thread);
}

static void test_a_lanes_time_out_goes_by_the_clock_of_its_node(void **state)
{
	struct nest frozen = {0}, moved = {0};

	(void)state;
	nest_init(&frozen, 5000 * MS);
	nest_init(&moved, 9000 * MS);
	nest_start(&frozen, pop);
	nest_start(&moved, pop);
	outwait();
	assert_int_equal(atomic_load(&frozen.popped), -1);
	assert_int_equal(atomic_load(&moved.popped), -1);
	move_until_done(&moved);
	assert_int_equal(atomic_load(&moved.popped), 0);
	assert_true(moved.seen_ns >= (9000 + TIMEOUT_MS) * MS);
	outwait();
	assert_int_equal(atomic_load(&frozen.popped), -1);
	move_until_done(&frozen);
	assert_true(frozen.seen_ns >= (5000 + TIMEOUT_MS) * MS);
	nest_end(&frozen);
	nest_end(&moved);
}

static void test_a_rest_goes_by_the_clock_of_its_node_and_a_stop_ends_it(void **state)
{
	struct nest moved = {0}, stopped = {0};

	(void)state;
	nest_init(&moved, 5000 * MS);
	nest_init(&stopped, 5000 * MS);
	nest_start(&moved, rest_once);
	nest_start(&stopped, rest_once);
	outwait();
	assert_int_equal(atomic_load(&moved.popped), -1);
	move_until_done(&moved);
	assert_int_equal(atomic_load(&moved.popped), 1);
	assert_int_equal(atomic_load(&stopped.popped), -1);
	pause_end(&stopped.pause);
	thread_join(&stopped.thread);
	assert_int_equal(atomic_load(&stopped.popped), 0);
	assert_int_equal(stopped.seen_ns, 5000 * MS);        /* its clock has not moved */
	assert_false(pause_rest(&stopped.pause, 1000 * MS)); /* nor is there another rest */
	nest_end(&moved);
	nest_end(&stopped);
}

static void test_a_woken_lane_ends_a_wait_once(void **state)
{
	struct nest nest = {0};

	(void)state;
	nest_init(&nest, 5000 * MS);
	nest_start(&nest, pop);
	lane_wake(nest.lane);
	thread_join(&nest.thread);
	assert_int_equal(atomic_load(&nest.popped), 0);
	assert_int_equal(nest.seen_ns, 5000 * MS);
	atomic_store(&nest.popped, -1);
	nest_start(&nest, pop);
	outwait();
	assert_int_equal(atomic_load(&nest.popped), -1);
	move_until_done(&nest);
	nest_end(&nest);
}

static void hit_own(void *argument)
{
	((struct nest *)argument)->failed = FAILPOINT("node.test");
}

static void test_failpoints_are_those_of_the_node(void **state)
{
	struct nest first = {0}, second = {0};
	struct node *before;

	(void)state;
	nest_init(&first, 0);
	nest_init(&second, 0);
	before = node_enter(&first.node);
	failpoints_set("node.test=error:5");
	node_enter(&second.node);
	failpoints_set("");
	node_enter(before);
	nest_start(&first, hit_own);
	nest_start(&second, hit_own);
	nest_end(&first);
	nest_end(&second);
	assert_int_equal(first.failed, -5);
	assert_int_equal(second.failed, 0);
	assert_int_equal(FAILPOINT("node.test"), 0);
	node_enter(&first.node);
	failpoints_set(NULL);
	node_enter(&second.node);
	failpoints_set(NULL);
	node_enter(before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_lanes_time_out_goes_by_the_clock_of_its_node),
		cmocka_unit_test(test_a_rest_goes_by_the_clock_of_its_node_and_a_stop_ends_it),
		cmocka_unit_test(test_a_woken_lane_ends_a_wait_once),
		cmocka_unit_test(test_failpoints_are_those_of_the_node),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
