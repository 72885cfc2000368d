#include "cli/secrets.h"

#include <stdlib.h>
#include <string.h>
#include "engine/credentials.h"
#include "identity/key_file.h"

int secrets_token_maker_init(struct token_maker *maker, const struct settings *settings)
{
	char *path, ledger[SETTINGS_URL_TEXT_SIZE];
	int r;

	settings_url_text(settings->ledger.url, ledger);
	*maker = (struct token_maker){
		.identity =
			{
				.algorithm = credentials_algorithm(settings),
				.key = slice_of(settings->identity.jwt_key),
				.issuer = slice_of(settings->identity.jwt_issuer),
				.audience = slice_of(settings->identity.jwt_audience),
			},
	};
	if (settings->identity.mode != IDENTITY_JWT)
		return cli_error(CLI_USAGE, "identity.mode is header: buyers have no tokens here, the gateway's %s names them",
				 settings->identity.header);
	if (maker->identity.key.size > 0)
		return CLI_GO;
	if (*settings->identity.jwks_file)
		return cli_error(CLI_USAGE,
				 "identity.jwks_file has public keys: a token is signed with the private one in identity.jwt_key");
	if (settings->identity.jwt_algorithm != JWT_HS256)
		return cli_error(CLI_USAGE, "identity.jwt_key is not set; this algorithm needs the private key to sign with");
	path = key_file_path(settings->ledger.url, KEY_FILE_JWT_KEY);
	if (!path)
		return cli_error(CLI_USAGE, "identity.jwt_key is not set, and %s has no file beside it", ledger);
	r = key_file_load(path, &maker->key);
	if (r == -ENOENT) {
		r = key_file_load_or_make(path, &maker->key);
		if (r == 0)
			cli_error(CLI_OK, "there was no key here, so %s was made: a server in another folder does not know it", path);
	}
	if (r < 0)
		cli_error(CLI_FAILED, "%s: %s", path, key_file_error(r));
	free(path);
	maker->identity.key = slice_of(maker->key);
	return r < 0 ? CLI_FAILED : CLI_GO;
}

void secrets_token_maker_deinit(struct token_maker *maker)
{
	if (maker->key)
		explicit_bzero(maker->key, strlen(maker->key));
	free(maker->key);
	*maker = (struct token_maker){0};
}

int secrets_operator_token(const struct settings *settings, char **token)
{
	char *path;
	int r;

	*token = NULL;
	if (settings->operator.token[0]) {
		*token = strdup(settings->operator.token);
		return *token ? CLI_GO : cli_error(CLI_FAILED, "%s", error_text(-ENOMEM));
	}
	path = key_file_path(settings->ledger.url, KEY_FILE_OPERATOR_TOKEN);
	if (!path)
		return CLI_GO;
	r = key_file_load(path, token);
	if (r < 0 && r != -ENOENT)
		cli_error(CLI_FAILED, "%s: %s", path, key_file_error(r));
	free(path);
	return r < 0 && r != -ENOENT ? CLI_FAILED : CLI_GO;
}
