#include <stdio.h>
#include "cli/commands.h"
#include "cli/process/process.h"
#include "engine/adapters.h"
#include "engine/drain_engine.h"

static int nothing_to_drain(const struct settings *settings)
{
	char journal[SETTINGS_URL_TEXT_SIZE], ledger[SETTINGS_URL_TEXT_SIZE];
	const char *reason;

	settings_url_text(settings->journal.url, journal);
	settings_url_text(settings->ledger.url, ledger);
	if (adapters_check(settings, &reason) < 0)
		return cli_error(CLI_USAGE, "%s", reason);
	printf("The journal is %s so every order is in the ledger (%s) before its buyer is answered.\n"
	       "There is nothing to drain.\n",
	       journal, ledger);
	return CLI_OK;
}

struct drainer {
	const struct settings *settings;
	const struct settings_sources *sources;
	struct drain_engine *engine;
};

static int start(void *context, bool (*told)(int64_t wait_ns))
{
	struct drainer *drainer = context;
	int r = drain_engine_new(&drainer->engine, drainer->settings, NULL);

	return r < 0 ? r : drain_engine_start(drainer->engine, told);
}

static void write_addresses(void *context, char *text, size_t size)
{
	snprintf(text, size, "monitor http://127.0.0.1:%u\n", drain_engine_port(((struct drainer *)context)->engine));
}

static void reload(void *context)
{
	struct drainer *drainer = context;

	drain_engine_reload(drainer->engine, drainer->sources);
}

static bool alive(void *context, int64_t within_ns)
{
	return drain_engine_alive(((struct drainer *)context)->engine, within_ns);
}

static void end(void *context)
{
	struct drain_engine *engine = ((struct drainer *)context)->engine;

	if (engine)
		drain_engine_stop(engine);
	drain_engine_free(engine);
}

static int drain(const struct settings *settings, const struct settings_sources *sources, struct process_options *options)
{
	struct drainer drainer = {.settings = settings, .sources = sources};
	const struct process_service service = {&drainer, start, write_addresses, reload, alive, end};
	const char *reason;

	if (adapters_check_drain(settings, &reason) < 0)
		return cli_error(CLI_USAGE, "%s", reason);
	log_set_level(settings->log.level);
	log_set_format(settings->log.format);
	if (*settings_ignored(settings))
		log_info("settings", "variables of the environment that Kubernetes made are no settings",
			 LOG_TEXT("ignored", settings_ignored(settings)));
	options->core_dumps = settings->process.core_dumps == CORE_DUMPS_ON;
	return process_run(&service, options) < 0 ? CLI_FAILED : CLI_OK;
}

static int run(struct cli *cli)
{
	struct settings_sources sources;
	struct process_options options = {0};
	const struct option table[] = {
		{"ready-file", 0, OPTION_TEXT, &options.ready_file, "PATH", "write the address there once it drains"},
	};
	struct settings *settings;
	int code = cli_options(cli, table, 1, 0, 0);

	if (code != CLI_GO)
		return code;
	sources = cli_sources(cli);
	code = cli_settings(cli, &settings);
	if (code != CLI_GO)
		return code;
	code = adapters_drained(settings) ? drain(settings, &sources, &options) : nothing_to_drain(settings);
	settings_free(settings);
	return code;
}

const struct command command_drain = {
	.name = "drain",
	.synopsis = "[OPTION...] [--SETTING VALUE...]",
	.summary = "Move the journal into the ledger (nothing to do where the journal is direct:)",
	.details =
		"It runs until SIGTERM, at the pace of drain.max_rate and of the ledger's own latency, and shows its metrics and health on "
		"127.0.0.1:8082. Several drains share a journal's partitions. Whatever dies, each order is in the ledger once: where a partition "
		"stands is written in the transaction that writes its orders. A ledger that is down for an hour means lag, not loss.\n",
	.settings = true,
	.run = run,
};
