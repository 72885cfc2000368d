#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "cli/commands.h"
#include "model/sale.h"
#include "text/json_write.h"

enum { PAGE = 200, LINE_MAX_BYTES = 16 << 20, DETAIL_MAX = 511 /* of the operator log */ };

enum task { TASK_LIST, TASK_APPLY, TASK_DROP, TASK_FORGET };
struct work {
	enum task task;
	int64_t only;        /* this number; 0: all */
	struct slice reason; /* TASK_FORGET */
	bool json;           /* TASK_LIST */
};
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

/*
 * Tries one event again. It leaves the table when it is applied, or when it can never count any
 * more; but a purchase that was not void when it was told does not become so by a newer epoch of
 * its sale.
 */
static int apply(struct ledger *ledger, int64_t number, const struct event *event, struct totals *totals)
{
	struct ledger_entry entry = {.event = event};
	int r = ledger->ops->apply(ledger, &entry, 1);

	if (r < 0)
		return r;
	if (entry.outcome == LEDGER_STALE_EPOCH && event->kind == EVENT_RESERVED) {
		printf("%" PRId64 "  kept: its sale has begun a newer epoch, but its buyer may have been told; see --forget\n",
		       number);
		totals->kept++;
		return 0;
	}
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

/*
 * What is no event comes from anywhere: it is shown escaped, so that it cannot speak to the
 * terminal.
 */
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

/* A purchase that may have been told is not dropped among others. */
static int drop(struct ledger *ledger, const struct ledger_dead_letter *row, struct totals *totals)
{
	if (!event_may_be_purchase(slice_of(row->event))) {
		totals->dropped++;
		return ledger->ops->dead_letter_remove(ledger, row->number);
	}
	printf("%" PRId64 "  kept: it may be a purchase that was told; --forget %" PRId64 " --reason TEXT removes it\n",
	       row->number, row->number);
	totals->kept++;
	return 0;
}

/*
 * Who has a shell is known by the name there. No operator's token has a colon in its name's place.
 */
static struct slice who_am_i(char name[static NAME_MAX_BYTES])
{
	const struct passwd *user = getpwuid(getuid());

	if (user)
		snprintf(name, NAME_MAX_BYTES, "shell:%s", user->pw_name);
	else
		snprintf(name, NAME_MAX_BYTES, "shell:%ld", (long)getuid());
	return slice_of(name);
}

/* The row is shown as it goes: the operator log has the order's id and the reason alone. */
static int forget(struct ledger *ledger, const struct ledger_dead_letter *row, const struct event *event, struct slice reason,
		  struct totals *totals)
{
	char name[NAME_MAX_BYTES], order[UUID_TEXT_SIZE];
	const struct ledger_actor actor = {.kind = ACTOR_OPERATOR, .name = who_am_i(name), .now_ms = clock_wall_ms()};
	struct buffer detail;
	int r;

	buffer_init(&detail, DETAIL_MAX);
	buffer_append_literal(&detail, "{");
	json_write_text(&detail, "reason", reason);
	if (event) {
		uuid_format(&event->id, order);
		json_write_text(&detail, "kind", slice_of(event_kind_name(event->kind)));
		json_write_text(&detail, "id", slice_of(order));
	}
	buffer_append_literal(&detail, "}");
	r = detail.failed ? error_origin(-E2BIG) : list_text(row, event != NULL);
	if (r == 0)
		r = ledger->ops->dead_letter_forget(ledger, &actor, row->number, buffer_slice(&detail));
	totals->dropped += r == LEDGER_DONE;
	buffer_deinit(&detail);
	return r;
}

static int handle(struct ledger *ledger, const struct ledger_dead_letter *row, const struct work *work, struct totals *totals)
{
	struct event event;
	struct event_text text;
	const char *reason;
	int r;

	totals->seen++;
	if (work->task == TASK_DROP)
		return drop(ledger, row, totals);
	r = event_decode(slice_of(row->event), &event, &text, &reason);
	if (r < 0 && r != -EBADMSG && r != -EPROTONOSUPPORT)
		return r;
	if (work->task == TASK_LIST)
		return work->json ? list_json(row, r == 0) : list_text(row, r == 0);
	if (work->task == TASK_FORGET)
		return forget(ledger, row, r == 0 ? &event : NULL, work->reason, totals);
	if (r == 0)
		return apply(ledger, row->number, &event, totals);
	printf("%" PRId64 "  kept: it is no event (%s); --forget %" PRId64 " --reason TEXT removes it\n", row->number, reason,
	       row->number);
	totals->kept++;
	return 0;
}

static int walk(struct ledger *ledger, const struct work *work, struct totals *totals)
{
	struct ledger_dead_letter *rows = calloc(PAGE, sizeof(rows[0]));
	int64_t after = work->only > 0 ? work->only - 1 : 0;
	size_t count = PAGE;
	int r = rows ? 0 : -ENOMEM;

	while (r >= 0 && count == PAGE) {
		count = 0;
		r = ledger->ops->dead_letters(ledger, after, rows, PAGE, &count);
		for (size_t i = 0; r >= 0 && i < count; i++) {
			after = rows[i].number;
			if (work->only == 0 || after == work->only)
				r = handle(ledger, &rows[i], work, totals);
		}
		for (size_t i = 0; i < PAGE; i++) {
			free(rows[i].event);
			rows[i].event = NULL;
		}
		if (work->only > 0)
			break;
	}
	free(rows);
	return r < 0 ? r : 0;
}

/*
 * Beside a stock in memory nobody else may write. Gates that share their stock, and drains, go on:
 * an event is applied by itself and once, whoever does it. It does not take the way through the
 * journal again: a dead letter is behind its partition's position, where no drain looks any more,
 * and the stock granted its units when it was made, so only the ledger lacks it.
 */
static int open_flags(const struct settings *settings, enum task task)
{
	bool alone = strcmp(settings->stock.url, "memory:") == 0 && strcmp(settings->journal.url, "direct:") == 0;

	if (task == TASK_LIST)
		return LEDGER_OPEN_READ_ONLY;
	return alone ? LEDGER_OPEN_LEASE : LEDGER_OPEN_SHARED;
}

static int say(int r, const struct work *work, const struct totals *totals)
{
	if (r < 0)
		return cli_error(CLI_FAILED, "the ledger cannot be read or written: %s", error_text(r));
	if (work->task == TASK_FORGET && totals->dropped == 0)
		return cli_error(CLI_FAILED, "there is no dead letter %" PRId64, work->only);
	if (work->task == TASK_LIST && !work->json && totals->seen == 0)
		puts("There are no dead letters: every event could be applied.");
	else if (work->task != TASK_LIST)
		printf("%" PRId64 " applied, %" PRId64 " dropped, %" PRId64 " kept\n", totals->applied, totals->dropped, totals->kept);
	return totals->kept > 0 ? CLI_FAILED : CLI_OK;
}

/* What is asked for, of the options; CLI_GO. */
static int choose(struct cli *cli, struct work *work)
{
	bool all = false, dropping = false;
	int64_t forgotten = 0;
	const char *reason = NULL;
	const struct option table[] = {
		{"all", 'a', OPTION_FLAG, &all, NULL, "try all of them again"},
		{"number", 'n', OPTION_INTEGER, &work->only, "N", "only this one"},
		{"drop", 0, OPTION_FLAG, &dropping, NULL, "do not try again: forget, but no purchase"},
		{"forget", 0, OPTION_INTEGER, &forgotten, "NUMBER", "forget this one, whatever it is"},
		{"reason", 0, OPTION_TEXT, &reason, "TEXT", "why, for the operator log"},
		{"json", 'j', OPTION_FLAG, &work->json, NULL, "list as JSON, one object a line"},
	};
	int code = cli_options(cli, table, sizeof(table) / sizeof(table[0]), 0, 0);

	if (code != CLI_GO)
		return code;
	if (forgotten > 0 && (all || dropping || work->only > 0 || work->json))
		return cli_usage(cli, "--forget stands alone, with --reason");
	if ((forgotten > 0) != (reason != NULL))
		return cli_usage(cli, "--forget and --reason go together");
	if (reason && (*reason == '\0' || !sale_name_valid(slice_of(reason))))
		return cli_usage(cli, "--reason is 1 to 200 bytes of text");
	if (dropping && !all && work->only == 0)
		return cli_usage(cli, "--drop goes with --all or --number");
	work->task = dropping ? TASK_DROP : all || work->only > 0 ? TASK_APPLY : TASK_LIST;
	if (reason) {
		work->task = TASK_FORGET;
		work->only = forgotten;
		work->reason = slice_of(reason);
	}
	return CLI_GO;
}

static int replay_run(struct cli *cli)
{
	struct settings *settings;
	struct ledger *ledger;
	struct work work = {0};
	struct totals totals = {0};
	int code = choose(cli, &work);

	if (code != CLI_GO)
		return code;
	code = cli_settings(cli, &settings);
	if (code != CLI_GO)
		return code;
	code = cli_open_ledger(settings->ledger.url, open_flags(settings, work.task), &ledger);
	if (code == CLI_GO) {
		code = say(walk(ledger, &work, &totals), &work, &totals);
		ledger->ops->free(ledger);
	}
	settings_free(settings);
	return code;
}

const struct command command_replay = {
	.name = "replay",
	.synopsis = "[--all | --number N] [--drop] [--json] | --forget NUMBER --reason TEXT",
	.summary = "List the events that could not be applied, and try them again",
	.details = "Without --all or --number it lists them. Trying again writes to the ledger: a\n"
		   "server with its stock in memory must be stopped first; gates that share their\n"
		   "stock, and drains, may go on, for the event is written to the ledger alone,\n"
		   "which is what lacks it. An event that is applied, or that can never count any\n"
		   "more, leaves the table; so does, with --drop, what cannot be tried again. A\n"
		   "purchase that may have been told, or a record that cannot be read and so may be\n"
		   "one, breaks P2 for as long as it is there: it is replayed, or forgotten by its\n"
		   "number with a reason, which goes to the operator log. Exit code 1 where some had\n"
		   "to be kept.\n",
	.settings = true,
	.run = replay_run,
};
