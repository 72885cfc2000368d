/*
 * What a drain costs beside a bare COPY of the same rows: micro_drain URL [ORDERS [BATCH]]. URL: an
 * empty database, postgresql://... Drains purchases in batches, then copies the rows that came of
 * them (orders, keys, movements) into tables with the same indexes, in transactions of the same
 * size. What is made in the database stays.
 *
 * micro_drain copy URL [ORDERS [BATCH]] only copies: the orders that are in a database that
 * somebody else has filled. Prints a JSON object: orders, nanoseconds.
 */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include "orders.h"
#include "base/clock.h"
#include "base/log.h"
#include "ledger/postgres/postgres.h"

enum { COPY_HEADER = 19 };

static double drain(struct ledger *ledger, uint32_t sale, size_t orders, size_t batch)
{
	struct event *events = must_have(calloc(batch, sizeof(*events)));
	struct ledger_entry *entries = must_have(calloc(batch, sizeof(*entries)));
	char(*names)[BUYER_SIZE] = must_have(calloc(batch, sizeof(*names)));
	struct ledger_progress progress = {0};
	double wall = 0;

	for (size_t done = 0; done < orders; done += batch) {
		struct ledger_drain work = {
			.entries = entries, .count = batch, .progress = &progress, .progress_count = 1, .now_ms = clock_wall_ms()};

		fill(events, names, entries, batch, sale);
		progress.from = (int64_t)done;
		progress.to = (int64_t)(done + batch);
		wall -= wall_us();
		check("drain", ledger->ops->drain(ledger, &work));
		wall += wall_us();
		for (size_t i = 0; i < batch; i++)
			check("outcome", entries[i].outcome);
	}
	free(events);
	free(entries);
	free(names);
	return wall;
}

/* --- The bare COPY --- */

struct rows {
	char **data;
	int *sizes;
	size_t count;
};

static void say(PGconn *connection, const char *sql, ExecStatusType expected)
{
	PGresult *result = PQexec(connection, sql);

	if (PQresultStatus(result) != expected) {
		fprintf(stderr, "micro_drain: %s: %s\n", sql, PQerrorMessage(connection));
		exit(1);
	}
	PQclear(result);
}

/* A row a piece, without COPY's header and end. */
static struct rows read_rows(PGconn *connection, const char *sql, size_t orders)
{
	struct rows rows = {must_have(calloc(orders + 2, sizeof(char *))), must_have(calloc(orders + 2, sizeof(int))), 0};
	char *data;
	int size;

	say(connection, sql, PGRES_COPY_OUT);
	while ((size = PQgetCopyData(connection, &data, 0)) > 0 && rows.count < orders + 2) {
		int skip = rows.count == 0 ? COPY_HEADER : 0;

		rows.data[rows.count] = memmove(data, data + skip, (size_t)(size - skip));
		rows.sizes[rows.count++] = size - skip;
	}
	PQclear(PQgetResult(connection));
	PQclear(PQgetResult(connection));
	rows.count--; /* the end */
	return rows;
}

static void copy_rows(PGconn *connection, const char *sql, const struct rows *rows, size_t from, size_t count)
{
	static const char header[] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0", end[2] = {'\377', '\377'};
	PGresult *result;

	say(connection, sql, PGRES_COPY_IN);
	PQputCopyData(connection, header, sizeof(header));
	for (size_t i = from; i < from + count && i < rows->count; i++)
		PQputCopyData(connection, rows->data[i], rows->sizes[i]);
	PQputCopyData(connection, end, sizeof(end));
	PQputCopyEnd(connection, NULL);
	while ((result = PQgetResult(connection))) {
		if (PQresultStatus(result) != PGRES_COMMAND_OK)
			check(PQresultErrorMessage(result), 1);
		PQclear(result);
	}
}

/* Up to so many orders; `*count` says how many there were. Microseconds. */
static double copy(const char *url, size_t *count, size_t batch)
{
	PGconn *connection = PQconnectdb(url);
	struct rows tables[2];
	size_t orders = *count;
	double wall = 0;

	say(connection,
	    "SET search_path = penstock; CREATE TABLE bare_orders (LIKE orders INCLUDING ALL) WITH (fillfactor = 85);"
	    "CREATE TABLE bare_movements (LIKE movements INCLUDING ALL)",
	    PGRES_COMMAND_OK);
	tables[0] = read_rows(connection, "COPY (SELECT * FROM orders ORDER BY sale, id) TO STDOUT (FORMAT binary)", orders);
	tables[1] = read_rows(connection,
			      "COPY (SELECT * FROM movements WHERE order_id IS NOT NULL ORDER BY number) TO STDOUT (FORMAT binary)",
			      orders);
	*count = orders = tables[0].count;
	for (size_t done = 0; done < orders; done += batch) {
		wall -= wall_us();
		say(connection, "BEGIN", PGRES_COMMAND_OK);
		copy_rows(connection, "COPY bare_orders FROM STDIN (FORMAT binary)", &tables[0], done, batch);
		copy_rows(connection, "COPY bare_movements FROM STDIN (FORMAT binary)", &tables[1], done, batch);
		say(connection, "COMMIT", PGRES_COMMAND_OK);
		wall += wall_us();
	}
	PQfinish(connection);
	return wall;
}

static int only_copy(const char *url, size_t orders, size_t batch)
{
	double copied = copy(url, &orders, batch);

	printf("{\"orders\":%zu,\"ns\":%.0f}\n", orders, copied * 1e3);
	return 0;
}

int main(int count, char **arguments)
{
	bool copy_only = count > 1 && strcmp(arguments[1], "copy") == 0;
	size_t batch, orders;
	double drained, copied;
	struct ledger *ledger;
	uint32_t partitions = 1;
	char *known;

	arguments += copy_only;
	count -= copy_only;
	batch = count > 3 ? (size_t)atol(arguments[3]) : 4096;
	orders = count > 2 ? (size_t)atol(arguments[2]) : 200000;
	if (!copy_only && batch > 0)
		orders = orders / batch * batch;
	if (count < 2 || orders == 0 || batch == 0) {
		fprintf(stderr, "usage: micro_drain [copy] URL [ORDERS [BATCH]]\n");
		return 2;
	}
	if (copy_only)
		return only_copy(arguments[1], orders, batch);
	log_set_level(LOG_WARN);
	check("open", ledger_postgres_open(&ledger, arguments[1], LEDGER_OPEN_SHARED));
	check("identify", ledger->ops->journal_identify(ledger, SLICE("bench"), SLICE("bench"), &partitions, &known));
	drained = drain(ledger, make_sale(ledger), orders, batch);
	copied = copy(arguments[1], &orders, batch);
	printf("batches of %zu: drain %.2f us an order, bare COPY %.2f us, ratio %.2f (%zu orders)\n", batch,
	       drained / (double)orders, copied / (double)orders, copied / drained, orders);
	ledger->ops->free(ledger);
	return 0;
}
