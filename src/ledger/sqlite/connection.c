#include "ledger/sqlite/connection.h"

#include "base/log.h"

enum {
	/*
	 * Nobody but us writes while we hold the lease, so a lock is somebody's shell or a backup
	 * tool. Half a second rides out its short locks and leaves most of T_ack (2 s).
	 */
	BUSY_TIMEOUT_MS = 500,
};

/*
 * page_size, of a file that is made new: each page that is dirtied goes to the log whole, and a
 * lone purchase dirties three, one in each tree. In 1 KiB a row of up to 230 bytes has no page
 * beside its tree's: an order's has some 160, with names of 36 characters, and 60 are left for a
 * price and a reference. docs/decisions/0014-what-an-order-writes.md has what each size costs.
 * cache_size: the writer appends to the ends of its trees and settles recent orders: 16 MiB hold
 * the ends and some hours of orders, and are taken only when used. mmap stays off: a disk error
 * must be an error code, not a SIGBUS.
 */
static const char writer_pragmas[] = "PRAGMA page_size = 1024;"
				     "PRAGMA synchronous = FULL;"
				     "PRAGMA foreign_keys = ON;"
				     "PRAGMA wal_autocheckpoint = 0;"
				     "PRAGMA journal_size_limit = 67108864;"
				     "PRAGMA mmap_size = 0;"
				     "PRAGMA cache_size = -16384;";
static const char reader_pragmas[] = "PRAGMA query_only = ON;"
				     "PRAGMA mmap_size = 0;"
				     "PRAGMA cache_size = -4096;";

/*
 * What a call that failed has left. It is asked for late: a call of SQLite's own, which looks for a
 * journal that is not there, may stand in between. So ENOENT says something only where a file was
 * to be opened.
 */
static int errno_of(int system_errno, bool opening)
{
	switch (system_errno) {
	case ENOSPC:
	case EDQUOT:
		return -ENOSPC;
	case EROFS:
	case EACCES:
	case EMFILE:
	case ENFILE:
		return -system_errno;
	case ENOENT:
		return opening ? -ENOENT : -EIO;
	default:
		return -EIO;
	}
}

static int translate(sqlite3 *db, int code)
{
	switch (code & 0xff) {
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EUCLEAN;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_IOERR:
		return code == SQLITE_IOERR_NOMEM ? -ENOMEM : errno_of(db ? sqlite3_system_errno(db) : 0, false);
	case SQLITE_CANTOPEN:
		return errno_of(db ? sqlite3_system_errno(db) : 0, true);
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return -EACCES;
	default:
		return -EIO;
	}
}

int sqlite_connection_error(struct sqlite_connection *connection, int code)
{
	static struct log_limiter limiter;
	int result = translate(connection->db, code);
	uint64_t suppressed;

	if (log_limiter_pass(&limiter, &suppressed))
		log_error("ledger", "SQLite failed", LOG_TEXT("error", error_text(result)),
			  LOG_TEXT("sqlite", connection->db ? sqlite3_errmsg(connection->db) : sqlite3_errstr(code)),
			  LOG_INT("code", code), LOG_INT("suppressed", suppressed));
	return result;
}

int sqlite_connection_open(struct sqlite_connection *connection, const char *path, const char *vfs, bool read_only)
{
	int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
	int code, result;

	*connection = (struct sqlite_connection){0};
	flags |= read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
	code = sqlite3_open_v2(path, &connection->db, flags, vfs);
	if (code == SQLITE_OK)
		code = sqlite3_busy_timeout(connection->db, BUSY_TIMEOUT_MS);
	if (code == SQLITE_OK)
		code = sqlite3_exec(connection->db, read_only ? reader_pragmas : writer_pragmas, NULL, NULL, NULL);
	if (code == SQLITE_OK)
		return 0;
	result = sqlite_connection_error(connection, code);
	sqlite_connection_close(connection, true);
	return result;
}

void sqlite_connection_close(struct sqlite_connection *connection, bool failed)
{
	if (!connection->db)
		return;
	for (size_t i = 0; i < connection->statement_count; i++)
		sqlite3_finalize(connection->statements[i].statement);
	connection->statement_count = 0;
	if (failed)
		sqlite3_db_config(connection->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	sqlite3_close_v2(connection->db);
	connection->db = NULL;
}

int sqlite_connection_prepare(struct sqlite_connection *connection, const char *sql, sqlite3_stmt **statement)
{
	size_t count = connection->statement_count;
	int code;

	for (size_t i = 0; i < count; i++)
		if (connection->statements[i].sql == sql) {
			*statement = connection->statements[i].statement;
			return 0;
		}
	ASSERT(count < SQLITE_STATEMENTS_MAX);
	code = sqlite3_prepare_v3(connection->db, sql, -1, SQLITE_PREPARE_PERSISTENT, statement, NULL);
	if (code != SQLITE_OK)
		return sqlite_connection_error(connection, code);
	connection->statements[count].sql = sql;
	connection->statements[count].statement = *statement;
	connection->statement_count = count + 1;
	return 0;
}

int sqlite_connection_read_number(struct sqlite_connection *connection, const char *sql, int64_t *number)
{
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(connection, sql, &statement);

	if (result < 0)
		return result;
	result = sqlite_step_row(connection, statement);
	if (result != STEP_ROW)
		return result < 0 ? result : error_origin(-EUCLEAN);
	*number = sqlite3_column_int64(statement, 0);
	sqlite3_reset(statement);
	return 0;
}

int sqlite_connection_run(struct sqlite_connection *connection, const char *sql)
{
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(connection, sql, &statement);

	if (result == 0)
		result = sqlite_step_once(connection, statement);
	return result == STEP_CONSTRAINT ? error_origin(-EIO) : result;
}

/*
 * A failing bind is a wrong index: a fault of the program, but for memory, which binding borrowed
 * data does not take.
 */
void sqlite_bind_int(sqlite3_stmt *statement, int index, int64_t value)
{
	int code = sqlite3_bind_int64(statement, index, value);

	ASSERT(code == SQLITE_OK);
}

void sqlite_bind_text(sqlite3_stmt *statement, int index, struct slice text)
{
	int code = sqlite3_bind_text(statement, index, text.size ? text.data : "", (int)text.size, SQLITE_STATIC);

	ASSERT(code == SQLITE_OK);
}

void sqlite_bind_bytes_or_null(sqlite3_stmt *statement, int index, struct slice bytes)
{
	int code = bytes.size ? sqlite3_bind_blob(statement, index, bytes.data, (int)bytes.size, SQLITE_STATIC)
			      : sqlite3_bind_null(statement, index);

	ASSERT(code == SQLITE_OK);
}

void sqlite_bind_uuid(sqlite3_stmt *statement, int index, const struct uuid *id)
{
	int code = sqlite3_bind_blob(statement, index, id->bytes, sizeof(id->bytes), SQLITE_STATIC);

	ASSERT(code == SQLITE_OK);
}

void sqlite_bind_null(sqlite3_stmt *statement, int index)
{
	int code = sqlite3_bind_null(statement, index);

	ASSERT(code == SQLITE_OK);
}

int sqlite_step_row(struct sqlite_connection *connection, sqlite3_stmt *statement)
{
	int code = sqlite3_step(statement);
	int result;

	if (code == SQLITE_ROW)
		return STEP_ROW;
	if (code == SQLITE_DONE)
		result = STEP_DONE;
	else if ((code & 0xff) == SQLITE_CONSTRAINT)
		result = STEP_CONSTRAINT;
	else
		result = sqlite_connection_error(connection, code);
	sqlite3_reset(statement);
	return result;
}

int sqlite_step_once(struct sqlite_connection *connection, sqlite3_stmt *statement)
{
	int result = sqlite_step_row(connection, statement);

	if (result != STEP_ROW)
		return result;
	sqlite3_reset(statement);
	return STEP_DONE;
}

void sqlite_column_text(sqlite3_stmt *statement, int column, char *text, size_t size)
{
	struct slice slice = sqlite_column_slice(statement, column);

	if (slice.size >= size)
		slice.size = size - 1;
	if (slice.size)
		memcpy(text, slice.data, slice.size);
	text[slice.size] = '\0';
}

void sqlite_column_uuid(sqlite3_stmt *statement, int column, struct uuid *id)
{
	const void *data = sqlite3_column_blob(statement, column);

	if (data && sqlite3_column_bytes(statement, column) == (int)sizeof(id->bytes))
		memcpy(id->bytes, data, sizeof(id->bytes));
	else
		*id = (struct uuid){{0}};
}

struct slice sqlite_column_slice(sqlite3_stmt *statement, int column)
{
	const char *data = (const char *)sqlite3_column_text(statement, column);

	return (struct slice){data, data ? (size_t)sqlite3_column_bytes(statement, column) : 0};
}
