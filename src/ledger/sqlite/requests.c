/* Operators' requests that had a key: what was done once is not done again. */
#include "ledger/sqlite/private.h"

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
