#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdbool.h>
#include "base/random.h"
#include "http/timers.h"

enum { TICK = 1 << TIMERS_TICK_BITS, MANY = 200 };
static struct timers timers;
static struct timer many[MANY];
static int64_t now;
static int fired[MANY];
static struct timer *to_remove;

static void expired(struct timer *timer, void *context)
{
	assert_ptr_equal(context, &timers);
	assert_in_range((uintptr_t)timer, (uintptr_t)many, (uintptr_t)(many + MANY - 1));
	assert_true(timer->deadline_ns <= now);
	assert_true(now - timer->deadline_ns <= 2 * (int64_t)TICK);
	fired[timer - many]++;
	if (to_remove)
		timers_remove(to_remove);
}

static int set_up(void **state)
{
	(void)state;
	now = 123456789012;
	to_remove = NULL;
	timers_init(&timers, now);
	for (int i = 0; i < MANY; i++) {
		many[i] = (struct timer){0};
		fired[i] = 0;
	}
	return 0;
}

static void run_until(int64_t end)
{
	while (now < end) {
		now = now + TICK < end ? now + TICK : end;
		timers_run(&timers, now, expired, &timers);
	}
}

static void test_a_timer_fires_once_after_its_deadline(void **state)
{
	(void)state;
	timers_set(&timers, &many[0], now + 100 * (int64_t)TICK);
	assert_true(timers_next_ns(&timers) >= now + 100 * (int64_t)TICK);
	assert_true(timers_next_ns(&timers) <= now + 101 * (int64_t)TICK);
	run_until(now + 99 * (int64_t)TICK);
	assert_int_equal(fired[0], 0);
	run_until(now + 3 * (int64_t)TICK);
	assert_int_equal(fired[0], 1);
	run_until(now + 3000 * (int64_t)TICK);
	assert_int_equal(fired[0], 1);
	assert_int_equal(timers_next_ns(&timers), INT64_MAX);
}

static void test_a_timer_may_be_further_off_than_the_wheel_goes_round(void **state)
{
	int64_t start = now;

	(void)state;
	timers_set(&timers, &many[0], start + 5000 * (int64_t)TICK);
	run_until(start + 4999 * (int64_t)TICK);
	assert_int_equal(fired[0], 0);
	run_until(start + 5002 * (int64_t)TICK);
	assert_int_equal(fired[0], 1);
}

static void test_a_deadline_moves_both_ways(void **state)
{
	int64_t start = now;

	(void)state;
	timers_set(&timers, &many[0], start + 50 * (int64_t)TICK);
	timers_set(&timers, &many[0], start + 90 * (int64_t)TICK);
	timers_set(&timers, &many[1], start + 90 * (int64_t)TICK);
	timers_set(&timers, &many[1], start + 50 * (int64_t)TICK);
	run_until(start + 60 * (int64_t)TICK);
	assert_int_equal(fired[0], 0);
	assert_int_equal(fired[1], 1);
	run_until(start + 92 * (int64_t)TICK);
	assert_int_equal(fired[0], 1);
}

static void test_a_timer_set_to_never_or_removed_does_not_fire(void **state)
{
	(void)state;
	timers_set(&timers, &many[0], now + TICK);
	timers_set(&timers, &many[0], TIMER_NEVER);
	timers_set(&timers, &many[1], now + TICK);
	timers_remove(&many[1]);
	timers_remove(&many[1]);
	run_until(now + 3000 * (int64_t)TICK);
	assert_int_equal(fired[0], 0);
	assert_int_equal(fired[1], 0);
	timers_set(&timers, &many[0], now - 5);
	run_until(now + TICK);
	assert_int_equal(fired[0], 1);
}

static void test_a_callback_may_remove_another_that_is_due(void **state)
{
	(void)state;
	timers_set(&timers, &many[0], now + TICK);
	timers_set(&timers, &many[1], now + TICK);
	to_remove = &many[0]; /* the later set is called first */
	run_until(now + 3 * (int64_t)TICK);
	assert_int_equal(fired[0], 0);
	assert_int_equal(fired[1], 1);
}

static void test_a_long_sleep_fires_everything_once(void **state)
{
	(void)state;
	for (int i = 0; i < MANY; i++)
		timers_set(&timers, &many[i], now + i * 30 * (int64_t)TICK);
	now += 1000000 * (int64_t)TICK;
	for (int i = 0; i < MANY; i++)
		many[i].deadline_ns = now - 1; /* expired() judges the lateness of a loop that was awake */
	timers_run(&timers, now, expired, &timers);
	for (int i = 0; i < MANY; i++)
		assert_int_equal(fired[i], 1);
}

/* Against a plain list of deadlines. */
static void test_random_moves_fire_as_the_model_says(void **state)
{
	(void)state;
	random_set_seed(7);
	for (int round = 0; round < 20000; round++) {
		int i = (int)(random_u64() % MANY);
		int64_t before[MANY];

		switch (random_u64() % 8) {
		case 0:
			timers_set(&timers, &many[i], TIMER_NEVER);
			break;
		case 1:
			timers_remove(&many[i]);
			many[i].deadline_ns = TIMER_NEVER;
			break;
		default:
			timers_set(&timers, &many[i], now + (int64_t)(random_u64() % (3000 * (uint64_t)TICK)));
		}
		for (int j = 0; j < MANY; j++) {
			before[j] = many[j].deadline_ns;
			fired[j] = 0;
		}
		now += (int64_t)(random_u64() % TICK);
		timers_run(&timers, now, expired, &timers);
		for (int j = 0; j < MANY; j++) {
			bool armed = before[j] != TIMER_NEVER && before[j] != 0;

			if (fired[j])
				assert_true(armed && before[j] <= now);
			else
				assert_false(armed && before[j] + TICK <= now);
			if (fired[j])
				many[j].deadline_ns = TIMER_NEVER;
		}
	}
	random_set_seed(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_a_timer_fires_once_after_its_deadline, set_up),
		cmocka_unit_test_setup(test_a_timer_may_be_further_off_than_the_wheel_goes_round, set_up),
		cmocka_unit_test_setup(test_a_deadline_moves_both_ways, set_up),
		cmocka_unit_test_setup(test_a_timer_set_to_never_or_removed_does_not_fire, set_up),
		cmocka_unit_test_setup(test_a_callback_may_remove_another_that_is_due, set_up),
		cmocka_unit_test_setup(test_a_long_sleep_fires_everything_once, set_up),
		cmocka_unit_test_setup(test_random_moves_fire_as_the_model_says, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
