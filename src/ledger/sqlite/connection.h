/*
 * One connection to SQLite and its prepared statements: the edge where SQLite's codes become ours. Private to the adapter.
 * A connection belongs to whoever holds the lock around it (the writer's, or the reader pool's checkout).
 */
#pragma once

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/error.h"
#include "base/slice.h"
#include "base/uuid.h"

enum { STATEMENTS_MAX = 96 };

struct connection {
	sqlite3 *db; /* NULL: closed */
	struct {
		const char *sql; /* known by its address: a string constant */
		sqlite3_stmt *statement;
	} statements[STATEMENTS_MAX];
	size_t statement_count;
};

/* What stepping a statement comes to; negative is an error. */
enum step {
	STEP_DONE = 0,
	STEP_ROW = 1,
	STEP_CONSTRAINT = 2, /* a CHECK, or uniqueness: the statement has changed nothing */
};

/* 0 or negative; a failed open leaves it closed. */
int connection_open(struct connection *connection, const char *path, bool read_only) MUST_CHECK;
/* `failed`: the handle is in doubt and must write nothing more, not even a checkpoint. May be repeated. */
void connection_close(struct connection *connection, bool failed);

/* `sql` must be a string constant; the statement stays the connection's. Reset by step_once(), or by the caller after rows. */
int connection_prepare(struct connection *connection, const char *sql, sqlite3_stmt **statement) MUST_CHECK;
/* The one number that a constant without parameters gives. 0 or negative (no row: -EUCLEAN). */
int connection_read_number(struct connection *connection, const char *sql, int64_t *number) MUST_CHECK;
/* Runs a constant that has no parameters and gives no rows. 0 or negative (a constraint too: -EIO). */
int connection_run(struct connection *connection, const char *sql) MUST_CHECK;

/* An extended SQLite code as a negative errno; logged once a second at most. */
int connection_error(struct connection *connection, int code) MUST_CHECK;

/* Parameters count from 1. Texts and ids are borrowed until the statement is reset. An empty text is '', not NULL. */
void bind_int(sqlite3_stmt *statement, int index, int64_t value);
void bind_text(sqlite3_stmt *statement, int index, struct slice text);
void bind_uuid(sqlite3_stmt *statement, int index, const struct uuid *id);
void bind_null(sqlite3_stmt *statement, int index);
static inline void bind_int_or_null(sqlite3_stmt *statement, int index, int64_t value, int64_t none)
{
	if (value == none)
		bind_null(statement, index);
	else
		bind_int(statement, index, value);
}
static inline void bind_text_or_null(sqlite3_stmt *statement, int index, struct slice text)
{
	if (text.size == 0)
		bind_null(statement, index);
	else
		bind_text(statement, index, text);
}

/* STEP_ROW leaves the statement on its row; anything else resets it. */
int step_row(struct connection *connection, sqlite3_stmt *statement) MUST_CHECK;
/* For statements without rows, or of whose rows only the first is wanted by nobody: always resets. */
int step_once(struct connection *connection, sqlite3_stmt *statement) MUST_CHECK;

/* Columns count from 0. Text is cut to the room there is; NULL reads as 0, "" or the null id. */
void column_text(sqlite3_stmt *statement, int column, char *text, size_t size);
void column_uuid(sqlite3_stmt *statement, int column, struct uuid *id);
struct slice column_slice(sqlite3_stmt *statement, int column); /* until the next step */
static inline int64_t column_int_or(sqlite3_stmt *statement, int column, int64_t none)
{
	return sqlite3_column_type(statement, column) == SQLITE_NULL ? none : sqlite3_column_int64(statement, column);
}
