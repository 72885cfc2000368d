#include <stdio.h>
#include "cli/commands.h"
#include "cli/process/process.h"
#include "engine/adapters.h"
#include "engine/credentials.h"
#include "engine/engine.h"

static int start(void *engine, bool (*told)(int64_t wait_ns))
{
	return engine_start(engine, told);
}

static void write_addresses(void *engine, char *text, size_t size)
{
	snprintf(text, size, "public http://127.0.0.1:%u\noperator http://127.0.0.1:%u\n", engine_public_port(engine),
		 engine_operator_port(engine));
}

static void reload(void *engine, const struct settings_sources *sources)
{
	engine_reload(engine, sources);
}

static void tend(void *engine)
{
	engine_tend(engine);
}

static bool alive(void *engine, int64_t within_ns)
{
	return engine_alive(engine, within_ns);
}

static void end(void *engine)
{
	engine_stop(engine);
	engine_free(engine);
}

static int serve(const struct process_call *call)
{
	struct process_service service = {NULL, start, write_addresses, reload, tend, alive, NULL, end};
	struct engine *engine;
	const char *reason;

	process_set_log(call->settings);
	if (adapters_check(call->settings, &reason) < 0)
		return cli_error(CLI_USAGE, "%s", reason);
	if (credentials_check(call->settings) < 0)
		return CLI_USAGE;
	if (engine_new(&engine, call->settings, NULL) < 0)
		return cli_error(CLI_FAILED, "%s", error_text(-ENOMEM));
	service.context = engine;
	return process_run(&service, call) < 0 ? CLI_FAILED : CLI_OK;
}

static int serve_run(struct cli *cli)
{
	return process_command(cli, "write the addresses there once the server is ready", serve);
}

const struct command command_serve = {
	.name = "serve",
	.synopsis = "[OPTION...] [--SETTING VALUE...]",
	.summary = "Run the server until SIGTERM",
	.details = "With no setting at all it keeps its ledger in the current folder (penstock.db) and listens on 127.0.0.1:8080 for buyers "
		   "and 127.0.0.1:8081 for operators. Keys that no setting names are made beside the ledger, readable by you alone.\n"
		   "SIGTERM stops it in order: what is in flight is answered; a second signal forces.\n",
	.settings = true,
	.run = serve_run,
};
