/* Who did what: the operator log. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/pause.h"
#include "cli/commands.h"
#include "cli/output.h"

enum { SHOWN = 50, SHOWN_MAX = 1000, FOLLOW_NS = 1000000000 };

static const char *const titles[] = {">NUMBER", "AT", "ACTOR", "ACTION", "SUBJECT", "DETAIL", NULL};

static void row_cells(struct table *table, const json_t *row)
{
	char *detail = json_dumps(json_object_get(row, "detail"), JSON_COMPACT);

	table_cell(table, "%" PRId64, output_field_integer(row, "number"));
	table_cell(table, "%s", output_field_text(row, "at"));
	table_cell(table, "%s", output_field_text(row, "actor"));
	table_cell(table, "%s", output_field_text(row, "action"));
	table_cell(table, "%s", output_field_text(row, "subject"));
	table_cell(table, "%s", detail && strcmp(detail, "{}") != 0 ? detail : "");
	free(detail);
}

static void print_row(const json_t *row, bool json)
{
	char *text = json_dumps(json ? row : json_object_get(row, "detail"), JSON_COMPACT);

	if (json)
		printf("%s\n", text ? text : "");
	else
		printf("%s  %-12s %-16s %s  %s\n", output_field_text(row, "at"), output_field_text(row, "actor"),
		       output_field_text(row, "action"), output_field_text(row, "subject"),
		       text && strcmp(text, "{}") != 0 ? text : "");
	free(text);
}

/* The newest rows, the newest of them last; *last: its number. Takes no more than a page. */
static int fetch_newest(struct client *client, const char *filters, int64_t count, json_t **rows, int64_t *last)
{
	char path[1024];
	json_t *answer;
	int code;

	snprintf(path, sizeof(path), "/v1/log?order=newest&limit=%" PRId64 "%s", count, filters);
	code = client_ask(client, "GET", path, NULL, &answer);
	if (code != CLI_GO)
		return code;
	*rows = json_array();
	for (size_t i = json_array_size(json_object_get(answer, "rows")); i-- > 0;)
		json_array_append(*rows, json_array_get(json_object_get(answer, "rows"), i));
	*last = output_field_integer(json_array_get(*rows, json_array_size(*rows) - 1), "number");
	json_decref(answer);
	return CLI_GO;
}

/* What comes, until interrupted or the server goes. */
static int follow(struct client *client, const char *filters, bool json, int64_t last)
{
	char path[1024];
	json_t *answer, *row;
	size_t index;
	int code;

	for (;;) {
		snprintf(path, sizeof(path), "/v1/log?limit=1000&after=%" PRId64 "%s", last, filters);
		code = client_ask(client, "GET", path, NULL, &answer);
		if (code != CLI_GO)
			return code;
		json_array_foreach(json_object_get(answer, "rows"), index, row)
		{
			print_row(row, json);
			last = output_field_integer(row, "number");
		}
		json_decref(answer);
		fflush(stdout);
		pause_sleep(FOLLOW_NS);
	}
}

static int log_run(struct cli *cli)
{
	const char *url = NULL, *actor = NULL, *action = NULL, *subject = NULL, *since = NULL;
	bool json = false, following = false, payments = false, all = false;
	int64_t count = SHOWN, last = 0, since_ms;
	char since_text[CLOCK_TEXT_SIZE];
	const struct option table[] = {
		{"follow", 'f', OPTION_FLAG, &following, NULL, "go on with what comes"},
		{"lines", 'n', OPTION_INTEGER, &count, "N", "the newest so many (50)"},
		{"actor", 0, OPTION_TEXT, &actor, "NAME", "of this operator only"},
		{"action", 0, OPTION_TEXT, &action, "NAME", "of this action only: sale.open, or sale for all that begin so"},
		{"subject", 0, OPTION_TEXT, &subject, "ID", "about this sale, item or order only"},
		{"since", 0, OPTION_TEXT, &since, "TIME", "\"2027-01-01 10:00 Europe/Berlin\", or RFC 3339"},
		{"payments", 0, OPTION_FLAG, &payments, NULL, "what happened to orders, in place of all else"},
		{"all", 'a', OPTION_FLAG, &all, NULL, "both"},
		CLIENT_OPTIONS(&url, &json),
	};
	struct buffer filters;
	struct client client;
	json_t *rows = NULL;
	int code = cli_options(cli, table, sizeof(table) / sizeof(table[0]), 0, 0);

	if (code != CLI_GO)
		return code;
	if (count < 1 || count > SHOWN_MAX)
		return cli_usage(cli, "--lines: wanted is a number from 1 to %d", SHOWN_MAX);
	if (since) {
		code = output_moment(cli, "since", since, "", &since_ms);
		if (code != CLI_GO)
			return code;
		clock_format(since_ms, since_text);
		since = since_text;
	}
	buffer_init(&filters, 4096);
	output_filter(&filters, "actor", actor);
	output_filter(&filters, "action", action);
	output_filter(&filters, "subject", subject);
	output_filter(&filters, "since", since);
	/* Who asks by an action or a subject has said which. */
	if (payments || !(all || action || subject))
		output_filter(&filters, "kind", payments ? "payments" : "doings");
	buffer_append(&filters, "", 1);
	code = output_session(cli, &client, url);
	if (code == CLI_GO)
		code = fetch_newest(&client, filters.data, count, &rows, &last);
	if (code == CLI_GO && following) {
		for (size_t i = 0; i < json_array_size(rows); i++)
			print_row(json_array_get(rows, i), json);
		json_decref(rows);
		code = follow(&client, filters.data, json, last);
	} else if (code == CLI_GO) {
		code = output_rows(rows, json, titles, row_cells);
	}
	client_close(&client);
	buffer_deinit(&filters);
	return code;
}

const struct command command_log = {
	.name = "log",
	.synopsis = "[-f] [--actor NAME] [--action NAME] [--subject ID] [--since TIME] [--payments]",
	.summary = "Who did what: the operator log",
	.settings = true,
	.run = log_run,
};
