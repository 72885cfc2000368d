#include "cli/operator/sale_report.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/array.h"
#include "base/assertion.h"
#include "base/clock.h"
#include "cli/change_line.h"
#include "cli/operator/unseen_changes.h"
#include "cli/output.h"
#include "cli/style.h"
#include "model/limits.h"
#include "model/order.h"

enum outcome { CONFIRMED, HELD, REFUNDED, CANCELLED, EXPIRED, OUTCOMES };
static const char *const outcome_names[OUTCOMES] = {"confirmed", "held", "refunded", "cancelled", "expired"};

/* Of one outcome, in one place of the report. Amounts are in the currency's smallest unit. */
struct sum {
	int64_t orders, units, amount;
};

enum { MINUTE_TEXT_SIZE = sizeof("2027-01-01T10:00") };
struct minute {
	char at[MINUTE_TEXT_SIZE]; /* UTC */
	struct sum sums[OUTCOMES];
};

struct lot {
	const char *sku; /* the sale's */
	struct sum sums[OUTCOMES];
};

/* Of the units that orders gave back by refunds and cancels, to one place. */
struct back {
	struct sum refunded, cancelled; /* orders: how often; a paid order's, a held one's */
};

enum { CURSOR_SIZE = 64 };
struct report {
	json_t *sale;
	int64_t price;
	struct sum sums[OUTCOMES];
	struct lot lots[LOTS_MAX];
	size_t lot_count;
	struct minute *minutes; /* those in which orders were placed, rising as orders' ids do */
	size_t minute_count, minute_capacity;
	int64_t paid_orders, paid_amount; /* what payments were told of, of confirmed orders */
	struct back back[UNITS_GONE + 1];
	int64_t reductions; /* some units of an order that goes on with the rest */
	struct unseen_changes unseen;
	/*
	 * Where the feed is read on, where that is not behind the page before: `since` empty:
	 * nowhere.
	 */
	char since[CLOCK_TEXT_SIZE], after[CURSOR_SIZE];
};

/* --- Adding up --- */

/* A paid order that is given back was a sale once, and a hold that is given back never was. */
static enum outcome outcome_of(const json_t *order)
{
	const char *state = output_field_text(order, "state");

	for (int outcome = 0; outcome < OUTCOMES; outcome++)
		if (outcome != CANCELLED && strcmp(outcome_names[outcome], state) == 0)
			return (enum outcome)outcome;
	return json_object_get(order, "payment") || json_is_string(json_object_get(order, "confirmed_at")) ? REFUNDED : CANCELLED;
}

static void add(struct sum *sum, int64_t units, int64_t price)
{
	sum->orders++;
	sum->units += units;
	sum->amount += units * price;
}

/* The minute of an order; NULL: no memory. */
static struct minute *minute_of(struct report *report, const char *placed_at)
{
	struct minute *last = report->minute_count ? &report->minutes[report->minute_count - 1] : NULL;

	if (last && strncmp(last->at, placed_at, MINUTE_TEXT_SIZE - 1) == 0)
		return last;
	if (array_fit(&report->minutes, &report->minute_capacity, report->minute_count + 1, sizeof(*report->minutes)))
		return NULL;
	ASSERT(report->minutes != NULL);
	last = &report->minutes[report->minute_count++];
	*last = (struct minute){0};
	snprintf(last->at, sizeof(last->at), "%.*s", MINUTE_TEXT_SIZE - 1, placed_at);
	return last;
}

static int64_t price_of(const struct report *report, const json_t *order)
{
	const json_t *own = json_object_get(order, "price");

	return own ? output_field_integer(own, "amount") : report->price;
}

static struct lot *lot_of(struct report *report, const json_t *order)
{
	for (size_t i = 0; i < report->lot_count; i++)
		if (strcmp(report->lots[i].sku, output_field_text(order, "sku")) == 0)
			return &report->lots[i];
	return NULL;
}

static int add_order(struct report *report, const json_t *order)
{
	const json_t *payment = json_object_get(order, "payment");
	int64_t units = output_field_integer(order, "quantity"), price = price_of(report, order);
	struct lot *lot = lot_of(report, order);
	struct minute *minute = minute_of(report, output_field_text(order, "placed_at"));
	enum outcome outcome = outcome_of(order);

	if (!minute || unseen_changes_add(&report->unseen, order))
		return cli_error(CLI_FAILED, "%s", error_text(-ENOMEM));
	add(&report->sums[outcome], units, price);
	add(&minute->sums[outcome], units, price);
	if (lot)
		add(&lot->sums[outcome], units, price);
	if (outcome == CONFIRMED && payment) {
		report->paid_orders++;
		report->paid_amount += output_field_integer(payment, "amount");
	}
	return CLI_GO;
}

static int add_page(void *context, const json_t *rows)
{
	const json_t *order;
	int code = CLI_GO;
	size_t index;

	json_array_foreach(rows, index, order)
	{
		code = add_order(context, order);
		if (code != CLI_GO)
			break;
	}
	return code;
}

/* Units that left an order which is counted under its own outcome. */
static void add_units(struct sum *sum, int64_t units, int64_t price)
{
	sum->units += units;
	sum->amount += units * price;
}

static void add_reduction(struct report *report, const json_t *order, enum outcome outcome, int64_t units, int64_t price)
{
	const char *placed_at = output_field_text(order, "placed_at");
	struct lot *lot = lot_of(report, order);

	report->reductions++;
	add_units(&report->sums[outcome], units, price);
	if (lot)
		add_units(&lot->sums[outcome], units, price);
	for (size_t i = 0; i < report->minute_count; i++)
		if (strncmp(report->minutes[i].at, placed_at, MINUTE_TEXT_SIZE - 1) == 0)
			add_units(&report->minutes[i].sums[outcome], units, price);
}

/* What an order gave back, and where to: the orders tell neither. */
static void add_change(struct report *report, const json_t *change)
{
	const json_t *data = json_object_get(change, "data");
	const json_t *event = json_object_get(data, "event"), *order = json_object_get(data, "order");
	const char *kind = output_field_text(event, "kind"), *where = output_field_text(event, "units");
	bool reduced = strcmp(kind, "order.reduced") == 0, refunded = change_is_refund(change);
	int64_t units = output_field_integer(event, "quantity");
	enum units_to to = UNITS_TO_SALE;

	if (!reduced && !refunded && strcmp(kind, "order.cancelled") != 0)
		return;
	if (*where && order_units_to_parse(slice_of(where), &to) < 0)
		return;
	if (!units)
		units = output_field_integer(order, "quantity");
	add(refunded ? &report->back[to].refunded : &report->back[to].cancelled, units, price_of(report, order));
	if (reduced)
		add_reduction(report, order, refunded ? REFUNDED : CANCELLED, units, price_of(report, order));
}

/* Whether there is nothing for us between the last change of a page and a later time. */
static bool pass_over(struct report *report, const json_t *last)
{
	const char *at = output_field_text(last, "timestamp");
	int64_t last_ms, next_ms = unseen_changes_next_ms(&report->unseen);

	if (clock_parse(at, strlen(at), &last_ms) < 0 || next_ms <= last_ms)
		return false;
	clock_format(next_ms, report->since);
	snprintf(report->after, sizeof(report->after), "%s", output_field_text(last, "cursor"));
	return true;
}

static int add_changes(void *context, const json_t *rows)
{
	struct report *report = context;
	const json_t *row;
	size_t index;

	json_array_foreach(rows, index, row)
	{
		const json_t *data = json_object_get(row, "data");

		if (strcmp(output_field_text(data, "sale"), output_field_text(report->sale, "id")) == 0)
			add_change(report, row);
		unseen_changes_see(&report->unseen, row);
	}
	if (json_array_size(rows) < OUTPUT_PAGE || unseen_changes_are_none(&report->unseen))
		return CLI_OK;
	return pass_over(report, json_array_get(rows, OUTPUT_PAGE - 1)) ? CLI_OK : CLI_GO;
}

/* A list from a query on, page after page; first: as in output_pages(). CLI_OK or the exit code. */
static int read_all(struct report *report, struct client *client, const char *path, const char *filter, const char *value,
		    const char *first, const char *list, output_page_fn *page)
{
	struct buffer query;
	int code;

	buffer_init(&query, OUTPUT_PATH_SIZE);
	buffer_append_text(&query, path);
	output_add_query(&query, filter, value);
	buffer_append(&query, "", 1);
	code = output_pages(client, query.data, first, list, page, report);
	buffer_deinit(&query);
	return code;
}

/* As much of it as its orders need. CLI_OK or the exit code. */
static int read_feed(struct report *report, struct client *client)
{
	char since[CLOCK_TEXT_SIZE], after[CURSOR_SIZE];
	int code = CLI_OK;

	if (!unseen_changes_are_none(&report->unseen))
		memcpy(report->since, report->unseen.since, sizeof(since));
	while (code == CLI_OK && report->since[0]) {
		memcpy(since, report->since, sizeof(since));
		memcpy(after, report->after, sizeof(after));
		report->since[0] = '\0';
		code = read_all(report, client, "/v1/changes", "since", since, after[0] ? after : NULL, "changes", add_changes);
	}
	return code;
}

/* The sale, all its orders, and what they gave back. CLI_OK or the exit code. */
static int gather(struct report *report, struct client *client, const char *id)
{
	char path[OUTPUT_PATH_SIZE];
	const json_t *lot;
	size_t index;
	int code = output_path(path, "/v1/sales/", id, "");

	if (code == CLI_GO)
		code = client_ask(client, "GET", path, NULL, &report->sale);
	if (code != CLI_GO)
		return code;
	report->price = output_field_integer(json_object_get(report->sale, "price"), "amount");
	json_array_foreach(json_object_get(report->sale, "lots"), index, lot)
	{
		if (report->lot_count < LOTS_MAX)
			report->lots[report->lot_count++].sku = output_field_text(lot, "sku");
	}
	code = read_all(report, client, "/v1/orders", "sale", id, NULL, "orders", add_page);
	return code == CLI_OK ? read_feed(report, client) : code;
}

/* --- As JSON --- */

static json_t *sum_json(const struct sum *sum)
{
	return json_pack("{s:I, s:I, s:I}", "orders", (json_int_t)sum->orders, "units", (json_int_t)sum->units, "amount",
			 (json_int_t)sum->amount);
}

static json_t *sums_json(const struct sum *sums)
{
	json_t *all = json_object();

	for (int i = 0; i < OUTCOMES; i++)
		json_object_set_new(all, outcome_names[i], sum_json(&sums[i]));
	return all;
}

static json_t *back_json(const struct back *back)
{
	json_t *all = json_object();

	for (int to = UNITS_TO_SALE; to <= UNITS_GONE; to++)
		json_object_set_new(all, order_units_to_name((enum units_to)to),
				    json_pack("{s:o, s:o}", "refunded", sum_json(&back[to].refunded), "cancelled",
					      sum_json(&back[to].cancelled)));
	return all;
}

static int print_json(const struct report *report)
{
	json_t *lots = json_array(), *minutes = json_array(), *lot;
	size_t index;

	json_array_foreach(json_object_get(report->sale, "lots"), index, lot)
	{
		json_t *shown = json_copy(lot);

		if (index < report->lot_count)
			json_object_set_new(shown, "outcomes", sums_json(report->lots[index].sums));
		json_array_append_new(lots, shown);
	}
	for (size_t i = 0; i < report->minute_count; i++)
		json_array_append_new(minutes, json_pack("{s:o, s:o}", "at", json_sprintf("%s:00.000Z", report->minutes[i].at),
							 "outcomes", sums_json(report->minutes[i].sums)));
	return output_json(json_pack("{s:s, s:s, s:s, s:O, s:o, s:{s:I, s:I}, s:I, s:o, s:o, s:o}", "sale",
				     output_field_text(report->sale, "id"), "name", output_field_text(report->sale, "name"), "state",
				     output_field_text(report->sale, "state"), "price", json_object_get(report->sale, "price"),
				     "outcomes", sums_json(report->sums), "paid", "orders", (json_int_t)report->paid_orders,
				     "amount", (json_int_t)report->paid_amount, "reductions", (json_int_t)report->reductions,
				     "given_back", back_json(report->back), "lots", lots, "minutes", minutes));
}

/* --- For people --- */

static void sum_cells(struct table *table, const struct sum *sum)
{
	table_cell(table, "%s", output_thousands((uint64_t)sum->orders));
	table_cell(table, "%s", output_thousands((uint64_t)sum->units));
	table_cell(table, "%s", output_thousands((uint64_t)sum->amount));
}

static void units_cells(struct table *table, const struct sum *sums)
{
	for (int i = 0; i < OUTCOMES; i++)
		table_cell(table, "%s", output_thousands((uint64_t)sums[i].units));
	table_cell(table, "%s", output_thousands((uint64_t)sums[CONFIRMED].amount));
}

static void print_table(struct table *table)
{
	table_print(table);
	table_deinit(table);
}

/* Nothing, where nothing was given back. */
static void print_back(const struct report *report)
{
	static const char *const titles[] = {"GIVEN BACK", ">REFUNDED", ">AMOUNT", ">CANCELLED", NULL};
	static const char *const words[] = {
		[UNITS_TO_SALE] = "for sale again", [UNITS_TO_WAREHOUSE] = "warehouse", [UNITS_GONE] = "gone"};
	struct table table;
	int64_t units = 0;

	table_init(&table, titles);
	for (int to = UNITS_TO_SALE; to <= UNITS_GONE; to++) {
		const struct back *back = &report->back[to];

		units += back->refunded.units + back->cancelled.units;
		table_cell(&table, "%s", words[to]);
		table_cell(&table, "%s", output_thousands((uint64_t)back->refunded.units));
		table_cell(&table, "%s", output_thousands((uint64_t)back->refunded.amount));
		table_cell(&table, "%s", output_thousands((uint64_t)back->cancelled.units));
	}
	if (units == 0) {
		table_deinit(&table);
		return;
	}
	print_table(&table);
	printf("\nUnits. Refunds and cancels of some of an order's units, which goes on with the rest: %s.\n\n",
	       output_thousands((uint64_t)report->reductions));
}

/* A confirm need not say what was paid: its order may be paid all the same. */
static void print_payments(const struct report *report)
{
	int64_t confirmed = report->sums[CONFIRMED].orders;
	const char *amount = output_thousands((uint64_t)report->paid_amount);

	if (confirmed == 0)
		return;
	if (report->paid_orders == 0)
		printf("What was paid is not told: the orders were confirmed without the data of a payment.\n");
	else if (report->paid_orders == confirmed)
		printf("With all confirmed orders a payment is told, of %s together.\n", amount);
	else
		printf("With %s of the confirmed orders a payment is told, of %s together; with the others none is.\n",
		       output_thousands((uint64_t)report->paid_orders), amount);
}

static int print_tables(const struct report *report)
{
	static const char *const outcome_titles[] = {"OUTCOME", ">ORDERS", ">UNITS", ">AMOUNT", NULL};
	static const char *const lot_titles[] = {"LOT",        ">GIVEN",   ">CONFIRMED", ">HELD", ">REFUNDED",
						 ">CANCELLED", ">EXPIRED", ">AMOUNT",    NULL};
	static const char *const minute_titles[] = {"MINUTE (UTC)", ">CONFIRMED", ">HELD",   ">REFUNDED",
						    ">CANCELLED",   ">EXPIRED",   ">AMOUNT", NULL};
	const json_t *lots = json_object_get(report->sale, "lots");
	struct table table;

	table_init(&table, outcome_titles);
	for (int i = 0; i < OUTCOMES; i++) {
		table_cell(&table, "%s", outcome_names[i]);
		sum_cells(&table, &report->sums[i]);
	}
	print_table(&table);
	printf("\nAmounts are in the smallest unit of %s, by the price of each order.\n",
	       output_field_text(json_object_get(report->sale, "price"), "currency"));
	print_payments(report);
	putchar('\n');
	print_back(report);
	printf("Below, units; the amount is that of the confirmed ones.\n\n");
	table_init(&table, lot_titles);
	for (size_t i = 0; i < report->lot_count; i++) {
		table_cell(&table, "%s", report->lots[i].sku);
		table_cell(&table, "%s", output_thousands((uint64_t)output_field_integer(json_array_get(lots, i), "units")));
		units_cells(&table, report->lots[i].sums);
	}
	print_table(&table);
	putchar('\n');
	table_init(&table, minute_titles);
	for (size_t i = 0; i < report->minute_count; i++) {
		table_cell(&table, "%.10s %s", report->minutes[i].at, report->minutes[i].at + 11);
		units_cells(&table, report->minutes[i].sums);
	}
	print_table(&table);
	return CLI_OK;
}

int sale_report(struct client *client, const char *sale, bool json)
{
	struct report *report = calloc(1, sizeof(*report));
	int code;

	if (!report)
		return cli_error(CLI_FAILED, "%s", error_text(-ENOMEM));
	code = gather(report, client, sale);
	if (code == CLI_OK)
		code = json ? print_json(report) : print_tables(report);
	json_decref(report->sale);
	unseen_changes_deinit(&report->unseen);
	free(report->minutes);
	free(report);
	return code;
}
