/*
 * One connection to SQLite and its prepared statements: the edge where SQLite's codes become ours.
 * Private to the adapter. A connection belongs to whoever holds the lock around it (the writer's,
 * or the reader pool's checkout).
 */
#pragma once

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/error.h"
#include "base/uuid.h"
#include "text/slice.h"

enum { SQLITE_STATEMENTS_MAX = 96 };

struct sqlite_connection {
	sqlite3 *db; /* NULL: closed */
	struct {
		const char *sql; /* known by its address: a string constant */
		sqlite3_stmt *statement;
	} statements[SQLITE_STATEMENTS_MAX];
	size_t statement_count;
};

/* What stepping a statement comes to; negative is an error. */
enum step {
	STEP_DONE = 0,
	STEP_ROW = 1,
	STEP_CONSTRAINT = 2, /* a CHECK, or uniqueness: the statement has changed nothing */
};

/* 0 or negative; a failed open leaves it closed. vfs: NULL for the usual one. */
int sqlite_connection_open(struct sqlite_connection *connection, const char *path, const char *vfs, bool read_only) MUST_CHECK;
/*
 * `failed`: the handle is in doubt and must write nothing more, not even a checkpoint. May be
 * repeated.
 */
void sqlite_connection_close(struct sqlite_connection *connection, bool failed);

/*
 * `sql` must be a string constant; the statement stays the connection's. Reset by
 * sqlite_step_once(), or by the caller after rows.
 */
int sqlite_connection_prepare(struct sqlite_connection *connection, const char *sql, sqlite3_stmt **statement) MUST_CHECK;
/* The one number that a constant without parameters gives. 0 or negative (no row: -EUCLEAN). */
int sqlite_connection_read_number(struct sqlite_connection *connection, const char *sql, int64_t *number) MUST_CHECK;
/*
 * Runs a constant that has no parameters and gives no rows. 0 or negative (a constraint too: -EIO).
 */
int sqlite_connection_run(struct sqlite_connection *connection, const char *sql) MUST_CHECK;

/* An extended SQLite code as a negative errno; logged once a second at most. */
int sqlite_connection_error(struct sqlite_connection *connection, int code) MUST_CHECK;

/*
 * Parameters count from 1. Texts and ids are borrowed until the statement is reset. An empty text
 * is '', not NULL.
 */
void sqlite_bind_int(sqlite3_stmt *statement, int index, int64_t value);
void sqlite_bind_text(sqlite3_stmt *statement, int index, struct slice text);
void sqlite_bind_bytes_or_null(sqlite3_stmt *statement, int index, struct slice bytes); /* NULL: none */
void sqlite_bind_uuid(sqlite3_stmt *statement, int index, const struct uuid *id);
void sqlite_bind_null(sqlite3_stmt *statement, int index);
static inline void sqlite_bind_int_or_null(sqlite3_stmt *statement, int index, int64_t value, int64_t none)
{
	if (value == none)
		sqlite_bind_null(statement, index);
	else
		sqlite_bind_int(statement, index, value);
}
static inline void sqlite_bind_text_or_null(sqlite3_stmt *statement, int index, struct slice text)
{
	if (text.size == 0)
		sqlite_bind_null(statement, index);
	else
		sqlite_bind_text(statement, index, text);
}
static inline void sqlite_bind_uuid_or_null(sqlite3_stmt *statement, int index, const struct uuid *id)
{
	if (id)
		sqlite_bind_uuid(statement, index, id);
	else
		sqlite_bind_null(statement, index);
}

/* STEP_ROW leaves the statement on its row; anything else resets it. */
int sqlite_step_row(struct sqlite_connection *connection, sqlite3_stmt *statement) MUST_CHECK;
/*
 * For statements without rows, or of whose rows only the first is wanted by nobody: always resets.
 */
int sqlite_step_once(struct sqlite_connection *connection, sqlite3_stmt *statement) MUST_CHECK;

/* Columns count from 0. Text is cut to the room there is; NULL reads as 0, "" or the null id. */
void sqlite_column_text(sqlite3_stmt *statement, int column, char *text, size_t size);
void sqlite_column_uuid(sqlite3_stmt *statement, int column, struct uuid *id);
struct slice sqlite_column_slice(sqlite3_stmt *statement, int column); /* until the next step */
static inline int64_t sqlite_column_int_or(sqlite3_stmt *statement, int column, int64_t none)
{
	return sqlite3_column_type(statement, column) == SQLITE_NULL ? none : sqlite3_column_int64(statement, column);
}
