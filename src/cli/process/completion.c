/*
 * What a shell completes, made from the same tables as --help: each command is asked for its
 * options by the call that would parse them (cli.describe), so there is no second list to forget.
 * The scripts know words, options and the settings that have few values; files are left to the
 * shell.
 */
#include <stdlib.h>
#include <string.h>
#include "cli/commands.h"

enum { COMMANDS_MAX = 96, SCRIPT_MAX = 1 << 20 };

struct item {
	const struct command *command;
	size_t option_count;
	struct option options[CLI_OPTIONS_MAX]; /* without their targets */
};
struct book {
	const struct command *const *top;
	size_t count;
	struct item items[COMMANDS_MAX];
};

/* --- What there is --- */

static void take_options(void *context, const struct option *options, size_t count)
{
	struct item *item = context;

	memcpy(item->options, options, count * sizeof(options[0]));
	item->option_count = count;
}

static void collect(struct book *book, const struct command *const *commands)
{
	static const struct option help = {"help", 'h', OPTION_FLAG, NULL, NULL, "this text"};

	for (; *commands; commands++) {
		struct item *item = &book->items[book->count++];
		char *none[] = {NULL};
		struct cli cli = {.command = *commands, .argv = none, .describe = take_options, .describe_context = item};

		ASSERT(book->count <= COMMANDS_MAX);
		item->command = *commands;
		if ((*commands)->children) {
			take_options(item, &help, 1);
			collect(book, (*commands)->children);
		} else {
			(*commands)->run(&cli);
		}
	}
}

/* --- Pieces that all shells have --- */

/* In single quotes, which bash, zsh and fish read alike. */
static void put_quoted(struct buffer *out, const char *text)
{
	buffer_append_literal(out, "'");
	for (; *text; text++)
		if (*text == '\'')
			buffer_append_literal(out, "'\\''");
		else
			buffer_append(out, text, 1);
	buffer_append_literal(out, "'");
}

/* Every command as the way to it sees it: 'sale create', and ' sale' where nothing was before. */
static void put_steps(struct buffer *out, const struct book *book, const char *between)
{
	for (size_t i = 0; i < book->count; i++) {
		const char *name = book->items[i].command->name;

		buffer_printf(out, "%s'%s%s'", i ? between : "", strchr(name, ' ') ? "" : " ", name);
	}
}

struct choices {
	struct buffer *out;
	const char *open, *close; /* how the shell sets what may follow */
};

/* After an option with few values, those. */
static void put_choices(void *context, const char *name, const char *help, const char *const *choices)
{
	const struct choices *form = context;

	(void)help;
	if (!choices)
		return;
	buffer_printf(form->out, "\t\t--%s) %s", name, form->open);
	for (size_t i = 0; choices[i]; i++)
		buffer_printf(form->out, "%s%s", i ? " " : "", choices[i]);
	buffer_printf(form->out, "%s ;;\n", form->close);
}

static const char *last_word(const char *name)
{
	const char *space = strrchr(name, ' ');

	return space ? space + 1 : name;
}

/* --- bash --- */

static void bash_item(struct buffer *out, const struct item *item)
{
	buffer_printf(out, "\t'%s')\n\t\toptions='", item->command->name);
	for (size_t i = 0; i < item->option_count; i++)
		buffer_printf(out, "%s--%s", i ? " " : "", item->options[i].name);
	buffer_append_literal(out, "' values='");
	for (size_t i = 0; i < item->option_count; i++) {
		if (!item->options[i].value)
			continue;
		buffer_printf(out, " --%s", item->options[i].name);
		if (item->options[i].letter)
			buffer_printf(out, " -%c", item->options[i].letter);
	}
	buffer_append_literal(out, " '");
	if (item->command->children) {
		buffer_append_literal(out, " words='");
		for (const struct command *const *child = item->command->children; *child; child++)
			buffer_printf(out, "%s ", last_word((*child)->name));
		buffer_append_literal(out, "'");
	}
	if (item->command->settings)
		buffer_append_literal(out, "\n\t\toptions+=\" $settings\" values+=\"$settings \"");
	buffer_append_literal(out, " ;;\n");
}

static void bash_setting(void *context, const char *name, const char *help, const char *const *choices)
{
	(void)help, (void)choices;
	buffer_printf(context, " --%s", name);
}

static void bash(struct buffer *out, const struct book *book)
{
	buffer_append_text(out, "_penstock()\n{\n\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}\n"
				"\tlocal command='' options='--help --version' values='' words='' word\n\tlocal settings='");
	settings_flags(bash_setting, out);
	buffer_append_text(
		out,
		"'\n\n\tCOMPREPLY=()\n\tfor word in \"${COMP_WORDS[@]:1:COMP_CWORD - 1}\"; do\n\t\tcase \"$command $word\" in\n\t\t");
	put_steps(out, book, " | ");
	buffer_append_text(out, ") command=${command:+$command }$word ;;\n\t\tesac\n\tdone\n\tcase $command in\n\t'') words='");
	for (const struct command *const *command = book->top; *command; command++)
		buffer_printf(out, "%s ", (*command)->name);
	buffer_append_literal(out, "' ;;\n");
	for (size_t i = 0; i < book->count; i++)
		bash_item(out, &book->items[i]);
	buffer_append_text(out, "\tesac\n\tif [[ $values == *\" $prev \"* ]]; then\n\t\twords='' options=''\n\t\tcase $prev in\n");
	settings_flags(put_choices, &(struct choices){out, "words='", "'"});
	buffer_append_text(
		out, "\t\tesac\n\tfi\n\t[[ $cur != -* ]] || words=$options\n"
		     "\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n}\ncomplete -o default -F _penstock penstock\n");
}

/* --- zsh --- */

static void zsh_choice(struct buffer *out, const char *dashes, const char *name, const char *help)
{
	struct buffer text;

	buffer_init(&text, SCRIPT_MAX);
	buffer_printf(&text, "%s%s:%s%c", dashes, name, help, '\0');
	if (!text.failed)
		put_quoted(out, text.data);
	buffer_append_literal(out, " ");
	buffer_deinit(&text);
}

static void zsh_item(struct buffer *out, const struct item *item)
{
	buffer_printf(out, "\t'%s')\n\t\toptions=(", item->command->name);
	for (size_t i = 0; i < item->option_count; i++)
		zsh_choice(out, "--", item->options[i].name, item->options[i].help);
	buffer_append_literal(out, ")\n\t\tvalues=(");
	for (size_t i = 0; i < item->option_count; i++) {
		if (!item->options[i].value)
			continue;
		buffer_printf(out, "--%s ", item->options[i].name);
		if (item->options[i].letter)
			buffer_printf(out, "-%c ", item->options[i].letter);
	}
	buffer_append_literal(out, ")");
	if (item->command->children) {
		buffer_append_literal(out, "\n\t\tcommands=(");
		for (const struct command *const *child = item->command->children; *child; child++)
			zsh_choice(out, "", last_word((*child)->name), (*child)->summary);
		buffer_append_literal(out, ")");
	}
	if (item->command->settings)
		buffer_append_literal(out, "\n\t\toptions+=($settings) values+=(${settings%%:*})");
	buffer_append_literal(out, " ;;\n");
}

static void zsh_setting(void *context, const char *name, const char *help, const char *const *choices)
{
	(void)choices;
	buffer_append_literal(context, "\n\t\t");
	zsh_choice(context, "--", name, help);
}

static void zsh(struct buffer *out, const struct book *book)
{
	buffer_append_text(out,
			   "_penstock()\n{\n\tlocal command= word\n\tlocal -a commands values\n"
			   "\tlocal -a options=('--help:what there is' '--version:which version this is')\n\tlocal -a settings=(");
	settings_flags(zsh_setting, out);
	buffer_append_text(out, ")\n\n\tfor word in ${words[2,CURRENT-1]}; do\n\t\tcase \"$command $word\" in\n\t\t");
	put_steps(out, book, " | ");
	buffer_append_text(out, ") command=${command:+$command }$word ;;\n\t\tesac\n\tdone\n\tcase $command in\n\t'') commands=(");
	for (const struct command *const *command = book->top; *command; command++)
		zsh_choice(out, "", (*command)->name, (*command)->summary);
	buffer_append_literal(out, ") ;;\n");
	for (size_t i = 0; i < book->count; i++)
		zsh_item(out, &book->items[i]);
	buffer_append_text(
		out,
		"\tesac\n\tif (( ${values[(Ie)$words[CURRENT-1]]} )); then\n\t\tcommands=() options=()\n\t\tcase $words[CURRENT-1] in\n");
	settings_flags(put_choices, &(struct choices){out, "commands=(", ")"});
	buffer_append_text(
		out, "\t\tesac\n\tfi\n\tif [[ $words[CURRENT] == -* ]] && (( $#options )); then\n\t\t_describe -o option options\n"
		     "\telif (( $#commands )); then\n\t\t_describe command commands\n\telse\n\t\t_files\n\tfi\n}\n"
		     "if [[ $funcstack[1] == _penstock ]]; then\n\t_penstock \"$@\"\nelse\n\tcompdef _penstock penstock\nfi\n");
}

/* --- fish --- */

static void fish_word(struct buffer *out, const char *parent, const struct command *command)
{
	buffer_printf(out, "complete -c penstock -f -n '__penstock_at \"%s\"' -a %s -d ", parent, last_word(command->name));
	put_quoted(out, command->summary);
	buffer_append_literal(out, "\n");
}

static void fish_item(struct buffer *out, const struct item *item)
{
	const char *name = item->command->name;

	for (const struct command *const *child = item->command->children; child && *child; child++)
		fish_word(out, name, *child);
	for (size_t i = 0; i < item->option_count; i++) {
		const struct option *option = &item->options[i];

		buffer_printf(out, "complete -c penstock -n '__penstock_at \"%s\"' -l %s%s", name, option->name,
			      option->value ? " -r" : "");
		if (option->letter)
			buffer_printf(out, " -s %c", option->letter);
		buffer_append_literal(out, " -d ");
		put_quoted(out, option->help);
		buffer_append_literal(out, "\n");
	}
}

static void fish_setting(void *context, const char *name, const char *help, const char *const *choices)
{
	struct buffer *out = context;

	buffer_printf(out, "complete -c penstock -n '__penstock_at $__penstock_settings' -l %s -r", name);
	if (choices) {
		buffer_append_literal(out, " -f -a '");
		for (; *choices; choices++)
			buffer_printf(out, "%s ", *choices);
		buffer_append_literal(out, "'");
	}
	buffer_append_literal(out, " -d ");
	put_quoted(out, help);
	buffer_append_literal(out, "\n");
}

static void fish(struct buffer *out, const struct book *book)
{
	buffer_append_text(out, "function __penstock_at # whether the command is one of these\n\tset -l command ''\n"
				"\tfor word in (commandline -opc)[2..-1]\n\t\tswitch \"$command $word\"\n\t\t\tcase ");
	put_steps(out, book, " ");
	buffer_append_text(out, "\n\t\t\t\tset command (string trim \"$command $word\")\n\t\tend\n\tend\n\tcontains -- \"$command\" $argv\nend\n"
				"set -g __penstock_settings");
	for (size_t i = 0; i < book->count; i++)
		if (book->items[i].command->settings)
			buffer_printf(out, " '%s'", book->items[i].command->name);
	buffer_append_text(out, "\ncomplete -c penstock -e\n");
	for (const struct command *const *command = book->top; *command; command++)
		fish_word(out, "", *command);
	for (size_t i = 0; i < book->count; i++)
		fish_item(out, &book->items[i]);
	settings_flags(fish_setting, out);
}

/* --- The command --- */

static int completion_run(struct cli *cli)
{
	static const struct {
		const char *name, *first_line;
		void (*write)(struct buffer *out, const struct book *book);
	} shells[] = {{"bash", "", bash}, {"zsh", "#compdef penstock\n", zsh}, {"fish", "", fish}};
	struct buffer out;
	struct book *book;
	int code = cli_options(cli, NULL, 0, 1, 1);

	if (code != CLI_GO)
		return code;
	for (size_t i = 0; i < sizeof(shells) / sizeof(shells[0]); i++) {
		if (strcmp(cli->argv[0], shells[i].name) != 0)
			continue;
		book = calloc(1, sizeof(*book));
		if (!book)
			return cli_error(CLI_FAILED, "%s", error_text(-ENOMEM));
		book->top = cli->commands;
		collect(book, book->top);
		buffer_init(&out, SCRIPT_MAX);
		buffer_printf(&out, "%s# What %s completes behind penstock, made by `penstock completion %s`.\n",
			      shells[i].first_line, shells[i].name, shells[i].name);
		shells[i].write(&out, book);
		code = cli_print(&out);
		buffer_deinit(&out);
		free(book);
		return code;
	}
	return cli_usage(cli, "\"%s\" is no shell that it knows; bash, zsh and fish are", cli->argv[0]);
}

const struct command command_completion = {
	.name = "completion",
	.synopsis = "bash|zsh|fish",
	.summary = "Print what makes a shell complete commands, options and settings",
	.details = "For the shell at hand: `source <(penstock completion bash)`; in fish\n"
		   "`penstock completion fish | source`. `make install` puts all three where the\n"
		   "shells look for them.\n",
	.run = completion_run,
};
