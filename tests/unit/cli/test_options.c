#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "cli/options.h"

static struct values {
	bool flag;
	const char *text;
	int64_t number, time;
	double percent;
	struct option_list list, commas;
} values;

static const struct option options[] = {
	{"flag", 'f', OPTION_FLAG, &values.flag, NULL, "a flag"},
	{"text", 't', OPTION_TEXT, &values.text, "TEXT", "a text"},
	{"number", 0, OPTION_INTEGER, &values.number, "N", "a number"},
	{"time", 0, OPTION_DURATION, &values.time, "TIME", "a time"},
	{"percent", 0, OPTION_PERCENT, &values.percent, "PERCENT", "a share"},
	{"item", 0, OPTION_LIST, &values.list, "ITEM", "again and again"},
	{"part", 0, OPTION_COMMAS, &values.commas, "PART", "several at once"},
};

static char error_text_kept[256];

static char *argv[32]; /* what stays */

/* Parses a NULL-terminated list; *left gets how many arguments stay. */
static int parse(const char *const *words, int *left)
{
	struct buffer error;
	int r;

	memset(&values, 0, sizeof(values));
	for (*left = 0; words[*left]; ++*left)
		argv[*left] = (char *)words[*left];
	buffer_init(&error, 1024);
	r = options_parse(options, sizeof(options) / sizeof(options[0]), left, argv, &error);
	snprintf(error_text_kept, sizeof(error_text_kept), "%.*s", (int)error.size, error.data ? error.data : "");
	buffer_deinit(&error);
	return r;
}
#define PARSE(left, ...) parse((const char *const[]){__VA_ARGS__, NULL}, left)

static void test_refuses_an_empty_text_which_would_ask_for_everything(void **state)
{
	int left;

	(void)state;
	assert_int_equal(PARSE(&left, "--text", ""), -EINVAL);
	assert_non_null(strstr(error_text_kept, "--text"));
	assert_int_equal(PARSE(&left, "--text="), -EINVAL);
}

static void test_takes_every_form_and_leaves_the_rest_in_order(void **state)
{
	int left;

	(void)state;
	assert_int_equal(PARSE(&left, "one", "--flag", "-t", "x", "two", "--number=12", "--time", "5m", "--percent", "7.5%",
			       "--item", "a", "--item=b", "-"),
			 0);
	assert_int_equal(left, 3);
	assert_string_equal(argv[0], "one");
	assert_string_equal(argv[1], "two");
	assert_string_equal(argv[2], "-");
	assert_true(values.flag);
	assert_string_equal(values.text, "x");
	assert_int_equal(values.number, 12);
	assert_int_equal(values.time, 300000);
	assert_true(values.percent == 7.5);
	assert_int_equal(values.list.count, 2);
	assert_string_equal(values.list.items[1], "b");
}

static void test_two_dashes_end_the_options(void **state)
{
	int left;

	(void)state;
	assert_int_equal(PARSE(&left, "--flag", "--", "--text", "x"), 0);
	assert_int_equal(left, 2);
	assert_string_equal(argv[0], "--text");
	assert_null(values.text);
}

static void test_cuts_lists_at_their_commas(void **state)
{
	char parts[] = "a,b", more[] = "--part=c", bad[] = "a,,b", item[] = "a,b";
	int left;

	(void)state;
	assert_int_equal(PARSE(&left, "--part", parts, more, "--item", item), 0);
	assert_int_equal(values.commas.count, 3);
	assert_string_equal(values.commas.items[0], "a");
	assert_string_equal(values.commas.items[1], "b");
	assert_string_equal(values.commas.items[2], "c");
	assert_int_equal(values.list.count, 1);
	assert_string_equal(values.list.items[0], "a,b");
	assert_int_equal(PARSE(&left, "--part", bad), -EINVAL);
}

static void test_says_what_is_wrong(void **state)
{
	int left;

	(void)state;
	assert_int_equal(PARSE(&left, "--fleg"), -EINVAL);
	assert_string_equal(error_text_kept, "unknown option --fleg; did you mean --flag?");
	assert_int_equal(PARSE(&left, "-x"), -EINVAL);
	assert_int_equal(PARSE(&left, "--text"), -EINVAL);
	assert_string_equal(error_text_kept, "--text needs a value: TEXT");
	assert_int_equal(PARSE(&left, "--flag=yes"), -EINVAL);
	assert_int_equal(PARSE(&left, "--number", "-1"), -EINVAL);
	assert_int_equal(PARSE(&left, "--number", "1x"), -EINVAL);
	assert_int_equal(PARSE(&left, "--number", "99999999999999999999"), -EINVAL);
	assert_int_equal(PARSE(&left, "--percent", "101"), -EINVAL);
	assert_int_equal(PARSE(&left, "--percent", "nan"), -EINVAL);
	assert_string_equal(error_text_kept, "--percent nan: wanted is a percentage from 0 to 100");
}

static void test_reads_durations(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} good[] = {{"250ms", 250}, {"2s", 2000}, {"1.5s", 1500}, {"90", 90000}, {"24h", 86400000}, {"0", 0}, {"7d", 604800000}};
	static const char *const bad[] = {"", "s", "-1s", "1y", "1 s", "inf", "1e30h", " 1s", "0x10s "};
	int64_t ms;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(options_duration_parse(good[i].text, &ms), 0);
		assert_int_equal(ms, good[i].ms);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(options_duration_parse(bad[i], &ms), -EINVAL);
}

static void test_help_names_every_option(void **state)
{
	struct buffer out;

	(void)state;
	buffer_init(&out, 4096);
	options_help(options, sizeof(options) / sizeof(options[0]), &out);
	buffer_append(&out, "", 1);
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		assert_non_null(strstr(out.data, options[i].name));
		assert_non_null(strstr(out.data, options[i].help));
	}
	buffer_deinit(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refuses_an_empty_text_which_would_ask_for_everything),
		cmocka_unit_test(test_takes_every_form_and_leaves_the_rest_in_order),
		cmocka_unit_test(test_two_dashes_end_the_options),
		cmocka_unit_test(test_cuts_lists_at_their_commas),
		cmocka_unit_test(test_says_what_is_wrong),
		cmocka_unit_test(test_reads_durations),
		cmocka_unit_test(test_help_names_every_option),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
