/* Movements: every change of stock with its cause, append only. The sum of a lot's or an item's movements is its balance. */
#include "base/failpoint.h"
#include "ledger/postgres/private.h"

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
	return pg_outcome(pg_do(connection,
				"INSERT INTO movements (at_ms, cause, item, sale, lot, order_id, movement_id, on_hand, allocated, held,"
				" confirmed, withdrawn, actor) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
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
