/* A draft's lots: what a person can still change his mind about. */
#include "ledger/log_detail.h"
#include "ledger/sqlite/private.h"

/* A lot of the sale by its SKU. */
struct lot_row {
	uint32_t place;
	int64_t item, units; /* units: what the sale has of it */
};

/* 0, LEDGER_NOT_FOUND, or negative. */
static int find_lot(struct sqlite_connection *connection, uint32_t sale, const char *sku, struct lot_row *row)
{
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(connection,
					       "SELECT lots.place, lots.item, lots.allocated - lots.withdrawn FROM lots"
					       " JOIN items ON items.number = lots.item WHERE lots.sale = ?1 AND items.sku = ?2",
					       &statement);

	if (result < 0)
		return result;
	sqlite_bind_int(statement, 1, sale);
	sqlite_bind_text(statement, 2, slice_of(sku));
	result = sqlite_step_row(connection, statement);
	if (result != STEP_ROW)
		return result < 0 ? result : LEDGER_NOT_FOUND;
	row->place = (uint32_t)sqlite3_column_int64(statement, 0);
	row->item = sqlite3_column_int64(statement, 1);
	row->units = sqlite3_column_int64(statement, 2);
	sqlite3_reset(statement);
	return 0;
}

static int next_place(struct sqlite_connection *connection, uint32_t sale, uint32_t *place)
{
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(connection, "SELECT count(*) FROM lots WHERE sale = ?1", &statement);

	if (result < 0)
		return result;
	sqlite_bind_int(statement, 1, sale);
	result = sqlite_step_row(connection, statement);
	if (result != STEP_ROW)
		return result < 0 ? result : error_origin(-EUCLEAN);
	*place = (uint32_t)sqlite3_column_int64(statement, 0);
	sqlite3_reset(statement);
	return *place < LOTS_MAX ? 0 : LEDGER_CONSTRAINT;
}

/* 0, LEDGER_NOT_FOUND (item), LEDGER_NOT_ENOUGH, LEDGER_CONSTRAINT (too many lots), or negative. */
static int set_lot(struct sqlite_connection *connection, uint32_t sale, const struct sale_lot *lot, const struct ledger_actor *actor)
{
	struct sale_lot fresh = *lot;
	struct lot_row row;
	uint32_t place = 0;
	int result = find_lot(connection, sale, lot->sku, &row);

	if (result == LEDGER_NOT_FOUND) {
		result = next_place(connection, sale, &place);
		return result != 0 ? result : sqlite_lot_insert(connection, sale, place, &fresh, actor);
	}
	if (result != 0 || row.units == lot->allocated)
		return result;
	if (row.units > lot->allocated)
		return sqlite_lot_return(connection, sale, row.place, row.item, row.units - lot->allocated, actor);
	return sqlite_lot_grow(connection, sale, row.place, lot->sku, lot->allocated - row.units, actor);
}

int sqlite_sale_set_lots(struct ledger *base, const struct sale *sale, const struct sale_lot *lots, uint32_t count,
			 const struct ledger_actor *actor, uint32_t *lot)
{
	struct sqlite_ledger *ledger = sqlite_ledger_of(base);
	struct sqlite_connection *connection;
	struct buffer detail;
	int result = sqlite_writer_begin(ledger, &connection);

	*lot = 0;
	if (result < 0)
		return result;
	result = sqlite_sale_may_change(connection, sale);
	for (uint32_t i = 0; i < count && result == 0; i++) {
		*lot = i;
		result = set_lot(connection, sale->number, &lots[i], actor);
	}
	if (result == 0)
		result = sqlite_sale_touch(connection, sale->number);
	buffer_init(&detail, LOG_TERMS_MAX);
	log_detail_lots(&detail, lots, count);
	if (result == 0)
		result = sqlite_log_row_write(connection, actor, "sale.lots", slice_of(sale->id), buffer_slice(&detail));
	buffer_deinit(&detail);
	return sqlite_writer_end(ledger, result);
}
