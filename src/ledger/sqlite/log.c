/*
 * The operator log: who did what. Append only (triggers refuse the rest). Its hash chain is in
 * log_chain.h.
 */
#include "ledger/sqlite/sqlite_ledger.h"

/* The number and hash of the last row. */
static int read_head(struct sqlite_connection *connection, int64_t *number, char hash[static SHA256_TEXT_SIZE])
{
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(connection, "SELECT number, hash FROM operator_log ORDER BY number DESC LIMIT 1",
					       &statement);

	*number = 0;
	memcpy(hash, log_first_hash, SHA256_TEXT_SIZE);
	if (result < 0)
		return result;
	result = sqlite_step_row(connection, statement);
	if (result != STEP_ROW)
		return result;
	*number = sqlite3_column_int64(statement, 0);
	sqlite_column_text(statement, 1, hash, SHA256_TEXT_SIZE);
	sqlite3_reset(statement);
	return 0;
}

int sqlite_log_row_write(struct transaction *transaction, const struct ledger_actor *actor, enum log_action action,
			 struct slice subject, struct slice detail_json)
{
	struct sqlite_connection *connection = sqlite_connection_of(transaction);
	char before[SHA256_TEXT_SIZE], hash[SHA256_TEXT_SIZE];
	struct log_fields row = log_fields_of(actor, action, subject, detail_json);
	sqlite3_stmt *statement;
	int result = read_head(connection, &row.number, before);

	row.number++;
	if (result == 0)
		result = log_chain_hash(slice_of(before), &row, hash);
	if (result == 0)
		result = sqlite_connection_prepare(connection,
						   "INSERT INTO operator_log (number, at_ms, actor, action, subject, detail, trace, hash)"
						   " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
						   &statement);
	if (result < 0)
		return result;
	sqlite_bind_int(statement, 1, row.number);
	sqlite_bind_int(statement, 2, row.at_ms);
	sqlite_bind_text(statement, 3, row.actor);
	sqlite_bind_text(statement, 4, row.action);
	sqlite_bind_text(statement, 5, row.subject);
	sqlite_bind_text(statement, 6, row.detail);
	sqlite_bind_text(statement, 7, row.trace);
	sqlite_bind_text(statement, 8, slice_of(hash));
	result = sqlite_step_once(connection, statement);
	if (result == 0 && actor->request)
		result = sqlite_request_write(transaction, actor->request, actor->now_ms);
	return result == STEP_CONSTRAINT ? error_origin(-EIO) : result;
}

/* The highest number that was ever given. */
static int read_given(struct sqlite_connection *connection, int64_t *given)
{
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(connection, "SELECT seq FROM sqlite_sequence WHERE name = 'operator_log'", &statement);

	*given = 0;
	if (result < 0)
		return result;
	result = sqlite_step_row(connection, statement);
	if (result != STEP_ROW)
		return result;
	*given = sqlite3_column_int64(statement, 0);
	sqlite3_reset(statement);
	return 0;
}

int sqlite_log_verify(struct sqlite_connection *connection, int64_t *rows, int64_t *broken, char *first, size_t size)
{
	struct log_follower follower;
	struct log_fields row;
	sqlite3_stmt *statement;
	int64_t given = 0;
	int result = sqlite_connection_prepare(
		connection, "SELECT number, at_ms, actor, action, subject, detail, trace, hash FROM operator_log ORDER BY number",
		&statement);

	log_follow_start(&follower, first, size);
	if (result < 0)
		return result;
	while ((result = sqlite_step_row(connection, statement)) == STEP_ROW) {
		row = (struct log_fields){sqlite3_column_int64(statement, 0), sqlite3_column_int64(statement, 1),
					  sqlite_column_slice(statement, 2),  sqlite_column_slice(statement, 3),
					  sqlite_column_slice(statement, 4),  sqlite_column_slice(statement, 5),
					  sqlite_column_slice(statement, 6)};
		result = log_follow(&follower, &row, sqlite_column_slice(statement, 7));
		if (result < 0) {
			sqlite3_reset(statement);
			return result;
		}
	}
	if (result < 0)
		return result;
	result = read_given(connection, &given);
	if (result < 0)
		return result;
	log_follow_end(&follower, given);
	*rows = follower.rows;
	*broken = follower.broken;
	return 0;
}

#define LOG_ROWS                                                                                                \
	"SELECT number, at_ms, actor, action, subject, detail, trace, hash FROM operator_log WHERE at_ms >= ?2" \
	" AND (?3 = '' OR actor = ?3) AND (?4 = '' OR subject = ?4)"                                            \
	" AND (?5 = '' OR action = ?5 OR substr(action, 1, length(?5) + 1) = ?5 || '.')"                        \
	" AND (?6 = 0 OR (substr(action, 1, 6) = 'order.') = (?6 = 1))"

int sqlite_log_rows(struct ledger *base, const struct ledger_log_filter *filter, struct ledger_log_row *rows, size_t max, size_t *count)
{
	static const char oldest[] = LOG_ROWS " AND number > ?1 ORDER BY number LIMIT ?7";
	static const char newest[] = LOG_ROWS " AND number < ?1 ORDER BY number DESC LIMIT ?7";
	struct sqlite_ledger *ledger = sqlite_ledger_of(base);
	struct sqlite_reader *reader;
	sqlite3_stmt *statement;
	int result = sqlite_read_begin(ledger, filter->newest_first ? newest : oldest, &reader, &statement);

	*count = 0;
	if (result < 0)
		return result;
	sqlite_bind_int(statement, 1, log_page_bound(filter));
	sqlite_bind_int(statement, 2, filter->since_ms);
	sqlite_bind_text(statement, 3, filter->actor);
	sqlite_bind_text(statement, 4, filter->subject);
	sqlite_bind_text(statement, 5, filter->action);
	sqlite_bind_int(statement, 6, filter->kind);
	sqlite_bind_int(statement, 7, (int64_t)max);
	while ((result = sqlite_step_row(&reader->connection, statement)) == STEP_ROW) {
		struct ledger_log_row *row = &rows[(*count)++];

		row->number = sqlite3_column_int64(statement, 0);
		row->at_ms = sqlite3_column_int64(statement, 1);
		sqlite_column_text(statement, 2, row->actor, sizeof(row->actor));
		sqlite_column_text(statement, 3, row->action, sizeof(row->action));
		sqlite_column_text(statement, 4, row->subject, sizeof(row->subject));
		sqlite_column_text(statement, 5, row->detail, sizeof(row->detail));
		sqlite_column_text(statement, 6, row->trace, sizeof(row->trace));
		sqlite_column_text(statement, 7, row->hash, sizeof(row->hash));
	}
	return sqlite_reader_end(ledger, reader, result);
}
