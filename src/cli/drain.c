#include <stdio.h>
#include <string.h>
#include "cli/commands.h"
#include "adapters.h"

static int run(struct cli *cli)
{
	struct settings *settings;
	const char *reason;
	int code = cli_options(cli, NULL, 0, 0, 0);

	if (code != CLI_GO)
		return code;
	code = cli_settings(cli, &settings);
	if (code != CLI_GO)
		return code;
	if (adapters_check(settings, &reason) < 0) {
		code = cli_error(CLI_USAGE, "%s", reason);
	} else {
		printf("The journal is %s so every order is in the ledger (%s) before its buyer is answered.\n"
		       "There is nothing to drain.\n",
		       settings->journal.url, settings->ledger.url);
		code = CLI_OK;
	}
	settings_free(settings);
	return code;
}

const struct command command_drain = {
	.name = "drain",
	.synopsis = "[--SETTING VALUE...]",
	.summary = "Move the journal into the ledger (nothing to do where the journal is direct:)",
	.settings = true,
	.run = run,
};
