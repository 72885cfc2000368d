/* Lots that a rebuild has armed with other units than the drain came to at its barrier. */
#include "ledger/postgres/postgres_ledger.h"

const char pg_unequal_lots_sql[] =
	"SELECT sales.id, items.sku, lots.armed_epoch, lots.armed_held, lots.armed_confirmed, lots.armed_withdrawn,"
	" lots.barrier_held, lots.barrier_confirmed, lots.barrier_withdrawn FROM lots"
	" JOIN sales ON sales.number = lots.sale JOIN items ON items.number = lots.item"
	" WHERE lots.armed_epoch <> 0 AND lots.armed_epoch = sales.barrier AND (lots.armed_held <> lots.barrier_held"
	" OR lots.armed_confirmed <> lots.barrier_confirmed OR lots.armed_withdrawn <> lots.barrier_withdrawn)"
	" ORDER BY lots.sale, lots.place";

void pg_unequal_lot_read(const PGresult *result, int row, struct ledger_unequal_lot *lot)
{
	pg_get_text(result, row, 0, lot->sale_id, sizeof(lot->sale_id));
	pg_get_text(result, row, 1, lot->sku, sizeof(lot->sku));
	lot->epoch = (uint32_t)pg_get_int(result, row, 2);
	lot->armed_held = pg_get_int(result, row, 3);
	lot->armed_confirmed = pg_get_int(result, row, 4);
	lot->armed_withdrawn = pg_get_int(result, row, 5);
	lot->held = pg_get_int(result, row, 6);
	lot->confirmed = pg_get_int(result, row, 7);
	lot->withdrawn = pg_get_int(result, row, 8);
}

int postgres_lots_unequal(struct ledger *base, struct ledger_unequal_lot *lots, size_t max, size_t *count)
{
	PGresult *result;
	int end = pg_read(postgres_ledger_of(base), PG_TRIP_ROWS, pg_unequal_lots_sql, NULL, &result);

	*count = 0;
	if (end < 0)
		return end;
	for (int i = 0; i < PQntuples(result) && *count < max; i++)
		pg_unequal_lot_read(result, i, &lots[(*count)++]);
	PQclear(result);
	return 0;
}
