#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include "base/clock.h"
#include "base/random.h"
#include "stock/memory/slot_index.h"

static _Atomic int64_t memory;

static bool has(const struct slot_index *index, uint32_t hash, uint32_t value)
{
	uint32_t found;

	for (uint32_t at = slot_index_seek(index, hash); slot_index_match(index, at, hash, &found); at++)
		if (found == value)
			return true;
	return false;
}

static void add(struct slot_index *index, uint32_t hash, uint32_t value)
{
	assert_true(slot_index_make_room(index, hash));
	slot_index_insert(index, hash, value);
}

static void test_an_empty_index_finds_nothing(void **state)
{
	struct slot_index index;

	(void)state;
	slot_index_init(&index, &memory);
	assert_false(has(&index, 0, 1));
	assert_false(has(&index, UINT32_MAX, 1));
	slot_index_prefetch(&index, 5);
	slot_index_deinit(&index);
	slot_index_deinit(&index);
}

static void test_values_of_one_hash_are_all_found(void **state)
{
	enum { SAME = 30 };
	struct slot_index index;

	(void)state;
	slot_index_init(&index, &memory);
	for (uint32_t value = 1; value <= SAME; value++)
		add(&index, UINT32_MAX, value); /* at the very end: the run is in the slack */
	for (uint32_t value = 1; value <= SAME; value++)
		assert_true(has(&index, UINT32_MAX, value));
	assert_false(has(&index, UINT32_MAX, SAME + 1));
	assert_false(has(&index, UINT32_MAX - 1, 1));
	slot_index_deinit(&index);
	assert_int_equal(memory, 0);
}

static void test_too_many_of_one_hash_are_refused_without_growing_for_ever(void **state)
{
	struct slot_index index;
	uint32_t count = 0;

	(void)state;
	slot_index_init(&index, &memory);
	while (count < 1000 && slot_index_make_room(&index, UINT32_MAX))
		slot_index_insert(&index, UINT32_MAX, ++count);
	assert_true(count < 1000);
	assert_true(memory < 100000);
	add(&index, 1, 1);
	slot_index_deinit(&index);
	assert_int_equal(memory, 0);
}

/* Against a plain array: pairs come and go, and every one that should be there is, and no other. */
static void churn(uint32_t spread)
{
	enum { PAIRS = 3000, STEPS = 100000 };
	static uint32_t hashes[PAIRS];
	static bool there[PAIRS];
	struct slot_index index;
	uint32_t count = 0;

	slot_index_init(&index, &memory);
	for (int i = 0; i < PAIRS; i++) {
		hashes[i] = (uint32_t)random_u64() / spread * spread; /* some share a hash */
		there[i] = false;
	}
	for (int step = 0; step < STEPS; step++) {
		uint32_t i = (uint32_t)(random_u64() % PAIRS);

		assert_true(has(&index, hashes[i], i + 1) == there[i]);
		if (there[i])
			slot_index_remove(&index, hashes[i], i + 1);
		else
			add(&index, hashes[i], i + 1);
		there[i] = !there[i];
		count += there[i] ? 1 : (uint32_t)-1;
		assert_int_equal(index.count, count);
	}
	for (uint32_t i = 0; i < PAIRS; i++)
		assert_true(has(&index, hashes[i], i + 1) == there[i]);
	slot_index_deinit(&index);
	assert_int_equal(memory, 0);
}

static void test_index_equals_a_plain_list(void **state)
{
	uint64_t seed = (uint64_t)clock_wall_us();

	(void)state;
	print_message("seed %llu\n", (unsigned long long)seed);
	random_set_seed(seed);
	churn(1);
	churn(1u << 22);
	random_set_seed(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_empty_index_finds_nothing),
		cmocka_unit_test(test_values_of_one_hash_are_all_found),
		cmocka_unit_test(test_too_many_of_one_hash_are_refused_without_growing_for_ever),
		cmocka_unit_test(test_index_equals_a_plain_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
