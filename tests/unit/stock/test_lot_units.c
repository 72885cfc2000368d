/* The units of one lot: the rule of its version, which a latch stands on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/thread.h"
#include "stock/memory/lot_units.h"

enum { ROUNDS = 20000000, ENOUGH_MS = 1000 };

static struct lot_units lot;
static _Atomic int taken, returned; /* rounds */
static atomic_bool over;

/* Gives the unit back as soon as it was taken. */
static void give_back(void *context)
{
	(void)context;
	for (int round = 1; !atomic_load(&over); round++) {
		while (atomic_load(&taken) < round && !atomic_load(&over))
			;
		if (atomic_load(&taken) < round)
			return;
		lot_units_return(&lot, 1);
		atomic_store(&returned, round);
	}
}

/*
 * Whoever was refused keeps the version for a latch and does not ask again while it stands. Were
 * the version raised before the units are back, an asker in between would keep the new version, and
 * be latched out of a unit that is there.
 */
static void test_a_version_is_raised_after_its_units_are_back(void **state)
{
	int64_t end_ms = clock_mono_ms() + ENOUGH_MS;
	struct thread thread = {0};
	uint64_t latched = 0;

	(void)state;
	assert_int_equal(lot_units_arm(&lot, 1, 0, 1), 0);
	assert_int_equal(thread_start(&thread, "returner", give_back, NULL), 0);
	for (int round = 1; round <= ROUNDS && (round % 64 || clock_mono_ms() < end_ms); round++) {
		while (!lot_units_take(&lot, 1, &latched)) {
			while (atomic_load(&lot.version) == latched)
				if (atomic_load(&returned) == round - 1)
					assert_true(atomic_load(&lot.version) != latched);
		}
		atomic_store(&taken, round);
	}
	atomic_store(&over, true);
	thread_join(&thread);
}

static void test_a_refusal_tells_the_version_of_before(void **state)
{
	struct lot_units units = {0};
	uint64_t version, again;

	(void)state;
	assert_int_equal(lot_units_arm(&units, 2, 0, 5), 0);
	assert_true(lot_units_take(&units, 2, &version));
	assert_false(lot_units_take(&units, 1, &version));
	assert_int_equal(version, 5);
	lot_units_return(&units, 2);
	assert_true(atomic_load(&units.version) > version);
	assert_false(lot_units_enough(&units, 3, &again));
	assert_int_equal(again, atomic_load(&units.version));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_version_is_raised_after_its_units_are_back),
		cmocka_unit_test(test_a_refusal_tells_the_version_of_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
