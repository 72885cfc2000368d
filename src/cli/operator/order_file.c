#include "cli/operator/order_file.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/array.h"
#include "base/uuid.h"
#include "cli/csv.h"
#include "cli/output.h"
#include "model/order.h"
#include "model/payment.h"

enum { TURNS_MAX = 99 }; /* more refunds at the same moment no order has */

/* What a line asks for. */
struct line {
	size_t number;
	char order[UUID_TEXT_SIZE];
	json_t *body; /* what is asked */
};

struct lines {
	struct line *all;
	size_t count, capacity;
};

/* --- Reading: all of it before anything is done --- */

static int add(struct lines *lines, const struct line *line)
{
	int r = array_fit(&lines->all, &lines->capacity, lines->count + 1, sizeof(*lines->all));

	if (r)
		return cli_error(CLI_FAILED, "%s", error_text(r));
	lines->all[lines->count++] = *line;
	return CLI_GO;
}

static void deinit(struct lines *lines)
{
	for (size_t i = 0; i < lines->count; i++)
		json_decref(lines->all[i].body);
	free(lines->all);
}

struct columns {
	int order, reference, amount, currency, method; /* of a payment, with a confirm */
	int quantity, units, refund, reason;            /* of a refund, with a cancel */
};

static int fault(const struct order_file *file, size_t line, const char *what, struct slice text)
{
	return cli_error(CLI_USAGE, "%s:%zu: \"%.*s\" is no %s; nothing was done", file->path, line, (int)text.size, text.data, what);
}

static void set_text(json_t *object, const char *name, struct slice text)
{
	if (text.size)
		json_object_set_new(object, name, json_stringn(text.data, text.size));
}

/* False: it is no number from 0 on. */
static bool read_number(struct slice text, json_int_t *number)
{
	char digits[24], *end;

	snprintf(digits, sizeof(digits), "%.*s", (int)text.size, text.data);
	errno = 0;
	*number = strtoll(digits, &end, 10);
	return text.size > 0 && text.size < sizeof(digits) && !errno && !*end && *number >= 0;
}

static int read_payment(const struct order_file *file, const struct csv_row *row, const struct columns *columns, json_t *body)
{
	struct slice amount = csv_field(row, columns->amount);
	json_t *payment = json_object();
	json_int_t number;

	set_text(payment, "reference", csv_field(row, columns->reference));
	set_text(payment, "currency", csv_field(row, columns->currency));
	set_text(payment, "method", csv_field(row, columns->method));
	if (amount.size && !read_number(amount, &number)) {
		json_decref(payment);
		return fault(file, row->line, "amount in the currency's smallest unit", amount);
	}
	if (amount.size)
		json_object_set_new(payment, "amount", json_integer(number));
	if (json_object_size(payment) > 0)
		json_object_set(body, "payment", payment);
	json_decref(payment);
	return CLI_GO;
}

static int read_refund(const struct order_file *file, const struct csv_row *row, const struct columns *columns, json_t *body)
{
	struct slice quantity = csv_field(row, columns->quantity), units = csv_field(row, columns->units);
	struct slice reference = csv_field(row, columns->refund);
	enum units_to where;
	json_int_t number;

	if (quantity.size && (!read_number(quantity, &number) || number < 1))
		return fault(file, row->line, "number of units, at least 1", quantity);
	if (units.size && order_units_to_parse(units, &where) < 0)
		return fault(file, row->line, "place for units (sale, warehouse, gone)", units);
	if (reference.size && !payment_reference_valid(reference))
		return fault(file, row->line, "reference of a refund", reference);
	if (quantity.size && !reference.size)
		return cli_error(CLI_USAGE,
				 "%s:%zu: some of an order's units need a `refund_reference`, so that the file can be given again "
				 "and takes none twice; nothing was done",
				 file->path, row->line);
	if (quantity.size)
		json_object_set_new(body, "quantity", json_integer(number));
	set_text(body, "units", units);
	set_text(body, "reference", reference);
	set_text(body, "reason", csv_field(row, columns->reason));
	return CLI_GO;
}

static bool confirms(const struct order_file *file)
{
	return strcmp(file->action, "confirm") == 0;
}

static int read_row(const struct order_file *file, const struct csv_row *row, const struct columns *columns, struct lines *lines)
{
	struct line line = {.number = row->line};
	struct slice order = csv_field(row, columns->order);
	struct uuid id;
	int code;

	if (uuid_parse(order, &id) < 0)
		return fault(file, row->line, "order's id", order);
	uuid_format(&id, line.order);
	line.body = json_copy(file->body);
	code = confirms(file) ? read_payment(file, row, columns, line.body) : read_refund(file, row, columns, line.body);
	if (code == CLI_GO)
		code = add(lines, &line);
	if (code != CLI_GO)
		json_decref(line.body);
	return code;
}

/* The titles, or the first order where there are none. */
static int read_titles(const struct order_file *file, const struct csv_row *row, struct columns *columns, struct lines *lines)
{
	struct uuid id;

	*columns = (struct columns){0, -1, -1, -1, -1, -1, -1, -1, -1};
	if (uuid_parse(csv_field(row, 0), &id) == 0)
		return read_row(file, row, columns, lines);
	columns->order = csv_column(row, "order") >= 0 ? csv_column(row, "order") : csv_column(row, "id");
	if (columns->order < 0)
		return cli_error(CLI_USAGE, "%s:%zu: wanted is a line of titles with `order` or `id`, or an order's id a line",
				 file->path, row->line);
	if (confirms(file)) {
		columns->reference = csv_column(row, "reference");
		columns->amount = csv_column(row, "amount");
		columns->currency = csv_column(row, "currency");
		columns->method = csv_column(row, "method");
	} else {
		columns->quantity = csv_column(row, "refund_quantity");
		columns->units = csv_column(row, "refund_units");
		columns->refund = csv_column(row, "refund_reference");
		columns->reason = csv_column(row, "refund_reason");
	}
	return CLI_GO;
}

static int read_lines(const struct order_file *file, struct slice text, struct lines *lines)
{
	struct csv_reader reader;
	struct csv_row row = {0};
	struct columns columns;
	int code = CLI_GO, r;

	csv_reader_init(&reader, text);
	r = csv_read(&reader, &row);
	if (r == 1)
		code = read_titles(file, &row, &columns, lines);
	while (r == 1 && code == CLI_GO && (r = csv_read(&reader, &row)) == 1)
		code = read_row(file, &row, &columns, lines);
	if (r == -EBADMSG)
		code = cli_error(CLI_USAGE,
				 "%s:%zu: a quote is not closed there, or there are more fields than in the first line; nothing was done",
				 file->path, row.line);
	else if (r < 0)
		code = cli_error(CLI_FAILED, "%s", error_text(r));
	csv_row_deinit(&row);
	return code;
}

/* --- Asking --- */

struct result {
	const char *state;
	char text[256];
	bool refused;
};

static void refuse(struct result *result, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void refuse(struct result *result, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(result->text, sizeof(result->text), format, arguments);
	va_end(arguments);
	result->refused = true;
}

static void foresee_confirm(const struct line *line, const json_t *order, struct result *result)
{
	const char *state = output_field_text(order, "state");
	const char *known = output_field_text(json_object_get(order, "payment"), "reference");
	const char *told = output_field_text(json_object_get(line->body, "payment"), "reference");

	if (strcmp(state, "held") == 0)
		strcpy(result->text, "would be confirmed");
	else if (strcmp(state, "confirmed") == 0 && known[0] && told[0] && strcmp(known, told) != 0)
		refuse(result, "would be refused: it is paid with %s", known);
	else if (strcmp(state, "confirmed") == 0)
		strcpy(result->text, "is confirmed already");
	else if (strcmp(state, "expired") == 0)
		strcpy(result->text, "is expired: taken only where the sale takes late payments and has a unit left");
	else
		refuse(result, "is %s: would be refused", state);
}

/* What an order would have left is kept for its next line (`left`: units by order). */
static void foresee_cancel(const struct line *line, const json_t *order, json_t *left, struct result *result)
{
	const char *state = output_field_text(order, "state");
	const char *word = strcmp(state, "confirmed") == 0 ? "refunded" : "cancelled";
	int64_t asked = output_field_integer(line->body, "quantity"), has = output_field_integer(order, "quantity");

	if (json_object_get(left, line->order))
		has = output_field_integer(left, line->order);
	if (strcmp(state, "held") != 0 && strcmp(state, "confirmed") != 0) {
		if (asked > 0 && strcmp(state, "expired") == 0)
			refuse(result, "is expired: would be refused");
		else
			snprintf(result->text, sizeof(result->text), "is %s already", state);
		return;
	}
	if (asked == 0)
		asked = has;
	if (asked > has)
		refuse(result, "would be refused: it has %" PRId64, has);
	else if (asked < has)
		snprintf(result->text, sizeof(result->text), "%" PRId64 " of %" PRId64 " would be %s", asked, has, word);
	else
		snprintf(result->text, sizeof(result->text), "would be %s", word);
	if (!result->refused)
		json_object_set_new(left, line->order, json_integer(has - asked));
}

/* The stock or the ledger has decided against this one order. */
static bool is_refusal(int status)
{
	return status == 404 || status == 409 || status == 410 || status == 422;
}

/*
 * Another refund of the order came in between, and this key stays refused: but the order has enough
 * for this one, too.
 */
static bool is_overtaken(int status, const json_t *answer, int64_t quantity)
{
	return status == 409 && strcmp(output_field_text(answer, "code"), "order-quantity") == 0 && quantity > 0 &&
	       output_field_integer(answer, "quantity") >= quantity;
}

int order_act(struct client *client, const char *path, json_t *body, int *status, json_t **answer)
{
	const char *name = output_field_text(body, "reference");
	char key[PAYMENT_REFERENCE_MAX + 8];
	int r;

	if (!name[0])
		return client_call(client, "POST", path, body, status, answer);
	snprintf(key, sizeof(key), "%s", name);
	r = client_call_keyed(client, path, key, json_incref(body), status, answer);
	for (int turn = 2; r == 0 && turn <= TURNS_MAX && is_overtaken(*status, *answer, output_field_integer(body, "quantity"));
	     turn++) {
		if (snprintf(key, sizeof(key), "%s %d", name, turn) > KEY_MAX)
			break;
		json_decref(*answer);
		r = client_call_keyed(client, path, key, json_incref(body), status, answer);
	}
	json_decref(body);
	return r;
}

static void say_done(const struct line *line, const json_t *order, struct result *result)
{
	if (output_field_integer(line->body, "quantity") > 0 && strcmp(result->state, "cancelled") != 0)
		snprintf(result->text, sizeof(result->text), "done: it has %" PRId64 " left", output_field_integer(order, "quantity"));
	else
		strcpy(result->text, "done");
}

/*
 * CLI_GO: there is a result; else the exit code, the error told. *answer: the server's. left: what
 * a dry run has foreseen so far.
 */
static int ask(struct client *client, const struct order_file *file, const struct line *line, json_t *left, json_t **answer,
	       struct result *result)
{
	char path[OUTPUT_PATH_SIZE];
	int status, r;

	snprintf(path, sizeof(path), "/v1/orders/%s%s%s", line->order, file->dry_run ? "" : "/", file->dry_run ? "" : file->action);
	*result = (struct result){.state = ""};
	r = file->dry_run ? client_call(client, "GET", path, NULL, &status, answer)
			  : order_act(client, path, json_incref(line->body), &status, answer);
	if (r == 0 && status >= 200 && status < 300) {
		result->state = output_field_text(*answer, "state");
		if (!file->dry_run)
			say_done(line, *answer, result);
		else if (confirms(file))
			foresee_confirm(line, *answer, result);
		else
			foresee_cancel(line, *answer, left, result);
		return CLI_GO;
	}
	if (r == 0 && is_refusal(status)) {
		const char *detail = output_field_text(*answer, "detail");

		refuse(result, "%s: %s", output_field_text(*answer, "code"), detail[0] ? detail : output_field_text(*answer, "title"));
		return CLI_GO;
	}
	return cli_error(CLI_FAILED, "%s:%zu: %s: %s; what is above it is done, and the file can be given again", file->path,
			 line->number, line->order, r < 0 ? error_text(r) : output_field_text(*answer, "code"));
}

static void note(json_t *rows, const struct line *line, const struct result *result)
{
	json_array_append_new(rows, json_pack("{s:I, s:s, s:s, s:s, s:b}", "line", (json_int_t)line->number, "order", line->order,
					      "state", result->state, "result", result->text, "refused", result->refused));
}

static void result_cells(struct table *table, const json_t *row)
{
	table_cell(table, "%" PRId64, output_field_integer(row, "line"));
	table_cell(table, "%s", output_field_text(row, "order"));
	table_cell(table, "%s", output_field_text(row, "state"));
	table_cell(table, "%s", output_field_text(row, "result"));
}

static int act(struct cli *cli, const struct order_file *file, const struct lines *lines)
{
	static const char *const titles[] = {">LINE", "ORDER", "STATE", "RESULT", NULL};
	json_t *rows = json_array(), *left = json_object(), *answer;
	struct result result;
	struct client client;
	size_t refused = 0;
	int code = output_session(cli, &client, file->url), shown;

	for (size_t i = 0; i < lines->count && code == CLI_GO; i++) {
		answer = NULL;
		code = ask(&client, file, &lines->all[i], left, &answer, &result);
		if (code == CLI_GO)
			note(rows, &lines->all[i], &result);
		refused += code == CLI_GO && result.refused;
		json_decref(answer);
	}
	json_decref(left);
	client_close(&client);
	shown = output_rows(rows, file->json, titles, result_cells);
	if (code != CLI_GO)
		return code;
	if (refused > 0)
		return cli_error(CLI_FAILED, "%zu of %zu orders %s refused", refused, lines->count,
				 file->dry_run ? "would be" : "were");
	return shown;
}

int order_file_run(struct cli *cli, const struct order_file *file)
{
	struct lines lines = {0};
	struct buffer text;
	int code = output_read_file(file->path, &text);

	if (code == CLI_GO)
		code = read_lines(file, buffer_slice(&text), &lines);
	if (code == CLI_GO && lines.count == 0)
		code = cli_error(CLI_USAGE, "%s: there is no order in it", file->path);
	if (code == CLI_GO && !file->dry_run && !confirms(file))
		code = output_sure(cli, file->yes, "Cancel %zu orders?", lines.count);
	if (code == CLI_GO)
		code = act(cli, file, &lines);
	deinit(&lines);
	buffer_deinit(&text);
	return code;
}
