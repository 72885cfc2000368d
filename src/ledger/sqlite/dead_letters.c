/*
 * Dead letters: events that no transaction could apply, kept with their reason until somebody has
 * replayed them.
 */
#include <stdlib.h>
#include "ledger/sqlite/sqlite_ledger.h"

int sqlite_dead_letter_write(struct transaction *transaction, struct slice json, const char *reason, int64_t now_ms)
{
	struct sqlite_connection *connection = sqlite_connection_of(transaction);
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(connection, "INSERT INTO dead_letters (at_ms, reason, event) VALUES (?1, ?2, ?3)",
					       &statement);

	if (result < 0)
		return result;
	sqlite_bind_int(statement, 1, now_ms);
	sqlite_bind_text(statement, 2, slice_of(reason));
	sqlite_bind_text(statement, 3, json);
	result = sqlite_step_once(connection, statement);
	return result == STEP_CONSTRAINT ? error_origin(-EIO) : result;
}

int sqlite_dead_letters(struct ledger *base, int64_t after, struct ledger_dead_letter *rows, size_t max, size_t *count)
{
	struct sqlite_ledger *ledger = sqlite_ledger_of(base);
	struct sqlite_reader *reader;
	sqlite3_stmt *statement;
	int result = sqlite_read_begin(
		ledger, "SELECT number, at_ms, reason, event FROM dead_letters WHERE number > ?1 ORDER BY number LIMIT ?2",
		&reader, &statement);

	*count = 0;
	if (result < 0)
		return result;
	sqlite_bind_int(statement, 1, after);
	sqlite_bind_int(statement, 2, (int64_t)max);
	while ((result = sqlite_step_row(&reader->connection, statement)) == STEP_ROW) {
		struct ledger_dead_letter *row = &rows[*count];
		struct slice event = sqlite_column_slice(statement, 3);

		row->number = sqlite3_column_int64(statement, 0);
		row->at_ms = sqlite3_column_int64(statement, 1);
		sqlite_column_text(statement, 2, row->reason, sizeof(row->reason));
		row->event = strndup(event.data ? event.data : "", event.size);
		if (!row->event) {
			sqlite3_reset(statement);
			result = error_origin(-ENOMEM);
			break;
		}
		++*count;
	}
	while (result < 0 && *count)
		free(rows[--*count].event);
	return sqlite_reader_end(ledger, reader, result);
}

int sqlite_dead_letter_remove(struct transaction *transaction, int64_t number)
{
	struct sqlite_connection *connection = sqlite_connection_of(transaction);
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(connection, "DELETE FROM dead_letters WHERE number = ?1", &statement);

	if (result < 0)
		return result;
	sqlite_bind_int(statement, 1, number);
	result = sqlite_step_once(connection, statement);
	return result == 0 && sqlite3_changes(connection->db) == 0 ? LEDGER_NOT_FOUND : result;
}
