/*
 * The rows of sales in a transaction (ledger/transaction.h). Reading whole sales is in
 * sales_read.c.
 */
#include "ledger/postgres/postgres_ledger.h"

static void put_terms(struct pg_params *params, const struct sale *sale)
{
	pg_put_text(params, slice_of(sale->name));
	pg_put_int(params, sale->price_minor);
	pg_put_text(params, slice_of(sale->currency));
	pg_put_int(params, sale->limit_per_buyer);
	pg_put_int(params, sale->rate_requests);
	pg_put_int(params, sale->rate_seconds);
	pg_put_int(params, sale->hold_seconds);
	pg_put_int(params, sale->late_confirm);
	pg_put_int_or_null(params, sale->opens_at_ms, SALE_NO_TIME);
	pg_put_int_or_null(params, sale->closes_at_ms, SALE_NO_TIME);
	pg_put_int(params, sale->scheduled);
	pg_put_int(params, sale->announced);
}

static int insert(struct transaction *transaction, struct sale *sale)
{
	const struct pg_work *work = pg_work_of(transaction);
	struct pg_params params = {0};
	PGresult *result;
	int end;

	put_terms(&params, sale);
	pg_put_text(&params, slice_of(sale->id));
	pg_put_int(&params, sale->created_at_ms);
	pg_put_int(&params, SALE_DRAFT);
	pg_put_int(&params, work->change);
	end = pg_outcome(pg_query(work->connection,
				  "INSERT INTO sales (name, price_minor, currency, limit_per_buyer, rate_requests, rate_seconds,"
				  " hold_seconds, late_confirm, opens_at_ms, closes_at_ms, scheduled, announced, id, created_at_ms, epoch,"
				  " version, state, change) VALUES ($1, $2, $3, $4, $5, $6, $7, $8 <> 0, $9, $10, $11 <> 0, $12 <> 0, $13,"
				  " $14, 1, 1, $15, $16)"
				  " ON CONFLICT (id) DO NOTHING RETURNING number",
				  &params, &result),
			 -EIO);
	if (end < 0)
		return end;
	if (PQntuples(result) == 1)
		sale->number = (uint32_t)pg_get_int(result, 0, 0);
	else
		end = LEDGER_EXISTS;
	sale->change = (uint64_t)work->change;
	PQclear(result);
	return end;
}

static int read_head(struct transaction *transaction, uint32_t sale, struct sale_head *head)
{
	struct pg_params params = {0};
	PGresult *result;
	int end;

	pg_put_int(&params, sale);
	end = pg_outcome(pg_query(pg_connection_of(transaction),
				  "SELECT id, version, state, opened::integer, stops, stops_answered, stop_requests FROM sales WHERE number = $1",
				  &params, &result),
			 -EIO);
	if (end < 0)
		return end;
	if (PQntuples(result) == 0) {
		end = LEDGER_NOT_FOUND;
	} else {
		pg_get_text(result, 0, 0, head->id, sizeof(head->id));
		head->version = (uint32_t)pg_get_int(result, 0, 1);
		head->state = (enum sale_state)pg_get_int(result, 0, 2);
		head->opened = pg_get_int(result, 0, 3) != 0;
		sale_stops_read(&head->stops, (uint32_t)pg_get_int(result, 0, 4), (uint32_t)pg_get_int(result, 0, 5),
				pg_get_slice(result, 0, 6));
	}
	PQclear(result);
	return end;
}

static int has_orders(struct transaction *transaction, uint32_t sale)
{
	struct pg_params params = {0};
	PGresult *result;
	int end, has;

	pg_put_int(&params, sale);
	end = pg_outcome(pg_query(pg_connection_of(transaction), "SELECT 1 FROM orders WHERE sale = $1 LIMIT 1", &params, &result),
			 -EIO);
	if (end < 0)
		return end;
	has = PQntuples(result) > 0;
	PQclear(result);
	return has;
}

static int update_terms(struct transaction *transaction, const struct sale *sale)
{
	const struct pg_work *work = pg_work_of(transaction);
	struct pg_params params = {0};

	put_terms(&params, sale);
	pg_put_int(&params, sale->number);
	pg_put_int(&params, work->change);
	return pg_outcome(pg_do(work->connection,
				"UPDATE sales SET name = $1, price_minor = $2, currency = $3, limit_per_buyer = $4, rate_requests = $5,"
				" rate_seconds = $6, hold_seconds = $7, late_confirm = $8 <> 0, opens_at_ms = $9, closes_at_ms = $10,"
				" scheduled = $11 <> 0, announced = $12 <> 0, version = version + 1, change = $14 WHERE number = $13",
				&params),
			  -EIO);
}

static int update_state(struct transaction *transaction, uint32_t sale, enum sale_state state, int64_t now_ms)
{
	const struct pg_work *work = pg_work_of(transaction);
	struct pg_params params = {0};

	pg_put_int(&params, sale);
	pg_put_int(&params, state);
	pg_put_int_or_null(&params, state == SALE_ENDED ? now_ms : SALE_NO_TIME, SALE_NO_TIME);
	pg_put_int(&params, work->change);
	pg_put_int(&params, SALE_DRAFT);
	pg_put_int(&params, SALE_OPEN);
	return pg_outcome(pg_do(work->connection,
				"UPDATE sales SET state = $2, ended_at_ms = coalesce($3, ended_at_ms), scheduled = scheduled AND $2 <> $5,"
				" opened = opened OR $2 = $6,"
				" version = version + 1, change = $4 WHERE number = $1",
				&params),
			  -EIO);
}

static int write_stops(struct transaction *transaction, uint32_t sale, const struct sale_stops *stops)
{
	const struct pg_work *work = pg_work_of(transaction);
	struct pg_params params = {0};

	pg_put_int(&params, sale);
	pg_put_int(&params, stops->count);
	pg_put_int(&params, stops->answered);
	pg_put_bytes(&params, sale_stops_bytes(stops));
	pg_put_int(&params, work->change);
	return pg_outcome(pg_do(work->connection,
				"UPDATE sales SET stops = $2, stops_answered = $3, stop_requests = $4, change = $5 WHERE number = $1",
				&params),
			  -EIO);
}

static int touch(struct transaction *transaction, uint32_t sale)
{
	const struct pg_work *work = pg_work_of(transaction);
	struct pg_params params = {0};

	pg_put_int(&params, sale);
	pg_put_int(&params, work->change);
	return pg_outcome(pg_do(work->connection, "UPDATE sales SET version = version + 1, change = $2 WHERE number = $1", &params),
			  -EIO);
}

/*
 * The server's function takes the number of the change itself, behind those who hold the epoch;
 * what comes after is part of that change.
 */
static int raise_epoch(struct transaction *transaction, uint32_t sale, uint32_t above, uint32_t *epoch)
{
	struct pg_work *work = pg_work_of(transaction);
	struct pg_params raise = {0}, read = {0};
	PGresult *results[2];
	int end;

	pg_put_int(&raise, sale);
	pg_put_int(&raise, above);
	pg_put_int(&read, sale);
	pg_add(work->connection, "SELECT raise_epoch($1, $2)", &raise);
	pg_add(work->connection, "SELECT change FROM sales WHERE number = $1", &read);
	end = pg_outcome(pg_run(work->connection, results), -EIO);
	if (end < 0)
		return end;
	if (PQgetisnull(results[0], 0, 0)) {
		end = LEDGER_NOT_FOUND;
	} else {
		*epoch = (uint32_t)pg_get_int(results[0], 0, 0);
		work->change = pg_get_int(results[1], 0, 0);
	}
	pg_clear(results, 2);
	return end;
}

static int free_id(struct transaction *transaction, uint32_t sale)
{
	struct pg_params params = {0};

	pg_put_int(&params, sale);
	return pg_outcome(pg_do(pg_connection_of(transaction),
				"UPDATE sales SET id = left(id, 55) || '~' || number WHERE number = $1", &params),
			  -EIO);
}

const struct sale_rows pg_sale_rows = {
	.insert = insert,
	.read_head = read_head,
	.has_orders = has_orders,
	.update_terms = update_terms,
	.update_state = update_state,
	.write_stops = write_stops,
	.touch = touch,
	.raise_epoch = raise_epoch,
	.free_id = free_id,
};
