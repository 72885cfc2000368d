/*
 * The scheduler of the simulation: the order is the seed's, nodes are killed and paused, clocks are
 * their own.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <signal.h>
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
#include "simulation/scheduler/port_yield.h"
#include "simulation/scheduler/scheduler.h"
#include "stock/memory/memory.h"

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

/* --- Nodes that are killed --- */

static struct {
	struct node *victim, *other;
	struct lock lock; /* of both */
	int before, after, others;
	int *on_stack;
} murder;

static void work_for_ever(void *argument)
{
	(void)argument;
	for (;;) {
		murder.before++;
		scheduler_yield("work");
		murder.after++;
	}
}

static void kill_then_work(void *argument)
{
	int before, after;

	(void)argument;
	while (murder.after < 3)
		pause_sleep(MS);
	scheduler_kill(murder.victim);
	before = murder.before;
	after = murder.after;
	assert_true(scheduler_gone(murder.victim));
	for (int i = 0; i < 20; i++)
		pause_sleep(MS);
	assert_int_equal(murder.before, before);
	assert_int_equal(murder.after, after);
	murder.others++;
}

static void begin_murder(const struct scheduler_settings *settings)
{
	begin(settings);
	memset(&murder, 0, sizeof(murder));
	lock_init(&murder.lock);
	murder.victim = scheduler_node_new(scheduler, "victim", NULL);
	murder.other = scheduler_node_new(scheduler, "other", NULL);
}

static void test_a_killed_node_ends_at_a_yield_and_the_others_go_on(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		begin_murder(&(struct scheduler_settings){.seed = seed, .step_ns = 1000});
		scheduler_start(murder.victim, "one", work_for_ever, NULL);
		scheduler_start(murder.victim, "two", work_for_ever, NULL);
		scheduler_start(murder.other, "killer", kill_then_work, NULL);
		assert_int_equal(scheduler_run(scheduler), SCHEDULER_ENDED);
		assert_int_equal(murder.others, 1);
		scheduler_free(scheduler);
	}
}

static void kill_own(void *argument)
{
	(void)argument;
	murder.before++;
	scheduler_kill(murder.victim);
	murder.after++;
}

static void test_a_thread_that_kills_its_own_node_runs_no_further(void **state)
{
	(void)state;
	begin_murder(&(struct scheduler_settings){.seed = 1});
	scheduler_start(murder.victim, "killer", kill_own, NULL);
	assert_int_equal(scheduler_run(scheduler), SCHEDULER_ENDED);
	assert_int_equal(murder.before, 1);
	assert_int_equal(murder.after, 0);
	scheduler_free(scheduler);
}

static int kill_at_failpoint(void *context, const char *name)
{
	(void)context;
	if (strcmp(name, "node.test") == 0)
		scheduler_kill(node_current);
	return 5;
}

static void pass_failpoints(void *argument)
{
	(void)argument;
	murder.before = FAILPOINT("node.other");
	murder.after = FAILPOINT("node.test");
}

static void test_a_failpoint_has_the_value_that_the_hook_says_or_is_where_the_node_dies(void **state)
{
	(void)state;
	begin_murder(&(struct scheduler_settings){.seed = 1, .on_failpoint = kill_at_failpoint});
	scheduler_start(murder.victim, "victim", pass_failpoints, NULL);
	assert_int_equal(scheduler_run(scheduler), SCHEDULER_ENDED);
	assert_int_equal(murder.before, 5);
	assert_int_equal(murder.after, 0);
	scheduler_free(scheduler);
}

static void kill_after_steps(void *context)
{
	if (scheduler_steps(scheduler) == *(uint64_t *)context)
		scheduler_kill(murder.victim);
}

static void take_in_turn(void *argument)
{
	for (int i = 0; i < 3; i++) {
		lock_take(&murder.lock);
		scheduler_yield("inside");
		lock_release(&murder.lock);
	}
	*(int *)argument += 1;
}

static void take_with_shield(void *argument)
{
	(void)argument;
	for (;;) {
		scheduler_shield();
		lock_take(&murder.lock);
		scheduler_yield("inside");
		lock_release(&murder.lock);
		scheduler_unshield();
	}
}

/*
 * Two nodes with one lock: whoever is killed has not got it, and does not take a wake-up with it
 * that another one needs.
 */
static void test_a_lock_of_several_nodes_outlives_one_of_them_that_is_killed_with_a_shield(void **state)
{
	(void)state;
	for (uint64_t step = 1; step <= 60; step++)
		for (uint64_t seed = 1; seed <= 20; seed++) {
			begin_murder(&(struct scheduler_settings){.seed = seed, .on_step = kill_after_steps, .context = &step});
			scheduler_start(murder.victim, "one", take_with_shield, NULL);
			scheduler_start(murder.victim, "two", take_with_shield, NULL);
			scheduler_start(murder.other, "three", take_in_turn, &murder.others);
			scheduler_start(murder.other, "four", take_in_turn, &murder.others);
			assert_int_equal(scheduler_run(scheduler), SCHEDULER_ENDED);
			assert_int_equal(murder.others, 2);
			scheduler_free(scheduler);
		}
}

static void wait_to_be_woken(void *argument)
{
	lock_take(&murder.lock);
	lock_release(&murder.lock);
	*(int *)argument += 1;
}

/* It lets the lock go, and whoever was woken is killed before it could run. */
static void release_and_kill(void *argument)
{
	(void)argument;
	lock_take(&murder.lock);
	for (int i = 0; i < 10; i++)
		pause_sleep(MS);
	lock_release(&murder.lock);
	scheduler_kill(murder.victim);
}

static void test_a_wake_up_that_a_killed_thread_got_goes_to_the_next_one(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 50; seed++) {
		begin_murder(&(struct scheduler_settings){.seed = seed});
		scheduler_start(node, "killer", release_and_kill, NULL);
		scheduler_start(murder.victim, "one", wait_to_be_woken, &murder.before);
		scheduler_start(murder.other, "two", wait_to_be_woken, &murder.others);
		assert_int_equal(scheduler_run(scheduler), SCHEDULER_ENDED);
		assert_int_equal(murder.others, 1);
		scheduler_free(scheduler);
	}
}

static void unwind_with_shield(void *argument)
{
	(void)argument;
	scheduler_shield();
	for (int i = 0; i < 5; i++)
		pause_sleep(MS);
	murder.before++;
	scheduler_unshield();
	murder.after++;
}

static void kill_and_await(void *argument)
{
	(void)argument;
	pause_sleep(2 * MS);
	scheduler_kill(murder.victim);
	assert_false(scheduler_gone(murder.victim));
	assert_int_equal(murder.before, 0);
	scheduler_await_gone(murder.victim);
	assert_int_equal(murder.before, 1);
	murder.others++;
}

static void test_a_thread_with_a_shield_ends_when_it_lets_it_go(void **state)
{
	(void)state;
	begin_murder(&(struct scheduler_settings){.seed = 1});
	scheduler_start(murder.victim, "victim", unwind_with_shield, NULL);
	scheduler_start(murder.other, "killer", kill_and_await, NULL);
	assert_int_equal(scheduler_run(scheduler), SCHEDULER_ENDED);
	assert_int_equal(murder.after, 0);
	assert_int_equal(murder.others, 1);
	scheduler_free(scheduler);
}

static void show_stack(void *argument)
{
	(void)argument;
	murder.on_stack = __builtin_frame_address(0); /* a sanitizer keeps variables elsewhere */
	pause_sleep(INT64_MAX / 2);
}

__attribute__((no_sanitize("address"))) static void read_stack_of_the_dead(void *argument)
{
	volatile int *there;

	(void)argument;
	while (!murder.on_stack)
		pause_sleep(MS);
	there = murder.on_stack;
	murder.others = *there;
	scheduler_kill(murder.victim);
	murder.others = *there;
}

static void overflow(void *argument)
{
	volatile char much[4096];

	much[0] = *(char *)argument;
	if (much[0] == 0)
		overflow((char *)much);
	much[1] = much[0];
}

/* In a process of its own, which must not come back. */
static void assert_crashes(void (*run)(void *))
{
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		char zero = 0;

		signal(SIGSEGV, SIG_DFL);
		assert_non_null(freopen("/dev/null", "w", stderr)); /* a sanitizer's report */
		begin_murder(&(struct scheduler_settings){.seed = 1, .stack_size = 1 << 17});
		scheduler_start(murder.victim, "victim", show_stack, NULL);
		scheduler_start(murder.other, "other", run, &zero);
		scheduler_run(scheduler);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void test_the_stack_of_a_killed_thread_cannot_be_read(void **state)
{
	(void)state;
	assert_crashes(read_stack_of_the_dead);
}

static void test_a_stack_that_is_too_small_ends_the_process(void **state)
{
	(void)state;
	assert_crashes(overflow);
}

static void test_a_node_that_is_started_again_is_a_new_one(void **state)
{
	uint64_t first, second, again;
	struct node *before = node_current;

	(void)state;
	begin(&(struct scheduler_settings){.seed = 1});
	node_enter(scheduler_node_new(scheduler, "gate-1", NULL));
	first = random_u64();
	assert_string_equal(scheduler_node_name(node_current), "gate-1");
	node_enter(scheduler_node_new(scheduler, "gate-1", NULL));
	second = random_u64();
	assert_string_equal(scheduler_node_name(node_current), "gate-1.2");
	node_enter(before);
	scheduler_free(scheduler);
	begin(&(struct scheduler_settings){.seed = 1});
	node_enter(scheduler_node_new(scheduler, "gate-1", NULL));
	again = random_u64();
	node_enter(before);
	scheduler_free(scheduler);
	assert_true(first != second);
	assert_true(first == again);
}

/* --- Clocks and pauses --- */

static struct {
	struct node *slow, *driver;
	int64_t mono_ns, wall_us, woke_ns;
	int woken;
} watch;

static void sleep_a_second(void *argument)
{
	(void)argument;
	watch.mono_ns = clock_mono_ns();
	watch.wall_us = clock_wall_us();
	pause_sleep(1000 * MS);
	watch.mono_ns = clock_mono_ns() - watch.mono_ns;
	watch.wall_us = clock_wall_us() - watch.wall_us;
	watch.woke_ns = scheduler_now_ns(scheduler);
	watch.woken++;
}

static void begin_watch(const struct scheduler_clock *clock)
{
	begin(&(struct scheduler_settings){.seed = 3});
	memset(&watch, 0, sizeof(watch));
	watch.slow = scheduler_node_new(scheduler, "slow", clock);
	watch.driver = scheduler_node_new(scheduler, "driver", NULL);
	scheduler_start(watch.slow, "sleeper", sleep_a_second, NULL);
}

static void end_watch(void)
{
	assert_int_equal(scheduler_run(scheduler), SCHEDULER_ENDED);
	assert_int_equal(watch.woken, 1);
	scheduler_free(scheduler);
}

static void test_a_wait_takes_its_time_and_no_more(void **state)
{
	(void)state;
	begin_watch(NULL);
	end_watch();
	assert_int_equal(watch.woke_ns, 1000 * MS);
	assert_int_equal(watch.mono_ns, 1000 * MS);
	assert_int_equal(watch.wall_us, 1000000);
}

static void test_a_clock_that_runs_fast_is_early(void **state)
{
	(void)state;
	begin_watch(&(struct scheduler_clock){.drift_ppb = 250000000});
	end_watch();
	assert_in_range(watch.woke_ns, 800 * MS, 800 * MS + 1);
	assert_in_range(watch.mono_ns, 1000 * MS, 1000 * MS + 2);
	begin_watch(&(struct scheduler_clock){.drift_ppb = -500000000});
	end_watch();
	assert_in_range(watch.woke_ns, 2000 * MS, 2000 * MS + 1);
}

static void change_drift(void *argument)
{
	(void)argument;
	pause_sleep(500 * MS);
	scheduler_clock_drift(watch.slow, -500000000);
	pause_sleep(200 * MS);
	scheduler_clock_step(watch.slow, -7000000);
}

static void test_a_clock_whose_drift_changes_moves_the_end_of_a_wait_and_a_step_does_not(void **state)
{
	(void)state;
	begin_watch(NULL);
	scheduler_start(watch.driver, "driver", change_drift, NULL);
	end_watch();
	assert_int_equal(watch.woke_ns, 1500 * MS);
	assert_int_equal(watch.mono_ns, 1000 * MS);
	assert_int_equal(watch.wall_us, 1000000 - 7000000);
}

static void test_clocks_are_ahead_by_what_the_node_says(void **state)
{
	struct node *before;
	int64_t mono_ns, wall_us;

	(void)state;
	begin(&(struct scheduler_settings){.seed = 1});
	before = node_enter(node);
	mono_ns = clock_mono_ns();
	wall_us = clock_wall_us();
	assert_true(wall_us == scheduler_wall_us(scheduler));
	node_enter(scheduler_node_new(scheduler, "ahead", &(struct scheduler_clock){.wall_ahead_us = -5, .mono_ahead_ns = 7}));
	assert_int_equal(clock_mono_ns() - mono_ns, 7);
	assert_int_equal(clock_wall_us() - wall_us, -5);
	node_enter(before);
	scheduler_free(scheduler);
}

static void pause_for_ten_seconds(void *argument)
{
	pause_sleep(300 * MS);
	scheduler_pause(watch.slow, *(enum scheduler_pause *)argument);
	pause_sleep(10000 * MS);
	assert_int_equal(watch.woken, 0);
	scheduler_resume(watch.slow);
}

static void test_a_pause_with_a_standing_clock_is_not_seen_by_the_node(void **state)
{
	enum scheduler_pause pause = SCHEDULER_CLOCK_STANDS;

	(void)state;
	begin_watch(NULL);
	scheduler_start(watch.driver, "driver", pause_for_ten_seconds, &pause);
	end_watch();
	assert_int_equal(watch.woke_ns, 11000 * MS);
	assert_int_equal(watch.mono_ns, 1000 * MS);
	assert_int_equal(watch.wall_us, 1000000);
}

static void test_a_pause_with_a_clock_that_goes_on_ends_late(void **state)
{
	enum scheduler_pause pause = SCHEDULER_CLOCK_GOES_ON;

	(void)state;
	begin_watch(NULL);
	scheduler_start(watch.driver, "driver", pause_for_ten_seconds, &pause);
	end_watch();
	assert_int_equal(watch.woke_ns, 10300 * MS);
	assert_int_equal(watch.mono_ns, 10300 * MS);
}

static void set_errno_and_yield(void *argument)
{
	errno = *(int *)argument;
	for (int i = 0; i < 10; i++) {
		scheduler_yield("errno");
		assert_int_equal(errno, *(int *)argument);
	}
}

static void test_errno_and_the_node_are_the_threads(void **state)
{
	int numbers[] = {ENOENT, EIO, EAGAIN};

	(void)state;
	begin(&(struct scheduler_settings){.seed = 1});
	for (size_t i = 0; i < 3; i++)
		scheduler_start(scheduler_node_new(scheduler, "node", NULL), "errno", set_errno_and_yield, &numbers[i]);
	assert_int_equal(scheduler_run(scheduler), SCHEDULER_ENDED);
	scheduler_free(scheduler);
}

/* --- What is found, and how a run ends --- */

enum { LONG_STEPS = 30, LATE_STEP = 20, TRIES = 2000 };
static struct {
	int at;
	bool found;
} window;

static void go_long(void *argument)
{
	(void)argument;
	for (window.at = 0; window.at < LONG_STEPS; window.at++)
		scheduler_yield("long");
}

static void look_once(void *argument)
{
	(void)argument;
	scheduler_yield("short");
	window.found = window.at == LATE_STEP;
}

static int count_found(enum scheduler_policy policy)
{
	int found = 0;

	for (uint64_t seed = 1; seed <= TRIES; seed++) {
		begin(&(struct scheduler_settings){.seed = seed, .policy = policy, .change_points = 1, .change_steps = LONG_STEPS});
		window.found = false;
		scheduler_start(node, "long", go_long, NULL);
		scheduler_start(node, "short", look_once, NULL);
		assert_int_equal(scheduler_run(scheduler), SCHEDULER_ENDED);
		scheduler_free(scheduler);
		found += window.found;
	}
	return found;
}

/*
 * The short thread must run late in the long one: two orderings. A coin at each step never waits so
 * long.
 */
static void test_priorities_find_what_needs_two_orderings_and_a_uniform_choice_does_not(void **state)
{
	(void)state;
	assert_in_range(count_found(SCHEDULER_PRIORITIES), TRIES / (2 * LONG_STEPS) / 2, TRIES);
	assert_in_range(count_found(SCHEDULER_UNIFORM), 0, 1);
}

static struct lock_pair {
	struct lock one, other;
} lock_pairs[20]; /* each run has its own: they may stay taken */

static void take_both(struct lock *first, struct lock *second)
{
	lock_take(first);
	lock_take(second);
	lock_release(second);
	lock_release(first);
}

static void take_forwards(void *argument)
{
	struct lock_pair *pair = argument;

	take_both(&pair->one, &pair->other);
}

static void take_backwards(void *argument)
{
	struct lock_pair *pair = argument;

	take_both(&pair->other, &pair->one);
}

static void test_a_deadlock_is_told_with_who_waits_where(void **state)
{
	char *text = NULL;
	size_t size;
	int deadlocks = 0;

	(void)state;
	for (size_t i = 0; i < 20; i++) {
		enum scheduler_end end;

		begin(&(struct scheduler_settings){.seed = i});
		lock_init(&lock_pairs[i].one);
		lock_init(&lock_pairs[i].other);
		scheduler_start(node, "forwards", take_forwards, &lock_pairs[i]);
		scheduler_start(node, "backwards", take_backwards, &lock_pairs[i]);
		end = scheduler_run(scheduler);
		assert_true(end == SCHEDULER_ENDED || end == SCHEDULER_DEADLOCK);
		if (end == SCHEDULER_DEADLOCK && deadlocks++ == 0) {
			FILE *file = open_memstream(&text, &size);

			scheduler_dump(scheduler, file);
			fclose(file);
		}
		scheduler_free(scheduler);
	}
	assert_in_range(deadlocks, 1, 19);
	assert_non_null(strstr(text, "forwards#1 waits"));
	assert_non_null(strstr(text, "backwards#2 waits"));
	if (system("command -v addr2line >/dev/null") == 0)
		assert_non_null(strstr(text, "take_both at "));
	free(text);
}

static void yield_for_ever(void *argument)
{
	(void)argument;
	for (;;)
		scheduler_yield("for ever");
}

static void spin_for_ever(void *argument)
{
	(void)argument;
	for (;;)
		thread_yield();
}

static void sleep_for_ever(void *argument)
{
	(void)argument;
	for (;;)
		pause_sleep(MS);
}

static void test_a_run_that_comes_to_nothing_ends(void **state)
{
	(void)state;
	begin(&(struct scheduler_settings){.seed = 1, .busy_max = 1000});
	scheduler_start(node, "busy", yield_for_ever, NULL);
	assert_int_equal(scheduler_run(scheduler), SCHEDULER_LIVELOCK);
	scheduler_free(scheduler);
	begin(&(struct scheduler_settings){.seed = 1, .policy = SCHEDULER_PRIORITIES, .busy_max = 1000});
	scheduler_start(node, "one", spin_for_ever, NULL);
	scheduler_start(node, "two", spin_for_ever, NULL);
	assert_int_equal(scheduler_run(scheduler), SCHEDULER_LIVELOCK);
	scheduler_free(scheduler);
	begin(&(struct scheduler_settings){.seed = 1, .steps_max = 1000});
	scheduler_start(node, "sleeper", sleep_for_ever, NULL);
	assert_int_equal(scheduler_run(scheduler), SCHEDULER_TOO_LONG);
	assert_int_equal(scheduler_steps(scheduler), 1001);
	scheduler_free(scheduler);
}

static void stop(void *argument)
{
	pause_sleep(5 * MS);
	scheduler_stop(scheduler);
	*(int *)argument = 1;
}

static void test_a_run_can_be_stopped(void **state)
{
	int after = 0;

	(void)state;
	begin(&(struct scheduler_settings){.seed = 1});
	scheduler_start(node, "sleeper", sleep_for_ever, NULL);
	scheduler_start(node, "stop", stop, &after);
	assert_int_equal(scheduler_run(scheduler), SCHEDULER_STOPPED);
	assert_int_equal(after, 0);
	assert_int_equal(scheduler_now_ns(scheduler), 5 * MS);
	scheduler_free(scheduler);
}

/* --- Ports --- */

static void call_stock(void *argument)
{
	struct stock *stock = argument;
	const char *reason;
	uint64_t steps = scheduler_steps(scheduler);

	assert_int_equal(stock->ops->health(stock, &reason), 0);
	assert_int_equal(scheduler_steps(scheduler) - steps, 2);
	stock->ops->free(stock);
}

static void test_each_call_of_a_port_yields_before_and_after(void **state)
{
	struct scheduler_settings settings = {.seed = 1};
	const void *const *inner, *const *outer;
	struct stock *stock;
	char *text;
	size_t size;

	(void)state;
	assert_int_equal(stock_memory_new(&stock, 16), 0);
	inner = (const void *const *)stock->ops;
	port_yield_stock(stock, true);
	outer = (const void *const *)stock->ops;
	for (size_t i = offsetof(struct stock_ops, reserve) / sizeof(void *); i < sizeof(struct stock_ops) / sizeof(void *); i++)
		assert_true(inner[i] ? inner[i] != outer[i] : !outer[i]);
	settings.trace = open_memstream(&text, &size);
	run_alone(&settings, call_stock, stock);
	scheduler_free(scheduler);
	fclose(settings.trace);
	assert_non_null(strstr(text, "node/first#1  stock.health: "));
	assert_non_null(strstr(text, "node/first#1  stock.health, done: "));
	free(text);
}

/* --- Idle times --- */

static struct {
	struct pause never;
	int turns;
	int64_t slept_ns;
} idle;

static void rest_often(void *argument)
{
	int64_t until_ns = clock_mono_ns() + 10000 * MS;

	(void)argument;
	for (; clock_mono_ns() < until_ns; idle.turns++)
		assert_true(pause_rest(&idle.never, 20 * MS));
}

static void sleep_often(void *argument)
{
	int64_t before_ns = clock_mono_ns();

	(void)argument;
	for (int i = 0; i < 10; i++)
		pause_sleep(7 * MS);
	idle.slept_ns = clock_mono_ns() - before_ns;
}

static void test_who_rests_is_woken_late_in_idle_times_and_who_sleeps_is_not(void **state)
{
	const struct scheduler_settings settings = {.seed = 1};

	(void)state;
	for (int late = 0; late < 2; late++) {
		idle.turns = 0;
		pause_init(&idle.never);
		begin(&settings);
		scheduler_set_late(scheduler, late ? 1000 * MS : 0);
		scheduler_start(node, "rests", rest_often, NULL);
		scheduler_start(node, "sleeps", sleep_often, NULL);
		assert_int_equal(scheduler_run(scheduler), SCHEDULER_ENDED);
		scheduler_free(scheduler);
		assert_in_range(idle.turns, late ? 10 : 500, late ? 20 : 500);
		assert_int_equal(idle.slept_ns, 70 * MS);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_locks_lanes_rests_and_threads_work_in_every_order),
		cmocka_unit_test(test_the_same_seed_makes_the_same_trace),
		cmocka_unit_test(test_a_killed_node_ends_at_a_yield_and_the_others_go_on),
		cmocka_unit_test(test_a_thread_that_kills_its_own_node_runs_no_further),
		cmocka_unit_test(test_a_failpoint_has_the_value_that_the_hook_says_or_is_where_the_node_dies),
		cmocka_unit_test(test_a_lock_of_several_nodes_outlives_one_of_them_that_is_killed_with_a_shield),
		cmocka_unit_test(test_a_wake_up_that_a_killed_thread_got_goes_to_the_next_one),
		cmocka_unit_test(test_a_thread_with_a_shield_ends_when_it_lets_it_go),
		cmocka_unit_test(test_the_stack_of_a_killed_thread_cannot_be_read),
		cmocka_unit_test(test_a_stack_that_is_too_small_ends_the_process),
		cmocka_unit_test(test_a_node_that_is_started_again_is_a_new_one),
		cmocka_unit_test(test_a_wait_takes_its_time_and_no_more),
		cmocka_unit_test(test_a_clock_that_runs_fast_is_early),
		cmocka_unit_test(test_a_clock_whose_drift_changes_moves_the_end_of_a_wait_and_a_step_does_not),
		cmocka_unit_test(test_clocks_are_ahead_by_what_the_node_says),
		cmocka_unit_test(test_a_pause_with_a_standing_clock_is_not_seen_by_the_node),
		cmocka_unit_test(test_a_pause_with_a_clock_that_goes_on_ends_late),
		cmocka_unit_test(test_errno_and_the_node_are_the_threads),
		cmocka_unit_test(test_priorities_find_what_needs_two_orderings_and_a_uniform_choice_does_not),
		cmocka_unit_test(test_a_deadlock_is_told_with_who_waits_where),
		cmocka_unit_test(test_a_run_that_comes_to_nothing_ends),
		cmocka_unit_test(test_a_run_can_be_stopped),
		cmocka_unit_test(test_each_call_of_a_port_yields_before_and_after),
		cmocka_unit_test(test_who_rests_is_woken_late_in_idle_times_and_who_sleeps_is_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
