#include "ledger/sqlite/commit_mark.h"

#include "base/log.h"
#include "ledger/sqlite/sqlite_ledger.h"

static int read_movement(struct sqlite_connection *connection, int64_t *movement)
{
	return sqlite_connection_read_number(connection, "SELECT coalesce(max(number), 0) FROM movements", movement);
}

int sqlite_commit_mark_read(struct sqlite_connection *connection, struct sqlite_commit_mark *mark)
{
	int result = sqlite_connection_read_number(connection, "SELECT number FROM commit_numbers", &mark->number);

	return result < 0 ? result : read_movement(connection, &mark->movement);
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
	int result = read_movement(connection, &mark->movement);

	mark->number = last->number;
	if (result < 0)
		return result;
	if (mark->movement <= last->movement)
		return sqlite_commit_mark_number(connection, ++mark->number);
	result = sqlite_connection_read_number(connection, "SELECT schema FROM commit_numbers", &schema);
	return result < 0 ? result : schema == sqlite_schema_number() ? 0 : refuse();
}
