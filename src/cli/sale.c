#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/zone.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/sale_watch.h"

/* --- Showing --- */

static void sale_cells(struct table *table, const json_t *sale)
{
	const json_t *lots = json_object_get(sale, "lots"), *lot;
	int64_t units = 0, available = 0, sold = 0;
	size_t index;

	json_array_foreach(lots, index, lot)
	{
		units += field_integer(lot, "units");
		available += field_integer(lot, "available");
		sold += field_integer(lot, "held") + field_integer(lot, "confirmed");
	}
	table_cell(table, "%s", field_text(sale, "id"));
	table_cell(table, "%s", field_text(sale, "name"));
	table_cell(table, "%s", field_text(sale, "state"));
	table_cell(table, "%zu", json_array_size(lots));
	table_cell(table, "%" PRId64, units);
	table_cell(table, "%" PRId64, available);
	table_cell(table, "%" PRId64, sold);
	table_cell(table, "%s", field_text(sale, "opens_at"));
}

static const char *const sale_titles[] = {"SALE", "NAME", "STATE", ">LOTS", ">UNITS", ">AVAILABLE", ">SOLD", "OPENS", NULL};
static const char *const lot_titles[] = {"SKU", ">UNITS", ">AVAILABLE", ">HELD", ">CONFIRMED", ">WITHDRAWN", NULL};

static void lot_cells(struct table *table, const json_t *lot)
{
	static const char *const numbers[] = {"units", "available", "held", "confirmed", "withdrawn"};

	table_cell(table, "%s", field_text(lot, "sku"));
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		table_cell(table, "%" PRId64, field_integer(lot, numbers[i]));
}

/* The moment here, in UTC, and how far away it is: what people get wrong about a time is seen in one of them. */
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

	printf("%s  %s  %s\n", field_text(sale, "id"), field_text(sale, "state"), field_text(sale, "name"));
	printf("price %" PRId64 " %s in minor units; %" PRId64 " a buyer; held for %" PRId64 " s\n", field_integer(price, "amount"),
	       field_text(price, "currency"), field_integer(sale, "limit_per_buyer"), field_integer(sale, "hold_seconds"));
	if (json_is_object(rate))
		printf("%" PRId64 " requests a buyer in %" PRId64 " s\n", field_integer(rate, "requests"),
		       field_integer(rate, "seconds"));
	print_time("opens", field_text(sale, "opens_at"));
	print_time("closes", field_text(sale, "closes_at"));
	if (strcmp(field_text(sale, "state"), "draft") == 0)
		printf("%s; %s\n",
		       json_is_true(json_object_get(sale, "schedule")) ? "the clock arms it before it opens" : "armed by hand",
		       json_is_true(json_object_get(sale, "announce")) ? "announced: buyers see its name and times" : "not announced");
	putchar('\n');
	table_init(&table, lot_titles);
	json_array_foreach(json_object_get(sale, "lots"), index, lot) lot_cells(&table, lot);
	table_print(&table);
	table_deinit(&table);
}

static int show(json_t *sale, bool json)
{
	if (json)
		return output_json(sale);
	show_sale(sale);
	json_decref(sale);
	return CLI_OK;
}

static int ask_and_show(struct cli *cli, const char *url, bool json, const char *method, const char *path, json_t *body)
{
	json_t *answer;
	int code = output_ask(cli, url, method, path, body, &answer);

	return code == CLI_GO ? show(answer, json) : code;
}

/* --- Making and changing --- */

/* What can be said of a sale, on creation and later. */
struct sale_terms {
	const char *url, *name, *currency, *rate, *opens_at, *closes_at;
	struct option_list lots;
	int64_t price, limit, hold_ms, opens_in_ms, closes_in_ms;
	bool json, late_confirm, no_late_confirm, schedule, no_schedule, announce, no_announce, arm, open;
};
static const struct sale_terms no_terms = {.price = -1, .limit = -1, .hold_ms = -1, .opens_in_ms = -1, .closes_in_ms = -1};

#define TERMS_OPTIONS(terms)                                                                                                \
	{"name", 'n', OPTION_TEXT, &(terms).name, "TEXT", "what people call it (the id)"},                                  \
		{"price", 'p', OPTION_INTEGER, &(terms).price, "N", "in minor units: 17900 is 179.00"},                     \
		{"currency", 0, OPTION_TEXT, &(terms).currency, "CODE", "ISO 4217 (EUR)"},                                  \
		{"limit", 'l', OPTION_INTEGER, &(terms).limit, "N", "units a buyer may have, over all lots"},               \
		{"rate", 0, OPTION_TEXT, &(terms).rate, "N/SECONDS", "requests of a buyer in any so many seconds, or off"}, \
		{"hold", 0, OPTION_DURATION, &(terms).hold_ms, "TIME", "how long an order waits for its payment; 0: none"}, \
		{"opens-at", 0, OPTION_TEXT, &(terms).opens_at, "TIME", "\"2027-01-01 10:00 Europe/Berlin\", or RFC 3339"}, \
		{"opens-in", 0, OPTION_DURATION, &(terms).opens_in_ms, "TIME", "from now: 10s, 5m"},                        \
		{"closes-at", 0, OPTION_TEXT, &(terms).closes_at, "TIME", "as --opens-at"},                                 \
		{"closes-in", 0, OPTION_DURATION, &(terms).closes_in_ms, "TIME", "from now"},                               \
		{"late-confirm",        0,    OPTION_FLAG,                                                                  \
		 &(terms).late_confirm, NULL, "a payment after the hold may still get a unit, if one is left"},             \
		{"no-late-confirm", 0, OPTION_FLAG, &(terms).no_late_confirm, NULL, "it may not"},                          \
		{"schedule", 0, OPTION_FLAG, &(terms).schedule, NULL, "the clock arms it before it opens"},                 \
		{"no-schedule", 0, OPTION_FLAG, &(terms).no_schedule, NULL, "it does not"},                                 \
		{"announce", 0, OPTION_FLAG, &(terms).announce, NULL, "the public sees its name and times"},                \
	{                                                                                                                   \
		"no-announce", 0, OPTION_FLAG, &(terms).no_announce, NULL, "it does not"                                    \
	}

static int set_time(const struct cli *cli, json_t *body, const char *option, const char *name, const char *at, int64_t in_ms)
{
	char text[CLOCK_TEXT_SIZE];
	int64_t wall_ms;
	int r;

	if (in_ms < 0 && (!at || strcmp(at, "none") == 0)) {
		if (at)
			json_object_set_new(body, name, json_null());
		return CLI_GO;
	}
	wall_ms = clock_wall_ms() + in_ms;
	r = in_ms >= 0 ? 0 : zone_parse(at, &wall_ms);
	if (r == -ENOENT)
		return cli_usage(cli, "--%s %s: there is no such zone; wanted is a name like Europe/Berlin", option, at);
	if (r == -ERANGE)
		return cli_usage(cli, "--%s %s: the clocks are changed there: give the offset, like 2027-03-28T03:30:00+02:00",
				 option, at);
	if (r < 0)
		return cli_usage(cli, "--%s %s: wanted is a time like \"2027-01-01 10:00 Europe/Berlin\" or 2027-01-01T10:00:00Z",
				 option, at);
	clock_format(wall_ms, text);
	json_object_set_new(body, name, json_string(text));
	return CLI_GO;
}

static int set_rate(const struct cli *cli, json_t *body, const char *rate)
{
	unsigned requests, seconds;
	char rest;

	if (strcmp(rate, "off") == 0)
		return json_object_set_new(body, "rate", json_null()), CLI_GO;
	if (sscanf(rate, "%u/%u%c", &requests, &seconds, &rest) != 2)
		return cli_usage(cli, "--rate %s: wanted is REQUESTS/SECONDS, like 3/60, or off", rate);
	json_object_set_new(body, "rate", json_pack("{s:I, s:I}", "requests", (json_int_t)requests, "seconds", (json_int_t)seconds));
	return CLI_GO;
}

/* "SKU=UNITS" */
static int set_lots(const struct cli *cli, json_t *body, const struct option_list *lots, int64_t least)
{
	json_t *array = json_array();

	json_object_set_new(body, "lots", array);
	for (size_t i = 0; i < lots->count; i++) {
		const char *equals = strchr(lots->items[i], '=');
		int64_t units;
		int code;

		if (!equals)
			return cli_usage(cli, "--lot %s: wanted is SKU=UNITS", lots->items[i]);
		if (least == 0 && strcmp(equals + 1, "0") == 0)
			units = 0;
		else if ((code = output_units(cli, equals + 1, &units)) != CLI_GO)
			return code;
		json_array_append_new(array, json_pack("{s:s%, s:I}", "sku", lots->items[i], (size_t)(equals - lots->items[i]),
						       "units", (json_int_t)units));
	}
	return CLI_GO;
}

static int set_terms(const struct cli *cli, json_t *body, const struct sale_terms *terms)
{
	int code;

	if (terms->name)
		json_object_set_new(body, "name", json_string(terms->name));
	if (terms->price >= 0)
		json_object_set_new(body, "price",
				    json_pack("{s:I, s:s}", "amount", (json_int_t)terms->price, "currency",
					      terms->currency ? terms->currency : "EUR"));
	else if (terms->currency)
		return cli_usage(cli, "--currency goes with --price");
	if (terms->limit >= 0)
		json_object_set_new(body, "limit_per_buyer", json_integer(terms->limit));
	if (terms->hold_ms % 1000 > 0)
		return cli_usage(cli, "--hold: wanted are whole seconds");
	if (terms->hold_ms >= 0)
		json_object_set_new(body, "hold_seconds", json_integer(terms->hold_ms / 1000));
	if (terms->late_confirm || terms->no_late_confirm)
		json_object_set_new(body, "late_confirm", json_boolean(!terms->no_late_confirm));
	if (terms->schedule || terms->no_schedule)
		json_object_set_new(body, "schedule", json_boolean(!terms->no_schedule));
	if (terms->announce || terms->no_announce)
		json_object_set_new(body, "announce", json_boolean(!terms->no_announce));
	code = set_time(cli, body, "opens-at", "opens_at", terms->opens_at, terms->opens_in_ms);
	if (code == CLI_GO)
		code = set_time(cli, body, "closes-at", "closes_at", terms->closes_at, terms->closes_in_ms);
	if (code != CLI_GO)
		return code;
	return terms->rate ? set_rate(cli, body, terms->rate) : CLI_GO;
}

/* Creates, and arms and opens where that was asked for; shows how it then stands. */
static int create_and_move(struct cli *cli, const struct sale_terms *terms, json_t *body)
{
	char arm[OUTPUT_PATH_SIZE], open[OUTPUT_PATH_SIZE];
	struct client client;
	json_t *answer = NULL;
	int code = client_session(cli, &client, terms->url);

	if (code == CLI_GO)
		code = output_path(arm, "/v1/sales/", cli->argv[0], "/arm");
	if (code == CLI_GO)
		code = output_path(open, "/v1/sales/", cli->argv[0], "/open");
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
	return code == CLI_GO ? show(answer, terms->json) : code;
}

static int create(struct cli *cli)
{
	struct sale_terms terms = no_terms;
	const struct option table[] = {
		{"lot", 0, OPTION_LIST, &terms.lots, "SKU=UNITS", "units of an item; again for each size"},
		TERMS_OPTIONS(terms),
		{"arm", 0, OPTION_FLAG, &terms.arm, NULL, "arm it at once"},
		{"open", 0, OPTION_FLAG, &terms.open, NULL, "open it: at its time where it has one, else at once"},
		CLIENT_OPTIONS(&terms.url, &terms.json),
	};
	json_t *body;
	int code = cli_options(cli, table, sizeof(table) / sizeof(table[0]), 1, 1);

	if (code != CLI_GO)
		return code;
	if (terms.lots.count == 0)
		return cli_usage(cli, "what does it sell? --lot SKU=UNITS");
	if (!terms.name)
		terms.name = cli->argv[0];
	if (terms.price < 0)
		return cli_usage(cli, "what does it cost? --price N, in minor units; 0 is for free");
	if (terms.open && (terms.opens_at || terms.opens_in_ms >= 0)) {
		terms.open = false;
		terms.schedule = true;
	}
	if (terms.limit < 0)
		terms.limit = 1;
	if (terms.hold_ms < 0)
		terms.hold_ms = 120000;
	body = json_pack("{s:s}", "id", cli->argv[0]);
	code = set_terms(cli, body, &terms);
	if (code == CLI_GO)
		code = set_lots(cli, body, &terms.lots, 1);
	if (code != CLI_GO) {
		json_decref(body);
		return code;
	}
	return create_and_move(cli, &terms, body);
}

static int change(struct cli *cli)
{
	struct sale_terms terms = no_terms;
	const struct option table[] = {
		{"lot", 0, OPTION_LIST, &terms.lots, "SKU=UNITS", "of a draft: the units that a lot is to have; alone"},
		TERMS_OPTIONS(terms),
		CLIENT_OPTIONS(&terms.url, &terms.json),
	};
	char path[OUTPUT_PATH_SIZE];
	json_t *body;
	int code = cli_options(cli, table, sizeof(table) / sizeof(table[0]), 1, 1);

	if (code == CLI_GO)
		code = output_path(path, "/v1/sales/", cli->argv[0], "");
	if (code != CLI_GO)
		return code;
	body = json_object();
	code = set_terms(cli, body, &terms);
	if (code == CLI_GO && terms.lots.count)
		code = set_lots(cli, body, &terms.lots, 0);
	if (code == CLI_GO && json_object_size(body) == 0)
		code = cli_usage(cli, "what is to change? give at least one option");
	if (code != CLI_GO) {
		json_decref(body);
		return code;
	}
	return ask_and_show(cli, terms.url, terms.json, "PATCH", path, body);
}

/* --- Its life, its units --- */

static int list(struct cli *cli)
{
	const char *url = NULL;
	bool json = false;
	const struct option table[] = {CLIENT_OPTIONS(&url, &json)};
	int code = cli_options(cli, table, 2, 0, 0);

	return code == CLI_GO ? output_list(cli, url, json, "/v1/sales", "sales", sale_titles, sale_cells) : code;
}

static int on_sale(struct cli *cli, const char *method, const char *action)
{
	const char *url = NULL;
	bool json = false;
	const struct option table[] = {CLIENT_OPTIONS(&url, &json)};
	char path[OUTPUT_PATH_SIZE];
	int code = cli_options(cli, table, 2, 1, 1);

	if (code == CLI_GO)
		code = output_path(path, "/v1/sales/", cli->argv[0], action);
	return code == CLI_GO ? ask_and_show(cli, url, json, method, path, NULL) : code;
}

static int show_one(struct cli *cli)
{
	return on_sale(cli, "GET", "");
}

/* "sale arm" -> POST …/arm: the command's name is the route's. */
static int move(struct cli *cli)
{
	char action[32];

	snprintf(action, sizeof(action), "/%s", strrchr(cli->command->name, ' ') + 1);
	return on_sale(cli, "POST", action);
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
		code = output_path(path, "/v1/sales/", cli->argv[0], "/end");
	if (code == CLI_GO)
		code = output_sure(cli, yes, "End sale %s for good?", cli->argv[0]);
	return code == CLI_GO ? ask_and_show(cli, url, json, "POST", path, NULL) : code;
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
		units = field_integer(answer, "units_withdrawn");
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
		code = output_path(path, "/v1/sales/", cli->argv[0], "/events");
	if (code != CLI_GO)
		return code;
	code = client_session(cli, &client, url);
	if (code == CLI_GO)
		code = sale_watch(&client, path, json);
	client_close(&client);
	return code;
}

#define SALE_COMMAND(word, words, text, function)      \
	static const struct command command_##word = { \
		.name = "sale " #word, .synopsis = words, .summary = text, .settings = true, .run = function}

SALE_COMMAND(create, "ID --lot SKU=UNITS... --price N [OPTION...]", "Make a sale; it is a draft until it is armed", create);
SALE_COMMAND(list, "", "List the sales", list);
SALE_COMMAND(show, "ID", "Show one sale and its lots", show_one);
SALE_COMMAND(change, "ID OPTION...", "Change a sale; once it is open, only its name and closing time", change);
SALE_COMMAND(arm, "ID", "Load its stock; from then on the clock opens it", move);
SALE_COMMAND(disarm, "ID", "Make it a draft again, while it has no orders", move);
SALE_COMMAND(open, "ID", "Open it now", move);
SALE_COMMAND(pause, "ID", "Pause it: nothing is sold, what is held stays held", move);
SALE_COMMAND(resume, "ID", "Go on after a pause", move);
SALE_COMMAND(delete, "ID", "Delete a draft; its units go back to the warehouse, its name is free", move);
SALE_COMMAND(end, "ID [--yes]", "End it for good; what is left goes back to the warehouse", end);
SALE_COMMAND(add, "ID SKU UNITS", "Give a lot more units, from the warehouse", add);
SALE_COMMAND(withdraw, "ID SKU UNITS [--up-to] [--yes]", "Take units that are still available out of a lot", withdraw);
SALE_COMMAND(watch, "ID", "Follow a sale as it happens, until interrupted", watch);

const struct command command_sale = {
	.name = "sale",
	.synopsis = "COMMAND",
	.summary = "Sales: make, open, watch, end",
	.children = (const struct command *const[]){&command_create, &command_list, &command_show, &command_change, &command_arm,
						    &command_disarm, &command_open, &command_pause, &command_resume, &command_end,
						    &command_delete, &command_add, &command_withdraw, &command_watch, NULL},
};
