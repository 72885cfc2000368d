/* A row of counts that goes from sale to sale while it is read: no sale gets another's counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "exhaustive/interleave.h"
#include "gate/tally_row.h"

enum { COUNTS = 2, MINE = 1, OTHER = 2 };

static _Atomic uint64_t counts[COUNTS];
static struct tally_row row;

/* Sale 1 has counted 2 of the first; sale 2 counts the second alone. */
static void begin(void)
{
	for (int i = 0; i < COUNTS; i++)
		atomic_init(&counts[i], 0);
	atomic_init(&row.sale, 0);
	row.counts = counts;
	tally_row_give(&row, MINE, COUNTS);
	tally_row_add(&row, 0);
	tally_row_add(&row, 0);
}

static void hand_over(void)
{
	tally_row_give(&row, OTHER, COUNTS);
	tally_row_add(&row, 1);
}

static void read_both(void)
{
	uint64_t found[COUNTS];

	if (tally_row_read(&row, MINE, found, COUNTS))
		interleave_check(found[0] == 2 && found[1] == 0, "the counts of the first sale are its own");
	if (tally_row_read(&row, OTHER, found, COUNTS))
		interleave_check(found[0] == 0 && found[1] <= 1, "the counts of the second sale are its own");
}

static void test_no_sale_gets_anothers_counts(void **state)
{
	static const struct scene scene = {.name = "a row changes hands",
					   .begin = begin,
					   .threads = {hand_over, read_both, read_both},
					   .preemptions = 3,
					   .surprises = 2};

	(void)state;
	assert_true(interleave(&scene) > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_sale_gets_anothers_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
