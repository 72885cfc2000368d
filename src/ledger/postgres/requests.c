/* Operators' requests that had a key: what was done once is not done again. */
#include "ledger/postgres/private.h"

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
