/* Lots that a rebuild has armed with other units than the drain came to at its barrier. */
#include "ledger/sqlite/sqlite_ledger.h"

const char sqlite_unequal_lots_sql[] =
	"SELECT sales.id, items.sku, lots.armed_epoch, lots.armed_held, lots.armed_confirmed, lots.armed_withdrawn,"
	" lots.barrier_held, lots.barrier_confirmed, lots.barrier_withdrawn FROM lots"
	" JOIN sales ON sales.number = lots.sale JOIN items ON items.number = lots.item"
	" WHERE lots.armed_epoch <> 0 AND lots.armed_epoch = sales.barrier AND (lots.armed_held <> lots.barrier_held"
	" OR lots.armed_confirmed <> lots.barrier_confirmed OR lots.armed_withdrawn <> lots.barrier_withdrawn)"
	" ORDER BY lots.sale, lots.place";

void sqlite_unequal_lot_read(sqlite3_stmt *statement, struct ledger_unequal_lot *lot)
{
	sqlite_column_text(statement, 0, lot->sale_id, sizeof(lot->sale_id));
	sqlite_column_text(statement, 1, lot->sku, sizeof(lot->sku));
	lot->epoch = (uint32_t)sqlite3_column_int64(statement, 2);
	lot->armed_held = sqlite3_column_int64(statement, 3);
	lot->armed_confirmed = sqlite3_column_int64(statement, 4);
	lot->armed_withdrawn = sqlite3_column_int64(statement, 5);
	lot->held = sqlite3_column_int64(statement, 6);
	lot->confirmed = sqlite3_column_int64(statement, 7);
	lot->withdrawn = sqlite3_column_int64(statement, 8);
}

int sqlite_lots_unequal(struct ledger *base, struct ledger_unequal_lot *lots, size_t max, size_t *count)
{
	struct sqlite_ledger *ledger = sqlite_ledger_of(base);
	struct sqlite_reader *reader;
	sqlite3_stmt *statement;
	int result = sqlite_read_begin(ledger, sqlite_unequal_lots_sql, &reader, &statement);

	*count = 0;
	if (result < 0)
		return result;
	while (*count < max && (result = sqlite_step_row(&reader->connection, statement)) == STEP_ROW)
		sqlite_unequal_lot_read(statement, &lots[(*count)++]);
	sqlite3_reset(statement);
	if (result == STEP_ROW)
		result = 0;
	return sqlite_reader_end(ledger, reader, result);
}
