#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "cli/csv.h"

static void test_fields_are_quoted_where_they_must_be(void **state)
{
	static const char *const fields[] = {"plain", "", "a,b", "say \"so\"", "two\nlines", "cr\r", " spaces ", "Zo\xc3\xab"};
	static const char wanted[] = "plain,,\"a,b\",\"say \"\"so\"\"\",\"two\nlines\",\"cr\r\", spaces ,Zo\xc3\xab\r\n";
	struct buffer out;

	(void)state;
	buffer_init(&out, 1024);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		csv_append(&out, slice_of(fields[i]), i == 0);
	csv_end_line(&out);
	assert_int_equal(out.size, strlen(wanted));
	assert_memory_equal(out.data, wanted, out.size);
	buffer_deinit(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields_are_quoted_where_they_must_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
