#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/zone.h"
#include "cli/operator/resource.h"
#include "cli/operator/sale_report.h"
#include "cli/operator/sale_terms.h"
#include "cli/operator/sale_watch.h"

/* --- Showing --- */

static void sale_cells(struct table *table, const json_t *sale)
{
	const json_t *lots = json_object_get(sale, "lots"), *lot;
	int64_t units = 0, available = 0, sold = 0;
	size_t index;

	json_array_foreach(lots, index, lot)
	{
		units += output_field_integer(lot, "units");
		available += output_field_integer(lot, "available");
		sold += output_field_integer(lot, "held") + output_field_integer(lot, "confirmed");
	}
	table_cell(table, "%s", output_field_text(sale, "id"));
	table_cell(table, "%s", output_field_text(sale, "name"));
	table_cell(table, "%s", output_field_text(sale, "state"));
	table_cell(table, "%zu", json_array_size(lots));
	table_cell(table, "%" PRId64, units);
	table_cell(table, "%" PRId64, available);
	table_cell(table, "%" PRId64, sold);
	table_cell(table, "%s", output_field_text(sale, "opens_at"));
}

static const char *const sale_titles[] = {"SALE", "NAME", "STATE", ">LOTS", ">UNITS", ">AVAILABLE", ">SOLD", "OPENS", NULL};
static const char *const lot_titles[] = {"SKU", ">UNITS", ">AVAILABLE", ">HELD", ">CONFIRMED", ">WITHDRAWN", NULL};

static void lot_cells(struct table *table, const json_t *lot)
{
	static const char *const numbers[] = {"units", "available", "held", "confirmed", "withdrawn"};

	table_cell(table, "%s", output_field_text(lot, "sku"));
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		table_cell(table, "%" PRId64, output_field_integer(lot, numbers[i]));
}

/*
 * The moment here, in UTC, and how far away it is: what people get wrong about a time is seen in
 * one of them.
 */
static void print_time(const char *what, const char *at)
{
	char local[ZONE_TEXT_SIZE];
	int64_t wall_ms, minutes;

	if (clock_parse(at, strlen(at), &wall_ms) < 0) {
		printf("%s by hand\n", what);
		return;
	}
	zone_format(wall_ms, local);
	minutes = (wall_ms - clock_wall_ms()) / 60000;
	printf("%s %s, %s", what, local, at);
	if (minutes >= 1440)
		printf(", in %" PRId64 " d %" PRId64 " h\n", minutes / 1440, minutes % 1440 / 60);
	else if (minutes >= 60)
		printf(", in %" PRId64 " h %" PRId64 " min\n", minutes / 60, minutes % 60);
	else if (minutes >= 0)
		printf(", in %" PRId64 " min\n", minutes);
	else
		printf(", over\n");
}

static void show_sale(const json_t *sale)
{
	const json_t *price = json_object_get(sale, "price"), *rate = json_object_get(sale, "rate"), *lot;
	struct table table;
	size_t index;

	printf("%s  %s  %s\n", output_field_text(sale, "id"), output_field_text(sale, "state"), output_field_text(sale, "name"));
	printf("price %" PRId64 " %s in minor units; %" PRId64 " a buyer; held for %" PRId64 " s\n",
	       output_field_integer(price, "amount"), output_field_text(price, "currency"),
	       output_field_integer(sale, "limit_per_buyer"), output_field_integer(sale, "hold_seconds"));
	if (json_is_object(rate))
		printf("%" PRId64 " requests a buyer in %" PRId64 " s\n", output_field_integer(rate, "requests"),
		       output_field_integer(rate, "seconds"));
	print_time("opens", output_field_text(sale, "opens_at"));
	print_time("closes", output_field_text(sale, "closes_at"));
	if (strcmp(output_field_text(sale, "state"), "draft") == 0)
		printf("%s; %s\n",
		       json_is_true(json_object_get(sale, "schedule")) ? "the clock arms it before it opens" : "armed by hand",
		       json_is_true(json_object_get(sale, "announce")) ? "announced: buyers see its name and times" : "not announced");
	putchar('\n');
	table_init(&table, lot_titles);
	json_array_foreach(json_object_get(sale, "lots"), index, lot) lot_cells(&table, lot);
	table_print(&table);
	table_deinit(&table);
}

static const struct resource sales = {
	.path = "/v1/sales",
	.list = "sales",
	.titles = sale_titles,
	.cells = sale_cells,
	.show = show_sale,
	.also_buyers = true,
};

/* --- Making and changing --- */

/* Creates, and arms and opens where that was asked for; shows how it then stands. */
static int create_and_move(struct cli *cli, const struct sale_terms *terms, json_t *body)
{
	char arm[OUTPUT_PATH_SIZE], open[OUTPUT_PATH_SIZE];
	struct client client;
	json_t *answer = NULL;
	int code = output_session(cli, &client, terms->url);

	if (code == CLI_GO)
		code = resource_path(cli, &sales, "/arm", arm);
	if (code == CLI_GO)
		code = resource_path(cli, &sales, "/open", open);
	if (code == CLI_GO)
		code = client_ask(&client, "POST", "/v1/sales", body, &answer);
	else
		json_decref(body);
	if (code == CLI_GO && (terms->arm || terms->open)) {
		json_decref(answer);
		code = client_ask(&client, "POST", arm, NULL, &answer);
	}
	if (code == CLI_GO && terms->open) {
		json_decref(answer);
		code = client_ask(&client, "POST", open, NULL, &answer);
	}
	client_close(&client);
	if (code != CLI_GO || terms->json)
		return code == CLI_GO ? output_json(answer) : code;
	show_sale(answer);
	json_decref(answer);
	return CLI_OK;
}

/*
 * What a sale of its own must have; of one like another the other has it. CLI_GO or a usage error.
 */
static int complete(const struct cli *cli, struct sale_terms *terms)
{
	if (terms->open && (terms->opens_at || terms->opens_in_ms >= 0)) {
		terms->open = false;
		terms->schedule = true;
	}
	if (terms->like)
		return CLI_GO;
	if (terms->lots.count == 0)
		return cli_usage(cli, "what does it sell? --lot SKU=UNITS");
	if (terms->price < 0)
		return cli_usage(cli, "what does it cost? --price N, in minor units; 0 is for free");
	if (!terms->name)
		terms->name = cli->argv[0];
	if (terms->limit < 0)
		terms->limit = 1;
	if (terms->hold_ms < 0)
		terms->hold_ms = 120000;
	return CLI_GO;
}

static int take_from_other(struct cli *cli, json_t *body, const struct sale_terms *terms)
{
	char path[OUTPUT_PATH_SIZE];
	json_t *other = NULL;
	int code = output_path(path, "/v1/sales/", terms->like, "");

	if (code == CLI_GO)
		code = output_ask(cli, terms->url, "GET", path, NULL, &other);
	if (code == CLI_GO)
		sale_set_like(body, other, terms);
	json_decref(other);
	return code;
}

/* A price that is changed keeps its currency where no other one is said. */
static int keep_currency(struct cli *cli, const char *url, const char *path, json_t *body)
{
	json_t *sale = NULL;
	int code = sale_lacks_currency(body) ? output_ask(cli, url, "GET", path, NULL, &sale) : CLI_GO;

	if (code == CLI_GO)
		sale_set_currency(body, sale);
	json_decref(sale);
	return code;
}

static int create(struct cli *cli)
{
	struct sale_terms terms = sale_no_terms;
	const struct option table[] = {
		{"lot", 0, OPTION_LIST, &terms.lots, "SKU=UNITS", "units of an item; again for each size"},
		{"like", 0, OPTION_TEXT, &terms.like, "SALE", "the terms and lots of this one, but for what is said here"},
		SALE_TERMS_OPTIONS(terms),
		{"arm", 0, OPTION_FLAG, &terms.arm, NULL, "arm it at once"},
		{"open", 0, OPTION_FLAG, &terms.open, NULL, "open it: at its time where it has one, else at once"},
		CLIENT_OPTIONS(&terms.url, &terms.json),
	};
	json_t *body;
	int code = cli_options(cli, table, sizeof(table) / sizeof(table[0]), 1, 1);

	if (code == CLI_GO)
		code = complete(cli, &terms);
	if (code != CLI_GO)
		return code;
	body = json_pack("{s:s}", "id", cli->argv[0]);
	code = sale_set_terms(cli, body, &terms);
	if (code == CLI_GO && terms.lots.count)
		code = sale_set_lots(cli, body, &terms.lots, 1);
	if (code == CLI_GO && terms.like)
		code = take_from_other(cli, body, &terms);
	if (code == CLI_GO)
		sale_set_currency(body, NULL);
	if (code != CLI_GO) {
		json_decref(body);
		return code;
	}
	return create_and_move(cli, &terms, body);
}

static int change(struct cli *cli)
{
	struct sale_terms terms = sale_no_terms;
	const struct option table[] = {
		{"lot", 0, OPTION_LIST, &terms.lots, "SKU=UNITS", "of a draft: the units that a lot is to have; alone"},
		SALE_TERMS_OPTIONS(terms),
		CLIENT_OPTIONS(&terms.url, &terms.json),
	};
	char path[OUTPUT_PATH_SIZE];
	json_t *body;
	int code = cli_options(cli, table, sizeof(table) / sizeof(table[0]), 1, 1);

	if (code == CLI_GO)
		code = resource_path(cli, &sales, "", path);
	if (code != CLI_GO)
		return code;
	body = json_object();
	code = sale_set_terms(cli, body, &terms);
	if (code == CLI_GO && terms.lots.count)
		code = sale_set_lots(cli, body, &terms.lots, 0);
	if (code == CLI_GO && json_object_size(body) == 0)
		code = cli_usage(cli, "what is to change? give at least one option");
	if (code == CLI_GO)
		code = keep_currency(cli, terms.url, path, body);
	if (code != CLI_GO) {
		json_decref(body);
		return code;
	}
	return resource_ask(cli, &sales, terms.url, terms.json, "PATCH", path, body);
}

/* --- Its life, its units --- */

static int list(struct cli *cli)
{
	return resource_list(cli, &sales);
}

static int show(struct cli *cli)
{
	return resource_act(cli, &sales, "GET", "");
}

/* "sale arm" -> POST …/arm: the command's name is the route's. */
static int move(struct cli *cli)
{
	char action[32];

	snprintf(action, sizeof(action), "/%s", strrchr(cli->command->name, ' ') + 1);
	return resource_act(cli, &sales, "POST", action);
}

/* "sale end": nobody opens it again. */
static int end(struct cli *cli)
{
	const char *url = NULL;
	bool json = false, yes = false;
	const struct option table[] = {YES_OPTION(&yes), CLIENT_OPTIONS(&url, &json)};
	char path[OUTPUT_PATH_SIZE];
	int code = cli_options(cli, table, 3, 1, 1);

	if (code == CLI_GO)
		code = resource_path(cli, &sales, "/end", path);
	if (code == CLI_GO)
		code = output_sure(cli, yes, "End sale %s for good?", cli->argv[0]);
	return code == CLI_GO ? resource_ask(cli, &sales, url, json, "POST", path, NULL) : code;
}

static int lot_path(const struct cli *cli, const char *action, char path[static 2 * OUTPUT_PATH_SIZE], int64_t *count)
{
	char lots[OUTPUT_PATH_SIZE], lot[OUTPUT_PATH_SIZE];
	int code = output_path(lots, "/v1/sales/", cli->argv[0], "/lots/");

	if (code == CLI_GO)
		code = output_path(lot, "", cli->argv[1], action);
	if (code == CLI_GO)
		code = output_units(cli, cli->argv[2], count);
	if (code == CLI_GO)
		snprintf(path, 2 * OUTPUT_PATH_SIZE, "%s%s", lots, lot);
	return code;
}

/* What was done, and how the lot stands. */
static int show_lot(struct cli *cli, const char *url, bool json, const char *path, json_t *body, const char *done, int64_t units)
{
	struct table table;
	json_t *answer;
	int code = output_ask(cli, url, "POST", path, body, &answer);

	if (code != CLI_GO)
		return code;
	if (json)
		return output_json(answer);
	if (units < 0)
		units = output_field_integer(answer, "units_withdrawn");
	printf("%" PRId64 " unit%s %s %s of sale %s\n\n", units, units == 1 ? "" : "s", done, cli->argv[1], cli->argv[0]);
	table_init(&table, lot_titles);
	lot_cells(&table, answer);
	table_print(&table);
	table_deinit(&table);
	json_decref(answer);
	return CLI_OK;
}

static int add(struct cli *cli)
{
	const char *url = NULL;
	bool json = false;
	const struct option table[] = {CLIENT_OPTIONS(&url, &json)};
	char path[2 * OUTPUT_PATH_SIZE];
	int64_t count;
	int code = cli_options(cli, table, 2, 3, 3);

	if (code == CLI_GO)
		code = lot_path(cli, "/add", path, &count);
	return code == CLI_GO ? show_lot(cli, url, json, path, json_pack("{s:I}", "units", (json_int_t)count), "added to lot", count)
			      : code;
}

static int withdraw(struct cli *cli)
{
	const char *url = NULL;
	bool json = false, yes = false, up_to = false;
	const struct option table[] = {
		{"up-to", 0, OPTION_FLAG, &up_to, NULL, "take what is there, where it is fewer"},
		YES_OPTION(&yes),
		CLIENT_OPTIONS(&url, &json),
	};
	char path[2 * OUTPUT_PATH_SIZE];
	int64_t count;
	int code = cli_options(cli, table, 4, 3, 3);

	if (code == CLI_GO)
		code = lot_path(cli, "/withdraw", path, &count);
	if (code == CLI_GO)
		code = output_sure(cli, yes, "Take %s%" PRId64 " units of %s out of sale %s?", up_to ? "up to " : "", count,
				   cli->argv[1], cli->argv[0]);
	if (code != CLI_GO)
		return code;
	return show_lot(cli, url, json, path, json_pack("{s:I, s:b}", "units", (json_int_t)count, "up_to", up_to),
			"taken out of lot", -1);
}

static int watch(struct cli *cli)
{
	const char *url = NULL;
	bool json = false;
	const struct option table[] = {CLIENT_OPTIONS(&url, &json)};
	char path[OUTPUT_PATH_SIZE];
	struct client client;
	int code = cli_options(cli, table, 2, 1, 1);

	if (code == CLI_GO)
		code = resource_path(cli, &sales, "/events", path);
	if (code != CLI_GO)
		return code;
	code = output_session(cli, &client, url);
	if (code == CLI_GO)
		code = sale_watch(&client, path, json);
	client_close(&client);
	return code;
}

static int report(struct cli *cli)
{
	const char *url = NULL;
	bool json = false;
	const struct option table[] = {CLIENT_OPTIONS(&url, &json)};
	struct client client;
	int code = cli_options(cli, table, 2, 1, 1);

	if (code != CLI_GO)
		return code;
	code = output_session(cli, &client, url);
	if (code == CLI_GO)
		code = sale_report(&client, cli->argv[0], json);
	client_close(&client);
	return code;
}

RESOURCE_COMMAND(sale, create, "ID --lot SKU=UNITS... --price N [OPTION...] | ID --like SALE [OPTION...]",
		 "Make a sale; it is a draft until it is armed", create);
RESOURCE_COMMAND(sale, list, "", "List the sales", list);
RESOURCE_COMMAND(sale, show, "ID", "Show one sale and its lots", show);
RESOURCE_COMMAND(sale, change, "ID OPTION...", "Change a sale; once it is open, only its name and closing time", change);
RESOURCE_COMMAND(sale, arm, "ID", "Load its stock; from then on the clock opens it", move);
RESOURCE_COMMAND(sale, disarm, "ID", "Make it a draft again, while it has no orders", move);
RESOURCE_COMMAND(sale, open, "ID", "Open it now", move);
RESOURCE_COMMAND(sale, pause, "ID", "Pause it: nothing is sold, what is held stays held", move);
RESOURCE_COMMAND(sale, resume, "ID", "Go on after a pause", move);
RESOURCE_COMMAND(sale, delete, "ID", "Delete a draft; its units go back to the warehouse, its name is free", move);
RESOURCE_COMMAND(sale, end, "ID [--yes]", "End it for good; what is left goes back to the warehouse", end);
RESOURCE_COMMAND(sale, add, "ID SKU UNITS", "Give a lot more units, from the warehouse", add);
RESOURCE_COMMAND(sale, withdraw, "ID SKU UNITS [--up-to] [--yes]", "Take units that are still available out of a lot", withdraw);
static const struct command command_report = {
	.name = "sale report",
	.synopsis = "ID",
	.summary = "What became of it: orders by outcome, lot and minute, and the money",
	.details = "It reads all orders of the sale, page after page. Where the units went is said\n"
		   "by the feed alone, which has all sales' changes: that is read from when the\n"
		   "first order that was ever changed was placed until the last change of each has\n"
		   "gone by, so a sale with a late refund costs all that happened before it.\n",
	.settings = true,
	.run = report,
};
RESOURCE_COMMAND(sale, watch, "ID", "Follow a sale as it happens, until interrupted", watch);

const struct command command_sale = {
	.name = "sale",
	.synopsis = "COMMAND",
	.summary = "Sales: make, open, watch, end",
	.children = (const struct command *const[]){&command_create, &command_list, &command_show, &command_change, &command_arm,
						    &command_disarm, &command_open, &command_pause, &command_resume, &command_end,
						    &command_delete, &command_add, &command_withdraw, &command_watch,
						    &command_report, NULL},
};
