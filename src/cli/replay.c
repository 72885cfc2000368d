#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "cli/commands.h"
#include "cli/output.h"

enum { PAGE = 200 };

enum task { TASK_LIST, TASK_APPLY, TASK_DROP };
struct totals {
	int64_t seen, applied, kept, dropped;
};

static const char *outcome_text(int outcome)
{
	switch (outcome) {
	case LEDGER_DONE:
		return "applied";
	case LEDGER_ALREADY:
		return "was applied before";
	case LEDGER_STALE_EPOCH:
		return "void: its sale has begun a newer epoch";
	case LEDGER_WRONG_STATE:
		return "void: the order had already ended";
	case LEDGER_NOT_FOUND:
		return "kept: its sale or order is not in the ledger";
	case LEDGER_CONSTRAINT:
		return "kept: it would break a promise";
	default:
		return "kept";
	}
}

/* Tries one event again. It leaves the table when it is applied, or when it can never count any more. */
static int apply(struct ledger *ledger, const struct ledger_dead_letter *row, struct totals *totals)
{
	struct event event;
	struct event_text text;
	struct ledger_entry entry = {.event = &event};
	const char *reason;
	int r = event_decode(slice_of(row->event), &event, &text, &reason);

	if (r == -EBADMSG) {
		printf("%" PRId64 "  kept: it cannot be read: %s\n", row->number, reason);
		totals->kept++;
		return 0;
	}
	if (r == 0)
		r = ledger->ops->apply(ledger, &entry, 1);
	if (r < 0)
		return r;
	printf("%" PRId64 "  %s\n", row->number, outcome_text(entry.outcome));
	if (entry.outcome == LEDGER_NOT_FOUND || entry.outcome == LEDGER_CONSTRAINT) {
		totals->kept++;
		return 0;
	}
	totals->applied += entry.outcome == LEDGER_DONE || entry.outcome == LEDGER_ALREADY;
	totals->dropped += entry.outcome == LEDGER_STALE_EPOCH || entry.outcome == LEDGER_WRONG_STATE;
	return ledger->ops->dead_letter_remove(ledger, row->number);
}

static int handle(struct ledger *ledger, const struct ledger_dead_letter *row, enum task task, bool json, struct totals *totals)
{
	char at[CLOCK_TEXT_SIZE];

	totals->seen++;
	if (task == TASK_APPLY)
		return apply(ledger, row, totals);
	if (task == TASK_DROP) {
		totals->dropped++;
		return ledger->ops->dead_letter_remove(ledger, row->number);
	}
	clock_format(row->at_ms, at);
	if (json) {
		json_t *object = json_pack("{s:I, s:s, s:s, s:o}", "number", (json_int_t)row->number, "at", at, "reason",
					   row->reason, "event", json_loads(row->event, JSON_DECODE_ANY, NULL));
		char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;

		json_decref(object);
		puts(text ? text : "null");
		free(text);
	} else {
		printf("%" PRId64 "  %s  %s\n  %s\n", row->number, at, row->reason, row->event);
	}
	return 0;
}

/* Every dead letter, or only number `only` (0: all). */
static int walk(struct ledger *ledger, enum task task, int64_t only, bool json, struct totals *totals)
{
	struct ledger_dead_letter *rows = calloc(PAGE, sizeof(rows[0]));
	int64_t after = only > 0 ? only - 1 : 0;
	size_t count = PAGE;
	int r = rows ? 0 : -ENOMEM;

	while (r >= 0 && count == PAGE) {
		count = 0;
		r = ledger->ops->dead_letters(ledger, after, rows, PAGE, &count);
		for (size_t i = 0; r >= 0 && i < count; i++) {
			after = rows[i].number;
			if (only == 0 || after == only)
				r = handle(ledger, &rows[i], task, json, totals);
		}
		for (size_t i = 0; i < PAGE; i++) {
			free(rows[i].event);
			rows[i].event = NULL;
		}
		if (only > 0)
			break;
	}
	free(rows);
	return r < 0 ? r : 0;
}

static int run(struct cli *cli)
{
	bool all = false, drop = false, json = false;
	int64_t number = 0;
	const struct option table[] = {
		{"all", 'a', OPTION_FLAG, &all, NULL, "try all of them again"},
		{"number", 'n', OPTION_INTEGER, &number, "N", "only this one"},
		{"drop", 0, OPTION_FLAG, &drop, NULL, "do not try again: forget"},
		{"json", 'j', OPTION_FLAG, &json, NULL, "list as JSON, one object a line"},
	};
	struct settings *settings;
	struct ledger *ledger;
	struct totals totals = {0};
	enum task task;
	int code = cli_options(cli, table, 4, 0, 0), r;

	if (code != CLI_GO)
		return code;
	if (drop && !all && number == 0)
		return cli_usage(cli, "--drop goes with --all or --number");
	task = drop ? TASK_DROP : all || number > 0 ? TASK_APPLY : TASK_LIST;
	code = cli_settings(cli, &settings);
	if (code != CLI_GO)
		return code;
	code = cli_open_ledger(settings->ledger.url, task == TASK_LIST ? LEDGER_OPEN_READ_ONLY : LEDGER_OPEN_LEASE, &ledger);
	if (code == CLI_GO) {
		r = walk(ledger, task, number, json, &totals);
		ledger->ops->free(ledger);
		if (r < 0)
			code = cli_error(CLI_FAILED, "ledger %s: %s", settings->ledger.url, error_text(r));
		else
			code = totals.kept > 0 ? CLI_FAILED : CLI_OK;
		if (r >= 0 && task == TASK_LIST && !json && totals.seen == 0)
			puts("There are no dead letters: every event could be applied.");
		else if (r >= 0 && task != TASK_LIST)
			printf("%" PRId64 " applied, %" PRId64 " dropped, %" PRId64 " kept\n", totals.applied, totals.dropped,
			       totals.kept);
	}
	settings_free(settings);
	return code;
}

const struct command command_replay = {
	.name = "replay",
	.synopsis = "[--all | --number N] [--drop] [--json]",
	.summary = "List the events that could not be applied, and try them again",
	.details = "Without --all or --number it lists them. Trying again writes to the ledger: stop the server first. An event that is applied, or\n"
		   "that can never count any more, leaves the table; exit code 1 where some had to be kept.\n",
	.settings = true,
	.run = run,
};
