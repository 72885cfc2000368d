/* Items: what is in the warehouse. */
#include "ledger/sqlite/sqlite_ledger.h"

static const char select_item[] = "SELECT items.sku, items.name, items.on_hand,"
				  " (SELECT coalesce(sum(allocated - withdrawn), 0) FROM lots WHERE lots.item = items.number)"
				  " FROM items WHERE items.sku = ?1";
static const char select_items[] = "SELECT items.sku, items.name, items.on_hand,"
				   " (SELECT coalesce(sum(allocated - withdrawn), 0) FROM lots WHERE lots.item = items.number)"
				   " FROM items WHERE items.sku > ?1 ORDER BY items.sku LIMIT ?2";

static void read_item(sqlite3_stmt *statement, struct ledger_item *item)
{
	sqlite_column_text(statement, 0, item->sku, sizeof(item->sku));
	sqlite_column_text(statement, 1, item->name, sizeof(item->name));
	item->on_hand = sqlite3_column_int64(statement, 2);
	item->allocated = sqlite3_column_int64(statement, 3);
}

/* --- Rows of a transaction --- */

static int insert(struct transaction *transaction, const struct ledger_item *item, int64_t *number)
{
	struct sqlite_connection *connection = sqlite_connection_of(transaction);
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(connection, "INSERT INTO items (sku, name, on_hand) VALUES (?1, ?2, ?3)", &statement);

	if (result < 0)
		return result;
	sqlite_bind_text(statement, 1, slice_of(item->sku));
	sqlite_bind_text(statement, 2, slice_of(item->name));
	sqlite_bind_int(statement, 3, item->on_hand);
	result = sqlite_step_once(connection, statement);
	if (result == 0)
		*number = sqlite3_last_insert_rowid(connection->db);
	return result == STEP_CONSTRAINT ? LEDGER_EXISTS : result;
}

static int find(struct transaction *transaction, struct slice sku, int64_t *number, int64_t *on_hand)
{
	struct sqlite_connection *connection = sqlite_connection_of(transaction);
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(connection, "SELECT number, on_hand FROM items WHERE sku = ?1", &statement);

	if (result < 0)
		return result;
	sqlite_bind_text(statement, 1, sku);
	result = sqlite_step_row(connection, statement);
	if (result != STEP_ROW)
		return result < 0 ? result : LEDGER_NOT_FOUND;
	*number = sqlite3_column_int64(statement, 0);
	*on_hand = sqlite3_column_int64(statement, 1);
	sqlite3_reset(statement);
	return 0;
}

static int add_on_hand(struct transaction *transaction, int64_t item, int64_t units)
{
	struct sqlite_connection *connection = sqlite_connection_of(transaction);
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(connection, "UPDATE items SET on_hand = on_hand + ?2 WHERE number = ?1", &statement);

	if (result < 0)
		return result;
	sqlite_bind_int(statement, 1, item);
	sqlite_bind_int(statement, 2, units);
	result = sqlite_step_once(connection, statement);
	return result == STEP_CONSTRAINT ? LEDGER_NOT_ENOUGH : result;
}

const struct item_rows sqlite_item_rows = {.insert = insert, .find = find, .add_on_hand = add_on_hand};

/* --- Reading --- */

int sqlite_item_get(struct ledger *base, struct slice sku, struct ledger_item *item)
{
	struct sqlite_ledger *ledger = sqlite_ledger_of(base);
	struct sqlite_reader *reader;
	sqlite3_stmt *statement;
	int result = sqlite_read_begin(ledger, select_item, &reader, &statement);

	if (result < 0)
		return result;
	sqlite_bind_text(statement, 1, sku);
	result = sqlite_step_row(&reader->connection, statement);
	if (result == STEP_ROW) {
		read_item(statement, item);
		sqlite3_reset(statement);
	}
	if (result >= 0)
		result = result == STEP_ROW ? LEDGER_DONE : LEDGER_NOT_FOUND;
	return sqlite_reader_end(ledger, reader, result);
}

int sqlite_items(struct ledger *base, struct slice after, struct ledger_item *items, size_t max, size_t *count)
{
	struct sqlite_ledger *ledger = sqlite_ledger_of(base);
	struct sqlite_reader *reader;
	sqlite3_stmt *statement;
	int result = sqlite_read_begin(ledger, select_items, &reader, &statement);

	*count = 0;
	if (result < 0)
		return result;
	sqlite_bind_text(statement, 1, after);
	sqlite_bind_int(statement, 2, (int64_t)max);
	while ((result = sqlite_step_row(&reader->connection, statement)) == STEP_ROW)
		read_item(statement, &items[(*count)++]);
	return sqlite_reader_end(ledger, reader, result);
}
