/* The rows of lots in a transaction (ledger/transaction.h). */
#include "ledger/postgres/postgres_ledger.h"

static int find(struct transaction *transaction, uint32_t sale, const char *sku, struct lot_row *row)
{
	struct pg_params params = {0};
	PGresult *result;
	int end;

	pg_put_int(&params, sale);
	pg_put_text(&params, slice_of(sku));
	end = pg_outcome(pg_query(pg_connection_of(transaction),
				  "SELECT lots.place, lots.item, lots.allocated - lots.withdrawn, sums.count FROM"
				  " (SELECT count(*) AS count FROM lots WHERE sale = $1) AS sums LEFT JOIN"
				  " (lots JOIN items ON items.number = lots.item AND items.sku = $2) ON lots.sale = $1",
				  &params, &result),
			 -EIO);
	if (end < 0)
		return end;
	end = PQgetisnull(result, 0, 0) ? LEDGER_NOT_FOUND : 0;
	row->place = (uint32_t)pg_get_int(result, 0, end == 0 ? 0 : 3);
	row->item = pg_get_int(result, 0, 1);
	row->units = pg_get_int(result, 0, 2);
	PQclear(result);
	return end;
}

static int read_free(struct transaction *transaction, uint32_t sale, struct lot_row rows[static LOTS_MAX], uint32_t *count)
{
	struct pg_params params = {0};
	PGresult *result;
	int end;

	*count = 0;
	pg_put_int(&params, sale);
	end = pg_outcome(pg_query(pg_connection_of(transaction),
				  "SELECT item, allocated - withdrawn - held - confirmed FROM lots WHERE sale = $1 ORDER BY place",
				  &params, &result),
			 -EIO);
	if (end < 0)
		return end;
	for (int i = 0; i < PQntuples(result) && *count < LOTS_MAX; i++, ++*count)
		rows[i] = (struct lot_row){(uint32_t)i, pg_get_int(result, i, 0), pg_get_int(result, i, 1)};
	PQclear(result);
	return 0;
}

static int read_sku(struct transaction *transaction, uint32_t sale, uint32_t lot, char sku[static SKU_MAX + 1])
{
	struct pg_params params = {0};
	PGresult *result;
	int end;

	pg_put_int(&params, sale);
	pg_put_int(&params, lot);
	end = pg_outcome(pg_query(pg_connection_of(transaction),
				  "SELECT items.sku FROM lots JOIN items ON items.number = lots.item WHERE lots.sale = $1 AND lots.place = $2",
				  &params, &result),
			 -EIO);
	if (end < 0)
		return end;
	if (PQntuples(result) == 0)
		end = LEDGER_NOT_FOUND;
	else
		pg_get_text(result, 0, 0, sku, SKU_MAX + 1);
	PQclear(result);
	return end;
}

static int insert(struct transaction *transaction, uint32_t sale, uint32_t place, int64_t item, int64_t allocated)
{
	struct pg_params params = {0};

	pg_put_int(&params, sale);
	pg_put_int(&params, place);
	pg_put_int(&params, item);
	pg_put_int(&params, allocated);
	return pg_outcome(pg_do(pg_connection_of(transaction),
				"INSERT INTO lots (sale, place, item, allocated) VALUES ($1, $2, $3, $4)", &params),
			  LEDGER_CONSTRAINT);
}

static int add_units(struct transaction *transaction, uint32_t sale, uint32_t lot, int64_t allocated, int64_t withdrawn)
{
	struct pg_params params = {0};
	PGresult *result;
	int end;

	pg_put_int(&params, sale);
	pg_put_int(&params, lot);
	pg_put_int(&params, allocated);
	pg_put_int(&params, withdrawn);
	pg_put_int(&params, UNITS_MAX);
	end = pg_outcome(pg_query(pg_connection_of(transaction),
				  "UPDATE lots SET allocated = allocated + $3, withdrawn = withdrawn + $4 WHERE sale = $1 AND place = $2"
				  " AND ($3 = 0 OR allocated + $3 <= $5)",
				  &params, &result),
			 -EIO);
	if (end < 0)
		return end;
	end = pg_changed(result) ? 0 : LEDGER_TOO_MANY;
	PQclear(result);
	return end;
}

static int write_armed(struct transaction *transaction, uint32_t sale, uint32_t place, uint32_t epoch, const struct sale_lot *lot)
{
	struct pg_params params = {0};

	pg_put_int(&params, sale);
	pg_put_int(&params, place);
	pg_put_int(&params, epoch);
	pg_put_int(&params, lot->held);
	pg_put_int(&params, lot->confirmed);
	pg_put_int(&params, lot->withdrawn);
	return pg_outcome(pg_do(pg_connection_of(transaction),
				"UPDATE lots SET armed_epoch = $3, armed_held = $4, armed_confirmed = $5,"
				" armed_withdrawn = $6 WHERE sale = $1 AND place = $2 AND armed_epoch <= $3",
				&params),
			  -EIO);
}

const struct lot_rows pg_lot_rows = {
	.find = find,
	.read_free = read_free,
	.read_sku = read_sku,
	.insert = insert,
	.add_units = add_units,
	.write_armed = write_armed,
};
