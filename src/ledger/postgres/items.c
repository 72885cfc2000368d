/* Items: what is in the warehouse. */
#include "ledger/postgres/postgres_ledger.h"

static const char select_item[] = "SELECT items.sku, items.name, items.on_hand,"
				  " (SELECT coalesce(sum(allocated - withdrawn), 0)::bigint FROM lots WHERE lots.item = items.number)"
				  " FROM items WHERE items.sku = $1";
static const char select_items[] = "SELECT items.sku, items.name, items.on_hand,"
				   " (SELECT coalesce(sum(allocated - withdrawn), 0)::bigint FROM lots WHERE lots.item = items.number)"
				   " FROM items WHERE items.sku > $1 ORDER BY items.sku LIMIT $2";

static void read_item(const PGresult *result, int row, struct ledger_item *item)
{
	pg_get_text(result, row, 0, item->sku, sizeof(item->sku));
	pg_get_text(result, row, 1, item->name, sizeof(item->name));
	item->on_hand = pg_get_int(result, row, 2);
	item->allocated = pg_get_int(result, row, 3);
}

/* --- Rows of a transaction --- */

static int insert(struct transaction *transaction, const struct ledger_item *item, int64_t *number)
{
	struct pg_connection *connection = pg_connection_of(transaction);
	struct pg_params params = {0};
	PGresult *result;
	int end;

	pg_put_text(&params, slice_of(item->sku));
	pg_put_text(&params, slice_of(item->name));
	pg_put_int(&params, item->on_hand);
	end = pg_outcome(pg_query(connection,
				  "INSERT INTO items (sku, name, on_hand) VALUES ($1, $2, $3) ON CONFLICT (sku) DO NOTHING RETURNING number",
				  &params, &result),
			 -EIO);
	if (end < 0)
		return end;
	if (PQntuples(result) == 1)
		*number = pg_get_int(result, 0, 0);
	else
		end = LEDGER_EXISTS;
	PQclear(result);
	return end;
}

static int find(struct transaction *transaction, struct slice sku, int64_t *number, int64_t *on_hand)
{
	struct pg_connection *connection = pg_connection_of(transaction);
	struct pg_params params = {0};
	PGresult *result;
	int end;

	pg_put_text(&params, sku);
	end = pg_outcome(pg_query(connection, "SELECT number, on_hand FROM items WHERE sku = $1", &params, &result), -EIO);
	if (end < 0)
		return end;
	if (PQntuples(result) == 0) {
		end = LEDGER_NOT_FOUND;
	} else {
		*number = pg_get_int(result, 0, 0);
		*on_hand = pg_get_int(result, 0, 1);
	}
	PQclear(result);
	return end;
}

static int add_on_hand(struct transaction *transaction, int64_t item, int64_t units)
{
	struct pg_connection *connection = pg_connection_of(transaction);
	struct pg_params params = {0};

	pg_put_int(&params, item);
	pg_put_int(&params, units);
	return pg_outcome(pg_do(connection, "UPDATE items SET on_hand = on_hand + $2 WHERE number = $1", &params), LEDGER_NOT_ENOUGH);
}

const struct item_rows pg_item_rows = {.insert = insert, .find = find, .add_on_hand = add_on_hand};

/* --- Reading --- */

int postgres_item_get(struct ledger *base, struct slice sku, struct ledger_item *item)
{
	struct pg_params params = {0};
	PGresult *result;
	int end;

	pg_put_text(&params, sku);
	end = pg_read(postgres_ledger_of(base), PG_TRIP_ROW, select_item, &params, &result);
	if (end < 0)
		return end;
	if (PQntuples(result) == 0)
		end = LEDGER_NOT_FOUND;
	else
		read_item(result, 0, item);
	PQclear(result);
	return end;
}

int postgres_items(struct ledger *base, struct slice after, struct ledger_item *items, size_t max, size_t *count)
{
	struct pg_params params = {0};
	PGresult *result;
	int end;

	*count = 0;
	pg_put_text(&params, after);
	pg_put_int(&params, (int64_t)max);
	end = pg_read(postgres_ledger_of(base), PG_TRIP_ROWS, select_items, &params, &result);
	if (end < 0)
		return end;
	for (int row = 0; row < PQntuples(result); row++)
		read_item(result, row, &items[(*count)++]);
	PQclear(result);
	return 0;
}
