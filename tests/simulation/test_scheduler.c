/* The scheduler of the simulation: the order is the seed's, nodes are killed and paused, clocks are their own. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/lane.h"
#include "base/lock.h"
#include "base/pause.h"
#include "base/random.h"
#include "base/thread.h"
#include "simulation/scheduler/scheduler.h"

enum { PRODUCERS = 3, ITEMS = 5, SEEDS = 200 };
static const int64_t MS = 1000000;

static struct scheduler *scheduler;
static struct node *node;

static void begin(const struct scheduler_settings *settings)
{
	scheduler = scheduler_new(settings);
	node = scheduler_node_new(scheduler, "node", NULL);
}

/* One node, one thread at first; until all have ended. */
static void run_alone(const struct scheduler_settings *settings, void (*run)(void *), void *argument)
{
	enum scheduler_end end;

	begin(settings);
	scheduler_start(node, "first", run, argument);
	end = scheduler_run(scheduler);
	if (end != SCHEDULER_ENDED)
		scheduler_dump(scheduler, stderr);
	assert_int_equal(end, SCHEDULER_ENDED);
}

/* --- The seams, and the order --- */

static struct shop {
	struct lane *lane;
	struct lock lock;
	struct pause pause;
	bool inside;
	int counted, taken, rests;
	int64_t rested_ns;
} shop;

static void produce(void *argument)
{
	void *item = argument;

	for (int i = 0; i < ITEMS; i++) {
		lock_take(&shop.lock);
		assert_false(shop.inside);
		shop.inside = true;
		thread_yield(); /* somebody else runs, and finds the lock taken */
		shop.counted++;
		shop.inside = false;
		lock_release(&shop.lock);
		while (lane_push(shop.lane, LANE_NORMAL, &item, 1) == 0)
			pause_sleep(MS);
	}
}

static void consume(void *argument)
{
	void *items[2];

	(void)argument;
	while (shop.taken < PRODUCERS * ITEMS)
		shop.taken += (int)lane_pop(shop.lane, items, 2, 10 * MS);
	pause_end(&shop.pause);
}

static void rest(void *argument)
{
	int64_t start_ns = clock_mono_ns();

	(void)argument;
	while (pause_rest(&shop.pause, 1000 * MS))
		shop.rests++;
	shop.rested_ns = clock_mono_ns() - start_ns;
}

static void run_shop(void *argument)
{
	struct thread producers[PRODUCERS] = {0}, consumer = {0}, rester = {0};

	(void)argument;
	memset(&shop, 0, sizeof(shop));
	assert_int_equal(lane_new(&shop.lane, 2), 0);
	lock_init(&shop.lock);
	pause_init(&shop.pause);
	assert_int_equal(thread_start(&rester, "rest", rest, NULL), 0);
	assert_int_equal(thread_start(&consumer, "consumer", consume, NULL), 0);
	for (int i = 0; i < PRODUCERS; i++)
		assert_int_equal(thread_start(&producers[i], "producer", produce, &shop), 0);
	for (int i = 0; i < PRODUCERS; i++)
		thread_join(&producers[i]);
	thread_join(&consumer);
	thread_join(&rester);
	pause_deinit(&shop.pause);
	lock_deinit(&shop.lock);
	lane_free(shop.lane);
}

/* Every kind of schedule, by the seed. */
static struct scheduler_settings settings_of(uint64_t seed)
{
	return (struct scheduler_settings){
		.seed = seed,
		.policy = seed % 2 ? SCHEDULER_UNIFORM : SCHEDULER_PRIORITIES,
		.change_points = 3,
		.change_steps = 200,
		.step_ns = seed % 3 ? 0 : 1000,
		.stall_ppm = seed % 5 ? 0 : 20000,
		.stall_max_ns = 1000 * MS,
	};
}

static void test_locks_lanes_rests_and_threads_work_in_every_order(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct scheduler_settings settings = settings_of(seed);

		run_alone(&settings, run_shop, NULL);
		assert_int_equal(shop.counted, PRODUCERS * ITEMS);
		assert_int_equal(shop.taken, PRODUCERS * ITEMS);
		assert_int_equal(shop.rests, shop.rested_ns / (1000 * MS)); /* whole rests, and one that was ended */
		scheduler_free(scheduler);
	}
}

struct traced {
	uint64_t fingerprint, steps;
	char *text;
	size_t size;
};

static struct traced run_traced(uint64_t seed, unsigned change)
{
	struct scheduler_settings settings = settings_of(seed);
	struct traced traced;

	settings.seed += change;
	settings.trace = open_memstream(&traced.text, &traced.size);
	run_alone(&settings, run_shop, NULL);
	traced.fingerprint = scheduler_fingerprint(scheduler);
	traced.steps = scheduler_steps(scheduler);
	scheduler_free(scheduler);
	fclose(settings.trace);
	return traced;
}

static void test_the_same_seed_makes_the_same_trace(void **state)
{
	int differ = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 30; seed++) {
		struct traced first = run_traced(seed, 0), again = run_traced(seed, 0), other = run_traced(seed, 1000);

		assert_string_equal(first.text, again.text);
		assert_true(first.fingerprint == again.fingerprint);
		assert_int_equal(first.steps, again.steps);
		assert_non_null(strstr(first.text, "node/producer"));
		differ += first.fingerprint != other.fingerprint && strcmp(first.text, other.text) != 0;
		free(first.text);
		free(again.text);
		free(other.text);
	}
	assert_int_equal(differ, 30);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_locks_lanes_rests_and_threads_work_in_every_order),
		cmocka_unit_test(test_the_same_seed_makes_the_same_trace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
