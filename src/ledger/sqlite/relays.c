/* How far relays of the feed have come. */
#include "ledger/sqlite/sqlite_ledger.h"

static int read_relay(struct sqlite_connection *connection, struct slice name, struct ledger_relay *relay)
{
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(connection, "SELECT version, at_ms, position, skipped FROM relays WHERE name = ?1",
					       &statement);

	*relay = (struct ledger_relay){0};
	ASSERT(name.size < sizeof(relay->name));
	memcpy(relay->name, name.data, name.size);
	if (result < 0)
		return result;
	sqlite_bind_text(statement, 1, name);
	result = sqlite_step_row(connection, statement);
	if (result != STEP_ROW)
		return result;
	relay->version = sqlite3_column_int64(statement, 0);
	relay->at_ms = sqlite3_column_int64(statement, 1);
	sqlite_column_text(statement, 2, relay->position, sizeof(relay->position));
	sqlite_column_text(statement, 3, relay->skipped, sizeof(relay->skipped));
	sqlite3_reset(statement);
	return 0;
}

int sqlite_relay_read(struct transaction *transaction, struct slice name, struct ledger_relay *relay)
{
	return read_relay(sqlite_connection_of(transaction), name, relay);
}

int sqlite_relay_write(struct transaction *transaction, const struct ledger_relay *relay)
{
	struct sqlite_connection *connection = sqlite_connection_of(transaction);
	sqlite3_stmt *statement;
	int result =
		sqlite_connection_prepare(connection,
					  "INSERT INTO relays (name, version, at_ms, position, skipped) VALUES (?1, ?2 + 1, ?3, ?4, ?5)"
					  " ON CONFLICT (name) DO UPDATE SET version = excluded.version, at_ms = excluded.at_ms,"
					  " position = excluded.position, skipped = excluded.skipped WHERE relays.version = ?2",
					  &statement);

	if (result < 0)
		return result;
	sqlite_bind_text(statement, 1, slice_of(relay->name));
	sqlite_bind_int(statement, 2, relay->version);
	sqlite_bind_int(statement, 3, relay->at_ms);
	sqlite_bind_text(statement, 4, slice_of(relay->position));
	sqlite_bind_text(statement, 5, slice_of(relay->skipped));
	result = sqlite_step_once(connection, statement);
	if (result != 0)
		return result < 0 ? result : error_origin(-EIO);
	return sqlite3_changes(connection->db) == 1 ? LEDGER_DONE : LEDGER_CONFLICT;
}

int sqlite_relay_get(struct ledger *base, struct slice name, struct ledger_relay *relay)
{
	struct sqlite_ledger *ledger = sqlite_ledger_of(base);
	struct sqlite_reader *reader;
	int result = sqlite_reader_begin(ledger, &reader);

	return result < 0 ? result : sqlite_reader_end(ledger, reader, read_relay(&reader->connection, name, relay));
}
