/*
 * Reading sales with their lots: two statements of one moment, the sales' rows and all their lots'
 * rows, in the same order.
 */
#include <stdlib.h>
#include "ledger/postgres/postgres_ledger.h"

#define SALE_COLUMNS                                                                                                                  \
	"number, epoch, version, state, id, name, price_minor, currency, limit_per_buyer, rate_requests, rate_seconds, hold_seconds," \
	" late_confirm, opens_at_ms, closes_at_ms, created_at_ms, ended_at_ms, barrier, change, scheduled, announced, opened,"        \
	" stops, stops_answered, stop_requests,"                                                                                      \
	" (SELECT count(*) FROM lots WHERE lots.sale = sales.number)"
#define LOT_ROWS                                                                                                         \
	"SELECT items.sku, lots.item, lots.allocated, lots.withdrawn, lots.held, lots.confirmed, lots.place, lots.sale," \
	" lots.barrier_held, lots.barrier_confirmed, lots.barrier_withdrawn"                                             \
	" FROM lots JOIN items ON items.number = lots.item WHERE lots.sale IN (SELECT number FROM sales WHERE "
#define LOT_ORDER ") ORDER BY lots.sale, lots.place"
#define AFTER                                                                                                  \
	"number > $1 AND state <> 6 AND (ended_at_ms IS NULL OR ended_at_ms >= $2 OR EXISTS (SELECT FROM lots" \
	" WHERE lots.sale = sales.number AND lots.allocated > lots.confirmed + lots.withdrawn)) ORDER BY number LIMIT $3"

const char *const pg_sale_by_number[2] = {"SELECT " SALE_COLUMNS " FROM sales WHERE number = $1", LOT_ROWS "number = $1" LOT_ORDER};
static const char *const by_id[] = {"SELECT " SALE_COLUMNS " FROM sales WHERE id = $1", LOT_ROWS "id = $1" LOT_ORDER};
#define CHANGED "change > $1 ORDER BY change LIMIT $2"
static const char *const changed[] = {
	"SELECT " SALE_COLUMNS " FROM sales WHERE " CHANGED,
	"SELECT items.sku, lots.item, lots.allocated, lots.withdrawn, lots.held, lots.confirmed, lots.place, lots.sale,"
	" lots.barrier_held, lots.barrier_confirmed, lots.barrier_withdrawn"
	" FROM (SELECT number, change FROM sales WHERE " CHANGED ") AS page JOIN lots ON lots.sale = page.number"
	" JOIN items ON items.number = lots.item ORDER BY page.change, lots.place"};
static const char *const listed[] = {"SELECT " SALE_COLUMNS " FROM sales WHERE " AFTER, LOT_ROWS AFTER LOT_ORDER};

/* The sale of a row, its lots still empty; NULL when out of memory. */
static struct sale *read_sale(const PGresult *result, int row)
{
	uint32_t lot_count = (uint32_t)pg_get_int(result, row, 25);
	struct sale *sale = calloc(1, sizeof(*sale) + lot_count * sizeof(sale->lots[0]));

	if (!sale)
		return NULL;
	sale->number = (uint32_t)pg_get_int(result, row, 0);
	sale->epoch = (uint32_t)pg_get_int(result, row, 1);
	sale->version = (uint32_t)pg_get_int(result, row, 2);
	sale->state = (enum sale_state)pg_get_int(result, row, 3);
	pg_get_text(result, row, 4, sale->id, sizeof(sale->id));
	pg_get_text(result, row, 5, sale->name, sizeof(sale->name));
	sale->price_minor = pg_get_int(result, row, 6);
	pg_get_text(result, row, 7, sale->currency, sizeof(sale->currency));
	sale->limit_per_buyer = (uint32_t)pg_get_int(result, row, 8);
	sale->rate_requests = (uint32_t)pg_get_int(result, row, 9);
	sale->rate_seconds = (uint32_t)pg_get_int(result, row, 10);
	sale->hold_seconds = (uint32_t)pg_get_int(result, row, 11);
	sale->late_confirm = pg_get_int(result, row, 12) != 0;
	sale->opens_at_ms = pg_get_int_or(result, row, 13, SALE_NO_TIME);
	sale->closes_at_ms = pg_get_int_or(result, row, 14, SALE_NO_TIME);
	sale->created_at_ms = pg_get_int(result, row, 15);
	sale->ended_at_ms = pg_get_int_or(result, row, 16, SALE_NO_TIME);
	sale->barrier = (uint32_t)pg_get_int(result, row, 17);
	sale->change = (uint64_t)pg_get_int(result, row, 18);
	sale->scheduled = pg_get_int(result, row, 19) != 0;
	sale->announced = pg_get_int(result, row, 20) != 0;
	sale->opened = pg_get_int(result, row, 21) != 0;
	sale_stops_read(&sale->stops, (uint32_t)pg_get_int(result, row, 22), (uint32_t)pg_get_int(result, row, 23),
			pg_get_slice(result, row, 24));
	sale->lot_count = lot_count;
	return sale;
}

/* The sale's lots from *row on, which moves behind them. */
static int read_lots(const PGresult *result, int *row, struct sale *sale)
{
	for (uint32_t place = 0; place < sale->lot_count; place++, ++*row) {
		struct sale_lot *lot = &sale->lots[place];

		if (*row >= PQntuples(result) || pg_get_int(result, *row, 6) != place || pg_get_int(result, *row, 7) != sale->number)
			return error_origin(-EUCLEAN);
		pg_get_text(result, *row, 0, lot->sku, sizeof(lot->sku));
		lot->item = (uint32_t)pg_get_int(result, *row, 1);
		lot->allocated = pg_get_int(result, *row, 2);
		lot->withdrawn = pg_get_int(result, *row, 3);
		lot->held = pg_get_int(result, *row, 4);
		lot->confirmed = pg_get_int(result, *row, 5);
		lot->barrier_held = pg_get_int(result, *row, 8);
		lot->barrier_confirmed = pg_get_int(result, *row, 9);
		lot->barrier_withdrawn = pg_get_int(result, *row, 10);
	}
	return 0;
}

struct sale *pg_sale_read(PGresult *const results[static 2], int *end)
{
	struct sale *sale = PQntuples(results[0]) ? read_sale(results[0], 0) : NULL;
	int row = 0;

	*end = !sale && PQntuples(results[0]) ? error_origin(-ENOMEM) : 0;
	if (sale)
		*end = read_lots(results[1], &row, sale);
	if (*end == 0)
		return sale;
	free(sale);
	return NULL;
}

static int read_page(struct postgres_ledger *ledger, enum pg_trip trip, const char *const sql[static 2],
		     const struct pg_params *params, struct sale **sales, size_t *count)
{
	const struct pg_params both[] = {*params, *params};
	PGresult *results[2];
	int end, lot_row = 0;

	*count = 0;
	end = pg_read_snapshot(ledger, trip, sql, both, 2, results);
	if (end < 0)
		return end;
	for (int row = 0; row < PQntuples(results[0]) && end == 0; row++) {
		sales[*count] = read_sale(results[0], row);
		if (!sales[*count])
			end = error_origin(-ENOMEM);
		else
			end = read_lots(results[1], &lot_row, sales[(*count)++]);
	}
	pg_clear(results, 2);
	while (end < 0 && *count)
		free(sales[--*count]);
	return end;
}

int postgres_sale_get(struct ledger *base, uint32_t number, struct slice id, struct sale **sale)
{
	struct pg_params params = {0};
	size_t count;
	int end;

	*sale = NULL;
	if (number)
		pg_put_int(&params, number);
	else
		pg_put_text(&params, id);
	end = read_page(postgres_ledger_of(base), PG_TRIP_ROW, number ? pg_sale_by_number : by_id, &params, sale, &count);
	if (end < 0)
		*sale = NULL;
	return end == 0 && count == 0 ? LEDGER_NOT_FOUND : end;
}

int postgres_sales(struct ledger *base, uint32_t after, int64_t live_since_ms, struct sale **sales, size_t max, size_t *count)
{
	struct pg_params params = {0};

	pg_put_int(&params, after);
	pg_put_int(&params, live_since_ms);
	pg_put_int(&params, (int64_t)max);
	return read_page(postgres_ledger_of(base), PG_TRIP_PAGE, listed, &params, sales, count);
}

int postgres_sales_changed(struct ledger *base, uint64_t after, struct sale **sales, size_t max, size_t *count)
{
	struct pg_params params = {0};

	pg_put_int(&params, (int64_t)after);
	pg_put_int(&params, (int64_t)max);
	return read_page(postgres_ledger_of(base), PG_TRIP_ROW, changed, &params, sales, count);
}
