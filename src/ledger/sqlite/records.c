/*
 * What is written beside a change. Movements: every change of stock with its cause, append only;
 * the sum of a lot's or an item's movements is its balance. Operators' requests that had a key:
 * what was done once is not done again.
 */
#include "base/failpoint.h"
#include "ledger/sqlite/sqlite_ledger.h"

#define INTO_MOVEMENTS                                                                                                      \
	"INSERT INTO movements (at_ms, cause, item, sale, lot, order_id, movement_id, on_hand, allocated, held, confirmed," \
	" withdrawn, actor, epoch, hold_expires_at_ms, reason, left_units, refund) VALUES "
#define ROW "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"

enum { COLUMNS = 18 };

static const char one_row[] = INTO_MOVEMENTS ROW;
static const char rows[] = INTO_MOVEMENTS ROW "," ROW "," ROW "," ROW "," ROW "," ROW "," ROW "," ROW;

/* Its columns are the parameters behind `before`. */
static void bind_movement(sqlite3_stmt *statement, int before, const struct movement *movement)
{
	sqlite_bind_int(statement, before + 1, movement->at_ms);
	sqlite_bind_int(statement, before + 2, movement->cause);
	sqlite_bind_int_or_null(statement, before + 3, movement->item, 0);
	sqlite_bind_int_or_null(statement, before + 4, movement->sale, 0);
	if (movement->sale)
		sqlite_bind_int(statement, before + 5, movement->lot);
	else
		sqlite_bind_null(statement, before + 5);
	sqlite_bind_uuid_or_null(statement, before + 6, movement->order);
	sqlite_bind_uuid_or_null(statement, before + 7, movement->movement);
	sqlite_bind_int(statement, before + 8, movement->on_hand);
	sqlite_bind_int(statement, before + 9, movement->allocated);
	sqlite_bind_int(statement, before + 10, movement->held);
	sqlite_bind_int(statement, before + 11, movement->confirmed);
	sqlite_bind_int(statement, before + 12, movement->withdrawn);
	sqlite_bind_text_or_null(statement, before + 13, movement->actor);
	sqlite_bind_int_or_null(statement, before + 14, movement->epoch, 0);
	sqlite_bind_int_or_null(statement, before + 15, movement->hold_expires_at_ms, 0);
	sqlite_bind_text_or_null(statement, before + 16, movement->reason);
	sqlite_bind_int_or_null(statement, before + 17, movement->left, 0);
	sqlite_bind_text_or_null(statement, before + 18, movement->refund);
}

/* By the statement of one row, or of SQLITE_ROWS. */
static int insert_movements(struct sqlite_connection *connection, const char *sql, const struct movement *const *movements, int count)
{
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(connection, sql, &statement);

	if (result < 0)
		return result;
	for (int i = 0; i < count; i++)
		bind_movement(statement, COLUMNS * i, movements[i]);
	result = sqlite_step_once(connection, statement);
	return result == STEP_CONSTRAINT ? error_origin(-EUCLEAN) : result;
}

int sqlite_movements_write(struct transaction *transaction, const struct movement *const *movements, size_t count)
{
	struct sqlite_connection *connection = sqlite_connection_of(transaction);
	const struct movement *kept[SQLITE_ROWS];
	size_t kept_count = 0;
	int result = 0;

	for (size_t i = 0; i < count; i++)
		if (FAILPOINT("ledger.drop_movement") <= 0)
			kept[kept_count++] = movements[i];
	if (kept_count == SQLITE_ROWS)
		return insert_movements(connection, rows, kept, SQLITE_ROWS);
	for (size_t i = 0; i < kept_count && result == 0; i++)
		result = insert_movements(connection, one_row, &kept[i], 1);
	return result;
}

int sqlite_movement_write(struct transaction *transaction, const struct movement *movement)
{
	return sqlite_movements_write(transaction, &movement, 1);
}

int sqlite_movement_exists(struct transaction *transaction, const struct uuid *id)
{
	struct sqlite_connection *connection = sqlite_connection_of(transaction);
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(connection, "SELECT 1 FROM movements WHERE movement_id = ?1", &statement);

	if (result < 0)
		return result;
	sqlite_bind_uuid(statement, 1, id);
	result = sqlite_step_row(connection, statement);
	if (result == STEP_ROW)
		sqlite3_reset(statement);
	return result;
}

/* --- Requests --- */

int sqlite_request_read(struct transaction *transaction, struct ledger_request *request)
{
	struct sqlite_connection *connection = sqlite_connection_of(transaction);
	sqlite3_stmt *statement;
	struct uuid body;
	int result = sqlite_connection_prepare(connection, "SELECT body, outcome FROM operator_requests WHERE id = ?1", &statement);

	if (result < 0)
		return result;
	sqlite_bind_uuid(statement, 1, &request->id);
	result = sqlite_step_row(connection, statement);
	if (result != STEP_ROW)
		return result;
	sqlite_column_uuid(statement, 0, &body);
	request->outcome = sqlite3_column_int64(statement, 1);
	sqlite3_reset(statement);
	return uuid_equal(&body, &request->body) ? LEDGER_REPEATED : LEDGER_KEY_REUSED;
}

int sqlite_request_write(struct transaction *transaction, const struct ledger_request *request, int64_t at_ms)
{
	struct sqlite_connection *connection = sqlite_connection_of(transaction);
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(connection,
					       "INSERT INTO operator_requests (id, body, outcome, at_ms) VALUES (?1, ?2, ?3, ?4)"
					       " ON CONFLICT (id) DO NOTHING",
					       &statement);

	if (result < 0)
		return result;
	sqlite_bind_uuid(statement, 1, &request->id);
	sqlite_bind_uuid(statement, 2, &request->body);
	sqlite_bind_int(statement, 3, request->outcome);
	sqlite_bind_int(statement, 4, at_ms);
	result = sqlite_step_once(connection, statement);
	return result == STEP_CONSTRAINT ? error_origin(-EIO) : result;
}

int sqlite_request_find(struct ledger *base, struct ledger_request *request)
{
	struct sqlite_ledger *ledger = sqlite_ledger_of(base);
	struct sqlite_transaction reading = {.base.rows = &sqlite_transaction_rows};
	struct sqlite_reader *reader;
	int result = sqlite_reader_begin(ledger, &reader);

	if (result < 0)
		return result;
	reading.connection = &reader->connection;
	return sqlite_reader_end(ledger, reader, sqlite_request_read(&reading.base, request));
}
