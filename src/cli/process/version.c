#include <jansson.h>
#include <openssl/crypto.h>
#include <sqlite3.h>
#include <stdio.h>
#include "build_info.h"
#include "built_in.h"
#include "cli/commands.h"

static const struct {
	const char *name;
	bool built;
} features[] = {
	{"redis", PENSTOCK_WITH_REDIS},
	{"kafka", PENSTOCK_WITH_KAFKA},
	{"postgres", PENSTOCK_WITH_POSTGRES},
	{"static", PENSTOCK_STATIC},
};

enum { FEATURES = sizeof(features) / sizeof(features[0]) };

static void print_json(void)
{
	printf("{\"version\":\"%s\",\"revision\":\"%s\",\"sqlite\":\"%s\",\"openssl\":\"%s\",\"jansson\":\"%s\",\"features\":{",
	       PENSTOCK_VERSION, PENSTOCK_REVISION, sqlite3_libversion(), OpenSSL_version(OPENSSL_VERSION_STRING), JANSSON_VERSION);
	for (size_t i = 0; i < FEATURES; i++)
		printf("%s\"%s\":%s", i ? "," : "", features[i].name, features[i].built ? "true" : "false");
	printf("}}\n");
}

static void print_text(void)
{
	printf("penstock %s (%s)\nfeatures:", PENSTOCK_VERSION, PENSTOCK_REVISION);
	for (size_t i = 0; i < FEATURES; i++)
		printf(" %c%s", features[i].built ? '+' : '-', features[i].name);
	printf("\n");
}

static int version_run(struct cli *cli)
{
	bool json = false;
	const struct option table[] = {{"json", 'j', OPTION_FLAG, &json, NULL, "as JSON"}};
	int code = cli_options(cli, table, 1, 0, 0);

	if (code != CLI_GO)
		return code;
	if (json)
		print_json();
	else
		print_text();
	return CLI_OK;
}

const struct command command_version = {
	.name = "version",
	.synopsis = "[--json]",
	.summary = "Print the version and what is built in, with --json those of the libraries in use too",
	.run = version_run,
};
