#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "cli/cli.h"
#include "cli/client.h"

static const struct command *ran;
static int ran_argc, ran_flags;
static char *ran_first;

static int note(struct cli *cli)
{
	int code = cli_options(cli, NULL, 0, 0, 1);

	if (code != CLI_GO)
		return code;
	ran = cli->command;
	ran_argc = cli->argc;
	ran_first = cli->argv[0];
	ran_flags = cli->flag_count;
	return 0;
}

static const struct command sell = {.name = "shop sell", .synopsis = "[WHAT]", .summary = "Sell", .settings = true, .run = note};
static const struct command buy = {.name = "shop buy", .synopsis = "[WHAT]", .summary = "Buy", .run = note};
static const struct command shop = {
	.name = "shop", .synopsis = "COMMAND", .summary = "A shop", .children = (const struct command *const[]){&sell, &buy, NULL}};
static const struct command version = {.name = "version", .synopsis = "", .summary = "The version", .run = note};
static const struct command *const commands[] = {&shop, &version, NULL};

/* Runs a command line with what it prints caught. */
static int call(char *out, size_t size, const char *const *words)
{
	FILE *caught = tmpfile();
	int kept_out = dup(1), kept_err = dup(2), argc = 0, code;
	char *argv[16] = {NULL};
	size_t got;

	ran = NULL;
	for (; words[argc]; argc++)
		argv[argc] = (char *)words[argc];
	fflush(NULL);
	dup2(fileno(caught), 1);
	dup2(fileno(caught), 2);
	code = cli_main(commands, argc, argv);
	fflush(NULL);
	dup2(kept_out, 1);
	dup2(kept_err, 2);
	close(kept_out);
	close(kept_err);
	rewind(caught);
	got = fread(out, 1, size - 1, caught);
	out[got] = '\0';
	fclose(caught);
	return code;
}
#define CALL(...) call(text, sizeof(text), (const char *const[]){"penstock", __VA_ARGS__, NULL})

static char text[16384];

static void test_runs_the_command_that_is_named(void **state)
{
	(void)state;
	assert_int_equal(CALL("version"), CLI_OK);
	assert_ptr_equal(ran, &version);
	assert_int_equal(CALL("shop", "buy", "bread"), CLI_OK);
	assert_ptr_equal(ran, &buy);
	assert_int_equal(ran_argc, 1);
	assert_string_equal(ran_first, "bread");
	assert_int_equal(CALL("--version"), CLI_OK);
	assert_ptr_equal(ran, &version);
}

static void test_settings_flags_go_to_commands_that_take_them(void **state)
{
	(void)state;
	assert_int_equal(CALL("shop", "sell", "--ledger.url", "sqlite:x.db", "bread"), CLI_OK);
	assert_int_equal(ran_argc, 1);
	assert_true(ran_flags > 0);
	assert_int_equal(CALL("shop", "buy", "--ledger.url", "sqlite:x.db"), CLI_USAGE);
	assert_non_null(strstr(text, "takes no settings"));
}

static void test_an_unknown_command_suggests_the_nearest(void **state)
{
	(void)state;
	assert_int_equal(CALL("verison"), CLI_USAGE);
	assert_non_null(strstr(text, "did you mean `penstock version`"));
	assert_int_equal(CALL("shop", "bye"), CLI_USAGE);
	assert_non_null(strstr(text, "did you mean `penstock shop buy`"));
	assert_int_equal(CALL("frobnicate"), CLI_USAGE);
	assert_null(strstr(text, "did you mean"));
}

static void test_help_is_there_in_every_way_of_asking(void **state)
{
	(void)state;
	assert_int_equal(CALL("--help"), CLI_OK);
	assert_non_null(strstr(text, "A shop"));
	assert_int_equal(CALL("shop", "--help"), CLI_OK);
	assert_non_null(strstr(text, "Sell"));
	assert_int_equal(CALL("shop", "sell", "--help"), CLI_OK);
	assert_non_null(strstr(text, "Usage: penstock shop sell [WHAT]"));
	assert_null(ran);
	assert_int_equal(CALL("help", "shop", "sell"), CLI_OK);
	assert_non_null(strstr(text, "Usage: penstock shop sell [WHAT]"));
	assert_int_equal(CALL("help", "sopp"), CLI_USAGE);
}

static void test_wrong_use_is_code_two(void **state)
{
	(void)state;
	assert_int_equal(call(text, sizeof(text), (const char *const[]){"penstock", NULL}), CLI_USAGE);
	assert_int_equal(CALL("shop"), CLI_USAGE);
	assert_int_equal(CALL("version", "--nonsense"), CLI_USAGE);
	assert_non_null(strstr(text, "Try `penstock version --help`."));
	assert_int_equal(CALL("shop", "buy", "one", "two"), CLI_USAGE);
}

static void test_a_listener_on_any_address_is_reached_by_loopback(void **state)
{
	struct listen_list listen;
	struct slice bad;
	char url[CLIENT_URL_SIZE];

	(void)state;
	assert_int_equal(listen_list_parse(SLICE("0.0.0.0:9000"), &listen, &bad), 0);
	client_url(&listen, url);
	assert_string_equal(url, "http://127.0.0.1:9000");
	assert_int_equal(listen_list_parse(SLICE("[::]:9000"), &listen, &bad), 0);
	client_url(&listen, url);
	assert_string_equal(url, "http://[::1]:9000");
	assert_int_equal(listen_list_parse(SLICE("192.0.2.7:80"), &listen, &bad), 0);
	client_url(&listen, url);
	assert_string_equal(url, "http://192.0.2.7:80");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_runs_the_command_that_is_named),
		cmocka_unit_test(test_settings_flags_go_to_commands_that_take_them),
		cmocka_unit_test(test_an_unknown_command_suggests_the_nearest),
		cmocka_unit_test(test_help_is_there_in_every_way_of_asking),
		cmocka_unit_test(test_wrong_use_is_code_two),
		cmocka_unit_test(test_a_listener_on_any_address_is_reached_by_loopback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
