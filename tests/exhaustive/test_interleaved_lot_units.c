/*
 * The units of a lot, by two or three threads: none is sold twice or lost, and no latch outlives
 * what came back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include "base/lock.h"
#include "exhaustive/interleave.h"
#include "stock/memory/lot_units.h"

static struct lot_units lot;
static struct lock movement;
static bool sold[2];
static uint64_t versions[2];
static struct stock_lot_state seen;

static void begin_with(int64_t units, uint32_t taken)
{
	memset(&lot, 0, sizeof(lot));
	memset(sold, 0, sizeof(sold));
	lock_init(&movement);
	if (taken)
		lot_units_load(&lot, taken, false);
	assert_int_equal(lot_units_arm(&lot, units, 0, 1), 0);
}

static void read_lot(void)
{
	lot_units_read(&lot, &seen);
	interleave_check(seen.allocated == seen.available + seen.held + seen.confirmed + seen.withdrawn, "the sum of a lot is right");
	interleave_check(seen.available >= 0 && seen.held >= 0, "nothing is below zero");
}

static void buy_first(void)
{
	sold[0] = lot_units_take(&lot, 1, &versions[0]);
}

static void buy_second(void)
{
	sold[1] = lot_units_take(&lot, 1, &versions[1]);
}

static void begin_with_one(void)
{
	begin_with(1, 0);
}

static void check_one_is_sold(void)
{
	read_lot();
	interleave_check(sold[0] + sold[1] == 1, "of one unit one is sold");
	interleave_check(seen.held == 1 && seen.available == 0, "what is sold is held");
}

static void test_one_unit_is_sold_once(void **state)
{
	static const struct scene scene = {.name = "two buyers, one unit, a reader",
					   .begin = begin_with_one,
					   .threads = {buy_first, buy_second, read_lot},
					   .end = check_one_is_sold,
					   .preemptions = 5,
					   .surprises = 3};

	(void)state;
	assert_true(interleave(&scene) > 1000);
}

static void begin_sold_out(void)
{
	begin_with(1, 1);
}

static void give_back(void)
{
	lot_units_return(&lot, 1);
}

/* Who was told "sold out" keeps the version: while it stands, nobody asks again. */
static void check_latch(void)
{
	read_lot();
	interleave_check(sold[0] || seen.version != versions[0], "no latch outlives a unit that came back");
}

static void ask_first(void)
{
	sold[0] = lot_units_enough(&lot, 1, &versions[0]);
}

static void test_a_latch_ends_when_a_unit_comes_back(void **state)
{
	static const struct scene takes = {.name = "a buyer, a unit that comes back, a reader",
					   .begin = begin_sold_out,
					   .threads = {buy_first, give_back, read_lot},
					   .end = check_latch,
					   .preemptions = 5,
					   .surprises = 3},
				  asks = {.name = "one who asks, a unit that comes back",
					  .begin = begin_sold_out,
					  .threads = {ask_first, give_back},
					  .end = check_latch,
					  .preemptions = 8,
					  .surprises = 3};

	(void)state;
	interleave(&takes);
	interleave(&asks);
}

static uint32_t withdrawn;

static void withdraw(void)
{
	lock_take(&movement);
	withdrawn = lot_units_withdraw(&lot, 2, false);
	lock_release(&movement);
}

static void add(void)
{
	lock_take(&movement);
	lot_units_add(&lot, 1);
	lock_release(&movement);
}

static void check_movements(void)
{
	read_lot();
	interleave_check(seen.allocated == 2 && seen.withdrawn == withdrawn, "movements are counted");
	interleave_check(seen.held == sold[0], "what is sold is held");
}

static void test_movements_and_a_buyer_lose_no_unit(void **state)
{
	static const struct scene scene = {.name = "a buyer, a withdrawal, an addition",
					   .begin = begin_with_one,
					   .threads = {buy_first, withdraw, add},
					   .end = check_movements,
					   .preemptions = 5,
					   .surprises = 2};

	(void)state;
	interleave(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_unit_is_sold_once),
		cmocka_unit_test(test_a_latch_ends_when_a_unit_comes_back),
		cmocka_unit_test(test_movements_and_a_buyer_lose_no_unit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
