#include "cli/operator/import_csv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/array.h"
#include "base/clock.h"
#include "base/zone.h"
#include "cli/csv.h"
#include "cli/output.h"

enum title {
	SKU,
	ITEM_NAME,
	ON_HAND,
	SALE,
	SALE_NAME,
	UNITS,
	PRICE,
	CURRENCY,
	LIMIT,
	HOLD,
	RATE,
	OPENS,
	CLOSES,
	SCHEDULE,
	ANNOUNCE,
	LATE,
	TITLES
};
static const char *const titles[TITLES] = {
	"sku",   "item_name", "on_hand", "sale",     "sale_name", "units",    "price",    "currency",
	"limit", "hold",      "rate",    "opens_at", "closes_at", "schedule", "announce", "late_confirm",
};

struct reading {
	struct import_file *file;
	struct csv_row row;
	int columns[TITLES];
	json_t *items, *sales;              /* of the body */
	json_t *items_by_sku, *sales_by_id; /* the same, to be found */
};

void import_file_deinit(struct import_file *file)
{
	json_decref(file->body);
	free(file->item_lines.all);
	free(file->sale_lines.all);
	*file = (struct import_file){0};
}

int import_note_line(struct import_lines *lines, size_t line)
{
	int r = array_fit(&lines->all, &lines->capacity, lines->count + 1, sizeof(*lines->all));

	if (r)
		return cli_error(CLI_FAILED, "%s", error_text(r));
	lines->all[lines->count++] = line;
	return CLI_GO;
}

/* --- One field --- */

static struct slice field(const struct reading *reading, enum title title)
{
	return csv_field(&reading->row, reading->columns[title]);
}

static int fault(const struct reading *reading, enum title title, const char *wanted)
{
	struct slice text = field(reading, title);

	return cli_error(CLI_USAGE, "%s:%zu: %s \"%.*s\": wanted is %s", reading->file->path, reading->row.line, titles[title],
			 (int)text.size, text.data ? text.data : "", wanted);
}

static json_t *text_value(struct slice text)
{
	return json_stringn(text.data ? text.data : "", text.size);
}

/* NULL: it is none. */
static json_t *number_value(struct slice text)
{
	char digits[24], *end;
	long long number;

	if (text.size == 0 || text.size >= sizeof(digits) || text.data[0] < '0' || text.data[0] > '9')
		return NULL;
	snprintf(digits, sizeof(digits), "%.*s", (int)text.size, text.data);
	errno = 0;
	number = strtoll(digits, &end, 10);
	return errno || *end ? NULL : json_integer(number);
}

static json_t *time_value(struct slice text)
{
	char copy[64], at[CLOCK_TEXT_SIZE];
	int64_t wall_ms;

	if (text.size >= sizeof(copy))
		return NULL;
	snprintf(copy, sizeof(copy), "%.*s", (int)text.size, text.data);
	if (zone_parse(copy, &wall_ms) < 0)
		return NULL;
	clock_format(wall_ms, at);
	return json_string(at);
}

static json_t *yes_value(struct slice text)
{
	if (slice_equal(text, SLICE("yes")) || slice_equal(text, SLICE("true")) || slice_equal(text, SLICE("1")))
		return json_true();
	return slice_equal(text, SLICE("no")) || slice_equal(text, SLICE("false")) || slice_equal(text, SLICE("0")) ? json_false()
														    : NULL;
}

static json_t *hold_value(struct slice text)
{
	char copy[24];
	int64_t ms;

	snprintf(copy, sizeof(copy), "%.*s", (int)(text.size < sizeof(copy) ? text.size : 0), text.data);
	return options_duration_parse(copy, &ms) < 0 || ms % 1000 ? NULL : json_integer(ms / 1000);
}

static json_t *rate_value(struct slice text)
{
	unsigned requests, seconds;
	char copy[32], rest;

	if (slice_equal(text, SLICE("off")))
		return json_null();
	snprintf(copy, sizeof(copy), "%.*s", (int)(text.size < sizeof(copy) ? text.size : 0), text.data);
	if (sscanf(copy, "%u/%u%c", &requests, &seconds, &rest) != 2)
		return NULL;
	return json_pack("{s:I, s:I}", "requests", (json_int_t)requests, "seconds", (json_int_t)seconds);
}

/* What is said of a sale, beside its price: the member, how it is read, and what it wants. */
static const struct term {
	enum title title;
	const char *member;
	json_t *(*value)(struct slice text);
	const char *wanted;
} terms[] = {
	{SALE_NAME, "name", text_value, "a name"},
	{LIMIT, "limit_per_buyer", number_value, "a number of units"},
	{HOLD, "hold_seconds", hold_value, "a time in whole seconds, like 120s or 2m"},
	{RATE, "rate", rate_value, "REQUESTS/SECONDS, like 3/60, or off"},
	{OPENS, "opens_at", time_value, "a time like 2027-01-01T10:00:00Z or 2027-01-01 10:00 Europe/Berlin"},
	{CLOSES, "closes_at", time_value, "a time like 2027-01-01T10:00:00Z or 2027-01-01 10:00 Europe/Berlin"},
	{SCHEDULE, "schedule", yes_value, "yes or no"},
	{ANNOUNCE, "announce", yes_value, "yes or no"},
	{LATE, "late_confirm", yes_value, "yes or no"},
};

/* Sets a member once; again, it must be the same. Takes the value; NULL: it is none. */
static int set(const struct reading *reading, json_t *object, enum title title, const char *member, json_t *value, const char *wanted)
{
	const json_t *known = json_object_get(object, member);
	int code = CLI_GO;

	if (!value)
		return fault(reading, title, wanted);
	if (known && !json_equal(known, value))
		code = fault(reading, title, "what a line before says of it");
	else if (!known)
		json_object_set(object, member, value);
	json_decref(value);
	return code;
}

/* --- One line --- */

/* The element of this name, made where there is none; NULL: no memory. Borrowed. */
static json_t *element(struct reading *reading, json_t *list, json_t *by_name, const char *member, struct slice name,
		       struct import_lines *lines)
{
	char key[128];
	json_t *found;

	snprintf(key, sizeof(key), "%.*s", (int)name.size, name.data);
	found = json_object_get(by_name, key);
	if (found)
		return found;
	found = json_object();
	if (!found || import_note_line(lines, reading->row.line) != CLI_GO) {
		json_decref(found);
		return NULL;
	}
	json_object_set_new(found, member, text_value(name));
	json_object_set(by_name, key, found);
	json_array_append_new(list, found);
	return found;
}

static int read_item(struct reading *reading)
{
	struct slice sku = field(reading, SKU), name = field(reading, ITEM_NAME), on_hand = field(reading, ON_HAND);
	json_t *item;
	int code = CLI_GO;

	if (name.size == 0 && on_hand.size == 0 && field(reading, SALE).size > 0)
		return CLI_GO; /* of an item that there is */
	item = element(reading, reading->items, reading->items_by_sku, "sku", sku, &reading->file->item_lines);
	if (!item)
		return CLI_FAILED;
	if (name.size)
		code = set(reading, item, ITEM_NAME, "name", text_value(name), "a name");
	if (code == CLI_GO && on_hand.size)
		code = set(reading, item, ON_HAND, "on_hand", number_value(on_hand), "a number of units");
	return code;
}

static int read_price(struct reading *reading, json_t *sale)
{
	struct slice currency = field(reading, CURRENCY);
	json_t *amount;

	if (field(reading, PRICE).size == 0)
		return currency.size ? fault(reading, PRICE, "a price with the currency") : CLI_GO;
	amount = number_value(field(reading, PRICE));
	if (!amount)
		return fault(reading, PRICE, "a number in the currency's smallest unit");
	return set(reading, sale, PRICE, "price",
		   json_pack("{s:o, s:o}", "amount", amount, "currency", text_value(currency.size ? currency : SLICE("EUR"))),
		   "a price");
}

static int read_sale(struct reading *reading)
{
	struct slice id = field(reading, SALE);
	json_t *sale, *units;
	int code = CLI_GO;

	if (id.size == 0)
		return CLI_GO;
	sale = element(reading, reading->sales, reading->sales_by_id, "id", id, &reading->file->sale_lines);
	if (!sale)
		return CLI_FAILED;
	for (size_t i = 0; i < sizeof(terms) / sizeof(terms[0]) && code == CLI_GO; i++)
		if (field(reading, terms[i].title).size > 0)
			code = set(reading, sale, terms[i].title, terms[i].member, terms[i].value(field(reading, terms[i].title)),
				   terms[i].wanted);
	if (code == CLI_GO)
		code = read_price(reading, sale);
	if (code != CLI_GO)
		return code;
	units = number_value(field(reading, UNITS));
	if (!units)
		return fault(reading, UNITS, "a number of units");
	if (!json_object_get(sale, "lots"))
		json_object_set_new(sale, "lots", json_array());
	json_array_append_new(json_object_get(sale, "lots"),
			      json_pack("{s:o, s:o}", "sku", text_value(field(reading, SKU)), "units", units));
	return CLI_GO;
}

static int read_line(struct reading *reading)
{
	int code;

	if (field(reading, SKU).size == 0)
		return fault(reading, SKU, "the SKU of an item");
	code = read_item(reading);
	return code == CLI_GO ? read_sale(reading) : code;
}

/* --- All of it --- */

static int read_titles(struct reading *reading)
{
	for (int i = 0; i < TITLES; i++)
		reading->columns[i] = csv_column(&reading->row, titles[i]);
	for (size_t i = 0; i < reading->row.count; i++) {
		struct slice title = csv_field(&reading->row, (int)i);
		bool known = false;

		for (int wanted = 0; wanted < TITLES; wanted++)
			known |= slice_equal(title, slice_of(titles[wanted]));
		if (!known)
			return cli_error(CLI_USAGE, "%s:%zu: there is no column \"%.*s\"; `penstock import --help` names them",
					 reading->file->path, reading->row.line, (int)title.size, title.data ? title.data : "");
	}
	if (reading->columns[SKU] < 0)
		return cli_error(CLI_USAGE, "%s:%zu: the column sku is missing", reading->file->path, reading->row.line);
	return CLI_GO;
}

/* What has no name is called by its id, and of an item there are none. */
static void set_defaults(const struct reading *reading)
{
	json_t *element;
	size_t index;

	json_array_foreach(reading->items, index, element)
	{
		if (!json_object_get(element, "name"))
			json_object_set(element, "name", json_object_get(element, "sku"));
		if (!json_object_get(element, "on_hand"))
			json_object_set_new(element, "on_hand", json_integer(0));
	}
	json_array_foreach(reading->sales, index, element)
	{
		if (!json_object_get(element, "name"))
			json_object_set(element, "name", json_object_get(element, "id"));
	}
}

int import_read_csv(struct import_file *file, struct slice text)
{
	struct reading reading = {.file = file, .items = json_array(), .sales = json_array()};
	struct csv_reader reader;
	int code = CLI_GO, r;

	reading.items_by_sku = json_object();
	reading.sales_by_id = json_object();
	file->body = json_pack("{s:o, s:o}", "items", reading.items, "sales", reading.sales);
	csv_reader_init(&reader, text);
	r = csv_read(&reader, &reading.row);
	if (r == 1)
		code = read_titles(&reading);
	else if (r == 0)
		code = cli_error(CLI_USAGE, "%s: it is empty", file->path);
	while (r == 1 && code == CLI_GO && (r = csv_read(&reader, &reading.row)) == 1)
		code = read_line(&reading);
	if (r == -EBADMSG)
		code = cli_error(CLI_USAGE, "%s:%zu: a quote is not closed there, or there are more fields than in the first line",
				 file->path, reading.row.line);
	else if (r < 0)
		code = cli_error(CLI_FAILED, "%s", error_text(r));
	else if (code == CLI_GO && json_array_size(reading.items) == 0 && json_array_size(reading.sales) == 0)
		code = cli_error(CLI_USAGE, "%s: there is neither an item nor a sale in it", file->path);
	set_defaults(&reading);
	csv_row_deinit(&reading.row);
	json_decref(reading.items_by_sku);
	json_decref(reading.sales_by_id);
	return code;
}
