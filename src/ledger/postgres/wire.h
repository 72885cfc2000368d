/*
 * What goes to the server and what comes back, each with its time; and what its refusals mean.
 * Private to connection.c.
 */
#pragma once

#include "ledger/postgres/connection.h"

/* Says in the log what PostgreSQL failed with; once a second at most. */
void pg_wire_complain(int code, const char *state, const char *text);
/* What a failed result comes to; logged. enum pg_end or negative. */
int pg_wire_error(struct pg_connection *connection, const PGresult *result) MUST_CHECK;
/*
 * Everything that libpq has of ours goes out; what the server says meanwhile is taken in. 0 or
 * negative.
 */
int pg_wire_flush(struct pg_connection *connection, int64_t deadline_ns) MUST_CHECK;
/* The next result, or NULL in *result at the end of a statement's. 0 or negative. */
int pg_wire_next(struct pg_connection *connection, int64_t deadline_ns, PGresult **result) MUST_CHECK;
bool pg_wire_succeeded(const PGresult *result);
/*
 * The connection is of no more use: closes it. -ETIMEDOUT where that was the code, else -ENOTCONN.
 */
int pg_wire_drop(struct pg_connection *connection, int code) MUST_CHECK;
