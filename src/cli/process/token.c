#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "cli/commands.h"
#include "cli/secrets.h"
#include "identity/operators.h"
#include "model/sale.h"

/* Whether the settings would take the entry: some names are not for operators. */
static int taken(const char *name, struct slice entry)
{
	struct operators *operators;
	const char *reason;
	int code = CLI_OK;

	if (operators_new(&operators) < 0)
		return cli_error(CLI_FAILED, "%s", error_text(-ENOMEM));
	if (operators_parse(operators, entry, &reason) < 0)
		code = cli_error(CLI_USAGE, "operator \"%s\": %s", name, reason);
	operators_free(operators);
	return code;
}

static int operator_token(const char *name, const char *scopes)
{
	char token[OPERATOR_TOKEN_SIZE];
	unsigned allowed;
	struct buffer entry;
	int code;

	if (operator_scopes_parse(slice_of(scopes), &allowed) < 0)
		return cli_error(CLI_USAGE, "scopes \"%s\": wanted are read, orders, stock, joined by +", scopes);
	if (!sale_sku_valid(slice_of(name)))
		return cli_error(CLI_USAGE, "operator \"%s\": a name is made of letters, digits, dots, dashes and underscores", name);
	operator_token_make(token);
	buffer_init(&entry, 4096);
	operators_entry(slice_of(name), allowed, slice_of(token), &entry);
	code = taken(name, (struct slice){entry.data, entry.size});
	if (code == CLI_OK)
		printf("token     %s\nsettings  operator.tokens = %.*s\n\n"
		       "Give the token to %s; it is kept nowhere. Add the entry to the list in operator.tokens (comma-separated).\n",
		       token, (int)entry.size, entry.data, name);
	buffer_deinit(&entry);
	explicit_bzero(token, sizeof(token));
	return code;
}

static int buyer_token(struct cli *cli, const char *buyer, int64_t lifetime_ms)
{
	struct settings *settings;
	struct token_maker maker;
	char *token;
	int code, r;

	if (!sale_buyer_valid(slice_of(buyer)))
		return cli_error(CLI_USAGE, "buyer \"%s\": wanted are 1 to %d printable ASCII characters without a space", buyer,
				 BUYER_MAX);
	if (lifetime_ms < 1000)
		return cli_error(CLI_USAGE, "a token must live for a second at least");
	code = cli_settings(cli, &settings);
	if (code != CLI_GO)
		return code;
	code = secrets_token_maker_init(&maker, settings);
	if (code == CLI_GO) {
		r = identity_make_token(&maker.identity, slice_of(buyer), clock_wall_ms(), lifetime_ms / 1000, &token);
		if (r < 0) {
			code = cli_error(CLI_FAILED, "could not sign a token with this key (identity.jwt_key): %s", error_text(r));
		} else {
			puts(token);
			free(token);
			code = CLI_OK;
		}
	}
	secrets_token_maker_deinit(&maker);
	settings_free(settings);
	return code;
}

static int token_run(struct cli *cli)
{
	const char *name = NULL, *scopes = "read+orders+stock";
	int64_t lifetime_ms = 3600 * 1000;
	const struct option table[] = {
		{"lifetime", 0, OPTION_DURATION, &lifetime_ms, "TIME", "how long a buyer's token is good for (1h)"},
		{"operator", 0, OPTION_TEXT, &name, "NAME", "make an operator's token instead"},
		{"scopes", 0, OPTION_TEXT, &scopes, "LIST", "what the operator may do (read+orders+stock: all there is)"},
	};
	int code = cli_options(cli, table, 3, 0, 1);

	if (code != CLI_GO)
		return code;
	if (name && cli->argc > 0)
		return cli_usage(cli, "a buyer and --operator do not go together");
	if (name)
		return operator_token(name, scopes);
	if (cli->argc == 0)
		return cli_usage(cli, "whose token? penstock token BUYER");
	return buyer_token(cli, cli->argv[0], lifetime_ms);
}

const struct command command_token = {
	.name = "token",
	.synopsis = "BUYER [--lifetime TIME] | --operator NAME [--scopes LIST]",
	.summary = "Make a buyer's token for tests, or an operator's token",
	.details = "A buyer's token is signed with identity.jwt_key (but for HS256: the private key), or with the key that the server has\n"
		   "made beside its ledger. In production your own login makes these tokens.\n",
	.settings = true,
	.run = token_run,
};
