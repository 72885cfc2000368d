#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cli/operator/order_file.h"
#include "cli/operator/resource.h"
#include "model/order.h"
#include "model/payment.h"

static const char *const titles[] = {"ORDER", "SALE", "SKU", "BUYER", ">UNITS", "STATE", "PLACED", "HELD UNTIL", NULL};

static void order_cells(struct table *table, const json_t *order)
{
	table_cell(table, "%s", output_field_text(order, "id"));
	table_cell(table, "%s", output_field_text(order, "sale"));
	table_cell(table, "%s", output_field_text(order, "sku"));
	table_cell(table, "%s", output_field_text(order, "buyer"));
	table_cell(table, "%" PRId64, output_field_integer(order, "quantity"));
	table_cell(table, "%s", output_field_text(order, "state"));
	table_cell(table, "%s", output_field_text(order, "placed_at"));
	table_cell(table, "%s", output_field_text(order, "hold_expires_at"));
}

/* With a line of who has changed it last, and why, where that is known. */
static void show_order(const json_t *order)
{
	const char *actor = output_field_text(order, "actor"), *reason = output_field_text(order, "reason");
	const char *kind = output_field_text(order, "actor_kind"), *at = output_field_text(order, "updated_at");

	(void)output_rows(json_pack("[O]", order), false, titles, order_cells);
	if (actor[0])
		printf("Changed%s%s by %s (%s)%s%s\n", at[0] ? " " : "", at, actor, kind, reason[0] ? ": " : "", reason);
}

static const struct resource orders = {
	.path = "/v1/orders", .list = "orders", .titles = titles, .cells = order_cells, .show = show_order};

#define REASON_OPTION(reason)                                                                                \
	{                                                                                                    \
		"reason", 0, OPTION_TEXT, (reason), "TEXT", "why: kept with the change, for who looks later" \
	}

static int list(struct cli *cli)
{
	const char *url = NULL, *sale = NULL, *state = NULL, *buyer = NULL, *payment = NULL, *reference = NULL;
	bool json = false;
	const struct option table[] = {
		{"sale", 's', OPTION_TEXT, &sale, "ID", "of this sale only"},
		{"state", 0, OPTION_TEXT, &state, "STATE", "held, confirmed, cancelled or expired"},
		{"buyer", 'b', OPTION_TEXT, &buyer, "NAME", "of this buyer only"},
		{"payment", 0, OPTION_TEXT, &payment, "NAME", "paid with this one, by its reference on the payment side"},
		{"reference", 0, OPTION_TEXT, &reference, "NAME", "that the shop calls so"},
		CLIENT_OPTIONS(&url, &json),
	};
	struct buffer path;
	struct client client;
	int code = cli_options(cli, table, sizeof(table) / sizeof(table[0]), 0, 0);

	if (code != CLI_GO)
		return code;
	buffer_init(&path, 8192);
	buffer_append_text(&path, "/v1/orders");
	output_add_query(&path, "sale", sale);
	output_add_query(&path, "state", state);
	output_add_query(&path, "buyer", buyer);
	output_add_query(&path, "payment", payment);
	output_add_query(&path, "reference", reference);
	buffer_append(&path, "", 1);
	code = output_session(cli, &client, url);
	if (code == CLI_GO)
		code = output_list(&client, json, path.data, "orders", titles, order_cells);
	client_close(&client);
	buffer_deinit(&path);
	return code;
}

static int show(struct cli *cli)
{
	return resource_act(cli, &orders, "GET", "");
}

#define FILE_OPTIONS(file)                                                                                                 \
	{"file", 0, OPTION_TEXT, &(file).path, "FILE", "those of a file: an id a line, or CSV with titles"},               \
	{                                                                                                                  \
		"dry-run", 0, OPTION_FLAG, &(file).dry_run, NULL, "with --file: say what would come of it, and do nothing" \
	}

/* Orders are in the file or behind the command. CLI_GO or a usage error. */
static int check_file(const struct cli *cli, const struct order_file *file)
{
	if (!file->path == !cli->argc)
		return cli_usage(cli, "say which: %s", cli->command->synopsis);
	return file->dry_run && !file->path ? cli_usage(cli, "--dry-run goes with --file") : CLI_GO;
}

static void set_text(json_t *body, const char *name, const char *text)
{
	if (text)
		json_object_set_new(body, name, json_string(text));
}

/* What a command says of a payment. */
struct paid {
	const char *reference, *currency, *method;
	int64_t amount; /* negative: nothing */
};

static int add_payment(const struct cli *cli, const struct paid *paid, const struct order_file *file, json_t *body)
{
	json_t *payment;

	if (!paid->reference && !paid->currency && !paid->method && paid->amount < 0)
		return CLI_GO;
	if (file->path)
		return cli_usage(cli, "a payment is of one order; a file has them in columns");
	if (paid->reference && !payment_reference_valid(slice_of(paid->reference)))
		return cli_usage(cli, "\"%s\": a reference is 1 to %d printable ASCII characters without spaces", paid->reference,
				 PAYMENT_REFERENCE_MAX);
	payment = json_object();
	set_text(payment, "reference", paid->reference);
	set_text(payment, "currency", paid->currency);
	set_text(payment, "method", paid->method);
	if (paid->amount >= 0)
		json_object_set_new(payment, "amount", json_integer(paid->amount));
	json_object_set_new(body, "payment", payment);
	return CLI_GO;
}

static int confirm(struct cli *cli)
{
	struct order_file file = {.action = "confirm"};
	struct paid paid = {.amount = -1};
	const char *reason = NULL;
	const struct option table[] = {
		{"payment", 0, OPTION_TEXT, &paid.reference, "NAME", "what it is paid with, by its reference on the payment side"},
		{"amount", 0, OPTION_INTEGER, &paid.amount, "N", "how much, in minor units: 17900 is 179.00"},
		{"currency", 0, OPTION_TEXT, &paid.currency, "CODE", "ISO 4217"},
		{"method", 0, OPTION_TEXT, &paid.method, "NAME", "how: card"},
		REASON_OPTION(&reason),
		FILE_OPTIONS(file),
		CLIENT_OPTIONS(&file.url, &file.json),
	};
	char path[OUTPUT_PATH_SIZE];
	int code = cli_options(cli, table, sizeof(table) / sizeof(table[0]), 0, 1);

	if (code == CLI_GO)
		code = check_file(cli, &file);
	if (code == CLI_GO && !file.path)
		code = resource_path(cli, &orders, "/confirm", path);
	if (code != CLI_GO)
		return code;
	file.body = json_object();
	set_text(file.body, "reason", reason);
	code = add_payment(cli, &paid, &file, file.body);
	if (code == CLI_GO)
		code = file.path ? order_file_run(cli, &file)
				 : resource_ask(cli, &orders, file.url, file.json, "POST", path, json_incref(file.body));
	json_decref(file.body);
	return code;
}

/* What was cancelled, whatever came after. Takes `all`. */
static int show_cancelled(json_t *all, bool json, bool one, int code)
{
	size_t count = json_array_size(all);

	if (json && one && count == 1)
		(void)output_json(json_incref(json_array_get(all, 0)));
	else if (json || count > 0)
		(void)output_rows(json_incref(all), json, titles, order_cells);
	json_decref(all);
	return code == CLI_GO ? CLI_OK : code;
}

enum { CANCEL_MAX = 1000 };

/* One order. CLI_GO and *answer, or the exit code. */
static int cancel_one(struct client *client, const char *order, json_t *body, json_t **answer)
{
	char path[OUTPUT_PATH_SIZE];
	int code = output_path(path, "/v1/orders/", order, "/cancel"), status = 0, r;
	bool once = json_object_get(body, "reference") || !json_object_get(body, "quantity");

	if (code != CLI_GO)
		return code;
	r = order_act(client, path, json_incref(body), &status, answer);
	code = client_judge(client, "POST", path, r, status, answer);
	if (!once && ((r < 0 && r != -ECONNREFUSED) || status >= 500))
		cli_error(code, "it may have been done all the same: look at the order (`penstock order show`) before you ask for it "
				"again; a refund with a --reference can be asked for again as it is");
	return code;
}

/*
 * One after the other; the first that cannot be cancelled ends it, and what was done before is
 * shown.
 */
static int cancel_each(struct cli *cli, const struct order_file *file)
{
	json_t *all, *answer;
	struct client client;
	int code = CLI_GO;

	if (cli->argc > 1)
		code = output_sure(cli, file->yes, "Cancel %d orders?", cli->argc);
	if (code != CLI_GO)
		return code;
	all = json_array();
	code = output_session(cli, &client, file->url);
	for (int i = 0; i < cli->argc && code == CLI_GO; i++) {
		code = cancel_one(&client, cli->argv[i], file->body, &answer);
		if (code == CLI_GO)
			json_array_append_new(all, answer);
	}
	client_close(&client);
	return show_cancelled(all, file->json, cli->argc == 1, code);
}

/* What a command says of a cancel. */
struct refund {
	const char *quantity, *units, *reference, *reason;
};

static int check_refund(const struct cli *cli, const struct refund *refund, const struct order_file *file, json_t *body)
{
	enum units_to where;
	int64_t quantity = 0;
	int code = CLI_GO;

	if ((refund->quantity || refund->reference) && (file->path || cli->argc != 1))
		return cli_usage(cli, "--quantity and --reference are of one order; a file has them in columns");
	if (refund->units && order_units_to_parse(slice_of(refund->units), &where) < 0)
		return cli_usage(cli, "\"%s\": units go to the sale, to the warehouse, or are gone", refund->units);
	if (refund->reference && !payment_reference_valid(slice_of(refund->reference)))
		return cli_usage(cli, "\"%s\": a reference is 1 to %d printable ASCII characters without spaces",
				 refund->reference, PAYMENT_REFERENCE_MAX);
	if (refund->quantity)
		code = output_units(cli, refund->quantity, &quantity);
	if (code != CLI_GO)
		return code;
	if (quantity)
		json_object_set_new(body, "quantity", json_integer(quantity));
	set_text(body, "units", refund->units);
	set_text(body, "reference", refund->reference);
	set_text(body, "reason", refund->reason);
	return CLI_GO;
}

static int cancel(struct cli *cli)
{
	struct order_file file = {.action = "cancel"};
	struct refund refund = {0};
	const struct option table[] = {
		{"quantity", 'q', OPTION_TEXT, &refund.quantity, "UNITS", "so many of the order's units (all of them)"},
		{"units", 0, OPTION_TEXT, &refund.units, "WHERE", "where they go: sale (again), warehouse, or gone"},
		{"reference", 0, OPTION_TEXT, &refund.reference, "NAME", "the refund's own name on the payment side: done once by it"},
		REASON_OPTION(&refund.reason),
		FILE_OPTIONS(file),
		YES_OPTION(&file.yes),
		CLIENT_OPTIONS(&file.url, &file.json),
	};
	int code = cli_options(cli, table, sizeof(table) / sizeof(table[0]), 0, CANCEL_MAX);

	if (code == CLI_GO)
		code = check_file(cli, &file);
	if (code != CLI_GO)
		return code;
	file.body = json_object();
	code = check_refund(cli, &refund, &file, file.body);
	if (code == CLI_GO)
		code = file.path ? order_file_run(cli, &file) : cancel_each(cli, &file);
	json_decref(file.body);
	return code;
}

static int extend(struct cli *cli)
{
	const char *url = NULL, *reason = NULL;
	bool json = false;
	const struct option table[] = {REASON_OPTION(&reason), CLIENT_OPTIONS(&url, &json)};
	char path[OUTPUT_PATH_SIZE];
	json_t *body;
	int64_t ms;
	int code = cli_options(cli, table, 3, 2, 2);

	if (code == CLI_GO)
		code = resource_path(cli, &orders, "/extend", path);
	if (code != CLI_GO)
		return code;
	if (options_duration_parse(cli->argv[1], &ms) < 0 || ms < 1000 || ms % 1000 != 0)
		return cli_usage(cli, "\"%s\": wanted is a time in whole seconds, like 90s or 5m", cli->argv[1]);
	body = json_pack("{s:I}", "seconds", (json_int_t)(ms / 1000));
	set_text(body, "reason", reason);
	return resource_ask(cli, &orders, url, json, "POST", path, body);
}

RESOURCE_COMMAND(order, list, "[--sale ID] [--state STATE] [--buyer NAME] [--payment NAME] [--reference NAME]", "List orders", list);
RESOURCE_COMMAND(order, show, "ORDER", "Show one order", show);
RESOURCE_COMMAND(order, confirm, "ORDER [--payment NAME] [--amount N] [--reason TEXT] | --file FILE [--reason TEXT] [--dry-run]",
		 "Confirm a held order, or those of a file: they are paid", confirm);
RESOURCE_COMMAND(order, cancel,
		 "ORDER... [--quantity UNITS] [--units WHERE] [--reference NAME] [--reason TEXT] [--yes] | --file FILE [--dry-run]",
		 "Cancel orders, or some units of one (confirmed: a refund); say where the units go", cancel);
RESOURCE_COMMAND(order, extend, "ORDER TIME [--reason TEXT]", "Hold an order longer", extend);

const struct command command_order = {
	.name = "order",
	.synopsis = "COMMAND",
	.summary = "Orders: list, confirm, cancel, extend",
	.children = (const struct command *const[]){&command_list, &command_show, &command_confirm, &command_cancel,
						    &command_extend, NULL},
};
