/* Operators' requests that had a key: what was done once is not done again. */
#include "ledger/sqlite/private.h"

int sqlite_request_look_up(struct sqlite_connection *connection, struct ledger_request *request)
{
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

int sqlite_request_check(struct sqlite_connection *connection, const struct ledger_actor *actor)
{
	return actor->request ? sqlite_request_look_up(connection, actor->request) : 0;
}

int sqlite_request_write(struct sqlite_connection *connection, const struct ledger_request *request, int64_t at_ms)
{
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

int sqlite_request_note(struct ledger *base, struct ledger_request *request, int64_t at_ms)
{
	struct sqlite_ledger *ledger = sqlite_ledger_of(base);
	struct sqlite_connection *connection;
	int result = sqlite_writer_begin(ledger, &connection);

	if (result < 0)
		return result;
	result = sqlite_request_look_up(connection, request);
	if (result == 0)
		result = sqlite_request_write(connection, request, at_ms);
	return sqlite_writer_end(ledger, result);
}

int sqlite_request_find(struct ledger *base, struct ledger_request *request)
{
	struct sqlite_ledger *ledger = sqlite_ledger_of(base);
	struct sqlite_reader *reader;
	int result = sqlite_reader_begin(ledger, &reader);

	return result < 0 ? result : sqlite_reader_end(ledger, reader, sqlite_request_look_up(&reader->connection, request));
}
