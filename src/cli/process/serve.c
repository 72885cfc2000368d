#include <stdio.h>
#include "cli/commands.h"
#include "cli/process/process.h"
#include "engine/adapters.h"
#include "engine/engine.h"

struct server {
	const struct settings *settings;
	const struct settings_sources *sources;
	struct engine *engine;
};

static int start(void *context, bool (*told)(int64_t wait_ns))
{
	struct server *server = context;
	int r = engine_new(&server->engine, server->settings, NULL);

	return r < 0 ? r : engine_start(server->engine, told);
}

static void write_addresses(void *context, char *text, size_t size)
{
	const struct engine *engine = ((struct server *)context)->engine;

	snprintf(text, size, "public http://127.0.0.1:%u\noperator http://127.0.0.1:%u\n", engine_public_port(engine),
		 engine_operator_port(engine));
}

static void reload(void *context)
{
	struct server *server = context;

	engine_reload(server->engine, server->sources);
}

static bool alive(void *context, int64_t within_ns)
{
	return engine_alive(((struct server *)context)->engine, within_ns);
}

static void end(void *context)
{
	struct engine *engine = ((struct server *)context)->engine;

	if (engine)
		engine_stop(engine);
	engine_free(engine);
}

static int serve(const struct settings *settings, const struct settings_sources *sources, struct process_options *options)
{
	struct server server = {.settings = settings, .sources = sources};
	const struct process_service service = {&server, start, write_addresses, reload, alive, end};
	const char *reason;

	if (adapters_check(settings, &reason) < 0)
		return cli_error(CLI_USAGE, "%s", reason);
	options->core_dumps = settings->process.core_dumps == CORE_DUMPS_ON;
	return process_run(&service, options) < 0 ? CLI_FAILED : CLI_OK;
}

static int run(struct cli *cli)
{
	struct settings_sources sources;
	struct process_options options = {0};
	const struct option table[] = {
		{"ready-file", 0, OPTION_TEXT, &options.ready_file, "PATH", "write the addresses there once the server is ready"},
	};
	struct settings *settings;
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
	code = serve(settings, &sources, &options);
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
