/* The rows of lots in a transaction (ledger/transaction.h). */
#include "ledger/sqlite/sqlite_ledger.h"

static int next_place(struct sqlite_connection *connection, uint32_t sale, uint32_t *place)
{
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(connection, "SELECT count(*) FROM lots WHERE sale = ?1", &statement);

	if (result < 0)
		return result;
	sqlite_bind_int(statement, 1, sale);
	result = sqlite_step_row(connection, statement);
	if (result != STEP_ROW)
		return result < 0 ? result : error_origin(-EUCLEAN);
	*place = (uint32_t)sqlite3_column_int64(statement, 0);
	sqlite3_reset(statement);
	return LEDGER_NOT_FOUND;
}

static int find(struct transaction *transaction, uint32_t sale, const char *sku, struct lot_row *row)
{
	struct sqlite_connection *connection = sqlite_connection_of(transaction);
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(connection,
					       "SELECT lots.place, lots.item, lots.allocated - lots.withdrawn FROM lots"
					       " JOIN items ON items.number = lots.item WHERE lots.sale = ?1 AND items.sku = ?2",
					       &statement);

	if (result < 0)
		return result;
	sqlite_bind_int(statement, 1, sale);
	sqlite_bind_text(statement, 2, slice_of(sku));
	result = sqlite_step_row(connection, statement);
	if (result != STEP_ROW)
		return result < 0 ? result : next_place(connection, sale, &row->place);
	row->place = (uint32_t)sqlite3_column_int64(statement, 0);
	row->item = sqlite3_column_int64(statement, 1);
	row->units = sqlite3_column_int64(statement, 2);
	sqlite3_reset(statement);
	return 0;
}

static int read_free(struct transaction *transaction, uint32_t sale, struct lot_row rows[static LOTS_MAX], uint32_t *count)
{
	struct sqlite_connection *connection = sqlite_connection_of(transaction);
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(
		connection, "SELECT item, allocated - withdrawn - held - confirmed FROM lots WHERE sale = ?1 ORDER BY place",
		&statement);

	*count = 0;
	if (result < 0)
		return result;
	sqlite_bind_int(statement, 1, sale);
	while ((result = sqlite_step_row(connection, statement)) == STEP_ROW && *count < LOTS_MAX) {
		rows[*count] = (struct lot_row){*count, sqlite3_column_int64(statement, 0), sqlite3_column_int64(statement, 1)};
		++*count;
	}
	sqlite3_reset(statement);
	return result < 0 ? result : 0;
}

static int read_sku(struct transaction *transaction, uint32_t sale, uint32_t lot, char sku[static SKU_MAX + 1])
{
	struct sqlite_connection *connection = sqlite_connection_of(transaction);
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(
		connection,
		"SELECT items.sku FROM lots JOIN items ON items.number = lots.item WHERE lots.sale = ?1 AND lots.place = ?2",
		&statement);

	if (result < 0)
		return result;
	sqlite_bind_int(statement, 1, sale);
	sqlite_bind_int(statement, 2, lot);
	result = sqlite_step_row(connection, statement);
	if (result != STEP_ROW)
		return result < 0 ? result : LEDGER_NOT_FOUND;
	sqlite_column_text(statement, 0, sku, SKU_MAX + 1);
	sqlite3_reset(statement);
	return 0;
}

static int insert(struct transaction *transaction, uint32_t sale, uint32_t place, int64_t item, int64_t allocated)
{
	struct sqlite_connection *connection = sqlite_connection_of(transaction);
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(connection, "INSERT INTO lots (sale, place, item, allocated) VALUES (?1, ?2, ?3, ?4)",
					       &statement);

	if (result < 0)
		return result;
	sqlite_bind_int(statement, 1, sale);
	sqlite_bind_int(statement, 2, place);
	sqlite_bind_int(statement, 3, item);
	sqlite_bind_int(statement, 4, allocated);
	result = sqlite_step_once(connection, statement);
	return result == STEP_CONSTRAINT ? LEDGER_CONSTRAINT : result;
}

static int add_units(struct transaction *transaction, uint32_t sale, uint32_t lot, int64_t allocated, int64_t withdrawn)
{
	struct sqlite_connection *connection = sqlite_connection_of(transaction);
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(connection,
					       "UPDATE lots SET allocated = allocated + ?3, withdrawn = withdrawn + ?4 WHERE sale = ?1 AND place = ?2"
					       " AND (?3 = 0 OR allocated + ?3 <= ?5)",
					       &statement);

	if (result < 0)
		return result;
	sqlite_bind_int(statement, 1, sale);
	sqlite_bind_int(statement, 2, lot);
	sqlite_bind_int(statement, 3, allocated);
	sqlite_bind_int(statement, 4, withdrawn);
	sqlite_bind_int(statement, 5, UNITS_MAX);
	if (sqlite_step_once(connection, statement) != STEP_DONE)
		return error_origin(-EIO);
	return sqlite3_changes(connection->db) ? 0 : LEDGER_TOO_MANY;
}

static int write_armed(struct transaction *transaction, uint32_t sale, uint32_t place, uint32_t epoch, const struct sale_lot *lot)
{
	struct sqlite_connection *connection = sqlite_connection_of(transaction);
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(connection,
					       "UPDATE lots SET armed_epoch = ?3, armed_held = ?4, armed_confirmed = ?5,"
					       " armed_withdrawn = ?6 WHERE sale = ?1 AND place = ?2 AND armed_epoch <= ?3",
					       &statement);

	if (result < 0)
		return result;
	sqlite_bind_int(statement, 1, sale);
	sqlite_bind_int(statement, 2, place);
	sqlite_bind_int(statement, 3, epoch);
	sqlite_bind_int(statement, 4, lot->held);
	sqlite_bind_int(statement, 5, lot->confirmed);
	sqlite_bind_int(statement, 6, lot->withdrawn);
	result = sqlite_step_once(connection, statement);
	return result == STEP_CONSTRAINT ? error_origin(-EIO) : result;
}

const struct lot_rows sqlite_lot_rows = {
	.find = find,
	.read_free = read_free,
	.read_sku = read_sku,
	.insert = insert,
	.add_units = add_units,
	.write_armed = write_armed,
};
