/*
 * The secrets that a command of the same machine needs: from the settings, or from the files that
 * the server keeps beside its ledger.
 */
#pragma once

#include "cli/cli.h"
#include "identity/identity.h"

/* What identity_make_token() needs. */
struct token_maker {
	struct identity_settings identity;
	char *key; /* read from the file beside the ledger; NULL where the settings have one */
};

/*
 * Makes the key file where it is missing, as the server would. CLI_GO, or the exit code, the error
 * told. Deinit in either case.
 */
int secrets_token_maker_init(struct token_maker *maker, const struct settings *settings) MUST_CHECK;
void secrets_token_maker_deinit(struct token_maker *maker);

/*
 * The operator's token: operator.token, or the file beside the ledger; malloc'd, NULL where there
 * is none (the server may be open to this machine, or say 401 itself). CLI_GO, or the exit code,
 * the error told.
 */
int secrets_operator_token(const struct settings *settings, char **token) MUST_CHECK;
