/*
 * The demonstration: a real flash sale against a real server of our own, with the worst moment for
 * a crash chosen on purpose.
 *
 *   countdown    an item, a sale of 1,000 units, three seconds to the opening
 *   the rush     20,000 people and some bots come at once; when half of the units are gone the server is killed (SIGKILL), and started again
 *   payment      most who got a unit pay; the others' holds expire, and their units are for sale again
 *   latecomers   buy what came back, until it is sold out for good
 *   verdict      everything that anybody was told is held against the ledger
 *   afterwards   some orders are paid back; the report, and the feed's last lines
 */
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/pause.h"
#include "cli/commands.h"
#include "cli/crowd/demo.h"
#include "cli/crowd/demo_after.h"
#include "cli/crowd/report.h"
#include "cli/crowd/setup.h"
#include "cli/output.h"
#include "cli/style.h"

#define MS INT64_C(1000000)
#define SECOND INT64_C(1000000000)

enum { READY_MS = 20000, COUNTDOWN_MS = 3000, HOLD_S = 5, RETURN_WAIT_MS = 30000, LATE_PER_UNIT = 2, STEP_MS = 2 };
static const char sku[] = "AJ1-42", sale[] = "air-1";

struct demo {
	struct demo_options options;
	struct server_process server;
	struct settings *settings;
	struct crowd_setup setup;
	struct crowd_options rush_options, late_options;
	struct crowd *rush, *late;
	int64_t opens_ms;            /* clock_mono_ms() at the opening */
	int64_t killed_ns, ready_ns; /* since the start of the rush */
	uint64_t accepted_at_kill;
	int64_t returned; /* units that were for sale again before the latecomers came */
};

/* A line of the story, with the time since the opening. */
static void __attribute__((format(printf, 2, 3))) tell(const struct demo *demo, const char *format, ...)
{
	double seconds = (double)(clock_mono_ms() - demo->opens_ms) / 1000;
	va_list arguments;

	printf("%s%+7.2f s%s  ", style(STYLE_DIM), seconds, style(STYLE_END));
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	putchar('\n');
	fflush(stdout);
}

static int start_server(struct demo *demo)
{
	/*
	 * People have an address each here, so the limit by address meets the bots alone. A short
	 * grace after the hold keeps the story short.
	 */
	static const char *const flags[] = {"--ledger.url",
					    "sqlite:penstock.db",
					    "--gate.address_rate",
					    "15/60",
					    "--sale.hold_grace",
					    "500ms",
					    "--log.format",
					    "json",
					    NULL};
	int r = server_process_init(&demo->server, demo->options.folder, 0, 0);

	memcpy(demo->server.flags, flags, sizeof(flags));
	if (r == 0)
		r = server_process_start(&demo->server);
	if (r == 0)
		r = server_process_wait_ready(&demo->server, READY_MS);
	if (r < 0) {
		cli_error(CLI_FAILED, "the server did not start: %s", r == -ECHILD ? "it ended" : error_text(r));
		demo_show_log(&demo->server);
		return CLI_FAILED;
	}
	return CLI_GO;
}

static int make_crowds(struct demo *demo)
{
	const struct demo_options *options = &demo->options;
	const struct crowd_target target = {
		.servers = {.items = {demo->server.public_url}, .count = 1},
		.operators = {.items = {demo->server.operator_url}, .count = 1},
		.sale = sale,
	};
	const char *reason = NULL;
	int r;

	demo->rush_options = (struct crowd_options){
		.buyers = (size_t)options->buyers,
		.bots = (size_t)options->bots,
		.bot_requests = 25,
		.quantity = 1,
		.retries = 8,
		.duplicates = 3,
		.abandon = 35,
		.arrival = ARRIVAL_SPIKE,
		.over_ns = 4 * SECOND,
		.connections = 512,
		.addresses = (uint32_t)(options->buyers + options->bots),
		.timeout_ns = 10 * SECOND,
		.patience_ns = 90 * SECOND, /* a bot whose answer was lost may be told to wait out the address limit's minute */
		.pay_after_ns = 1500 * MS,
		.seed = (uint64_t)options->seed,
	};
	if (crowd_setup_init(&demo->setup, &demo->rush_options, demo->settings, &target) != CLI_GO)
		return CLI_FAILED;
	r = crowd_new(&demo->rush, &demo->rush_options, &reason);
	return r < 0 ? cli_error(CLI_FAILED, "%s", reason ? reason : error_text(r)) : CLI_GO;
}

static void count_down(const struct demo *demo)
{
	int64_t left;

	while ((left = demo->opens_ms - clock_mono_ms()) > 150) {
		if (style_is_terminal(STDOUT_FILENO))
			printf("\r  the sale opens in %.1f s ", (double)left / 1000);
		fflush(stdout);
		pause_sleep(50000000);
	}
	if (style_is_terminal(STDOUT_FILENO))
		printf("\r\033[K");
}

/* --- The rush, with a crash --- */

static int kill_server(struct demo *demo, const struct crowd_progress *progress)
{
	int r;

	demo->killed_ns = progress->elapsed_ns;
	demo->accepted_at_kill = progress->accepted;
	server_process_end(&demo->server, SIGKILL);
	tell(demo, "%sSIGKILL%s: the server dies with %s orders accepted and %s requests in flight", style(STYLE_RED),
	     style(STYLE_END), output_thousands(progress->accepted), output_thousands(progress->in_flight));
	r = server_process_start(&demo->server);
	return r < 0 ? cli_error(CLI_FAILED, "the server could not be started again: %s", error_text(r)) : CLI_GO;
}

static int watch_restart(struct demo *demo, const struct crowd_progress *progress)
{
	int r = server_process_ready(&demo->server);

	if (r < 0) {
		demo_show_log(&demo->server);
		return cli_error(CLI_FAILED, "the server did not start again");
	}
	if (r == 1) {
		demo->ready_ns = progress->elapsed_ns;
		tell(demo, "the server is back after %lld ms; the ledger has every order",
		     (long long)((demo->ready_ns - demo->killed_ns) / MS));
	}
	return CLI_GO;
}

static int run_rush(struct demo *demo)
{
	uint64_t kill_at = (uint64_t)demo->options.units / 2;
	bool sold_out = false;
	int r = CROWD_RUNNING, code = CLI_GO;

	tell(demo, "%s people and %s bots come at once for %s units", output_thousands(demo->rush_options.buyers),
	     output_thousands(demo->rush_options.bots), output_thousands((uint64_t)demo->options.units));
	while (r == CROWD_RUNNING && code == CLI_GO) {
		struct crowd_progress progress;

		r = crowd_step(demo->rush, STEP_MS * MS);
		crowd_progress(demo->rush, &progress);
		if (demo->killed_ns == 0 && progress.accepted >= kill_at)
			code = kill_server(demo, &progress);
		else if (demo->killed_ns > 0 && demo->ready_ns == 0)
			code = watch_restart(demo, &progress);
		/* It answers a little before it calls itself ready: the story is told in order. */
		if (!sold_out && progress.sold_out > 0 && (demo->killed_ns == 0 || demo->ready_ns > 0)) {
			sold_out = true;
			tell(demo, "sold out: the last units are taken, and from here on the answer is 410");
		}
	}
	if (r < 0)
		return cli_error(CLI_FAILED, "the crowd cannot go on: %s", error_text(r));
	return code;
}

/* --- What comes back --- */

/* Units of the sale's only lot. */
static int read_lot(struct demo *demo, int64_t *available, int64_t *held)
{
	char path[96];
	json_t *answer, *lot;
	int code;

	snprintf(path, sizeof(path), "/v1/sales/%s", sale);
	code = client_ask(&demo->setup.client, "GET", path, NULL, &answer);
	if (code != CLI_GO)
		return code;
	lot = json_array_get(json_object_get(answer, "lots"), 0);
	*available = json_integer_value(json_object_get(lot, "available"));
	*held = json_integer_value(json_object_get(lot, "held"));
	json_decref(answer);
	return CLI_GO;
}

static int wait_for_returns(struct demo *demo)
{
	int64_t until_ms = clock_mono_ms() + RETURN_WAIT_MS, held = 1;
	struct crowd_progress progress;
	int code = CLI_GO;

	crowd_progress(demo->rush, &progress);
	tell(demo, "everybody has an answer; %s have paid, the others' holds expire after %d s", output_thousands(progress.paid),
	     HOLD_S);
	while (code == CLI_GO && held > 0 && clock_mono_ms() < until_ms) {
		code = read_lot(demo, &demo->returned, &held);
		if (held > 0)
			pause_sleep(100000000);
	}
	if (code == CLI_GO && held > 0)
		return cli_error(CLI_FAILED, "%lld holds did not expire", (long long)held);
	return code;
}

static int run_latecomers(struct demo *demo)
{
	struct crowd_progress progress;
	const char *reason = NULL;
	int r;

	tell(demo, "%s units came back; latecomers may buy them", output_thousands((uint64_t)demo->returned));
	if (demo->returned == 0)
		return CLI_GO;
	demo->late_options = demo->rush_options;
	demo->late_options.buyers = (size_t)(demo->returned * LATE_PER_UNIT);
	demo->late_options.bots = 0;
	demo->late_options.abandon = 0;
	demo->late_options.arrival = ARRIVAL_RAMP;
	demo->late_options.over_ns = 1500 * MS;
	demo->late_options.pay_after_ns = 300 * MS;
	r = crowd_new(&demo->late, &demo->late_options, &reason);
	while (r >= 0) {
		r = crowd_step(demo->late, 100 * MS);
		if (r == CROWD_DONE)
			break;
	}
	if (r < 0)
		return cli_error(CLI_FAILED, "%s", reason ? reason : error_text(r));
	crowd_progress(demo->late, &progress);
	tell(demo, "%s of them are sold again and paid", output_thousands(progress.paid));
	return CLI_GO;
}

/* --- The verdict --- */

static void summary_line(const char *name, const char *rush, const char *late)
{
	printf("  %-34s %10s %12s\n", name, rush, late);
}

static uint64_t kind(const struct crowd *crowd, enum tally_kind which)
{
	return crowd ? crowd_tally(crowd)->kinds[which] : 0;
}

static void print_summary(const struct demo *demo)
{
	static const struct {
		enum tally_kind kind;
		const char *name;
	} lines[] = {
		{TALLY_ACCEPTED, "accepted (202)"},
		{TALLY_REPLAYED, "the same order again (202)"},
		{TALLY_SOLD_OUT, "sold out (410)"},
		{TALLY_LIMITED, "too many requests (429)"},
		{TALLY_NOT_NOW, "too early, or at the limit (409)"},
		{TALLY_UNAVAILABLE, "not available (503)"},
		{TALLY_LOST, "connection lost, then resolved"},
		{TALLY_OTHER, "other"},
	};
	struct crowd_progress rush, late = {0};

	crowd_progress(demo->rush, &rush);
	if (demo->late)
		crowd_progress(demo->late, &late);
	printf("\n%s  %-34s %10s %12s%s\n", style(STYLE_BOLD), "", "the rush", "latecomers", style(STYLE_END));
	summary_line("requests", output_thousands(rush.sent), output_thousands(late.sent));
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (kind(demo->rush, lines[i].kind) + kind(demo->late, lines[i].kind) > 0)
			summary_line(lines[i].name, output_thousands(kind(demo->rush, lines[i].kind)),
				     output_thousands(kind(demo->late, lines[i].kind)));
	summary_line("orders paid", output_thousands(rush.paid), output_thousands(late.paid));
	printf("\n%s  latency, ms     p50       p90       p99     p99.9    p99.99       max%s   from the moment each meant to send\n",
	       style(STYLE_BOLD), style(STYLE_END));
	crowd_report_latency("the rush", crowd_latency(demo->rush));
	if (demo->late)
		crowd_report_latency("latecomers", crowd_latency(demo->late));
}

static void print_next(const struct demo *demo)
{
	const char *program = demo_program();

	printf("\nWhere to look next\n");
	if (!demo->options.clean)
		printf("  judge the ledger again      '%s' audit 'sqlite:%s/penstock.db'\n"
		       "  what the server logged      less '%s'\n",
		       program, demo->options.folder, demo->server.log_file);
	printf("  a server to try by hand     '%s' demo --serve\n"
	       "  such a crowd for your sale  '%s' rehearse --help\n"
	       "  how it is built, and why    README.md, docs/architecture.md\n",
	       program, program);
}

static int give_verdict(struct demo *demo)
{
	const struct crowd_mark marks[] = {{demo->killed_ns, "killed"}, {demo->ready_ns, "back"}};
	struct crowd_judgement judgement = {0};
	struct ledger *ledger;
	struct tally all;
	char url[SERVER_PATH_SIZE + 64];
	int code;

	snprintf(url, sizeof(url), "sqlite:%s/penstock.db", demo->server.folder);
	code = cli_open_ledger(url, LEDGER_OPEN_READ_ONLY, &ledger);
	if (code != CLI_GO)
		return code;
	code = crowd_judge(&judgement, demo->rush, ledger, sale, 0);
	if (code == CLI_GO && demo->late)
		code = crowd_judge(&judgement, demo->late, ledger, sale, 0);
	ledger->ops->free(ledger);
	if (code != CLI_GO)
		return code;
	tally_init(&all);
	tally_merge(&all, crowd_tally(demo->rush), 0);
	printf("\n%sThe rush, in steps of 0.2 s%s\n", style(STYLE_BOLD), style(STYLE_END));
	crowd_report_picture(&all, 200, marks, sizeof(marks) / sizeof(marks[0]));
	tally_deinit(&all);
	print_summary(demo);
	printf("\n%sVerdict%s  %s orders that were told, held against the ledger: %s confirmed, %s expired, %s held\n",
	       style(STYLE_BOLD), style(STYLE_END), output_thousands(judgement.told), output_thousands(judgement.confirmed),
	       output_thousands(judgement.expired), output_thousands(judgement.held));
	code = crowd_report_promises(&judgement);
	printf("  units: %s allocated = %s available + %s held + %s confirmed + %s withdrawn\n",
	       output_thousands((uint64_t)judgement.audit.units_allocated),
	       output_thousands((uint64_t)judgement.audit.units_available),
	       output_thousands((uint64_t)judgement.audit.units_held), output_thousands((uint64_t)judgement.audit.units_confirmed),
	       output_thousands((uint64_t)judgement.audit.units_withdrawn));
	return code;
}

/* --- --- */

static int play(struct demo *demo)
{
	int code = start_server(demo);

	if (code == CLI_GO)
		code = demo_settings(&demo->server, &demo->settings);
	if (code != CLI_GO)
		return code;
	printf("%sA flash sale%s on a server of its own, buyers at %s, ledger in %s\n", style(STYLE_BOLD), style(STYLE_END),
	       demo->server.public_url, demo->options.folder);
	{
		struct client client;

		code = client_open(&client, demo->settings, demo->server.operator_url, NULL);
		demo->opens_ms = clock_mono_ms() + COUNTDOWN_MS;
		if (code == CLI_GO)
			code = demo_make_sale(&client, &(struct demo_sale){sku, sale, demo->options.units, HOLD_S, COUNTDOWN_MS, 1});
		client_close(&client);
	}
	if (code == CLI_GO)
		code = make_crowds(demo);
	if (code != CLI_GO)
		return code;
	count_down(demo);
	code = run_rush(demo);
	if (code == CLI_GO)
		code = wait_for_returns(demo);
	if (code == CLI_GO)
		code = run_latecomers(demo);
	if (code == CLI_GO)
		code = give_verdict(demo);
	if (code == CLI_OK)
		code = demo_after(&demo->setup.client, sale);
	return code;
}

/* A fresh folder, its path absolute. */
static int make_folder(const struct demo_options *options, char folder[static PATH_MAX])
{
	const char *temporary = getenv("TMPDIR");
	char made[PATH_MAX];

	snprintf(made, sizeof(made), "%s", options->folder ? options->folder : temporary && temporary[0] ? temporary : "/tmp");
	if (!options->folder)
		strncat(made, "/penstock-demo-XXXXXX", sizeof(made) - strlen(made) - 1);
	if (options->folder ? mkdir(made, 0777) < 0 : !mkdtemp(made))
		return cli_error(CLI_FAILED, "%s: %s", made, error_text(-errno));
	return realpath(made, folder) ? CLI_GO : cli_error(CLI_FAILED, "%s: %s", made, error_text(-errno));
}

static void remove_folder(const char *folder)
{
	static const char *const names[] = {
		"penstock.db",
		"penstock.db-wal",
		"penstock.db-shm",
		"penstock.db-lease",
		"penstock.db.jwt-key",
		"penstock.db.operator-token",
		"ready",
		"server.log",
	};
	char path[PATH_MAX + 64];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		unlink(path);
	}
	if (rmdir(folder) < 0)
		cli_error(CLI_OK, "%s: %s", folder, error_text(-errno));
}

static int demonstrate(struct demo_options *options)
{
	struct demo demo = {0};
	char folder[PATH_MAX];
	int code = make_folder(options, folder);

	if (code != CLI_GO)
		return code;
	demo.options = *options;
	demo.options.folder = folder;
	demo.setup.client.socket = -1;
	code = play(&demo);
	server_process_end(&demo.server, SIGTERM);
	if (code == CLI_OK)
		print_next(&demo);
	crowd_free(demo.rush);
	crowd_free(demo.late);
	crowd_setup_deinit(&demo.setup);
	settings_free(demo.settings);
	if (options->clean && code == CLI_OK)
		remove_folder(folder);
	return code;
}

static int demo_run(struct cli *cli)
{
	struct demo_options options = {.buyers = 20000, .bots = 100, .units = 1000};
	const struct option table[] = {
		{"serve", 0, OPTION_FLAG, &options.serve, NULL, "leave a server running, with a sample sale to buy from by hand"},
		{"folder", 0, OPTION_TEXT, &options.folder, "PATH",
		 "where the ledger is kept (a fresh one in /tmp; with --serve ./penstock-sample)"},
		{"storefront", 0, OPTION_TEXT, &options.storefront, "ORIGIN",
		 "with --serve: where examples/storefront is served; it may ask, and is linked to"},
		{"buyers", 'b', OPTION_INTEGER, &options.buyers, "N", "people in the rush (20000)"},
		{"bots", 0, OPTION_INTEGER, &options.bots, "N", "bots among them, 25 requests each (100)"},
		{"units", 'u', OPTION_INTEGER, &options.units, "N", "units for sale (1000)"},
		{"seed", 0, OPTION_INTEGER, &options.seed, "N", "the same crowd again"},
		{"clean", 0, OPTION_FLAG, &options.clean, NULL, "remove the ledger afterwards, where every promise held"},
	};
	int code = cli_options(cli, table, sizeof(table) / sizeof(table[0]), 0, 0);

	if (code != CLI_GO)
		return code;
	if (options.units < 2 || options.units > 1000000 || options.buyers < options.units)
		return cli_usage(cli, "wanted are 2 to 1,000,000 units, and at least as many buyers");
	if (options.storefront && !options.serve)
		return cli_usage(cli, "--storefront goes with --serve");
	return options.serve ? demo_serve(&options) : demonstrate(&options);
}

const struct command command_demo = {
	.name = "demo",
	.synopsis = "[OPTION...]",
	.summary = "Watch a flash sale, with a crash in the middle and a verdict",
	.details = "It starts a server of its own on free ports, sends a crowd to a sale, kills the server with SIGKILL when half of the units are\n"
		   "gone, starts it again, lets people pay or not, sells what comes back, and holds what everybody was told against the ledger.\n"
		   "Exit code 1: a promise was broken.\n",
	.run = demo_run,
};
