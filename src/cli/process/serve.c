#include "cli/commands.h"
#include "engine/adapters.h"
#include "engine/engine.h"

static int run(struct cli *cli)
{
	struct settings_sources sources;
	struct engine_options options = {.sources = &sources};
	const struct option table[] = {
		{"ready-file", 0, OPTION_TEXT, &options.ready_file, "PATH", "write the addresses there once the server is ready"},
	};
	struct settings *settings;
	const char *reason;
	int code = cli_options(cli, table, 1, 0, 0);

	if (code != CLI_GO)
		return code;
	sources = cli_sources(cli); /* --config is known now */
	code = cli_settings(cli, &settings);
	if (code != CLI_GO)
		return code;
	log_set_level(settings->log.level);
	log_set_format(settings->log.format);
	if (*settings_ignored(settings))
		log_info("settings", "variables of the environment that Kubernetes made are no settings",
			 LOG_TEXT("ignored", settings_ignored(settings)));
	if (adapters_check(settings, &reason) < 0)
		code = cli_error(CLI_USAGE, "%s", reason);
	else
		code = engine_run(settings, &options) < 0 ? CLI_FAILED : CLI_OK;
	settings_free(settings);
	return code;
}

const struct command command_serve = {
	.name = "serve",
	.synopsis = "[OPTION...] [--SETTING VALUE...]",
	.summary = "Run the server until SIGTERM",
	.details = "With no setting at all it keeps its ledger in the current folder (penstock.db) and listens on 127.0.0.1:8080 for buyers "
		   "and 127.0.0.1:8081 for operators. Keys that no setting names are made beside the ledger, readable by you alone.\n"
		   "SIGTERM stops it in order: what is in flight is answered; a second signal forces.\n",
	.settings = true,
	.run = run,
};
