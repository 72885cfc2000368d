#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "cli/operator/resource.h"

static void item_cells(struct table *table, const json_t *item)
{
	table_cell(table, "%s", output_field_text(item, "sku"));
	table_cell(table, "%s", output_field_text(item, "name"));
	table_cell(table, "%" PRId64, output_field_integer(item, "on_hand"));
}

static const char *const titles[] = {"SKU", "NAME", ">ON HAND", NULL};

static const struct resource items = {.path = "/v1/items", .list = "items", .titles = titles, .cells = item_cells};

static int create(struct cli *cli)
{
	const char *url = NULL, *name = NULL;
	int64_t on_hand = 0;
	bool json = false;
	const struct option table[] = {
		{"name", 'n', OPTION_TEXT, &name, "TEXT", "what people call it (the SKU)"},
		{"on-hand", 0, OPTION_INTEGER, &on_hand, "N", "units in the warehouse (0)"},
		CLIENT_OPTIONS(&url, &json),
	};
	int code = cli_options(cli, table, 4, 1, 1);

	if (code != CLI_GO)
		return code;
	return resource_ask(cli, &items, url, json, "POST", "/v1/items",
			    json_pack("{s:s, s:s, s:I}", "sku", cli->argv[0], "name", name ? name : cli->argv[0], "on_hand",
				      (json_int_t)on_hand));
}

static int show(struct cli *cli)
{
	return resource_act(cli, &items, "GET", "");
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
		code = resource_path(cli, &items, "/receive", path);
	if (code == CLI_GO)
		code = output_units(cli, cli->argv[1], &units);
	return code == CLI_GO ? resource_ask(cli, &items, url, json, "POST", path, json_pack("{s:I}", "units", (json_int_t)units))
			      : code;
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
		code = resource_path(cli, &items, "/adjust", path);
	if (code != CLI_GO)
		return code;
	errno = 0;
	units = strtoll(cli->argv[1], &rest, 10);
	if (errno || rest == cli->argv[1] || *rest || units == 0)
		return cli_usage(cli, "\"%s\": wanted is a number of units more, or with a minus fewer", cli->argv[1]);
	if (!reason)
		return cli_usage(cli, "why? --reason TEXT");
	return resource_ask(cli, &items, url, json, "POST", path,
			    json_pack("{s:I, s:s}", "units", (json_int_t)units, "reason", reason));
}

static int list(struct cli *cli)
{
	return resource_list(cli, &items);
}

RESOURCE_COMMAND(item, create, "SKU [--name TEXT] [--on-hand N]", "Make an item", create);
RESOURCE_COMMAND(item, list, "", "List the items and their units on hand", list);
RESOURCE_COMMAND(item, show, "SKU", "Show one item", show);
RESOURCE_COMMAND(item, receive, "SKU UNITS", "Add units that have come into the warehouse", receive);
RESOURCE_COMMAND(item, adjust, "SKU UNITS --reason TEXT", "Put right how many are on hand: 5 more, or -5", adjust);

const struct command command_item = {
	.name = "item",
	.synopsis = "COMMAND",
	.summary = "The warehouse: items and their units on hand",
	.children = (const struct command *const[]){&command_create, &command_list, &command_show, &command_receive,
						    &command_adjust, NULL},
};
