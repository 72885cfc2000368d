#include <jansson.h>
#include <openssl/crypto.h>
#include <sqlite3.h>
#include <stdio.h>
#include "build_info.h"
#include "cli/commands.h"

static int version_run(struct cli *cli)
{
	bool json = false;
	const struct option table[] = {{"json", 'j', OPTION_FLAG, &json, NULL, "as JSON"}};
	int code = cli_options(cli, table, 1, 0, 0);

	if (code != CLI_GO)
		return code;
	if (json)
		printf("{\"version\":\"%s\",\"revision\":\"%s\",\"sqlite\":\"%s\",\"openssl\":\"%s\",\"jansson\":\"%s\"}\n",
		       PENSTOCK_VERSION, PENSTOCK_REVISION, sqlite3_libversion(), OpenSSL_version(OPENSSL_VERSION_STRING),
		       JANSSON_VERSION);
	else
		printf("penstock %s (%s)\n", PENSTOCK_VERSION, PENSTOCK_REVISION);
	return CLI_OK;
}

const struct command command_version = {
	.name = "version",
	.synopsis = "[--json]",
	.summary = "Print the version, and with --json those of the libraries in use",
	.run = version_run,
};
