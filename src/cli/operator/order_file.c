#include "cli/operator/order_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/array.h"
#include "base/uuid.h"
#include "cli/csv.h"
#include "cli/output.h"
#include "model/payment.h"

/* What a line asks for. */
struct line {
	size_t number;
	char order[UUID_TEXT_SIZE];
	json_t *payment; /* NULL: none is told */
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
		json_decref(lines->all[i].payment);
	free(lines->all);
}

struct columns {
	int order, reference, amount, currency, method;
};

static int fault(const struct order_file *file, size_t line, const char *what, struct slice text)
{
	return cli_error(CLI_USAGE, "%s:%zu: \"%.*s\" is no %s; nothing was done", file->path, line, (int)text.size, text.data, what);
}

static int read_payment(const struct order_file *file, const struct csv_row *row, const struct columns *columns, struct line *line)
{
	struct slice reference = csv_field(row, columns->reference), amount = csv_field(row, columns->amount);
	struct slice currency = csv_field(row, columns->currency), method = csv_field(row, columns->method);
	char digits[24], *end;

	if (reference.size + amount.size + currency.size + method.size == 0)
		return CLI_GO;
	line->payment = json_object();
	if (reference.size)
		json_object_set_new(line->payment, "reference", json_stringn(reference.data, reference.size));
	if (currency.size)
		json_object_set_new(line->payment, "currency", json_stringn(currency.data, currency.size));
	if (method.size)
		json_object_set_new(line->payment, "method", json_stringn(method.data, method.size));
	if (amount.size) {
		snprintf(digits, sizeof(digits), "%.*s", (int)amount.size, amount.data);
		errno = 0;
		json_object_set_new(line->payment, "amount", json_integer(strtoll(digits, &end, 10)));
		if (errno || *end || amount.size >= sizeof(digits))
			return fault(file, row->line, "amount in the currency's smallest unit", amount);
	}
	return CLI_GO;
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
	code = read_payment(file, row, columns, &line);
	if (code == CLI_GO)
		code = add(lines, &line);
	if (code != CLI_GO)
		json_decref(line.payment);
	return code;
}

/* The titles, or the first order where there are none. */
static int read_titles(const struct order_file *file, const struct csv_row *row, struct columns *columns, struct lines *lines)
{
	bool confirms = strcmp(file->action, "confirm") == 0;
	struct uuid id;

	*columns = (struct columns){0, -1, -1, -1, -1};
	if (uuid_parse(csv_field(row, 0), &id) == 0)
		return read_row(file, row, columns, lines);
	columns->order = csv_column(row, "order") >= 0 ? csv_column(row, "order") : csv_column(row, "id");
	if (columns->order < 0)
		return cli_error(CLI_USAGE, "%s:%zu: wanted is a line of titles with `order` or `id`, or an order's id a line",
				 file->path, row->line);
	if (confirms) {
		columns->reference = csv_column(row, "reference");
		columns->amount = csv_column(row, "amount");
		columns->currency = csv_column(row, "currency");
		columns->method = csv_column(row, "method");
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
		code = cli_error(CLI_USAGE, "%s:%zu: a quote is not closed there, or there are too many fields; nothing was done",
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

/* A payment of the order that is another one than the line's. */
static bool is_paid_otherwise(const json_t *order, const struct line *line)
{
	const char *known = output_field_text(json_object_get(order, "payment"), "reference");
	const char *told = output_field_text(line->payment, "reference");

	return known[0] && told[0] && strcmp(known, told) != 0;
}

/* What would come of it, as far as the order says that. */
static void foresee(const struct order_file *file, const struct line *line, const json_t *order, struct result *result)
{
	const char *state = output_field_text(order, "state");
	bool confirms = strcmp(file->action, "confirm") == 0, held = strcmp(state, "held") == 0,
	     confirmed = strcmp(state, "confirmed") == 0;

	if (confirms && confirmed && is_paid_otherwise(order, line)) {
		snprintf(result->text, sizeof(result->text), "would be refused: it is paid with %s",
			 output_field_text(json_object_get(order, "payment"), "reference"));
		result->refused = true;
	} else if (confirms && held) {
		strcpy(result->text, "would be confirmed");
	} else if (confirms && confirmed) {
		strcpy(result->text, "is confirmed already");
	} else if (confirms) {
		snprintf(result->text, sizeof(result->text), "is %s: %s", state,
			 strcmp(state, "expired") == 0 ? "taken only where the sale takes late payments and has a unit left"
						       : "would be refused");
		result->refused = strcmp(state, "expired") != 0;
	} else if (held || confirmed) {
		strcpy(result->text, confirmed ? "would be refunded" : "would be cancelled");
	} else {
		snprintf(result->text, sizeof(result->text), "is %s already", state);
	}
}

/* The stock or the ledger has decided against this one order. */
static bool is_refusal(int status)
{
	return status == 404 || status == 409 || status == 410 || status == 422;
}

json_t *order_with_reason(json_t *body, const char *reason)
{
	if (reason)
		json_object_set_new(body, "reason", json_string(reason));
	return body;
}

/* CLI_GO: there is a result; else the exit code, the error told. *answer: the server's. */
static int ask(struct client *client, const struct order_file *file, const struct line *line, json_t **answer, struct result *result)
{
	char path[OUTPUT_PATH_SIZE];
	json_t *body = file->dry_run ? NULL : order_with_reason(json_object(), file->reason);
	int status, r;

	snprintf(path, sizeof(path), "/v1/orders/%s%s%s", line->order, file->dry_run ? "" : "/", file->dry_run ? "" : file->action);
	*result = (struct result){.state = ""};
	if (body && line->payment)
		json_object_set(body, "payment", line->payment);
	r = client_call(client, file->dry_run ? "GET" : "POST", path, body, &status, answer);
	if (r == 0 && status >= 200 && status < 300) {
		result->state = output_field_text(*answer, "state");
		if (file->dry_run)
			foresee(file, line, *answer, result);
		else
			strcpy(result->text, "done");
		return CLI_GO;
	}
	if (r == 0 && is_refusal(status)) {
		const char *detail = output_field_text(*answer, "detail");

		snprintf(result->text, sizeof(result->text), "%s: %s", output_field_text(*answer, "code"),
			 detail[0] ? detail : output_field_text(*answer, "title"));
		result->refused = true;
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
	json_t *rows = json_array(), *answer;
	struct result result;
	struct client client;
	size_t refused = 0;
	int code = output_session(cli, &client, file->url), shown;

	for (size_t i = 0; i < lines->count && code == CLI_GO; i++) {
		answer = NULL;
		code = ask(&client, file, &lines->all[i], &answer, &result);
		if (code == CLI_GO)
			note(rows, &lines->all[i], &result);
		refused += code == CLI_GO && result.refused;
		json_decref(answer);
	}
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
	if (code == CLI_GO && !file->dry_run && strcmp(file->action, "cancel") == 0)
		code = output_sure(cli, file->yes, "Cancel %zu orders?", lines.count);
	if (code == CLI_GO)
		code = act(cli, file, &lines);
	deinit(&lines);
	buffer_deinit(&text);
	return code;
}
