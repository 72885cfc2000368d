/*
 * One connection to PostgreSQL: the edge where libpq's ways become ours. Private to the adapter. A
 * connection belongs to whoever holds the lock around it (the writer's, or the reader pool's
 * checkout).
 *
 * Statements travel in trips: what is added goes out together and is answered together (libpq's
 * pipeline mode), and behind a statement that fails nothing of the trip is done. Values travel in
 * binary. Nothing here waits without bound: a trip has its time, and when that is up the connection
 * is closed.
 */
#pragma once

#include <libpq-fe.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/error.h"
#include "base/uuid.h"
#include "text/buffer.h"
#include "text/slice.h"

enum { PG_STATEMENTS_MAX = 112, PG_TRIP_MAX = 16, PG_PARAMS_MAX = 20 };

/*
 * What a trip comes to besides 0; negative is an error, after which the connection may be closed.
 */
enum pg_end {
	PG_CONSTRAINT = 1, /* a constraint, or a value that the server does not take */
	PG_RETRY = 2,      /* a deadlock or a serialization failure: the same again may work */
	PG_FENCED = 3,     /* another process has taken the lease (PS001) */
	PG_STALE = 4,      /* a sale has another epoch or barrier than was thought (PS002) */
	PG_MOVED = 5,      /* another drain has moved the position on (PS003) */
};

/*
 * What ends a wait before its trip's time is up, of one that reads, whose time is long: nobody
 * needs the answer any more, or whoever writes has not heard of the server for long.
 */
struct pg_patience {
	atomic_bool left;
	const _Atomic int *health; /* the ledger's */
};

struct pg_connection {
	PGconn *handle;                     /* NULL: closed */
	const struct pg_patience *patience; /* NULL: a trip's time is all */
	int64_t timeout_ns;                 /* for one trip */
	size_t trip_size, trip_asked;
	const char *prepared[PG_STATEMENTS_MAX]; /* the server's statement `sN`, known by its address: a string constant; NULL: none */
	struct {
		const char *prepares; /* NULL: runs a statement, whose result is wanted */
	} trip[2 * PG_TRIP_MAX];
	bool trip_failed; /* what was added did not find room, or the connection is gone */
	bool trip_sent;
};

/* 0 or negative (logged); a failed open leaves it closed. */
int pg_open(struct pg_connection *connection, const char *url, bool read_only) MUST_CHECK;
void pg_close(struct pg_connection *connection); /* may be repeated */
/*
 * After an open that failed: whether the server is there and does not take us (user, password,
 * database), which no waiting mends. Asks it once more.
 */
bool pg_is_refused(const char *url);
/*
 * Statements separated by semicolons, outside of any trip. The last one's result in text, to be
 * cleared; `result` may be NULL. 0 or negative.
 */
int pg_script(struct pg_connection *connection, const char *sql, PGresult **result) MUST_CHECK;

/* --- Parameters --- */

struct pg_params {
	int count;
	Oid types[PG_PARAMS_MAX];
	const char *values[PG_PARAMS_MAX]; /* borrowed; NULL: null */
	int sizes[PG_PARAMS_MAX];
	char numbers[PG_PARAMS_MAX][8];
};
void pg_put_int(struct pg_params *params, int64_t value);
void pg_put_int_or_null(struct pg_params *params, int64_t value, int64_t none);
void pg_put_text(struct pg_params *params, struct slice text); /* an empty text is '', not null */
void pg_put_text_or_null(struct pg_params *params, struct slice text);
void pg_put_bytes(struct pg_params *params, struct slice bytes);
void pg_put_uuid(struct pg_params *params, const struct uuid *id); /* NULL: null */

/*
 * A column of values that goes as one parameter: int8[], text[] or uuid[]. Behind its header each
 * value has its size before it, as the server wants it.
 */
enum { PG_ARRAY_HEADER = 20 };
enum pg_kind { PG_INT, PG_TEXT, PG_UUID };
struct pg_array {
	struct buffer bytes;
	enum pg_kind kind;
	uint32_t count;
	bool has_null;
};
void pg_array_init(struct pg_array *array, enum pg_kind kind);
void pg_array_deinit(struct pg_array *array);
void pg_array_clear(struct pg_array *array); /* keeps its memory */
void pg_array_int(struct pg_array *array, int64_t value);
void pg_array_text(struct pg_array *array, struct slice text);
void pg_array_uuid(struct pg_array *array, const struct uuid *id);
void pg_array_null(struct pg_array *array);
/* Out of memory shows here, as the parameter's failure: the trip does not run. */
void pg_put_array(struct pg_params *params, struct pg_array *array);

/* --- Trips --- */

/* `sql` must be a string constant; `params` is needed during the call only; NULL: none. */
void pg_add(struct pg_connection *connection, const char *sql, const struct pg_params *params);
/*
 * Sends what was added and waits for all of it. results: as many as were added, to be cleared by
 * pg_clear(), set only when 0 is returned; may be NULL. 0, enum pg_end, or negative. After a
 * positive end a transaction that was begun is still to be rolled back.
 */
int pg_run(struct pg_connection *connection, PGresult **results) MUST_CHECK;
/*
 * Sends what was added, so that the server works on it while the caller does something else. The
 * next call must be pg_run(), which takes the answers, and tells of any failure.
 */
void pg_send(struct pg_connection *connection);
void pg_clear(PGresult **results, size_t count);
/* A trip of one statement. */
int pg_query(struct pg_connection *connection, const char *sql, const struct pg_params *params, PGresult **result) MUST_CHECK;
/* One whose result is of no interest: 0, enum pg_end, or negative. */
int pg_do(struct pg_connection *connection, const char *sql, const struct pg_params *params) MUST_CHECK;

/*
 * How long a reader's trips may take from now on: of a row by its key, or the few that have
 * changed; of a page, which may pass over all that has ended; or of as many rows as there are.
 */
enum pg_trip { PG_TRIP_ROW, PG_TRIP_PAGE, PG_TRIP_ROWS };
void pg_bound(struct pg_connection *connection, enum pg_trip trip);
/* COPY ... FROM STDIN of these bytes, a trip by itself. 0, enum pg_end, or negative. */
int pg_send_rows(struct pg_connection *connection, const char *sql, struct slice rows) MUST_CHECK;

/* --- Results in binary. Rows and columns count from 0; null reads as 0, "" or the null id. --- */

int64_t pg_get_int(const PGresult *result, int row, int column); /* of any integer type, or boolean */
int64_t pg_get_int_or(const PGresult *result, int row, int column, int64_t none);
struct slice pg_get_slice(const PGresult *result, int row, int column);
void pg_get_text(const PGresult *result, int row, int column, char *text, size_t size); /* cut to the room there is */
void pg_get_uuid(const PGresult *result, int row, int column, struct uuid *id);
/* How many rows the statement changed. */
int64_t pg_changed(PGresult *result);
