/*
 * Dead letters: events that no transaction could apply, kept with their reason until somebody has
 * replayed them.
 */
#include <stdlib.h>
#include "ledger/postgres/postgres_ledger.h"

int pg_dead_letter_write(struct transaction *transaction, struct slice json, const char *reason, int64_t now_ms)
{
	struct pg_connection *connection = pg_connection_of(transaction);
	struct pg_params params = {0};

	pg_put_int(&params, now_ms);
	pg_put_text(&params, slice_of(reason));
	pg_put_text(&params, json);
	return pg_outcome(pg_do(connection, "INSERT INTO dead_letters (at_ms, reason, event) VALUES ($1, $2, $3)", &params), -EIO);
}

int postgres_dead_letters(struct ledger *base, int64_t after, struct ledger_dead_letter *rows, size_t max, size_t *count)
{
	struct pg_params params = {0};
	PGresult *result;
	int end;

	*count = 0;
	pg_put_int(&params, after);
	pg_put_int(&params, (int64_t)max);
	end = pg_read(postgres_ledger_of(base), PG_TRIP_ROWS,
		      "SELECT number, at_ms, reason, event FROM dead_letters WHERE number > $1 ORDER BY number LIMIT $2", &params,
		      &result);
	if (end < 0)
		return end;
	for (int i = 0; i < PQntuples(result) && end == 0; i++) {
		struct ledger_dead_letter *row = &rows[*count];
		struct slice event = pg_get_slice(result, i, 3);

		row->number = pg_get_int(result, i, 0);
		row->at_ms = pg_get_int(result, i, 1);
		pg_get_text(result, i, 2, row->reason, sizeof(row->reason));
		row->event = strndup(event.data, event.size);
		if (row->event)
			++*count;
		else
			end = error_origin(-ENOMEM);
	}
	PQclear(result);
	while (end < 0 && *count)
		free(rows[--*count].event);
	return end;
}

int pg_dead_letter_remove(struct transaction *transaction, int64_t number)
{
	struct pg_connection *connection = pg_connection_of(transaction);
	struct pg_params params = {0};
	PGresult *result;
	int end;

	pg_put_int(&params, number);
	end = pg_outcome(pg_query(connection, "DELETE FROM dead_letters WHERE number = $1", &params, &result), -EIO);
	if (end == 0 && pg_changed(result) == 0)
		end = LEDGER_NOT_FOUND;
	PQclear(result);
	return end;
}
