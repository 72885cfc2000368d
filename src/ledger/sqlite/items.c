/* Items: what is in the warehouse. */
#include "ledger/log_detail.h"
#include "ledger/sqlite/private.h"

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

static int insert_item(struct sqlite_connection *connection, const struct ledger_item *item)
{
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(connection, "INSERT INTO items (sku, name, on_hand) VALUES (?1, ?2, ?3)", &statement);

	if (result < 0)
		return result;
	sqlite_bind_text(statement, 1, slice_of(item->sku));
	sqlite_bind_text(statement, 2, slice_of(item->name));
	sqlite_bind_int(statement, 3, item->on_hand);
	result = sqlite_step_once(connection, statement);
	return result == STEP_CONSTRAINT ? LEDGER_EXISTS : result;
}

int sqlite_item_create(struct ledger *base, const struct ledger_item *item, const struct ledger_actor *actor)
{
	struct movement movement = {.cause = CAUSE_RECEIVE, .at_ms = actor->now_ms, .on_hand = item->on_hand, .actor = actor->name};
	struct sqlite_ledger *ledger = sqlite_ledger_of(base);
	struct sqlite_connection *connection;
	char detail[LOG_DETAIL_SIZE];
	int result = sqlite_writer_begin(ledger, &connection);

	if (result < 0)
		return result;
	ASSERT(item->on_hand >= 0);
	result = sqlite_request_check(connection, actor);
	if (result == 0)
		result = insert_item(connection, item);
	if (result == 0 && item->on_hand) {
		movement.item = sqlite3_last_insert_rowid(connection->db);
		result = sqlite_movement_write(connection, &movement);
	}
	if (result == 0)
		result = sqlite_log_row_write(connection, actor, "item.create", slice_of(item->sku),
					      log_detail_item(detail, item->on_hand));
	return sqlite_writer_end(ledger, result);
}

/* 0 with the item's number and units, LEDGER_NOT_FOUND, or negative. */
static int find_item(struct sqlite_connection *connection, struct slice sku, int64_t *number, int64_t *on_hand)
{
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

static int add_on_hand(struct sqlite_connection *connection, int64_t item, int64_t units)
{
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(connection, "UPDATE items SET on_hand = on_hand + ?2 WHERE number = ?1", &statement);

	if (result < 0)
		return result;
	sqlite_bind_int(statement, 1, item);
	sqlite_bind_int(statement, 2, units);
	result = sqlite_step_once(connection, statement);
	return result == STEP_CONSTRAINT ? LEDGER_NOT_ENOUGH : result;
}

/* In a transaction. reason.data NULL: received. 0, REPEATED, KEY_REUSED, ALREADY, NOT_FOUND, NOT_ENOUGH, or negative. */
static int receive(struct sqlite_connection *connection, struct slice sku, int64_t units, struct slice reason,
		   const struct uuid *id, const struct ledger_actor *actor, int64_t *on_hand)
{
	struct movement movement = {.cause = reason.data ? CAUSE_ADJUST : CAUSE_RECEIVE,
				    .at_ms = actor->now_ms,
				    .movement = id,
				    .on_hand = units,
				    .actor = actor->name};
	char detail[LOG_DETAIL_SIZE];
	int result = find_item(connection, sku, &movement.item, on_hand);

	if (result == 0)
		result = sqlite_request_check(connection, actor);
	if (result != 0)
		return result;
	result = sqlite_movement_exists(connection, id);
	if (result != 0)
		return result < 0 ? result : LEDGER_ALREADY;
	if (*on_hand + units < 0)
		return LEDGER_NOT_ENOUGH;
	result = add_on_hand(connection, movement.item, units);
	if (result == 0)
		result = sqlite_movement_write(connection, &movement);
	if (result != 0)
		return result;
	*on_hand += units;
	return sqlite_log_row_write(connection, actor, reason.data ? "item.adjust" : "item.receive", sku,
				    log_detail_receive(detail, units, reason, id));
}

int sqlite_item_receive(struct ledger *base, struct slice sku, int64_t units, const struct uuid *movement,
			const struct ledger_actor *actor, int64_t *on_hand)
{
	struct sqlite_ledger *ledger = sqlite_ledger_of(base);
	struct sqlite_connection *connection;
	int result = sqlite_writer_begin(ledger, &connection);

	ASSERT(units > 0);
	if (result < 0)
		return result;
	return sqlite_writer_end(ledger, receive(connection, sku, units, SLICE_NULL, movement, actor, on_hand));
}

int sqlite_item_adjust(struct ledger *base, struct slice sku, int64_t units, struct slice reason, const struct uuid *movement,
		       const struct ledger_actor *actor, int64_t *on_hand)
{
	struct sqlite_ledger *ledger = sqlite_ledger_of(base);
	struct sqlite_connection *connection;
	int result = sqlite_writer_begin(ledger, &connection);

	ASSERT(reason.size > 0);
	if (result < 0)
		return result;
	return sqlite_writer_end(ledger, receive(connection, sku, units, reason, movement, actor, on_hand));
}

int sqlite_item_get(struct ledger *base, struct slice sku, struct ledger_item *item)
{
	struct sqlite_ledger *ledger = sqlite_ledger_of(base);
	struct sqlite_reader *reader;
	sqlite3_stmt *statement;
	int result = sqlite_reader_begin(ledger, &reader);

	if (result < 0)
		return result;
	result = sqlite_connection_prepare(&reader->connection, select_item, &statement);
	if (result < 0)
		return sqlite_reader_end(ledger, reader, result);
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
	int result = sqlite_reader_begin(ledger, &reader);

	*count = 0;
	if (result < 0)
		return result;
	result = sqlite_connection_prepare(&reader->connection, select_items, &statement);
	if (result < 0)
		return sqlite_reader_end(ledger, reader, result);
	sqlite_bind_text(statement, 1, after);
	sqlite_bind_int(statement, 2, (int64_t)max);
	while ((result = sqlite_step_row(&reader->connection, statement)) == STEP_ROW)
		read_item(statement, &items[(*count)++]);
	return sqlite_reader_end(ledger, reader, result);
}
