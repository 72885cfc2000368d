/*
 * `penstock export`: what the ledger has, a row a line, for other programs and for people with
 * spreadsheets.
 *
 * It reads page after page over the operator's HTTP, and writes each before it asks for the next:
 * its memory is that of one page, however many there are. What has a ledger of its own to read, the
 * server's, is never opened here: a SQLite file belongs to the server that runs on it.
 *
 * Rows that come while it reads may be in it or not. A list is never cut off unnoticed: what ends
 * it before its end is told, and is the exit code.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/uuid.h"
#include "cli/change_line.h"
#include "cli/commands.h"
#include "cli/csv.h"
#include "cli/output.h"
#include "cli/style.h"

enum { COLUMNS_MAX = 24, PAGE_BYTES_MAX = 64 * 1024 * 1024 };

/* A column: where its value lies in a row of the server's, and in some kinds of rows instead. */
struct column {
	const char *title, *path, *or_path;
};

struct kind {
	const char *name, *path, *list;    /* the list, and the member of its answer that has the rows */
	bool feed;                         /* it has no end: what is there now is enough */
	bool by_id;                        /* it begins behind an id, which has a time in it */
	bool own_objects;                  /* as JSON, too, a row is its columns */
	bool (*wanted)(const json_t *row); /* NULL: all */
	struct column columns[COLUMNS_MAX];
};

static bool is_payment(const json_t *change)
{
	return json_object_get(json_object_get(json_object_get(change, "data"), "event"), "payment_reference") != NULL;
}

static const struct kind kinds[] = {
	{
		.name = "orders",
		.path = "/v1/orders",
		.list = "orders",
		.by_id = true,
		.columns =
			{
				{"id", "id", NULL},
				{"sale", "sale", NULL},
				{"sku", "sku", NULL},
				{"buyer", "buyer", NULL},
				{"quantity", "quantity", NULL},
				{"state", "state", NULL},
				{"placed_at", "placed_at", NULL},
				{"hold_expires_at", "hold_expires_at", NULL},
				{"updated_at", "updated_at", NULL},
				{"confirmed_at", "confirmed_at", NULL},
				{"actor", "actor", NULL},
				{"actor_kind", "actor_kind", NULL},
				{"reason", "reason", NULL},
				{"price_amount", "price.amount", NULL},
				{"price_currency", "price.currency", NULL},
				{"reference", "reference", NULL},
				{"payment_reference", "payment.reference", NULL},
				{"payment_amount", "payment.amount", NULL},
				{"payment_currency", "payment.currency", NULL},
				{"payment_method", "payment.method", NULL},
				{"trace", "trace", NULL},
			},
	},
	{
		.name = "movements",
		.path = "/v1/changes",
		.list = "changes",
		.feed = true,
		.columns =
			{
				{"at", "timestamp", NULL},
				{"type", "type", NULL},
				{"sale", "data.sale", NULL},
				{"sku", "data.sku", NULL},
				{"units", "data.event.quantity", "data.order.quantity"},
				{"order", "data.order.id", NULL},
				{"state", "data.state", NULL},
				{"buyer", "data.order.buyer", NULL},
				{"actor", "data.event.actor", NULL},
				{"actor_kind", "data.event.actor_kind", NULL},
				{"reason", "data.event.reason", NULL},
				{"units_left", "data.event.left", NULL},
				{"units_to", "data.event.units", NULL},
				{"id", "id", NULL},
				{"cursor", "cursor", NULL},
			},
	},
	{
		.name = "payments",
		.path = "/v1/changes",
		.list = "changes",
		.feed = true,
		.own_objects = true,
		.wanted = is_payment,
		.columns =
			{
				{"at", "timestamp", NULL},
				{"reference", "data.event.payment_reference", NULL},
				{"amount", "data.event.payment_amount", NULL},
				{"currency", "data.event.payment_currency", NULL},
				{"method", "data.event.payment_method", NULL},
				{"order", "data.order.id", NULL},
				{"sale", "data.sale", NULL},
				{"sku", "data.sku", NULL},
				{"buyer", "data.order.buyer", NULL},
				{"quantity", "data.order.quantity", NULL},
				{"state", "data.order.state", NULL},
			},
	},
	{
		.name = "refunds",
		.path = "/v1/changes",
		.list = "changes",
		.feed = true,
		.own_objects = true,
		.wanted = change_is_refund,
		.columns =
			{
				{"at", "timestamp", NULL},
				{"reference", "data.event.reference", NULL},
				{"quantity", "data.event.quantity", "data.order.quantity"},
				{"units_to", "data.event.units", NULL},
				{"price_amount", "data.order.price.amount", NULL},
				{"price_currency", "data.order.price.currency", NULL},
				{"payment_reference", "data.order.payment.reference", NULL},
				{"order", "data.order.id", NULL},
				{"sale", "data.sale", NULL},
				{"sku", "data.sku", NULL},
				{"buyer", "data.order.buyer", NULL},
				{"actor", "data.event.actor", NULL},
				{"reason", "data.event.reason", NULL},
				{"state", "data.order.state", NULL},
			},
	},
	{
		.name = "log",
		.path = "/v1/log",
		.list = "rows",
		.columns =
			{
				{"number", "number", NULL},
				{"at", "at", NULL},
				{"actor", "actor", NULL},
				{"action", "action", NULL},
				{"subject", "subject", NULL},
				{"detail", "detail", NULL},
				{"hash", "hash", NULL},
			},
	},
};

struct export
{
	const struct kind *kind;
	bool csv, terminal;
	const char *sale; /* NULL: of all */
	int64_t rows;
	struct buffer out; /* a page */
};

static const json_t *at_path(const json_t *row, const char *path)
{
	while (row && path) {
		const char *dot = strchr(path, '.');
		char name[32];

		snprintf(name, sizeof(name), "%.*s", dot ? (int)(dot - path) : (int)sizeof(name) - 1, path);
		row = json_object_get(row, name);
		path = dot ? dot + 1 : NULL;
	}
	return row;
}

/* NULL: it has none. */
static const json_t *value_of(const json_t *row, const struct column *column)
{
	const json_t *value = at_path(row, column->path);

	if (!value && column->or_path)
		value = at_path(row, column->or_path);
	return json_is_null(value) ? NULL : value;
}

/* --- One row --- */

static void write_field(struct export *export, struct slice field, bool first)
{
	struct buffer plain;

	if (!export->terminal) {
		csv_append(&export->out, field, first);
		return;
	}
	buffer_init(&plain, PAGE_BYTES_MAX);
	table_append_plain(&plain, field.data);
	csv_append(&export->out, buffer_slice(&plain), first);
	export->out.failed |= plain.failed;
	buffer_deinit(&plain);
}

/* NULL: their titles. */
static void write_fields(struct export *export, const json_t *row)
{
	for (const struct column *column = export->kind->columns; column->title; column++) {
		const json_t *value = row ? value_of(row, column) : NULL;
		char *text = NULL;
		struct slice field = row ? slice_of("") : slice_of(column->title);

		if (json_is_string(value))
			field = slice_of(json_string_value(value));
		else if (value)
			field = slice_of(text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY));
		write_field(export, field, column == export->kind->columns);
		free(text);
	}
	csv_end_line(&export->out);
}

static void write_object(struct export *export, const json_t *row)
{
	json_t *own = export->kind->own_objects ? json_object() : json_incref((json_t *)row);
	const struct column *column = export->kind->own_objects ? export->kind->columns : NULL;
	char *text;

	for (; column && column->title; column++) {
		const json_t *value = value_of(row, column);

		json_object_set_new(own, column->title, value ? json_incref((json_t *)value) : json_null());
	}
	text = json_dumps(own, JSON_COMPACT | (export->terminal ? JSON_ENSURE_ASCII : 0));
	json_decref(own);
	export->out.failed |= !text;
	buffer_append_text(&export->out, text ? text : "");
	buffer_append_literal(&export->out, "\n");
	free(text);
}

/* --- All of them --- */

static int write_page(void *context, const json_t *rows)
{
	struct export *export = context;
	const struct kind *kind = export->kind;
	const json_t *row;
	size_t index;
	int code;

	json_array_foreach(rows, index, row)
	{
		if (kind->wanted && !kind->wanted(row))
			continue;
		if (export->sale && kind->feed && strcmp(output_field_text(json_object_get(row, "data"), "sale"), export->sale) != 0)
			continue;
		if (export->csv)
			write_fields(export, row);
		else
			write_object(export, row);
		export->rows++;
	}
	code = cli_print(&export->out);
	buffer_clear(&export->out);
	if (code != CLI_OK)
		return code;
	/*
	 * Of the feed there is always a next page: behind one that is not full there is nothing
	 * yet.
	 */
	return kind->feed && json_array_size(rows) < OUTPUT_PAGE ? CLI_OK : CLI_GO;
}

/* The first id that may be of this time: ids rise with it. */
static void first_id(int64_t wall_ms, char text[static UUID_TEXT_SIZE])
{
	snprintf(text, UUID_TEXT_SIZE, "%08" PRIx64 "-%04" PRIx64 "-7000-8000-000000000000", (uint64_t)wall_ms >> 16 & 0xffffffff,
		 (uint64_t)wall_ms & 0xffff);
}

static int export_all(struct cli *cli, struct export *export, const char *url, const char *since_at, const int64_t *since_ms)
{
	char since[CLOCK_TEXT_SIZE], first[UUID_TEXT_SIZE];
	const struct kind *kind = export->kind;
	struct buffer path;
	struct client client;
	int code = output_session(cli, &client, url);

	buffer_init(&path, 4096);
	buffer_append_text(&path, kind->path);
	if (!kind->feed)
		output_add_query(&path, "sale", export->sale);
	if (since_at) {
		first_id(*since_ms, first);
		clock_format(*since_ms, since);
		if (!kind->by_id)
			output_add_query(&path, "since", since);
	}
	buffer_append(&path, "", 1);
	if (code == CLI_GO && export->csv)
		write_fields(export, NULL);
	if (code == CLI_GO)
		code = output_pages(&client, path.data, since_at && kind->by_id ? first : NULL, kind->list, write_page, export);
	if (code != CLI_OK && code != CLI_USAGE)
		cli_error(code, "it is cut off: these are not all %s; %" PRId64 " rows were written", kind->name, export->rows);
	buffer_deinit(&path);
	client_close(&client);
	return code;
}

static int export_run(struct cli *cli)
{
	struct export export = {.terminal = style_is_terminal(1)};
	const char *url = NULL, *since = NULL;
	bool csv = false, ndjson = false;
	const struct option table[] = {
		{"csv", 0, OPTION_FLAG, &csv, NULL, "comma-separated, with a line of titles (RFC 4180)"},
		{"ndjson", 0, OPTION_FLAG, &ndjson, NULL, "a JSON object a line"},
		{"since", 0, OPTION_TEXT, &since, "TIME", "\"2027-01-01 10:00 Europe/Berlin\", or RFC 3339"},
		{"sale", 's', OPTION_TEXT, &export.sale, "ID", "of this sale only; not of the log"},
		{"operator", 0, OPTION_TEXT, &url, "URL", "the operator listener (that of the settings)"},
	};
	int64_t since_ms = 0;
	int code = cli_options(cli, table, sizeof(table) / sizeof(table[0]), 1, 1);

	if (code != CLI_GO)
		return code;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].name, cli->argv[0]) == 0)
			export.kind = &kinds[i];
	if (!export.kind)
		return cli_usage(cli, "\"%s\": wanted is orders, movements, payments, refunds or log", cli->argv[0]);
	if (csv == ndjson)
		return cli_usage(cli, "say --csv or --ndjson");
	if (export.sale && strcmp(export.kind->name, "log") == 0)
		return cli_usage(cli, "the log is of all sales; `penstock log --subject ID` shows what was done to one");
	if (since)
		code = output_moment(cli, "since", since, "", &since_ms);
	if (code != CLI_GO)
		return code;
	export.csv = csv;
	buffer_init(&export.out, PAGE_BYTES_MAX);
	code = export_all(cli, &export, url, since, &since_ms);
	buffer_deinit(&export.out);
	return code;
}

const struct command command_export = {
	.name = "export",
	.synopsis = "orders|movements|payments|refunds|log --csv|--ndjson [--since TIME] [--sale ID]",
	.summary = "Print all orders, movements, payments, refunds or the operator log for other programs",
	.details = "orders: as they are now, by when they were placed. movements: all that happened to orders and units, as GET /v1/changes tells "
		   "it. payments: each that an order was paid with, with what became of the order. "
		   "refunds: each time that a confirmed order gave units back, a unit's price, and where the units went (units_to; empty: for sale again). log: who did what.\n"
		   "--since counts for the time at which a row began: when its order was placed, when it happened.\n"
		   "It is read page after page, so there may be as many as there are; where it is cut off, the exit code is 1.\n",
	.settings = true,
	.run = export_run,
};
