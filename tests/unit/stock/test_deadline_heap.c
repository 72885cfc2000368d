#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/random.h"
#include "stock/memory/deadline_heap.h"

enum { THINGS = 500, STEPS = 100000 };

static _Atomic int64_t memory;
static uint32_t positions[THINGS + 1];
static int64_t deadlines[THINGS + 1];

static void moved(void *owner, uint32_t what, uint32_t position)
{
	assert_ptr_equal(owner, positions);
	positions[what] = position;
}

static int64_t brute_first(void)
{
	int64_t first = INT64_MAX;

	for (int i = 1; i <= THINGS; i++)
		if (positions[i] && deadlines[i] < first)
			first = deadlines[i];
	return first;
}

static void test_heap_equals_a_plain_list(void **state)
{
	uint64_t seed = (uint64_t)clock_wall_us();
	struct deadline_heap heap;
	uint32_t booked = 0;

	(void)state;
	print_message("seed %llu\n", (unsigned long long)seed);
	random_set_seed(seed);
	deadline_heap_init(&heap, moved, positions, &memory);
	assert_true(deadline_heap_first(&heap) == INT64_MAX);
	for (int step = 0; step < STEPS; step++) {
		uint32_t what = 1 + (uint32_t)(random_u64() % THINGS);
		int64_t deadline = (int64_t)(random_u64() % 1000);

		if (!positions[what]) {
			assert_true(deadline_heap_book(&heap));
			booked++;
			deadlines[what] = deadline;
			deadline_heap_push(&heap, deadline, what);
		} else if (random_u64() % 2) {
			deadlines[what] = deadline;
			deadline_heap_change(&heap, positions[what], deadline);
		} else {
			deadline_heap_remove(&heap, positions[what]);
			deadline_heap_unbook(&heap);
			booked--;
		}
		if (positions[what])
			assert_true(deadline_heap_at(&heap, positions[what]) == deadlines[what]);
		assert_int_equal(heap.booked, booked);
		assert_true(deadline_heap_first(&heap) == brute_first());
	}
	while (heap.count) {
		int64_t first = deadline_heap_first(&heap);

		deadline_heap_remove(&heap, 1);
		assert_true(deadline_heap_first(&heap) >= first);
	}
	deadline_heap_deinit(&heap);
	deadline_heap_deinit(&heap);
	assert_int_equal(memory, 0);
	random_set_seed(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_heap_equals_a_plain_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
