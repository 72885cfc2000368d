#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include "cli/audit_print.h"
#include "cli/commands.h"
#include "cli/operator/payment_list.h"

/* The payment side's list, and what was found of it. */
struct payments {
	const char *path; /* NULL: none is held against the ledger */
	json_t *findings;
	size_t listed, known;
};

static void print_payments(const struct payments *payments)
{
	json_t *finding;
	size_t i;

	printf("\n  %zu payments in %s, %zu in the ledger: %s\n", payments->listed, payments->path, payments->known,
	       json_array_size(payments->findings) ? "they differ" : "they agree");
	json_array_foreach(payments->findings, i, finding)
	{
		json_int_t line = json_integer_value(json_object_get(finding, "line"));
		const char *order = json_string_value(json_object_get(finding, "order"));

		printf("    %s: %s", json_string_value(json_object_get(finding, "reference")),
		       json_string_value(json_object_get(finding, "what")));
		if (line)
			printf(", line %" JSON_INTEGER_FORMAT, line);
		printf("%s%s\n", order ? ", order " : "", order ? order : "");
	}
}

static int print_json(const struct ledger_audit *audit, const struct payments *payments)
{
	json_t *json = audit_to_json(audit);
	char *text;

	if (payments->path)
		json_object_set_new(json, "payments",
				    json_pack("{s:I, s:I, s:O}", "listed", (json_int_t)payments->listed, "known",
					      (json_int_t)payments->known, "findings", payments->findings));
	text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	json_decref(json);
	if (!text)
		return cli_error(CLI_FAILED, "%s", error_text(-ENOMEM));
	puts(text);
	free(text);
	return audit_holds(audit) ? CLI_OK : CLI_FAILED;
}

static int print(const struct ledger_audit *audit, const struct payments *payments, bool json)
{
	int code = json ? print_json(audit, payments) : audit_print(audit);

	if (payments->path && !json)
		print_payments(payments);
	return code == CLI_OK && json_array_size(payments->findings) ? CLI_FAILED : code;
}

static int judge(struct ledger *ledger, struct payments *payments, bool json)
{
	struct ledger_audit audit;
	int r = ledger->ops->audit(ledger, &audit), code = CLI_GO;

	if (r < 0)
		return cli_error(CLI_FAILED, "the ledger could not be read through: %s", error_text(r));
	if (payments->path)
		code = payment_list_compare(payments->path, ledger, payments->findings, &payments->listed, &payments->known);
	return code == CLI_GO ? print(&audit, payments, json) : code;
}

static int audit_run(struct cli *cli)
{
	bool json = false;
	struct payments payments = {0};
	const struct option table[] = {
		{"json", 'j', OPTION_FLAG, &json, NULL, "as JSON"},
		{"payments", 0, OPTION_TEXT, &payments.path, "FILE", "hold the payment side's list (CSV) against the ledger's payments"},
	};
	struct settings *settings;
	struct ledger *ledger;
	const char *url;
	int code = cli_options(cli, table, 2, 0, 1);

	if (code != CLI_GO)
		return code;
	code = cli_settings(cli, &settings);
	if (code != CLI_GO)
		return code;
	url = cli->argc > 0 ? cli->argv[0] : settings->ledger.url;
	code = cli_open_ledger(url, LEDGER_OPEN_READ_ONLY, &ledger);
	if (code == CLI_GO) {
		payments.findings = json_array();
		code = judge(ledger, &payments, json);
		json_decref(payments.findings);
		ledger->ops->free(ledger);
	}
	settings_free(settings);
	return code;
}

const struct command command_audit = {
	.name = "audit",
	.synopsis = "[LEDGER] [--json] [--payments FILE]",
	.summary = "Prove the promises P1 to P4 on a ledger; exit 1 where one is broken",
	.details = "LEDGER is a URL like sqlite:penstock.db or postgresql://user@host/database; without it, the ledger of the settings. It is only read, so the server may run.\n"
		   "It also follows the chain of hashes through the operator's log.\n"
		   "FILE has a line of titles: reference, and where they are known order, amount, currency. Exit 1 too where a payment is on one side alone, or is another there.\n",
	.settings = true,
	.run = audit_run,
};
