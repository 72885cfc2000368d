#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/table.h"

static void item_cells(struct table *table, const json_t *item)
{
	table_cell(table, "%s", field_text(item, "sku"));
	table_cell(table, "%s", field_text(item, "name"));
	table_cell(table, "%" PRId64, field_integer(item, "on_hand"));
}

static const char *const titles[] = {"SKU", "NAME", ">ON HAND", NULL};

static int ask_and_show(struct cli *cli, const char *url, bool json, const char *method, const char *path, json_t *body)
{
	return output_one(cli, url, json, method, path, body, titles, item_cells);
}

static int create(struct cli *cli)
{
	const char *url = NULL, *name = NULL;
	int64_t units = 0;
	bool json = false;
	const struct option table[] = {
		{"name", 'n', OPTION_TEXT, &name, "TEXT", "what people call it (the SKU)"},
		{"units", 'u', OPTION_INTEGER, &units, "N", "units on hand (0)"},
		CLIENT_OPTIONS(&url, &json),
	};
	int code = cli_options(cli, table, 4, 1, 1);

	if (code != CLI_GO)
		return code;
	return ask_and_show(cli, url, json, "POST", "/v1/items",
			    json_pack("{s:s, s:s, s:I}", "sku", cli->argv[0], "name", name ? name : cli->argv[0], "on_hand",
				      (json_int_t)units));
}

static int show_one(struct cli *cli)
{
	const char *url = NULL;
	bool json = false;
	const struct option table[] = {CLIENT_OPTIONS(&url, &json)};
	char path[OUTPUT_PATH_SIZE];
	int code = cli_options(cli, table, 2, 1, 1);

	if (code == CLI_GO)
		code = output_path(path, "/v1/items/", cli->argv[0], "");
	return code == CLI_GO ? ask_and_show(cli, url, json, "GET", path, NULL) : code;
}

static int receive(struct cli *cli)
{
	const char *url = NULL;
	bool json = false;
	const struct option table[] = {CLIENT_OPTIONS(&url, &json)};
	char path[OUTPUT_PATH_SIZE];
	int64_t units;
	int code = cli_options(cli, table, 2, 2, 2);

	if (code == CLI_GO)
		code = output_path(path, "/v1/items/", cli->argv[0], "/receive");
	if (code == CLI_GO)
		code = output_units(cli, cli->argv[1], &units);
	return code == CLI_GO ? ask_and_show(cli, url, json, "POST", path, json_pack("{s:I}", "units", (json_int_t)units)) : code;
}

/* "+5", "-5" or "5" */
static int adjust(struct cli *cli)
{
	const char *url = NULL, *reason = NULL;
	bool json = false;
	const struct option table[] = {
		{"reason", 'r', OPTION_TEXT, &reason, "TEXT", "why; it stands in the operator log"},
		CLIENT_OPTIONS(&url, &json),
	};
	char path[OUTPUT_PATH_SIZE], *rest;
	int code = cli_options(cli, table, 3, 2, 2);
	long long units;

	if (code == CLI_GO)
		code = output_path(path, "/v1/items/", cli->argv[0], "/adjust");
	if (code != CLI_GO)
		return code;
	errno = 0;
	units = strtoll(cli->argv[1], &rest, 10);
	if (errno || rest == cli->argv[1] || *rest || units == 0)
		return cli_usage(cli, "\"%s\": wanted is a number of units more, or with a minus fewer", cli->argv[1]);
	if (!reason)
		return cli_usage(cli, "why? --reason TEXT");
	return ask_and_show(cli, url, json, "POST", path, json_pack("{s:I, s:s}", "units", (json_int_t)units, "reason", reason));
}

static int list(struct cli *cli)
{
	const char *url = NULL;
	bool json = false;
	const struct option table[] = {CLIENT_OPTIONS(&url, &json)};
	int code = cli_options(cli, table, 2, 0, 0);

	return code == CLI_GO ? output_list(cli, url, json, "/v1/items", "items", titles, item_cells) : code;
}

static const struct command command_create = {
	.name = "item create",
	.synopsis = "SKU [--name TEXT] [--units N]",
	.summary = "Make an item",
	.settings = true,
	.run = create,
};
static const struct command command_list = {
	.name = "item list",
	.synopsis = "",
	.summary = "List the items and their units on hand",
	.settings = true,
	.run = list,
};
static const struct command command_show = {
	.name = "item show",
	.synopsis = "SKU",
	.summary = "Show one item",
	.settings = true,
	.run = show_one,
};
static const struct command command_receive = {
	.name = "item receive",
	.synopsis = "SKU UNITS",
	.summary = "Add units that have come into the warehouse",
	.settings = true,
	.run = receive,
};
static const struct command command_adjust = {
	.name = "item adjust",
	.synopsis = "SKU UNITS --reason TEXT",
	.summary = "Put right how many are on hand: 5 more, or -5",
	.settings = true,
	.run = adjust,
};

const struct command command_item = {
	.name = "item",
	.synopsis = "COMMAND",
	.summary = "The warehouse: items and their units on hand",
	.children = (const struct command *const[]){&command_create, &command_list, &command_show, &command_receive,
						    &command_adjust, NULL},
};
