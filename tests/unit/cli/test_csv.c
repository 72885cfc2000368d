#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
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

/*
 * The rows as fields with '|' between and a line's number before; the end as what csv_read() said.
 */
static void read_all(const char *text, char *out, size_t size)
{
	struct csv_reader reader;
	struct csv_row row = {0};
	size_t at = 0;
	int r;

	csv_reader_init(&reader, slice_of(text));
	while ((r = csv_read(&reader, &row)) == 1) {
		at += (size_t)snprintf(out + at, size - at, "%zu", row.line);
		for (size_t i = 0; i < row.count; i++)
			at += (size_t)snprintf(out + at, size - at, "|%.*s", (int)row.fields[i].size, row.fields[i].data);
		at += (size_t)snprintf(out + at, size - at, ";");
	}
	snprintf(out + at, size - at, "%d at %zu", r, row.line);
	csv_row_deinit(&row);
}

static void test_rows_are_read_as_they_are_written(void **state)
{
	static const struct {
		const char *text, *read;
	} cases[] = {
		{"", "0 at 1"},
		{"a,b\r\nc,d\r\n", "1|a|b;2|c|d;0 at 3"},
		{"a,b\nc,", "1|a|b;2|c|;0 at 3"},
		{"\xef\xbb\xbf"
		 "a\n\n\nb",
		 "1|a;4|b;0 at 5"},
		{"\"a,1\",\"say \"\"so\"\"\"\n", "1|a,1|say \"so\";0 at 2"},
		{"\"two\nlines\",x\ny\n", "1|two\nlines|x;3|y;0 at 4"},
		{"\"\",\"\"\n", "1||;0 at 2"},
		{"a\"b,c\n", "1|a\"b|c;0 at 2"},
		{"x\n\"open\n", "1|x;-74 at 2"},
		{"\"a\"b\n", "-74 at 1"},
		{"a,b\nc\nd,e,,\n", "1|a|b;2|c;3|d|e||;0 at 4"},
		{"a,b\nc,1,000\n", "1|a|b;-74 at 2"},
		{"\na\nb\nc,d\n", "2|a;3|b;-74 at 4"},
	};
	char out[512];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		read_all(cases[i].text, out, sizeof(out));
		assert_string_equal(out, cases[i].read);
	}
}

static void test_a_row_has_no_more_fields_than_there_is_room_for(void **state)
{
	char text[CSV_FIELDS_MAX + 2], out[512];

	(void)state;
	memset(text, ',', sizeof(text));
	text[CSV_FIELDS_MAX] = '\0';
	read_all(text, out, sizeof(out));
	assert_string_equal(out, "-74 at 1");
	text[CSV_FIELDS_MAX - 1] = '\0';
	read_all(text, out, sizeof(out));
	assert_non_null(strstr(out, ";0 at 2"));
}

static void test_columns_are_found_by_their_titles(void **state)
{
	struct csv_reader reader;
	struct csv_row row = {0};

	(void)state;
	csv_reader_init(&reader, SLICE("id, order ,id\n1\n"));
	assert_int_equal(csv_read(&reader, &row), 1);
	assert_int_equal(csv_column(&row, "order"), 1);
	assert_int_equal(csv_column(&row, "id"), 0);
	assert_int_equal(csv_column(&row, "amount"), -1);
	assert_int_equal(csv_read(&reader, &row), 1);
	assert_true(slice_equal(csv_field(&row, 0), SLICE("1")));
	assert_int_equal(csv_field(&row, 1).size, 0);
	assert_int_equal(csv_field(&row, -1).size, 0);
	csv_row_deinit(&row);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields_are_quoted_where_they_must_be),
		cmocka_unit_test(test_rows_are_read_as_they_are_written),
		cmocka_unit_test(test_a_row_has_no_more_fields_than_there_is_room_for),
		cmocka_unit_test(test_columns_are_found_by_their_titles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
