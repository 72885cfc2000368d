/* Reading sales with their lots. */
#include <stdlib.h>
#include "ledger/sqlite/sqlite_ledger.h"

#define SALE_COLUMNS                                                                                                                  \
	"number, epoch, version, state, id, name, price_minor, currency, limit_per_buyer, rate_requests, rate_seconds, hold_seconds," \
	" late_confirm, opens_at_ms, closes_at_ms, created_at_ms, ended_at_ms, barrier, change, scheduled, announced, opened,"        \
	" stops, stops_answered, stop_requests,"                                                                                      \
	" (SELECT count(*) FROM lots WHERE lots.sale = sales.number)"

static const char select_by_number[] = "SELECT " SALE_COLUMNS " FROM sales WHERE number = ?1";
static const char select_by_id[] = "SELECT " SALE_COLUMNS " FROM sales WHERE id = ?1";
static const char select_after[] =
	"SELECT " SALE_COLUMNS " FROM sales WHERE number > ?1 AND state <> 6 AND (ended_at_ms IS NULL OR ended_at_ms >= ?2 OR EXISTS"
	" (SELECT 1 FROM lots WHERE lots.sale = sales.number AND lots.allocated > lots.confirmed + lots.withdrawn))"
	" ORDER BY number LIMIT ?3";

static const char select_changed[] = "SELECT " SALE_COLUMNS " FROM sales WHERE change > ?1 ORDER BY change LIMIT ?2";

/* The sale on the statement's row, its lots still empty; NULL when out of memory. */
static struct sale *read_sale(sqlite3_stmt *statement)
{
	uint32_t lot_count = (uint32_t)sqlite3_column_int64(statement, 25);
	struct sale *sale = calloc(1, sizeof(*sale) + lot_count * sizeof(sale->lots[0]));

	if (!sale)
		return NULL;
	sale->number = (uint32_t)sqlite3_column_int64(statement, 0);
	sale->epoch = (uint32_t)sqlite3_column_int64(statement, 1);
	sale->version = (uint32_t)sqlite3_column_int64(statement, 2);
	sale->state = (enum sale_state)sqlite3_column_int64(statement, 3);
	sqlite_column_text(statement, 4, sale->id, sizeof(sale->id));
	sqlite_column_text(statement, 5, sale->name, sizeof(sale->name));
	sale->price_minor = sqlite3_column_int64(statement, 6);
	sqlite_column_text(statement, 7, sale->currency, sizeof(sale->currency));
	sale->limit_per_buyer = (uint32_t)sqlite3_column_int64(statement, 8);
	sale->rate_requests = (uint32_t)sqlite3_column_int64(statement, 9);
	sale->rate_seconds = (uint32_t)sqlite3_column_int64(statement, 10);
	sale->hold_seconds = (uint32_t)sqlite3_column_int64(statement, 11);
	sale->late_confirm = sqlite3_column_int64(statement, 12) != 0;
	sale->opens_at_ms = sqlite_column_int_or(statement, 13, SALE_NO_TIME);
	sale->closes_at_ms = sqlite_column_int_or(statement, 14, SALE_NO_TIME);
	sale->created_at_ms = sqlite3_column_int64(statement, 15);
	sale->ended_at_ms = sqlite_column_int_or(statement, 16, SALE_NO_TIME);
	sale->barrier = (uint32_t)sqlite3_column_int64(statement, 17);
	sale->change = (uint64_t)sqlite3_column_int64(statement, 18);
	sale->scheduled = sqlite3_column_int64(statement, 19) != 0;
	sale->announced = sqlite3_column_int64(statement, 20) != 0;
	sale->opened = sqlite3_column_int64(statement, 21) != 0;
	sale_stops_read(&sale->stops, (uint32_t)sqlite3_column_int64(statement, 22),
			(uint32_t)sqlite3_column_int64(statement, 23), sqlite_column_slice(statement, 24));
	sale->lot_count = lot_count;
	return sale;
}

static int read_lots(struct sqlite_connection *connection, struct sale *sale)
{
	sqlite3_stmt *statement;
	uint32_t place = 0;
	int result = sqlite_connection_prepare(connection,
					       "SELECT items.sku, lots.item, lots.allocated, lots.withdrawn, lots.held, lots.confirmed, lots.place,"
					       " lots.barrier_held, lots.barrier_confirmed, lots.barrier_withdrawn FROM lots"
					       " JOIN items ON items.number = lots.item WHERE lots.sale = ?1 ORDER BY lots.place",
					       &statement);

	if (result < 0)
		return result;
	sqlite_bind_int(statement, 1, sale->number);
	while ((result = sqlite_step_row(connection, statement)) == STEP_ROW) {
		struct sale_lot *lot = &sale->lots[place];

		if (place == sale->lot_count || sqlite3_column_int64(statement, 6) != place) {
			sqlite3_reset(statement);
			return error_origin(-EUCLEAN);
		}
		sqlite_column_text(statement, 0, lot->sku, sizeof(lot->sku));
		lot->item = (uint32_t)sqlite3_column_int64(statement, 1);
		lot->allocated = sqlite3_column_int64(statement, 2);
		lot->withdrawn = sqlite3_column_int64(statement, 3);
		lot->held = sqlite3_column_int64(statement, 4);
		lot->confirmed = sqlite3_column_int64(statement, 5);
		lot->barrier_held = sqlite3_column_int64(statement, 7);
		lot->barrier_confirmed = sqlite3_column_int64(statement, 8);
		lot->barrier_withdrawn = sqlite3_column_int64(statement, 9);
		place++;
	}
	if (result == 0 && place != sale->lot_count)
		return error_origin(-EUCLEAN);
	return result;
}

/* The sale of a statement with its parameters. 0, LEDGER_NOT_FOUND, or negative. */
static int read_one(struct sqlite_connection *connection, sqlite3_stmt *statement, struct sale **sale)
{
	int result = sqlite_step_row(connection, statement);

	if (result != STEP_ROW)
		return result < 0 ? result : LEDGER_NOT_FOUND;
	*sale = read_sale(statement);
	sqlite3_reset(statement);
	result = *sale ? read_lots(connection, *sale) : error_origin(-ENOMEM);
	if (result < 0) {
		free(*sale);
		*sale = NULL;
	}
	return result;
}

int sqlite_sale_read(struct sqlite_connection *connection, uint32_t number, struct sale **sale)
{
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(connection, select_by_number, &statement);

	*sale = NULL;
	if (result < 0)
		return result;
	sqlite_bind_int(statement, 1, number);
	return read_one(connection, statement, sale);
}

static int read_by_id(struct sqlite_connection *connection, struct slice id, struct sale **sale)
{
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(connection, select_by_id, &statement);

	if (result < 0)
		return result;
	sqlite_bind_text(statement, 1, id);
	return read_one(connection, statement, sale);
}

/* A sale's row and its lots' rows are two reads: in one transaction they are of one moment. */
static int begin(struct sqlite_ledger *ledger, struct sqlite_reader **reader)
{
	int result = sqlite_reader_begin(ledger, reader);

	if (result < 0)
		return result;
	result = sqlite_connection_run(&(*reader)->connection, "BEGIN");
	return result < 0 ? sqlite_reader_end(ledger, *reader, result) : 0;
}

static int end(struct sqlite_ledger *ledger, struct sqlite_reader *reader, int result)
{
	int committed = result < 0 ? 0 : sqlite_connection_run(&reader->connection, "COMMIT");

	return sqlite_reader_end(ledger, reader, committed < 0 ? committed : result);
}

int sqlite_sale_get(struct ledger *base, uint32_t number, struct slice id, struct sale **sale)
{
	struct sqlite_ledger *ledger = sqlite_ledger_of(base);
	struct sqlite_reader *reader;
	int result = begin(ledger, &reader);

	*sale = NULL;
	if (result < 0)
		return result;
	result = number ? sqlite_sale_read(&reader->connection, number, sale) : read_by_id(&reader->connection, id, sale);
	result = end(ledger, reader, result);
	if (result != 0) {
		free(*sale);
		*sale = NULL;
	}
	return result;
}

/* The sales of a statement with its parameters; the reader is given back. */
static int read_page(struct sqlite_ledger *ledger, struct sqlite_reader *reader, sqlite3_stmt *statement, struct sale **sales,
		     size_t *count)
{
	int result;

	while ((result = sqlite_step_row(&reader->connection, statement)) == STEP_ROW) {
		sales[*count] = read_sale(statement);
		if (!sales[*count]) {
			sqlite3_reset(statement);
			result = error_origin(-ENOMEM);
			break;
		}
		++*count;
	}
	for (size_t i = 0; i < *count && result == 0; i++)
		result = read_lots(&reader->connection, sales[i]);
	result = end(ledger, reader, result);
	while (result < 0 && *count)
		free(sales[--*count]);
	return result;
}

int sqlite_sales(struct ledger *base, uint32_t after, int64_t live_since_ms, struct sale **sales, size_t max, size_t *count)
{
	struct sqlite_ledger *ledger = sqlite_ledger_of(base);
	struct sqlite_reader *reader;
	sqlite3_stmt *statement;
	int result = begin(ledger, &reader);

	*count = 0;
	if (result < 0)
		return result;
	result = sqlite_connection_prepare(&reader->connection, select_after, &statement);
	if (result < 0)
		return end(ledger, reader, result);
	sqlite_bind_int(statement, 1, after);
	sqlite_bind_int(statement, 2, live_since_ms);
	sqlite_bind_int(statement, 3, (int64_t)max);
	return read_page(ledger, reader, statement, sales, count);
}

int sqlite_sales_changed(struct ledger *base, uint64_t after, struct sale **sales, size_t max, size_t *count)
{
	struct sqlite_ledger *ledger = sqlite_ledger_of(base);
	struct sqlite_reader *reader;
	sqlite3_stmt *statement;
	int result = begin(ledger, &reader);

	*count = 0;
	if (result < 0)
		return result;
	result = sqlite_connection_prepare(&reader->connection, select_changed, &statement);
	if (result < 0)
		return end(ledger, reader, result);
	sqlite_bind_int(statement, 1, (int64_t)after);
	sqlite_bind_int(statement, 2, (int64_t)max);
	return read_page(ledger, reader, statement, sales, count);
}
