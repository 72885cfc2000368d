/* A draft's lots: what a person can still change his mind about. */
#include "ledger/log_detail.h"
#include "ledger/postgres/private.h"

/* A lot of the sale by its SKU. */
struct lot_row {
	uint32_t place;
	int64_t item, units; /* units: what the sale has of it */
	uint32_t count;      /* of the sale's lots */
};

/* 0, LEDGER_NOT_FOUND (row->count all the same), or negative. */
static int find_lot(struct pg_connection *connection, uint32_t sale, const char *sku, struct lot_row *row)
{
	struct pg_params params = {0};
	PGresult *result;
	int end;

	pg_put_int(&params, sale);
	pg_put_text(&params, slice_of(sku));
	end = pg_outcome(pg_query(connection,
				  "SELECT lots.place, lots.item, lots.allocated - lots.withdrawn, sums.count FROM"
				  " (SELECT count(*) AS count FROM lots WHERE sale = $1) AS sums LEFT JOIN"
				  " (lots JOIN items ON items.number = lots.item AND items.sku = $2) ON lots.sale = $1",
				  &params, &result),
			 -EIO);
	if (end < 0)
		return end;
	row->count = (uint32_t)pg_get_int(result, 0, 3);
	end = PQgetisnull(result, 0, 0) ? LEDGER_NOT_FOUND : 0;
	row->place = (uint32_t)pg_get_int(result, 0, 0);
	row->item = pg_get_int(result, 0, 1);
	row->units = pg_get_int(result, 0, 2);
	PQclear(result);
	return end;
}

/* 0, LEDGER_NOT_FOUND (item), LEDGER_NOT_ENOUGH, LEDGER_CONSTRAINT (too many lots), or negative. */
static int set_lot(struct pg_connection *connection, uint32_t sale, const struct sale_lot *lot, const struct ledger_actor *actor)
{
	struct sale_lot fresh = *lot;
	struct lot_row row = {0};
	int result = find_lot(connection, sale, lot->sku, &row);

	if (result == LEDGER_NOT_FOUND)
		return row.count < LOTS_MAX ? pg_lot_insert(connection, sale, row.count, &fresh, actor) : LEDGER_CONSTRAINT;
	if (result != 0 || row.units == lot->allocated)
		return result;
	if (row.units > lot->allocated)
		return pg_lot_return(connection, sale, row.place, row.item, row.units - lot->allocated, actor);
	return pg_lot_grow(connection, sale, row.place, lot->sku, lot->allocated - row.units, actor);
}

/* In a transaction. */
static int set_lots(struct pg_work *work, const struct sale *sale, const struct sale_lot *lots, uint32_t count,
		    const struct ledger_actor *actor, uint32_t *lot)
{
	struct buffer detail;
	int result = pg_sale_may_change(work->connection, sale);

	for (uint32_t i = 0; i < count && result == 0; i++) {
		*lot = i;
		result = set_lot(work->connection, sale->number, &lots[i], actor);
	}
	if (result == 0)
		result = pg_sale_touch(work, sale->number);
	buffer_init(&detail, LOG_TERMS_MAX);
	log_detail_lots(&detail, lots, count);
	if (result == 0)
		result = pg_log_row_write(work->connection, actor, "sale.lots", slice_of(sale->id), buffer_slice(&detail));
	buffer_deinit(&detail);
	return result;
}

int postgres_sale_set_lots(struct ledger *base, const struct sale *sale, const struct sale_lot *lots, uint32_t count,
			   const struct ledger_actor *actor, uint32_t *lot)
{
	struct pg_work work = {.ledger = postgres_ledger_of(base), .logs = true, .changes_sale = true};

	*lot = 0;
	while (pg_work_begin(&work))
		pg_work_end(&work, set_lots(&work, sale, lots, count, actor, lot));
	return work.result;
}
