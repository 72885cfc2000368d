/*
 * The frame that every command stands in: a table of commands, help, settings and error messages
 * made alike. Exit codes: 0 fine, 1 it failed (or a promise is broken), 2 it was asked for wrongly.
 */
#pragma once

#include "cli/options.h"
#include "config/settings.h"
#include "port/ledger.h"

enum cli_exit { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2 };
enum { CLI_GO = -1 }; /* no exit code yet: carry on */
enum { CLI_OPTIONS_MAX = 64 };

struct cli;
struct command {
	const char *name;                      /* "sale create" */
	const char *synopsis;                  /* what follows the name: "ID --lot SKU=UNITS ... [OPTION...]" */
	const char *summary;                   /* one line */
	const char *details;                   /* more for --help, lines of their own; NULL: none */
	bool settings;                         /* takes settings (file, environment, flags) */
	int (*run)(struct cli *cli);           /* returns the exit code */
	const struct command *const *children; /* commands below this one, NULL-terminated; then run is NULL */
};

/* One call of the program. */
struct cli {
	const struct command *command;
	int argc;
	char **argv; /* arguments of the command; argv[argc] is NULL */
	int flag_count;
	char **flags; /* settings flags, taken out of argv */
	const char *config_file;
	const char *cacert; /* of a command that takes --operator: the CAs that it is known by; NULL: the usual ones */
	const struct command *const *commands; /* all there are */
	/*
	 * Where it is set, cli_options() tells it the options in place of parsing, and returns
	 * CLI_OK: so each command can be asked what it takes. The table is the callee's to copy.
	 */
	void (*describe)(void *context, const struct option *options, size_t count);
	void *describe_context;
};

/* Finds the command that argv names, and runs it. argv[0] is the program. Returns the exit code. */
int cli_main(const struct command *const *commands, int argc, char **argv);

/*
 * Parses the options of the running command, and --help and --config with them. At least `least`
 * and at most `most` arguments must be left. CLI_GO, or the exit code: the help or the error has
 * been printed.
 */
int cli_options(struct cli *cli, const struct option *options, size_t count, int least, int most) MUST_CHECK;
/* Loads the settings; the caller frees them. CLI_GO, or the exit code, the error printed. */
int cli_settings(struct cli *cli, struct settings **settings) MUST_CHECK;

/* Where cli_settings() reads them; for a reload. Borrows from `cli`. */
struct settings_sources cli_sources(const struct cli *cli);

/* "penstock: ..." on standard error; returns the exit code it is given. */
int cli_error(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* As cli_error(CLI_USAGE, …), and names the command's --help. */
int cli_usage(const struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Writes a buffer to standard output. CLI_OK, or CLI_FAILED where it could not be written. */
int cli_print(const struct buffer *buffer);

/*
 * Opens the ledger of the settings for looking only (or as `flags` say), with every error told.
 * CLI_GO or the exit code.
 */
int cli_open_ledger(const char *url, int flags, struct ledger **ledger) MUST_CHECK;
