/* Operators' requests that had a key: what was done once is not done again. */
#include "ledger/sqlite/private.h"

int request_find(struct connection *connection, struct ledger_request *request)
{
	sqlite3_stmt *statement;
	struct uuid body;
	int result = connection_prepare(connection, "SELECT body, outcome FROM operator_requests WHERE id = ?1", &statement);

	if (result < 0)
		return result;
	bind_uuid(statement, 1, &request->id);
	result = step_row(connection, statement);
	if (result != STEP_ROW)
		return result;
	column_uuid(statement, 0, &body);
	request->outcome = sqlite3_column_int64(statement, 1);
	sqlite3_reset(statement);
	return uuid_equal(&body, &request->body) ? LEDGER_REPEATED : LEDGER_KEY_REUSED;
}

int request_check(struct connection *connection, const struct ledger_actor *actor)
{
	return actor->request ? request_find(connection, actor->request) : 0;
}

int request_write(struct connection *connection, const struct ledger_request *request, int64_t at_ms)
{
	sqlite3_stmt *statement;
	int result = connection_prepare(connection,
					"INSERT INTO operator_requests (id, body, outcome, at_ms) VALUES (?1, ?2, ?3, ?4)"
					" ON CONFLICT (id) DO NOTHING",
					&statement);

	if (result < 0)
		return result;
	bind_uuid(statement, 1, &request->id);
	bind_uuid(statement, 2, &request->body);
	bind_int(statement, 3, request->outcome);
	bind_int(statement, 4, at_ms);
	result = step_once(connection, statement);
	return result == STEP_CONSTRAINT ? error_origin(-EIO) : result;
}

int sqlite_request_find(struct ledger *base, struct ledger_request *request)
{
	struct sqlite_ledger *ledger = sqlite_ledger_of(base);
	struct reader *reader;
	int result = reader_begin(ledger, &reader);

	return result < 0 ? result : reader_end(ledger, reader, request_find(&reader->connection, request));
}
