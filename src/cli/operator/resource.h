/*
 * What the operator's routes hold in lists (items, orders, sales): listed, shown and acted on alike
 * by the commands.
 */
#pragma once

#include "cli/commands.h"
#include "cli/output.h"

struct resource {
	const char *path;                              /* "/v1/items" */
	const char *list;                              /* the member of a list's answer that has the rows */
	const char *const *titles;                     /* of the table */
	void (*cells)(struct table *, const json_t *); /* one row of it */
	void (*show)(const json_t *);                  /* one of them at length; NULL: as a table of one row */
	bool also_buyers;                              /* the buyers' listener has the path, too, and tells less */
};

/* One question, whose answer is one of them. Takes `body`. The exit code. */
int resource_ask(struct cli *cli, const struct resource *resource, const char *url, bool json, const char *method,
		 const char *path, json_t *body) MUST_CHECK;
/* "/v1/items/NAME" + action, of the command's first argument. CLI_GO or the exit code. */
int resource_path(const struct cli *cli, const struct resource *resource, const char *action,
		  char path[static OUTPUT_PATH_SIZE]) MUST_CHECK;

/*
 * Whole commands, without options of their own: every one; and the one that the argument names. The
 * exit code.
 */
int resource_list(struct cli *cli, const struct resource *resource);
int resource_act(struct cli *cli, const struct resource *resource, const char *method, const char *action);

/* A command below "sale", "item" or "order". */
#define RESOURCE_COMMAND(kind, word, words, text, function) \
	static const struct command command_##word = {      \
		.name = #kind " " #word, .synopsis = (words), .summary = (text), .settings = true, .run = (function)}
