#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "cli/table.h"

static char printed[4096];

static void print_caught(const struct table *table)
{
	FILE *caught = tmpfile();
	int kept = dup(1);
	size_t got;

	assert_non_null(caught);
	fflush(NULL);
	dup2(fileno(caught), 1);
	table_print(table);
	fflush(NULL);
	dup2(kept, 1);
	close(kept);
	rewind(caught);
	got = fread(printed, 1, sizeof(printed) - 1, caught);
	printed[got] = '\0';
	fclose(caught);
}

static void test_columns_are_as_wide_as_a_terminal_draws_their_cells(void **state)
{
	static const char *const titles[] = {"NAME", ">N", NULL};
	/* Two wide characters; an accent of its own behind its letter; a plain one. */
	static const char *const names[] = {"\xe9\x9d\xb4\xe9\x9d\xb4", "e\xcc\x81toile", "shoe"};
	struct table table;

	(void)state;
	table_init(&table, titles);
	for (int i = 0; i < 3; i++) {
		table_cell(&table, "%s", names[i]);
		table_cell(&table, "%d", i);
	}
	print_caught(&table);
	table_deinit(&table);
	assert_string_equal(printed, "NAME    N\n"
				     "\xe9\x9d\xb4\xe9\x9d\xb4    0\n"
				     "e\xcc\x81toile  1\n"
				     "shoe    2\n");
}

static void test_nothing_in_a_cell_acts_on_the_terminal(void **state)
{
	static const char *const titles[] = {"A", "B", NULL};
	struct table table;

	(void)state;
	table_init(&table, titles);
	table_cell(&table, "x\x1b[2J");
	table_cell(&table, "b");
	print_caught(&table);
	table_deinit(&table);
	assert_string_equal(printed, "A      B\n"
				     "x\xef\xbf\xbd[2J  b\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_columns_are_as_wide_as_a_terminal_draws_their_cells),
		cmocka_unit_test(test_nothing_in_a_cell_acts_on_the_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
