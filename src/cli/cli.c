#include "cli/cli.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/log.h"
#include "engine/adapters.h"
#include "text/edit_distance.h"

enum { WORD_MAX = 31, HELP_MAX = 256 * 1024, HELP_WIDTH = 80 };

int cli_error(int code, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fprintf(stderr, "%spenstock: ", log_priority(LOG_ERROR));
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	va_end(arguments);
	return code;
}

int cli_usage(const struct cli *cli, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fprintf(stderr, "%spenstock %s: ", log_priority(LOG_ERROR), cli->command->name);
	vfprintf(stderr, format, arguments);
	fprintf(stderr, "\nTry `penstock %s --help`.\n", cli->command->name);
	va_end(arguments);
	return CLI_USAGE;
}

int cli_print(const struct buffer *buffer)
{
	if (buffer->failed)
		return cli_error(CLI_FAILED, "%s", error_text(-ENOMEM));
	if (fwrite(buffer->data, 1, buffer->size, stdout) != buffer->size || fflush(stdout) != 0)
		return cli_error(CLI_FAILED, "standard output: %s", error_text(-errno));
	return CLI_OK;
}

/* --- Help --- */

/* The last word of "sale create". */
static const char *last_word(const char *name)
{
	const char *space = strrchr(name, ' ');

	return space ? space + 1 : name;
}

static void list_commands(const struct command *const *commands, struct buffer *out)
{
	for (; *commands; commands++) {
		buffer_printf(out, "  %-10s ", last_word((*commands)->name));
		buffer_append_wrapped(out, (*commands)->summary, 13, 13, HELP_WIDTH);
		buffer_append_literal(out, "\n");
	}
}

static int top_help(const struct command *const *commands)
{
	struct buffer out;
	int code;

	buffer_init(&out, HELP_MAX);
	buffer_append_text(&out, "penstock stands between a stampede of buyers and an order database, and\nkeeps its promises.\n\n"
				 "Usage: penstock COMMAND [ARGUMENT...]\n\nCommands:\n");
	list_commands(commands, &out);
	buffer_append_text(&out, "\nFirst steps:\n"
				 "  penstock demo            watch a flash sale with a crash, and a verdict\n"
				 "  penstock serve           run the server in this folder\n"
				 "  penstock COMMAND --help  what a command does and takes\n"
				 "  penstock -V              which version this is\n\n"
				 "Exit codes: 0 fine, 1 it failed or a promise is broken, 2 wrong use.\n");
	code = cli_print(&out);
	buffer_deinit(&out);
	return code;
}

static int command_help(const struct command *command, const struct option *options, size_t count)
{
	struct buffer out;
	int code;

	buffer_init(&out, HELP_MAX);
	buffer_printf(&out, "Usage: penstock %s ", command->name);
	buffer_append_wrapped(&out, command->synopsis, strlen("Usage: penstock  ") + strlen(command->name), 7, HELP_WIDTH);
	buffer_append_literal(&out, "\n\n");
	buffer_append_wrapped(&out, command->summary, 0, 0, HELP_WIDTH - 1);
	buffer_append_literal(&out, ".\n");
	if (command->details) {
		buffer_append_literal(&out, "\n");
		buffer_append_wrapped(&out, command->details, 0, 0, HELP_WIDTH);
	}
	if (command->children) {
		buffer_append_text(&out, "\nCommands:\n");
		list_commands(command->children, &out);
	}
	buffer_append_text(&out, "\nOptions:\n");
	options_help(options, count, &out);
	if (command->settings && strcmp(command->name, "serve") == 0) {
		buffer_append_text(&out, "\nSettings (a flag wins over the environment, that over the file):\n");
		settings_help(&out);
	} else if (command->settings) {
		buffer_append_text(
			&out, "\nAny setting can be given as a flag (--ledger.url sqlite:shop.db), as in\n`penstock serve --help`.\n");
	}
	code = cli_print(&out);
	buffer_deinit(&out);
	return code;
}

/* --- Arguments --- */

int cli_options(struct cli *cli, const struct option *options, size_t count, int least, int most)
{
	struct option all[CLI_OPTIONS_MAX];
	bool help = false, asks = false;
	struct buffer error;
	size_t total = 0;
	int code = CLI_GO;

	ASSERT(count + 3 <= CLI_OPTIONS_MAX);
	for (; total < count; total++) {
		all[total] = options[total];
		asks |= (options[total].kind == OPTION_TEXT || options[total].kind == OPTION_COMMAS) &&
			strcmp(options[total].name, "operator") == 0;
	}
	if (asks)
		all[total++] = (struct option){"cacert",     0,      OPTION_TEXT,
					       &cli->cacert, "FILE", "CAs that an https:// server is known by (the system's)"};
	if (cli->command->settings)
		all[total++] = (struct option){"config",          'c',    OPTION_TEXT,
					       &cli->config_file, "FILE", "settings file (penstock.conf, where it is there)"};
	all[total++] = (struct option){"help", 'h', OPTION_FLAG, &help, NULL, "this text"};
	if (cli->describe) {
		cli->describe(cli->describe_context, all, total);
		return CLI_OK;
	}
	buffer_init(&error, 4096);
	if (options_parse(all, total, &cli->argc, cli->argv, &error) < 0)
		code = cli_usage(cli, "%.*s", (int)error.size, error.data);
	buffer_deinit(&error);
	if (help)
		return command_help(cli->command, all, total);
	if (code != CLI_GO)
		return code;
	if (cli->argc < least)
		return cli_usage(cli, "something is missing: penstock %s %s", cli->command->name, cli->command->synopsis);
	if (cli->argc > most)
		return cli_usage(cli, "what is \"%s\" for? usage: penstock %s %s", cli->argv[most], cli->command->name,
				 cli->command->synopsis);
	if (cli->flag_count > 0 && !cli->command->settings)
		return cli_usage(cli, "it takes no settings (%s)", cli->flags[0]);
	return CLI_GO;
}

struct settings_sources cli_sources(const struct cli *cli)
{
	return (struct settings_sources){
		.file = cli->config_file,
		.environment = environ,
		.flag_count = cli->flag_count,
		.flags = cli->flags,
	};
}

int cli_settings(struct cli *cli, struct settings **settings)
{
	struct settings_sources sources = cli_sources(cli);
	struct buffer error;
	int r;

	buffer_init(&error, 4096);
	r = settings_load(settings, &sources, &error);
	if (r < 0 && error.size > 0)
		cli_error(CLI_USAGE, "%.*s", (int)error.size, error.data);
	else if (r < 0)
		cli_error(CLI_USAGE, "settings: %s", error_text(r));
	buffer_deinit(&error);
	return r < 0 ? CLI_USAGE : CLI_GO;
}

int cli_open_ledger(const char *url, int flags, struct ledger **ledger)
{
	int r = adapters_open_ledger(url, flags, ledger);
	char name[SETTINGS_URL_TEXT_SIZE];

	settings_url_text(url, name);
	switch (r) {
	case 0:
		return CLI_GO;
	case LEDGER_LEASE_HELD:
		return cli_error(CLI_FAILED, "ledger %s: a server is running on it; stop it first", name);
	case LEDGER_TOO_NEW:
		return cli_error(CLI_FAILED, "ledger %s: it was written by a newer penstock than this one", name);
	case -EINVAL:
		return cli_error(CLI_USAGE,
				 "ledger %s: there is no such kind of ledger; wanted is sqlite:PATH (of a file PATH) or "
				 "postgresql://...",
				 name);
	case -EUCLEAN:
		return cli_error(CLI_FAILED, "ledger %s: what is there is no ledger of penstock, or it is damaged", name);
	case -ENOSYS:
		return cli_error(CLI_USAGE,
				 "ledger %s: this penstock is built without the feature postgres (see `penstock version`)", name);
	case -ENOTCONN:
		return cli_error(CLI_FAILED, "ledger %s: its server cannot be reached", name);
	default:
		return cli_error(CLI_FAILED, "ledger %s: %s", name, error_text(r));
	}
}

/* --- Dispatch --- */

static const struct command *find(const struct command *const *commands, const char *word)
{
	for (; *commands; commands++) {
		if (strcmp(last_word((*commands)->name), word) == 0)
			return *commands;
	}
	return NULL;
}

static const struct command *nearest(const struct command *const *commands, const char *word)
{
	const struct command *best = NULL;
	size_t least = EDIT_SLIPS_MAX + 1;

	for (; *commands; commands++)
		if (edit_is_nearer(last_word((*commands)->name), word, &least))
			best = *commands;
	return best;
}

static int unknown(const struct command *parent, const struct command *const *commands, const char *word)
{
	const struct command *suggestion = nearest(commands, word);
	const char *before = parent ? parent->name : "", *space = parent ? " " : "";

	if (suggestion)
		return cli_error(CLI_USAGE, "there is no command \"%s%s%s\"; did you mean `penstock %s`?", before, space, word,
				 suggestion->name);
	return cli_error(CLI_USAGE, "there is no command \"%s%s%s\"; `penstock %s%s--help` lists them", before, space, word,
			 before, space);
}

static bool is_help(const char *word)
{
	return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0;
}

static int cli_run_command(const struct command *command, struct cli *cli)
{
	static const bool ignored;
	const struct option help = {"help", 'h', OPTION_FLAG, (void *)&ignored, NULL, "this text"};

	cli->command = command;
	if (!command->children)
		return command->run(cli);
	if (cli->argc == 0) {
		command_help(command, &help, 1);
		return CLI_USAGE;
	}
	if (is_help(cli->argv[0]))
		return command_help(command, &help, 1);
	command = find(command->children, cli->argv[0]);
	if (!command)
		return unknown(cli->command, cli->command->children, cli->argv[0]);
	cli->argc--;
	cli->argv++;
	return cli_run_command(command, cli);
}

/* `penstock help sale create` is `penstock sale create --help`. */
static int help_with_words(const struct command *const *commands, int argc, char **argv)
{
	static char help[] = "--help";
	char *rest[WORD_MAX + 2] = {NULL};
	struct cli cli = {.argv = rest, .commands = commands};
	const struct command *command = find(commands, argv[0]);

	if (!command)
		return unknown(NULL, commands, argv[0]);
	for (int i = 1; i < argc && i < WORD_MAX; i++)
		rest[cli.argc++] = argv[i];
	rest[cli.argc++] = help;
	return cli_run_command(command, &cli);
}

/* A pipe to one that has enough: `penstock log | head`. */
static bool nobody_reads_on(void)
{
	struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};

	return poll(&out, 1, 0) == 1 && (out.revents & POLLERR);
}

/*
 * A command may have printed before it was known that the disk is full, or print only now: what is
 * not written is not said to be done.
 */
static int all_is_printed(int code)
{
	int error = fflush(stdout) != 0 ? errno : ferror(stdout) ? EIO : 0;

	if (error == 0 || code != CLI_OK || nobody_reads_on())
		return code;
	return cli_error(CLI_FAILED, "standard output: %s: what was printed is not whole", error_text(-error));
}

int cli_main(const struct command *const *commands, int argc, char **argv)
{
	struct cli cli = {.commands = commands};
	const struct command *command;
	int code;

	/*
	 * A command says itself what went wrong, in words; the log is the server's, and `serve`
	 * turns it on.
	 */
	log_set_level(LOG_OFF);
	if (argc < 2) {
		top_help(commands);
		return CLI_USAGE;
	}
	if (is_help(argv[1]))
		return argc > 2 ? help_with_words(commands, argc - 2, argv + 2) : top_help(commands);
	command = find(commands, strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0 ? "version" : argv[1]);
	if (!command)
		return unknown(NULL, commands, argv[1]);
	cli.argc = argc - 2;
	cli.argv = argv + 2;
	cli.flags = calloc((size_t)argc, sizeof(cli.flags[0]));
	if (!cli.flags)
		return cli_error(CLI_FAILED, "%s", error_text(-ENOMEM));
	cli.flag_count = settings_take_flags(&cli.argc, cli.argv, cli.flags);
	code = cli_run_command(command, &cli);
	free(cli.flags);
	return all_is_printed(code);
}
