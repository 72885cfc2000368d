/*
 * What is written beside a change. Movements: every change of stock with its cause, append only;
 * the sum of a lot's or an item's movements is its balance. Operators' requests that had a key:
 * what was done once is not done again.
 */
#include "base/failpoint.h"
#include "ledger/postgres/postgres_ledger.h"

int pg_movement_write(struct transaction *transaction, const struct movement *movement)
{
	struct pg_connection *connection = pg_connection_of(transaction);
	struct pg_params params = {0};

	if (FAILPOINT("ledger.drop_movement") > 0)
		return 0;
	pg_put_int(&params, movement->at_ms);
	pg_put_int(&params, movement->cause);
	pg_put_int_or_null(&params, movement->item, 0);
	pg_put_int_or_null(&params, movement->sale, 0);
	pg_put_int_or_null(&params, movement->sale ? (int64_t)movement->lot : -1, -1);
	pg_put_uuid(&params, movement->order);
	pg_put_uuid(&params, movement->movement);
	pg_put_int(&params, movement->on_hand);
	pg_put_int(&params, movement->allocated);
	pg_put_int(&params, movement->held);
	pg_put_int(&params, movement->confirmed);
	pg_put_int(&params, movement->withdrawn);
	pg_put_text_or_null(&params, movement->actor);
	pg_put_int_or_null(&params, movement->epoch, 0);
	pg_put_int_or_null(&params, movement->hold_expires_at_ms, 0);
	return pg_outcome(pg_do(connection,
				"INSERT INTO movements (at_ms, cause, item, sale, lot, order_id, movement_id, on_hand, allocated, held,"
				" confirmed, withdrawn, actor, epoch, hold_expires_at_ms)"
				" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
				&params),
			  -EUCLEAN);
}

int pg_movement_exists(struct transaction *transaction, const struct uuid *id)
{
	struct pg_connection *connection = pg_connection_of(transaction);
	struct pg_params params = {0};
	PGresult *result;
	int end, exists;

	pg_put_uuid(&params, id);
	end = pg_outcome(pg_query(connection, "SELECT 1 FROM movements WHERE movement_id = $1", &params, &result), -EIO);
	if (end < 0)
		return end;
	exists = PQntuples(result) > 0;
	PQclear(result);
	return exists;
}

/* --- Requests --- */

static const char select_request[] = "SELECT body, outcome FROM operator_requests WHERE id = $1";
const char pg_request_insert_sql[] = "INSERT INTO operator_requests (id, body, outcome, at_ms) VALUES ($1, $2, $3, $4)"
				     " ON CONFLICT (id) DO NOTHING";

/* The row of a request. 0: there is none. */
static int read_request(const PGresult *result, struct ledger_request *request)
{
	struct uuid body;

	if (PQntuples(result) == 0)
		return 0;
	pg_get_uuid(result, 0, 0, &body);
	request->outcome = pg_get_int(result, 0, 1);
	return uuid_equal(&body, &request->body) ? LEDGER_REPEATED : LEDGER_KEY_REUSED;
}

int pg_request_read(struct transaction *transaction, struct ledger_request *request)
{
	struct pg_connection *connection = pg_connection_of(transaction);
	struct pg_params params = {0};
	PGresult *result;
	int end;

	pg_put_uuid(&params, &request->id);
	end = pg_outcome(pg_query(connection, select_request, &params, &result), -EIO);
	if (end < 0)
		return end;
	end = read_request(result, request);
	PQclear(result);
	return end;
}

int pg_request_write(struct transaction *transaction, const struct ledger_request *request, int64_t at_ms)
{
	struct pg_connection *connection = pg_connection_of(transaction);
	struct pg_params params = {0};

	pg_put_uuid(&params, &request->id);
	pg_put_uuid(&params, &request->body);
	pg_put_int(&params, request->outcome);
	pg_put_int(&params, at_ms);
	return pg_outcome(pg_do(connection, pg_request_insert_sql, &params), -EIO);
}

int postgres_request_find(struct ledger *base, struct ledger_request *request)
{
	struct pg_params params = {0};
	PGresult *result;
	int end;

	pg_put_uuid(&params, &request->id);
	end = pg_read(postgres_ledger_of(base), select_request, &params, &result);
	if (end < 0)
		return end;
	end = read_request(result, request);
	PQclear(result);
	return end;
}
