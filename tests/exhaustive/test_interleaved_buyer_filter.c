/* The filter of buyers while it grows: who was added is never told no. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "exhaustive/interleave.h"
#include "stock/buyer_filter.h"

enum { FULL = 256 * 2 }; /* a first generation's buyers */

static struct buyer_filter filter;
static _Atomic int64_t memory;
static atomic_bool added;

static const struct hash128 ann = {.low = 1}, bob = {.low = UINT64_C(0x5555555555)}; /* of one word */

static void begin(void)
{
	atomic_init(&added, false);
	atomic_init(&memory, 0);
	buyer_filter_init(&filter, &memory);
}

static void begin_full(void)
{
	begin();
	for (int i = 0; i < FULL; i++)
		buyer_filter_add(&filter, bob);
}

static void add_ann(void)
{
	buyer_filter_add(&filter, ann);
	atomic_store_explicit(&added, true, memory_order_release);
}

static void add_bob(void)
{
	buyer_filter_add(&filter, bob);
}

static void ask_for_ann(void)
{
	bool is_in = atomic_load_explicit(&added, memory_order_acquire);

	interleave_check(buyer_filter_may_have(&filter, ann) || !is_in, "who was added may have an order");
}

static void check_all(void)
{
	interleave_check(buyer_filter_may_have(&filter, ann), "who was added stays in");
	interleave_check(buyer_filter_may_have(&filter, bob), "who was added beside another stays in");
}

static void test_who_is_added_to_an_empty_filter_is_in_it(void **state)
{
	static const struct scene scene = {.name = "two buyers, one who asks, no generation",
					   .begin = begin,
					   .threads = {add_ann, add_bob, ask_for_ann},
					   .end = check_all,
					   .preemptions = 3,
					   .surprises = 2};

	(void)state;
	assert_true(interleave(&scene) > 1000);
}

static void test_who_is_added_while_a_filter_grows_is_in_it(void **state)
{
	static const struct scene scene = {.name = "two buyers, one who asks, a full generation",
					   .begin = begin_full,
					   .threads = {add_ann, add_bob, ask_for_ann},
					   .end = check_all,
					   .preemptions = 2,
					   .surprises = 1};

	(void)state;
	assert_true(interleave(&scene) > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_is_added_to_an_empty_filter_is_in_it),
		cmocka_unit_test(test_who_is_added_while_a_filter_grows_is_in_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
