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
	pg_put_text_or_null(&params, movement->reason);
	return pg_outcome(pg_do(connection,
				"INSERT INTO movements (at_ms, cause, item, sale, lot, order_id, movement_id, on_hand, allocated, held,"
				" confirmed, withdrawn, actor, epoch, hold_expires_at_ms, reason)"
				" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
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
	end = pg_read(postgres_ledger_of(base), PG_TRIP_ROW, select_request, &params, &result);
	if (end < 0)
		return end;
	end = read_request(result, request);
	PQclear(result);
	return end;
}

/* --- How far relays of the feed have come --- */

static const char select_relay[] = "SELECT version, at_ms, position, skipped FROM relays WHERE name = $1";
static const char insert_relay[] =
	"INSERT INTO relays (name, version, at_ms, position, skipped) VALUES ($1, $2::bigint + 1, $3, $4, $5) ON CONFLICT (name) DO UPDATE"
	" SET version = excluded.version, at_ms = excluded.at_ms, position = excluded.position, skipped = excluded.skipped"
	" WHERE relays.version = $2::bigint RETURNING 1";

static void take_relay(const PGresult *result, struct slice name, struct ledger_relay *relay)
{
	*relay = (struct ledger_relay){0};
	ASSERT(name.size < sizeof(relay->name));
	memcpy(relay->name, name.data, name.size);
	if (PQntuples(result) == 0)
		return;
	relay->version = pg_get_int(result, 0, 0);
	relay->at_ms = pg_get_int(result, 0, 1);
	pg_get_text(result, 0, 2, relay->position, sizeof(relay->position));
	pg_get_text(result, 0, 3, relay->skipped, sizeof(relay->skipped));
}

int pg_relay_read(struct transaction *transaction, struct slice name, struct ledger_relay *relay)
{
	struct pg_params params = {0};
	PGresult *result;
	int end;

	pg_put_text(&params, name);
	end = pg_outcome(pg_query(pg_connection_of(transaction), select_relay, &params, &result), -EIO);
	if (end < 0)
		return end;
	take_relay(result, name, relay);
	PQclear(result);
	return 0;
}

int pg_relay_write(struct transaction *transaction, const struct ledger_relay *relay)
{
	struct pg_params params = {0};
	PGresult *result;
	int end;

	pg_put_text(&params, slice_of(relay->name));
	pg_put_int(&params, relay->version);
	pg_put_int(&params, relay->at_ms);
	pg_put_text(&params, slice_of(relay->position));
	pg_put_text(&params, slice_of(relay->skipped));
	end = pg_outcome(pg_query(pg_connection_of(transaction), insert_relay, &params, &result), -EIO);
	if (end < 0)
		return end;
	end = PQntuples(result) == 1 ? LEDGER_DONE : LEDGER_CONFLICT;
	PQclear(result);
	return end;
}

int postgres_relay_get(struct ledger *base, struct slice name, struct ledger_relay *relay)
{
	struct pg_params params = {0};
	PGresult *result;
	int end;

	pg_put_text(&params, name);
	end = pg_read(postgres_ledger_of(base), PG_TRIP_ROW, select_relay, &params, &result);
	if (end < 0)
		return end;
	take_relay(result, name, relay);
	PQclear(result);
	return 0;
}
