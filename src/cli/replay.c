#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/json_write.h"
#include "cli/commands.h"

enum { PAGE = 200, LINE_MAX_BYTES = 16 << 20 };

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
static int apply(struct ledger *ledger, int64_t number, const struct event *event, struct totals *totals)
{
	struct ledger_entry entry = {.event = event};
	int r = ledger->ops->apply(ledger, &entry, 1);

	if (r < 0)
		return r;
	printf("%" PRId64 "  %s\n", number, outcome_text(entry.outcome));
	if (entry.outcome == LEDGER_NOT_FOUND || entry.outcome == LEDGER_CONSTRAINT) {
		totals->kept++;
		return 0;
	}
	totals->applied += entry.outcome == LEDGER_DONE || entry.outcome == LEDGER_ALREADY;
	totals->dropped += entry.outcome == LEDGER_STALE_EPOCH || entry.outcome == LEDGER_WRONG_STATE;
	return ledger->ops->dead_letter_remove(ledger, number);
}

/* One object a line: the event, or the record as a text where it is none. */
static int list_json(const struct ledger_dead_letter *row, bool is_event)
{
	char at[CLOCK_TEXT_SIZE];
	struct buffer line;
	int code;

	clock_format(row->at_ms, at);
	buffer_init(&line, LINE_MAX_BYTES);
	buffer_append_literal(&line, "{");
	json_write_int(&line, "number", row->number);
	json_write_text(&line, "at", slice_of(at));
	json_write_text(&line, "reason", slice_of(row->reason));
	json_write_name(&line, "event");
	buffer_append_text(&line, is_event ? row->event : "null");
	if (!is_event)
		json_write_text(&line, "record", slice_of(row->event));
	buffer_append_literal(&line, "}\n");
	code = cli_print(&line);
	buffer_deinit(&line);
	return code == CLI_OK ? 0 : -EIO;
}

/* What is no event comes from anywhere: it is shown escaped, so that it cannot speak to the terminal. */
static int list_text(const struct ledger_dead_letter *row, bool is_event)
{
	char at[CLOCK_TEXT_SIZE];
	struct buffer line;
	int code;

	clock_format(row->at_ms, at);
	buffer_init(&line, LINE_MAX_BYTES);
	buffer_printf(&line, "%" PRId64 "  %s  %s\n  ", row->number, at, row->reason);
	if (is_event) {
		buffer_append_text(&line, row->event);
	} else {
		buffer_append_literal(&line, "no event: ");
		buffer_append_json_string(&line, slice_of(row->event));
	}
	buffer_append_literal(&line, "\n");
	code = cli_print(&line);
	buffer_deinit(&line);
	return code == CLI_OK ? 0 : -EIO;
}

static int handle(struct ledger *ledger, const struct ledger_dead_letter *row, enum task task, bool json, struct totals *totals)
{
	struct event event;
	struct event_text text;
	const char *reason;
	int r;

	totals->seen++;
	if (task == TASK_DROP) {
		totals->dropped++;
		return ledger->ops->dead_letter_remove(ledger, row->number);
	}
	r = event_decode(slice_of(row->event), &event, &text, &reason);
	if (r < 0 && r != -EBADMSG)
		return r;
	if (task == TASK_LIST)
		return json ? list_json(row, r == 0) : list_text(row, r == 0);
	if (r == 0)
		return apply(ledger, row->number, &event, totals);
	printf("%" PRId64 "  kept: it is no event (%s); --drop removes it\n", row->number, reason);
	totals->kept++;
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

/*
 * Beside a stock in memory nobody else may write. Gates that share their stock, and drains, go on: an event is applied by itself and once, whoever does
 * it. It does not take the way through the journal again: a dead letter is behind its partition's position, where no drain looks any more, and the stock
 * granted its units when it was made, so only the ledger lacks it.
 */
static int open_flags(const struct settings *settings, enum task task)
{
	bool alone = strcmp(settings->stock.url, "memory:") == 0 && strcmp(settings->journal.url, "direct:") == 0;

	if (task == TASK_LIST)
		return LEDGER_OPEN_READ_ONLY;
	return alone ? LEDGER_OPEN_LEASE : LEDGER_OPEN_SHARED;
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
	code = cli_open_ledger(settings->ledger.url, open_flags(settings, task), &ledger);
	if (code == CLI_GO) {
		r = walk(ledger, task, number, json, &totals);
		ledger->ops->free(ledger);
		if (r < 0)
			code = cli_error(CLI_FAILED, "the ledger cannot be read or written: %s", error_text(r));
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
	.details = "Without --all or --number it lists them. Trying again writes to the ledger: a server with its stock in memory must be stopped first;\n"
		   "gates that share their stock, and drains, may go on, for the event is written to the ledger alone, which is what lacks it. An event\n"
		   "that is applied, or that can never count any more, leaves the table; so does, with --drop, what is no event at all and cannot be\n"
		   "tried again. Exit code 1 where some had to be kept.\n",
	.settings = true,
	.run = run,
};
