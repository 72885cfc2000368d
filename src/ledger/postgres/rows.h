/*
 * Between a batch in memory (batch.h) and the server: what it needs to know is read, what it has
 * come to is written. Private to the adapter's apply and drain.
 */
#pragma once

#include "ledger/postgres/batch.h"

/* What a batch is made of. */
struct pg_makeup {
	bool withdrawals, payments;
	bool operators; /* perhaps */
	bool purchases_only;
};

/* Also gathers the ids and sales of the events, which are asked for. */
struct pg_makeup pg_rows_makeup(struct pg_batch *batch, const struct ledger_entry *entries, size_t count);
/*
 * Runs a trip, with `opening` statements added before, that reads lots, orders and movements of the
 * batch, and locks what others could change before its end. 0, enum pg_end, or negative.
 */
int pg_rows_read(struct postgres_ledger *ledger, const struct pg_makeup *makeup, size_t opening) MUST_CHECK;

/* Adds a statement whose parameters are these columns. */
void pg_add_table(struct pg_connection *connection, const char *sql, struct pg_array *columns, size_t count);
/* Adds all rows to the trip. */
void pg_rows_add(struct pg_connection *connection, struct pg_batch *batch);
/*
 * As pg_rows_add(); but where there are many new ones, what was added before is run and they are
 * sent. 0, enum pg_end, or negative.
 */
int pg_rows_write(struct pg_connection *connection, struct pg_batch *batch) MUST_CHECK;

/* --- copy.c --- */

/*
 * Sends the new orders and all movements by COPY. 0, enum pg_end (PG_CONSTRAINT: some row cannot
 * be), or negative.
 */
int pg_copy_orders(struct pg_connection *connection, struct pg_batch *batch) MUST_CHECK;
