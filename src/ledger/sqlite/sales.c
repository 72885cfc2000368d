/*
 * The rows of sales in a transaction (ledger/transaction.h). Reading whole sales is in
 * sales_read.c.
 */
#include <stdlib.h>
#include "ledger/sqlite/sale_orders.h"
#include "ledger/sqlite/sqlite_ledger.h"

static void bind_terms(sqlite3_stmt *statement, const struct sale *sale)
{
	sqlite_bind_text(statement, 1, slice_of(sale->name));
	sqlite_bind_int(statement, 2, sale->price_minor);
	sqlite_bind_text(statement, 3, slice_of(sale->currency));
	sqlite_bind_int(statement, 4, sale->limit_per_buyer);
	sqlite_bind_int(statement, 5, sale->rate_requests);
	sqlite_bind_int(statement, 6, sale->rate_seconds);
	sqlite_bind_int(statement, 7, sale->hold_seconds);
	sqlite_bind_int(statement, 8, sale->late_confirm);
	sqlite_bind_int_or_null(statement, 9, sale->opens_at_ms, SALE_NO_TIME);
	sqlite_bind_int_or_null(statement, 10, sale->closes_at_ms, SALE_NO_TIME);
	sqlite_bind_int(statement, 11, sale->scheduled);
	sqlite_bind_int(statement, 12, sale->announced);
}

int sqlite_sale_changed(struct sqlite_connection *connection, uint32_t sale)
{
	sqlite3_stmt *statement;
	int result = sqlite_connection_run(connection, "UPDATE sale_changes SET number = number + 1");

	if (result == 0)
		result = sqlite_connection_prepare(
			connection, "UPDATE sales SET change = (SELECT number FROM sale_changes) WHERE number = ?1", &statement);
	if (result < 0)
		return result;
	sqlite_bind_int(statement, 1, sale);
	result = sqlite_step_once(connection, statement);
	return result == STEP_CONSTRAINT ? error_origin(-EIO) : result;
}

/* Runs a change of a sale's row, which then gets the number of that change. */
static int change_sale(struct sqlite_connection *connection, sqlite3_stmt *statement, uint32_t sale)
{
	int result = sqlite_step_once(connection, statement);

	if (result == 0)
		result = sqlite_sale_changed(connection, sale);
	return result == STEP_CONSTRAINT ? error_origin(-EIO) : result;
}

static int insert(struct transaction *transaction, struct sale *sale)
{
	struct sqlite_connection *connection = sqlite_connection_of(transaction);
	sqlite3_stmt *statement;
	int64_t change = 0;
	int result = sqlite_connection_prepare(
		connection,
		"INSERT INTO sales (name, price_minor, currency, limit_per_buyer, rate_requests, rate_seconds,"
		" hold_seconds, late_confirm, opens_at_ms, closes_at_ms, scheduled, announced, id, created_at_ms, epoch,"
		" version, state, change)"
		" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, 1, 1, ?15,"
		" (SELECT number FROM sale_changes))",
		&statement);

	if (result < 0)
		return result;
	bind_terms(statement, sale);
	sqlite_bind_text(statement, 13, slice_of(sale->id));
	sqlite_bind_int(statement, 14, sale->created_at_ms);
	sqlite_bind_int(statement, 15, SALE_DRAFT);
	result = sqlite_connection_run(connection, "UPDATE sale_changes SET number = number + 1");
	if (result == 0)
		result = sqlite_step_once(connection, statement);
	if (result != 0)
		return result == STEP_CONSTRAINT ? LEDGER_EXISTS : result;
	sale->number = (uint32_t)sqlite3_last_insert_rowid(connection->db);
	result = sqlite_connection_read_number(connection, "SELECT number FROM sale_changes", &change);
	sale->change = (uint64_t)change;
	return result;
}

static int read_head(struct transaction *transaction, uint32_t sale, struct sale_head *head)
{
	struct sqlite_connection *connection = sqlite_connection_of(transaction);
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(
		connection, "SELECT id, version, state, opened, stops, stops_answered, stop_requests FROM sales WHERE number = ?1",
		&statement);

	if (result < 0)
		return result;
	sqlite_bind_int(statement, 1, sale);
	result = sqlite_step_row(connection, statement);
	if (result != STEP_ROW)
		return result < 0 ? result : LEDGER_NOT_FOUND;
	sqlite_column_text(statement, 0, head->id, sizeof(head->id));
	head->version = (uint32_t)sqlite3_column_int64(statement, 1);
	head->state = (enum sale_state)sqlite3_column_int64(statement, 2);
	head->opened = sqlite3_column_int64(statement, 3) != 0;
	sale_stops_read(&head->stops, (uint32_t)sqlite3_column_int64(statement, 4), (uint32_t)sqlite3_column_int64(statement, 5),
			sqlite_column_slice(statement, 6));
	sqlite3_reset(statement);
	return 0;
}

static int has_orders(struct transaction *transaction, uint32_t sale)
{
	static const struct uuid first;
	struct uuid *ids;
	size_t count;
	int result = sale_orders_find(sqlite_connection_of(transaction), sale, &first, 1, &ids, &count);

	if (result < 0)
		return result;
	free(ids);
	return count > 0;
}

static int update_terms(struct transaction *transaction, const struct sale *sale)
{
	struct sqlite_connection *connection = sqlite_connection_of(transaction);
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(
		connection,
		"UPDATE sales SET name = ?1, price_minor = ?2, currency = ?3, limit_per_buyer = ?4,"
		" rate_requests = ?5, rate_seconds = ?6, hold_seconds = ?7, late_confirm = ?8, opens_at_ms = ?9,"
		" closes_at_ms = ?10, scheduled = ?11, announced = ?12, version = version + 1 WHERE number = ?13",
		&statement);

	if (result < 0)
		return result;
	bind_terms(statement, sale);
	sqlite_bind_int(statement, 13, sale->number);
	return change_sale(connection, statement, sale->number);
}

static int update_state(struct transaction *transaction, uint32_t sale, enum sale_state state, int64_t now_ms)
{
	struct sqlite_connection *connection = sqlite_connection_of(transaction);
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(
		connection,
		"UPDATE sales SET state = ?2, ended_at_ms = coalesce(?3, ended_at_ms), scheduled = (scheduled AND ?2 <> ?4),"
		" opened = (opened OR ?2 = ?5),"
		" version = version + 1 WHERE number = ?1",
		&statement);

	if (result < 0)
		return result;
	sqlite_bind_int(statement, 1, sale);
	sqlite_bind_int(statement, 2, state);
	sqlite_bind_int_or_null(statement, 3, state == SALE_ENDED ? now_ms : SALE_NO_TIME, SALE_NO_TIME);
	sqlite_bind_int(statement, 4, SALE_DRAFT);
	sqlite_bind_int(statement, 5, SALE_OPEN);
	return change_sale(connection, statement, sale);
}

static int write_stops(struct transaction *transaction, uint32_t sale, const struct sale_stops *stops)
{
	struct sqlite_connection *connection = sqlite_connection_of(transaction);
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(
		connection, "UPDATE sales SET stops = ?2, stop_requests = ?3, stops_answered = ?4 WHERE number = ?1", &statement);

	if (result < 0)
		return result;
	sqlite_bind_int(statement, 1, sale);
	sqlite_bind_int(statement, 2, stops->count);
	sqlite_bind_bytes_or_null(statement, 3, sale_stops_bytes(stops));
	sqlite_bind_int(statement, 4, stops->answered);
	return change_sale(connection, statement, sale);
}

static int touch(struct transaction *transaction, uint32_t sale)
{
	struct sqlite_connection *connection = sqlite_connection_of(transaction);
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(connection, "UPDATE sales SET version = version + 1 WHERE number = ?1", &statement);

	if (result < 0)
		return result;
	sqlite_bind_int(statement, 1, sale);
	return change_sale(connection, statement, sale);
}

static int raise_epoch(struct transaction *transaction, uint32_t sale, uint32_t above, uint32_t *epoch)
{
	struct sqlite_connection *connection = sqlite_connection_of(transaction);
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(
		connection,
		"UPDATE sales SET epoch = max(epoch, barrier, ?2) + 1, version = version + 1 WHERE number = ?1 RETURNING epoch",
		&statement);

	if (result < 0)
		return result;
	sqlite_bind_int(statement, 1, sale);
	sqlite_bind_int(statement, 2, above);
	result = sqlite_step_row(connection, statement);
	if (result != STEP_ROW)
		return result == 0 ? LEDGER_NOT_FOUND : result < 0 ? result : error_origin(-EIO);
	*epoch = (uint32_t)sqlite3_column_int64(statement, 0);
	sqlite3_reset(statement);
	return sqlite_sale_changed(connection, sale);
}

static int free_id(struct transaction *transaction, uint32_t sale)
{
	struct sqlite_connection *connection = sqlite_connection_of(transaction);
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(
		connection, "UPDATE sales SET id = substr(id, 1, 55) || '~' || number WHERE number = ?1", &statement);

	if (result < 0)
		return result;
	sqlite_bind_int(statement, 1, sale);
	result = sqlite_step_once(connection, statement);
	return result == STEP_CONSTRAINT ? error_origin(-EIO) : result;
}

const struct sale_rows sqlite_sale_rows = {
	.insert = insert,
	.read_head = read_head,
	.has_orders = has_orders,
	.update_terms = update_terms,
	.update_state = update_state,
	.write_stops = write_stops,
	.touch = touch,
	.raise_epoch = raise_epoch,
	.free_id = free_id,
};
