#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/crowd/report.h"
#include "cli/crowd/setup.h"
#include "cli/style.h"
#include "engine/adapters.h"

static const int64_t STEP_NS = 100 * INT64_C(1000000);
enum { SETTLE_MS = 30000, MARKS_MAX = 32, MARK_TEXT_SIZE = 64 };

struct rehearsal {
	struct crowd_setup setup;
	struct crowd_target target;
	const char *ledger, *arrival, *marks;
	int64_t buyers, bots, bot_requests, quantity, connections, addresses, seed;
	int64_t over_ms, timeout_ms, patience_ms, pay_after_ms, settle_ms, picture_ms;
	double rate, retries, duplicates, abandon;
	bool json, no_payments;
};

static volatile sig_atomic_t interrupted;

static void interrupt(int signal_number)
{
	(void)signal_number;
	interrupted = 1;
}

static int shape(const struct cli *cli, const struct rehearsal *rehearsal, struct crowd_options *options)
{
	size_t requests = (size_t)(rehearsal->buyers + rehearsal->bots * rehearsal->bot_requests);
	int64_t over_ms = rehearsal->over_ms;

	if (rehearsal->rate > 0 && over_ms > 0)
		return cli_usage(cli, "--rate and --over say the same in two ways: give one");
	if (rehearsal->rate > 0)
		over_ms = (int64_t)ceil((double)requests / rehearsal->rate * 1000);
	if (!rehearsal->arrival)
		options->arrival = over_ms > 0 ? ARRIVAL_STEADY : ARRIVAL_AT_ONCE;
	else if (strcmp(rehearsal->arrival, "steady") == 0)
		options->arrival = ARRIVAL_STEADY;
	else if (strcmp(rehearsal->arrival, "spike") == 0)
		options->arrival = ARRIVAL_SPIKE;
	else if (strcmp(rehearsal->arrival, "ramp") == 0)
		options->arrival = ARRIVAL_RAMP;
	else
		return cli_usage(cli, "--arrival %s: wanted is steady, spike or ramp", rehearsal->arrival);
	if (rehearsal->arrival && over_ms == 0)
		over_ms = 10000;
	options->over_ns = over_ms * 1000000;
	options->buyers = (size_t)rehearsal->buyers;
	options->bots = (size_t)rehearsal->bots;
	options->bot_requests = (size_t)rehearsal->bot_requests;
	options->quantity = (uint32_t)rehearsal->quantity;
	options->connections = (uint32_t)rehearsal->connections;
	options->addresses = (uint32_t)rehearsal->addresses;
	options->retries = rehearsal->retries;
	options->duplicates = rehearsal->duplicates;
	options->abandon = rehearsal->no_payments ? 100 : rehearsal->abandon;
	options->timeout_ns = rehearsal->timeout_ms * 1000000;
	options->patience_ns = rehearsal->patience_ms * 1000000;
	options->pay_after_ns = rehearsal->pay_after_ms * 1000000;
	options->seed = (uint64_t)rehearsal->seed;
	return CLI_GO;
}

/* Runs the crowd to its end, with a line that shows how far it is. */
static int drive(struct crowd *crowd, bool show)
{
	int r;

	signal(SIGINT, interrupt);
	signal(SIGTERM, interrupt);
	do {
		r = crowd_step(crowd, STEP_NS);
		if (interrupted == 1) {
			interrupted = 2;
			crowd_stop(crowd);
		}
		if (show)
			crowd_report_progress(crowd);
	} while (r == CROWD_RUNNING);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	if (show)
		crowd_report_progress_end();
	return r;
}

/* The marks whose moments came while the crowd was at it. */
static size_t read_marks(FILE *file, int64_t start_ms, struct crowd_mark *marks, char (*texts)[MARK_TEXT_SIZE])
{
	char line[MARK_TEXT_SIZE + 32];
	size_t count = 0;

	while (count < MARKS_MAX && fgets(line, sizeof(line), file)) {
		char *text;
		int64_t at_ms = strtoll(line, &text, 10) - start_ms;

		if (text == line || at_ms < 0)
			continue;
		text += strspn(text, " ");
		snprintf(texts[count], MARK_TEXT_SIZE, "%.*s", (int)strcspn(text, "\n"), text);
		marks[count] = (struct crowd_mark){at_ms * 1000000 + 1, texts[count]};
		count++;
	}
	return count;
}

static int draw(const struct rehearsal *rehearsal, const struct crowd *crowd, int64_t start_ms)
{
	struct crowd_mark marks[MARKS_MAX];
	char texts[MARKS_MAX][MARK_TEXT_SIZE];
	size_t count = 0;
	FILE *file = rehearsal->marks ? fopen(rehearsal->marks, "r") : NULL;

	if (rehearsal->marks && !file)
		return cli_error(CLI_FAILED, "%s: %s", rehearsal->marks, error_text(-errno));
	if (file) {
		count = read_marks(file, start_ms, marks, texts);
		fclose(file);
	}
	crowd_report_picture(crowd_tally(crowd), rehearsal->picture_ms, marks, count);
	putchar('\n');
	return CLI_GO;
}

static int rehearse(struct rehearsal *rehearsal, const struct settings *settings, struct crowd_options *options)
{
	const char *url = rehearsal->ledger ? rehearsal->ledger : settings->ledger.url;
	/* With the direct journal, what was told is in the ledger. */
	int64_t settle_ms = rehearsal->settle_ms >= 0 ? rehearsal->settle_ms : adapters_drained(settings) ? SETTLE_MS : 0;
	int64_t start_ms = 0;
	struct crowd_judgement judgement = {0};
	struct ledger *ledger = NULL;
	struct crowd *crowd = NULL;
	const char *reason;
	int code, r;

	/*
	 * Before the crowd: it would be a pity to learn afterwards that there is nothing to judge
	 * by.
	 */
	code = cli_open_ledger(url, LEDGER_OPEN_READ_ONLY, &ledger);
	if (code != CLI_GO)
		return code;
	r = crowd_new(&crowd, options, &reason);
	if (r < 0)
		code = cli_error(r == -EINVAL ? CLI_USAGE : CLI_FAILED, "%s", r == -EINVAL && reason ? reason : error_text(r));
	if (code == CLI_GO) {
		start_ms = clock_wall_ms();
		r = drive(crowd, !rehearsal->json && style_is_terminal(2));
		if (r < 0)
			code = cli_error(CLI_FAILED, "the crowd cannot go on: %s",
					 r == -EPROTO ? tls_reason(rehearsal->setup.tls) : error_text(r));
	}
	if (code == CLI_GO)
		code = crowd_judge(&judgement, crowd, ledger, options->sale, settle_ms);
	if (code == CLI_GO)
		code = rehearsal->picture_ms ? draw(rehearsal, crowd, start_ms) : CLI_GO;
	if (code == CLI_GO)
		code = rehearsal->json ? crowd_report_json(crowd, options, &judgement) : crowd_report(crowd, options, &judgement);
	crowd_free(crowd);
	ledger->ops->free(ledger);
	return code;
}

static int set_up_and_rehearse(struct cli *cli, struct rehearsal *rehearsal)
{
	struct crowd_options options = {0};
	struct settings *settings;
	int code = shape(cli, rehearsal, &options);

	if (code != CLI_GO)
		return code;
	code = cli_settings(cli, &settings);
	if (code != CLI_GO)
		return code;
	code = crowd_setup_init(&rehearsal->setup, &options, settings, &rehearsal->target);
	if (code == CLI_GO) {
		if (rehearsal->no_payments)
			options.operator_count = 0;
		code = rehearse(rehearsal, settings, &options);
	}
	crowd_setup_deinit(&rehearsal->setup);
	settings_free(settings);
	return code;
}

static int rehearse_run(struct cli *cli)
{
	struct rehearsal rehearsal = {
		.buyers = 1000,
		.bot_requests = 10,
		.quantity = 1,
		.connections = 64,
		.retries = 5,
		.abandon = 20,
		.timeout_ms = 10000,
		.patience_ms = 90000,
		.pay_after_ms = 500,
		.settle_ms = -1,
	};
	const struct option table[] = {
		{"sale", 's', OPTION_TEXT, &rehearsal.target.sale, "ID", "the sale to buy in (the only open one)"},
		{"buyers", 'b', OPTION_INTEGER, &rehearsal.buyers, "N", "people who buy once (1000)"},
		{"bots", 0, OPTION_INTEGER, &rehearsal.bots, "N", "bots that buy again and again (0)"},
		{"bot-requests", 0, OPTION_INTEGER, &rehearsal.bot_requests, "N", "requests of each bot (10)"},
		{"retries", 0, OPTION_PERCENT, &rehearsal.retries, "PERCENT", "people who send the same request again (5)"},
		{"duplicates", 0, OPTION_PERCENT, &rehearsal.duplicates, "PERCENT", "people who press twice at once (0)"},
		{"abandon", 0, OPTION_PERCENT, &rehearsal.abandon, "PERCENT", "orders that are never paid (20)"},
		{"no-payments", 0, OPTION_FLAG, &rehearsal.no_payments, NULL, "nobody pays; no operator listener is needed"},
		{"quantity", 'q', OPTION_INTEGER, &rehearsal.quantity, "N", "units of each purchase (1)"},
		{"rate", 'r', OPTION_NUMBER, &rehearsal.rate, "N", "requests a second, whatever the server does (open loop)"},
		{"arrival", 0, OPTION_TEXT, &rehearsal.arrival, "SHAPE", "steady, spike or ramp (open loop)"},
		{"over", 0, OPTION_DURATION, &rehearsal.over_ms, "TIME", "how long the arrival takes (10s)"},
		{"connections", 0, OPTION_INTEGER, &rehearsal.connections, "N", "at once, at most (64); alone: a closed loop"},
		{"addresses", 0, OPTION_INTEGER, &rehearsal.addresses, "N", "come from N loopback addresses, 127.1.0.0 and on"},
		{"timeout", 0, OPTION_DURATION, &rehearsal.timeout_ms, "TIME", "an answer must come within (10s)"},
		{"patience", 0, OPTION_DURATION, &rehearsal.patience_ms, "TIME", "an unknown outcome must be known within (90s)"},
		{"pay-after", 0, OPTION_DURATION, &rehearsal.pay_after_ms, "TIME", "the slowest payer (500ms)"},
		{"seed", 0, OPTION_INTEGER, &rehearsal.seed, "N", "the same crowd again"},
		{"server", 0, OPTION_COMMAS, &rehearsal.target.servers, "URL",
		 "the public listener (that of the settings); of several gates: URL,URL"},
		{"operator", 0, OPTION_COMMAS, &rehearsal.target.operators, "URL", "the operator listener, likewise"},
		{"ledger", 0, OPTION_TEXT, &rehearsal.ledger, "URL", "the ledger to judge by (that of the settings)"},
		{"settle", 0, OPTION_DURATION, &rehearsal.settle_ms, "TIME", "a ledger behind a journal has caught up within (30s)"},
		{"picture", 0, OPTION_DURATION, &rehearsal.picture_ms, "TIME", "draw the answers over time, so much of it a line"},
		{"marks", 0, OPTION_TEXT, &rehearsal.marks, "PATH", "moments to be seen in the picture: a line each, UNIX-MS TEXT"},
		{"json", 'j', OPTION_FLAG, &rehearsal.json, NULL, "report as JSON"},
	};
	int code = cli_options(cli, table, sizeof(table) / sizeof(table[0]), 0, 0);

	if (code != CLI_GO)
		return code;
	if (rehearsal.picture_ms % TALLY_SLICE_MS != 0 || (rehearsal.json && rehearsal.picture_ms > 0))
		return cli_usage(cli, "--picture takes a multiple of %dms, and is not for --json", TALLY_SLICE_MS);
	rehearsal.target.cacert = cli->cacert;
	return set_up_and_rehearse(cli, &rehearsal);
}

const struct command command_rehearse = {
	.name = "rehearse",
	.synopsis = "[--sale ID] [OPTION...] [--SETTING VALUE...]",
	.summary = "Send a crowd to a sale over HTTP, and judge what it was told by the ledger",
	.details =
		"The crowd buys for real: use a sale made for it. With --rate, --arrival or --over the requests come at their own times and\n"
		"latency counts from those (open loop); else every connection sends as soon as it has its answer (closed loop).\n"
		"Several gates take turns, as behind a load balancer: --server URL,URL (and --operator); one that is down is left out until it is back.\n"
		"Over https:// (OpenSSL) certificates are checked against --cacert, CURL_CA_BUNDLE, SSL_CERT_FILE and SSL_CERT_DIR, or the system's.\n"
		"A ledger behind a journal is looked at again until it has caught up (--settle).\n"
		"Where gate.address_rate is set, people who share few addresses are refused by it: see --addresses.\n"
		"Every answer is kept and held against the ledger. Exit code 1: a promise was broken; the first example is shown.\n",
	.settings = true,
	.run = rehearse_run,
};
