#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <sched.h>
#include "base/clock.h"
#include "base/fair_lock.h"
#include "base/thread.h"

enum { WAITERS = 3, ROUNDS = 100 };
static const int64_t DEADLINE_NS = 60000000000;

struct bench {
	struct fair_lock lock;
	int order[WAITERS], served; /* under the lock */
};

struct waiter {
	struct bench *bench;
	struct thread thread;
	int number;
};

static void wait_turn(void *argument)
{
	struct waiter *waiter = argument;
	struct bench *bench = waiter->bench;

	fair_lock_take(&bench->lock);
	bench->order[bench->served++] = waiter->number;
	fair_lock_release(&bench->lock);
}

static uint64_t asked(struct fair_lock *lock)
{
	uint64_t count;

	lock_take(&lock->lock);
	count = lock->asked;
	lock_release(&lock->lock);
	return count;
}

/* A mutex is nearly always had by who lets it go and comes again at once. */
static void test_whoever_comes_again_is_behind_those_who_waited(void **state)
{
	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct bench bench = {0};
		struct waiter waiters[WAITERS];
		int64_t deadline_ns = clock_mono_ns() + DEADLINE_NS;

		fair_lock_init(&bench.lock);
		fair_lock_take(&bench.lock);
		for (int i = 0; i < WAITERS; i++) {
			waiters[i] = (struct waiter){.bench = &bench, .number = i};
			assert_int_equal(thread_start(&waiters[i].thread, "waiter", wait_turn, &waiters[i]), 0);
			while (asked(&bench.lock) < (uint64_t)i + 2) {
				assert_true(clock_mono_ns() < deadline_ns);
				sched_yield();
			}
		}
		assert_int_equal(bench.served, 0);
		fair_lock_release(&bench.lock);
		fair_lock_take(&bench.lock);
		assert_int_equal(bench.served, WAITERS);
		for (int i = 0; i < WAITERS; i++)
			assert_int_equal(bench.order[i], i);
		fair_lock_release(&bench.lock);
		for (int i = 0; i < WAITERS; i++)
			thread_join(&waiters[i].thread);
		fair_lock_deinit(&bench.lock);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whoever_comes_again_is_behind_those_who_waited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
