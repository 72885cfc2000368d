#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include "cli/audit_print.h"
#include "cli/commands.h"

static int audit_run(struct cli *cli)
{
	bool json = false;
	const struct option table[] = {{"json", 'j', OPTION_FLAG, &json, NULL, "as JSON"}};
	struct settings *settings;
	struct ledger *ledger;
	struct ledger_audit audit;
	const char *url;
	int code = cli_options(cli, table, 1, 0, 1), r;

	if (code != CLI_GO)
		return code;
	code = cli_settings(cli, &settings);
	if (code != CLI_GO)
		return code;
	url = cli->argc > 0 ? cli->argv[0] : settings->ledger.url;
	code = cli_open_ledger(url, LEDGER_OPEN_READ_ONLY, &ledger);
	if (code == CLI_GO) {
		r = ledger->ops->audit(ledger, &audit);
		if (r < 0)
			code = cli_error(CLI_FAILED, "the ledger could not be read through: %s", error_text(r));
		else if (json)
			code = audit_print_json(&audit);
		else
			code = audit_print(&audit);
		ledger->ops->free(ledger);
	}
	settings_free(settings);
	return code;
}

const struct command command_audit = {
	.name = "audit",
	.synopsis = "[LEDGER] [--json]",
	.summary = "Prove the promises P1 to P4 on a ledger; exit 1 where one is broken",
	.details = "LEDGER is a URL like sqlite:penstock.db or postgresql://user@host/database; without it, the ledger of the settings. It is only read, so the server may run.\n"
		   "It also follows the chain of hashes through the operator's log.\n",
	.settings = true,
	.run = audit_run,
};
