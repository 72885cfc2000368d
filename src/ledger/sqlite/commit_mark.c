#include "ledger/sqlite/commit_mark.h"

#include "base/log.h"
#include "ledger/sqlite/sqlite_ledger.h"

/* The mark that is there, and whose schema: one statement, for each commit has it. */
static int read_mark(struct sqlite_connection *connection, struct sqlite_commit_mark *mark, int64_t *schema)
{
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(
		connection, "SELECT number, (SELECT coalesce(max(number), 0) FROM movements), schema FROM commit_numbers", &statement);

	if (result < 0)
		return result;
	result = sqlite_step_row(connection, statement);
	if (result != STEP_ROW)
		return result < 0 ? result : error_origin(-EUCLEAN);
	*mark = (struct sqlite_commit_mark){.number = sqlite3_column_int64(statement, 0),
					    .movement = sqlite3_column_int64(statement, 1)};
	*schema = sqlite3_column_int64(statement, 2);
	sqlite3_reset(statement);
	return 0;
}

int sqlite_commit_mark_read(struct sqlite_connection *connection, struct sqlite_commit_mark *mark)
{
	int64_t schema;

	return read_mark(connection, mark, &schema);
}

static int refuse(void)
{
	log_error("ledger", "the ledger was made ready for a newer program: this one writes nothing more; start the newer one");
	return error_origin(-EBUSY);
}

int sqlite_commit_mark_number(struct sqlite_connection *connection, int64_t number)
{
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(connection, "UPDATE commit_numbers SET number = ?1 WHERE schema = ?2", &statement);

	if (result < 0)
		return result;
	sqlite_bind_int(statement, 1, number);
	sqlite_bind_int(statement, 2, sqlite_schema_number());
	result = sqlite_step_once(connection, statement);
	if (result == STEP_DONE && sqlite3_changes(connection->db) == 0)
		return refuse();
	return result == STEP_CONSTRAINT ? error_origin(-EIO) : result;
}

int sqlite_commit_mark_make(struct sqlite_connection *connection, const struct sqlite_commit_mark *last,
			    struct sqlite_commit_mark *mark)
{
	int64_t schema;
	int result = read_mark(connection, mark, &schema);

	mark->number = last->number;
	if (result < 0)
		return result;
	if (mark->movement <= last->movement)
		return sqlite_commit_mark_number(connection, ++mark->number);
	return schema == sqlite_schema_number() ? 0 : refuse();
}
