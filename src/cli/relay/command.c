/* `penstock relay`: the process around the relay, and what an operator does to one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/log.h"
#include "build_info.h"
#include "cli/commands.h"
#include "cli/process/process.h"
#include "cli/output.h"
#include "cli/relay/relay.h"
#include "metrics/process.h"
#include "monitor/monitor.h"

static const int64_t answer_ns = 1000000000, last_ms = 253402300799999; /* of the year 9999 */

struct service {
	struct relay relay;
	struct metrics *metrics;
	struct monitor *monitor;
	bool started;
};

static double read_count(void *context)
{
	return (double)atomic_load((_Atomic int64_t *)context);
}

static size_t look(void *context, struct health_check *checks)
{
	struct relay *relay = context;

	checks[0] = (struct health_check){"relay",
					  atomic_load(&relay->lost)       ? "it has ended by itself: the log says why"
					  : atomic_load(&relay->standing) ? "a line stands still: its endpoint refuses"
									  : NULL,
					  true};
	return 1;
}

static bool show(void *context, struct buffer *out)
{
	struct health_check check;

	look(context, &check);
	health_render_check(&check, "webhooks", out);
	return !check.reason;
}

static int make_monitor(struct service *service)
{
	struct relay *relay = &service->relay;
	const struct monitor_source source = {.context = relay, .checks = look, .components = show};
	const struct {
		const char *type, *name, *help;
		_Atomic int64_t *place;
	} figures[] = {
		{"counter", "penstock_relay_delivered_total", "Changes that the endpoint has taken.", &relay->delivered},
		{"counter", "penstock_relay_refused_total", "Posts that the endpoint did not take; each is sent again.",
		 &relay->refused},
		{"gauge", "penstock_relay_lines_failing", "Sales whose next change was not taken yet.", &relay->failing},
		{"gauge", "penstock_relay_lines_standing", "Of these, those that have failed for longer than relay.patience.",
		 &relay->standing},
		{"gauge", "penstock_relay_waiting", "Changes that were read and are not done.", &relay->waiting},
	};
	int r = metrics_new(&service->metrics);

	if (r < 0)
		return r;
	for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++)
		metrics_reader(service->metrics, figures[i].type, figures[i].name, figures[i].help, NULL, read_count,
			       figures[i].place);
	metrics_process(service->metrics, PENSTOCK_VERSION, PENSTOCK_REVISION);
	return monitor_new(&service->monitor, &relay->settings->relay.listen, service->metrics, &source);
}

/* One that prints, or that sends again and ends, is watched by who has started it. */
static bool is_watched(const struct relay *relay)
{
	return relay->poster && !relay->start->replay;
}

static int start(void *context, bool (*told)(int64_t wait_ns))
{
	struct service *service = context;
	int r = is_watched(&service->relay) ? make_monitor(service) : 0;

	(void)told;
	if (r == 0 && service->monitor)
		r = monitor_start(service->monitor);
	if (r == 0) {
		pause_init(&service->relay.rest);
		service->started = true;
		r = thread_start(&service->relay.thread, "relay", relay_run, &service->relay);
	}
	return r;
}

static void addresses(void *context, char *text, size_t size)
{
	struct service *service = context;

	text[0] = '\0';
	if (service->monitor)
		snprintf(text, size, "monitor http://127.0.0.1:%u\n", monitor_port(service->monitor));
}

static void reload(void *context, const struct settings_sources *sources)
{
	(void)context;
	(void)sources;
	log_info("relay", "a relay has nothing to read again: restart it");
}

static bool alive(void *context, int64_t within_ns)
{
	struct service *service = context;

	return clock_mono_ns() - atomic_load(&service->relay.turn_ns) < within_ns &&
	       (!service->monitor || monitor_alive(service->monitor, within_ns));
}

static bool over(void *context)
{
	struct service *service = context;

	return atomic_load(&service->relay.lost) || atomic_load(&service->relay.done);
}

static void end(void *context)
{
	struct service *service = context;
	struct relay *relay = &service->relay;

	if (service->started) {
		pause_end(&relay->rest);
		thread_join(&relay->thread);
		pause_deinit(&relay->rest);
	}
	if (service->monitor)
		monitor_stop(service->monitor, clock_mono_ns() + answer_ns);
	monitor_free(service->monitor);
	metrics_free(service->metrics);
	post_free(relay->poster);
	lines_deinit(&relay->lines);
	json_decref(relay->kept);
	json_decref(relay->skipped);
	json_decref(relay->unknown);
	client_close(&relay->client);
}

struct options {
	const char *to, *name, *server, *cacert, *from, *replay, *until, *skip, *reason, *ready_file;
	bool json;
};

/* Gives a change up, at the server. */
static int skip(const struct options *options, const struct settings *settings)
{
	struct client client;
	char path[128];
	json_t *answer = NULL;
	int code = client_open(&client, settings, options->server, options->cacert);

	snprintf(path, sizeof(path), "/v1/relays/%s/skip", options->name);
	if (code == CLI_GO)
		code = client_ask(&client, "POST", path,
				  json_pack("{s:s,s:s}", "change", options->skip, "reason", options->reason), &answer);
	if (code == CLI_GO) {
		printf("%s is not sent any more by relay %s.\n", options->skip, options->name);
		code = CLI_OK;
	}
	json_decref(answer);
	client_close(&client);
	return code;
}

/* When a change was: of ID/KIND/MS, and of a reduction ID/KIND/MS/LEFT. False: it is no id. */
static bool read_change_time(const char *id, int64_t *ms)
{
	const char *kind = strchr(id, '/'), *time = kind ? strchr(kind + 1, '/') : NULL, *left;
	char *rest;

	if (!time)
		return false;
	*ms = strtoll(time + 1, &rest, 10);
	if (rest == time + 1 || *ms < 0 || *ms > last_ms)
		return false;
	if (*rest == '/') {
		left = rest + 1;
		(void)strtoll(left, &rest, 10);
		if (rest == left)
			return false;
	}
	return *rest == '\0';
}

static int not_a_change(const struct cli *cli, const char *option, const char *text, const char *also)
{
	return cli_usage(cli, "--%s %s: wanted is a change's id, ID/KIND/MS or ID/KIND/MS/LEFT%s", option, text, also);
}

/* "ID/KIND/MS" in *change, and its time in `at`; or a time. CLI_GO or the exit code. */
static int read_place(struct cli *cli, const char *option, const char *text, const char **change, char at[static CLOCK_TEXT_SIZE])
{
	const char *slash = strchr(text, '/');
	int64_t wall_ms = 0;
	int code = CLI_GO;

	/* A zone may have two slashes, behind a space. */
	if (slash && strchr(slash + 1, '/') && !strchr(text, ' ')) {
		*change = text;
		if (!read_change_time(text, &wall_ms))
			return not_a_change(cli, option, text, ", or a time");
	} else {
		code = output_moment(cli, option, text, ", or a change's id, ID/KIND/MS or ID/KIND/MS/LEFT", &wall_ms);
	}
	clock_format(wall_ms, at);
	return code;
}

/* CLI_GO or the exit code. */
static int make_poster(struct relay *relay, const char *url)
{
	int r;

	if (strcmp(url, "-") == 0)
		return CLI_GO;
	if (sign_key_parse(relay->settings->relay.secret, &relay->key) < 0)
		return cli_error(CLI_USAGE, "relay.secret must be whsec_ and the base64 of 24 to 64 random bytes: "
					    "echo whsec_$(openssl rand -base64 32)");
	r = post_new(&relay->poster, url);
	if (r == -EINVAL)
		return cli_error(CLI_USAGE, "--to: wanted is http://HOST/PATH or https://HOST/PATH, or - to print");
	return r < 0 ? CLI_FAILED : CLI_GO;
}

static int run(const struct options *options, const struct relay_start *from, const struct process_call *call)
{
	struct service service = {.relay = {.settings = call->settings, .name = options->name, .start = from}};
	const struct process_service process = {
		.context = &service, .start = start, .addresses = addresses, .reload = reload, .alive = alive, .over = over, .end = end};
	struct relay *relay = &service.relay;
	int code;

	process_set_log(call->settings);
	code = make_poster(relay, options->to);
	if (code != CLI_GO)
		return code;
	code = client_open(&relay->client, call->settings, options->server, options->cacert);
	if (code != CLI_GO) {
		client_close(&relay->client);
		post_free(relay->poster);
		return code;
	}
	return process_run(&process, call) < 0 || atomic_load(&relay->lost) ? CLI_FAILED : CLI_OK;
}

static int read_places(struct cli *cli, const struct options *options, struct relay_start *start)
{
	int64_t wall_ms;
	int code = CLI_GO;

	if (options->skip && !read_change_time(options->skip, &wall_ms))
		return not_a_change(cli, "skip", options->skip, "");

	if (options->from)
		code = read_place(cli, "from", options->from, &start->change, start->since);
	if (options->replay)
		code = read_place(cli, "replay", options->replay, &start->change, start->since);
	if (code == CLI_GO && options->until)
		code = read_place(cli, "until", options->until, &start->last, start->until);
	/* A change is the last one by its place in the feed, not by its time. */
	if (start->last)
		start->until[0] = '\0';
	return code;
}

static int relay_command(struct cli *cli)
{
	struct options options = {0};
	struct relay_start start = {0};
	const struct option table[] = {
		{"to", 0, OPTION_TEXT, &options.to, "URL", "where each change is posted; - prints them"},
		{"json", 'j', OPTION_FLAG, &options.json, NULL, "with --to -: print JSON, a change a line"},
		{"name", 0, OPTION_TEXT, &options.name, "NAME",
		 "which relay this is, where there are several (default; with --to -: stdout)"},
		{"operator", 0, OPTION_TEXT, &options.server, "URL", "the operator listener (that of the settings)"},
		{"from", 0, OPTION_TEXT, &options.from, "WHERE", "a time or a change's id: where a new NAME starts (the beginning)"},
		{"replay", 0, OPTION_TEXT, &options.replay, "WHERE",
		 "a time or a change's id: send again what came from there until now, and end"},
		{"until", 0, OPTION_TEXT, &options.until, "WHERE",
		 "with --replay: what is before this time, or up to the change of this id"},
		{"skip", 0, OPTION_TEXT, &options.skip, "CHANGE", "give a change up that is not taken, by its id"},
		{"reason", 0, OPTION_TEXT, &options.reason, "TEXT", "why, for the operator log"},
		{"ready-file", 0, OPTION_TEXT, &options.ready_file, "PATH", "write the monitor's address there once it runs"},
	};
	struct process_call call = {0};
	struct settings *settings;
	int code = cli_options(cli, table, sizeof(table) / sizeof(table[0]), 0, 0);

	if (code != CLI_GO)
		return code;
	if (!options.to == !options.skip || !options.skip != !options.reason)
		return cli_usage(cli, "say --to URL, or --skip CHANGE and --reason TEXT");
	if ((options.from || options.replay) && (options.skip || (options.from && options.replay)))
		return cli_usage(cli, "--from and --replay go with --to, one of them");
	if (options.until && !options.replay)
		return cli_usage(cli, "--until goes with --replay");
	if (options.json && (options.skip || strcmp(options.to, "-") != 0))
		return cli_usage(cli, "--json goes with --to -");
	if (!options.name)
		options.name = options.to && strcmp(options.to, "-") == 0 ? "stdout" : "default";
	start.json = options.json;
	start.replay = options.replay != NULL;
	code = read_places(cli, &options, &start);
	if (code != CLI_GO)
		return code;
	options.cacert = cli->cacert;
	call.sources = cli_sources(cli);
	call.ready_file = options.ready_file;
	code = cli_settings(cli, &settings);
	if (code != CLI_GO)
		return code;
	call.settings = settings;
	code = options.skip ? skip(&options, settings) : run(&options, &start, &call);
	settings_free(settings);
	return code;
}

const struct command command_relay = {
	.name = "relay",
	.synopsis = "--to URL [OPTION...] [--SETTING VALUE...]",
	.summary = "Post all that happens to a shop's endpoint (webhooks)",
	.details =
		"It follows GET /v1/changes and posts each change, signed as Standard Webhooks has it with relay.secret: those of a sale one after "
		"the other, beside those of other sales. What is not answered by 2xx is sent again, until it is. How far it has come is kept by the "
		"server. A sale whose endpoint refuses for relay.patience is an alert; nothing of it is left out, unless you --skip a change.\n"
		"\n"
		"--to - prints a line for each change. --replay sends again, beside a relay that runs, and moves no position.\n",
	.settings = true,
	.run = relay_command,
};
