/* Readers of what may be taken out and freed: none is inside when it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "exhaustive/interleave.h"
#include "stock/reader_gate.h"

struct thing {
	int value; /* plain: a reader that nothing keeps apart from its end is a race */
};

static struct reader_gate gate;
static struct thing things[2];
static _Atomic(struct thing *) table[2];

static void begin(void)
{
	reader_gate_init(&gate);
	for (int i = 0; i < 2; i++) {
		things[i].value = 7;
		atomic_init(&table[i], &things[i]);
	}
	reader_gate_leave(&gate, reader_gate_enter(&gate)); /* all threads of a scene are in one stripe */
}

static void use(int number)
{
	unsigned stripe = reader_gate_enter(&gate);
	struct thing *thing = atomic_load(&table[number]);

	if (thing)
		interleave_check(thing->value == 7, "what is used is not freed");
	reader_gate_leave(&gate, stripe);
}

static void read_first(void)
{
	use(0);
}

static void read_second(void)
{
	use(1);
}

static void remove_thing(int number)
{
	struct thing *thing = atomic_exchange(&table[number], NULL);

	reader_gate_wait(&gate);
	thing->value = 0; /* freed */
}

static void remove_first(void)
{
	remove_thing(0);
}

static void remove_both(void)
{
	remove_thing(0);
	remove_thing(1);
}

static void test_what_a_reader_uses_is_not_freed(void **state)
{
	static const struct scene scene = {.name = "two readers of what is taken out",
					   .begin = begin,
					   .threads = {read_first, read_first, remove_first},
					   .preemptions = 3,
					   .surprises = 2};

	(void)state;
	assert_true(interleave(&scene) > 1000);
}

/*
 * Who has read the phase before a removal and enters behind it is in the count of the one before.
 */
static void test_a_reader_that_enters_late_is_waited_for_by_the_next_removal(void **state)
{
	static const struct scene scene = {.name = "a reader over two removals",
					   .begin = begin,
					   .threads = {read_second, remove_both},
					   .preemptions = 5,
					   .surprises = 2};

	(void)state;
	interleave(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_a_reader_uses_is_not_freed),
		cmocka_unit_test(test_a_reader_that_enters_late_is_waited_for_by_the_next_removal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
