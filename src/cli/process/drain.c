#include <stdio.h>
#include "base/service_notify.h"
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
	/*
	 * It has done what it was started for: to a manager that hears nothing it would have
	 * failed.
	 */
	service_notify_ready();
	printf("The journal is %s so every order is in the ledger (%s) before its buyer is answered.\n"
	       "There is nothing to drain.\n",
	       journal, ledger);
	return CLI_OK;
}

static int start(void *engine, bool (*told)(int64_t wait_ns))
{
	return drain_engine_start(engine, told);
}

static void write_addresses(void *engine, char *text, size_t size)
{
	snprintf(text, size, "monitor http://127.0.0.1:%u\n", drain_engine_port(engine));
}

static void reload(void *engine, const struct settings_sources *sources)
{
	drain_engine_reload(engine, sources);
}

static bool alive(void *engine, int64_t within_ns)
{
	return drain_engine_alive(engine, within_ns);
}

static void end(void *engine)
{
	drain_engine_stop(engine);
	drain_engine_free(engine);
}

static int drain(const struct process_call *call)
{
	struct process_service service = {NULL, start, write_addresses, reload, NULL, alive, NULL, end};
	struct drain_engine *engine;
	const char *reason;

	if (!adapters_drained(call->settings))
		return nothing_to_drain(call->settings);
	if (adapters_check_drain(call->settings, &reason) < 0)
		return cli_error(CLI_USAGE, "%s", reason);
	process_set_log(call->settings);
	if (drain_engine_new(&engine, call->settings, NULL) < 0)
		return cli_error(CLI_FAILED, "%s", error_text(-ENOMEM));
	service.context = engine;
	return process_run(&service, call) < 0 ? CLI_FAILED : CLI_OK;
}

static int drain_run(struct cli *cli)
{
	return process_command(cli, "write the address there once it drains", drain);
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
	.run = drain_run,
};
