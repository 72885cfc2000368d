/*
 * The rows of orders, as applying events needs them. Those of orders that are granted go one by
 * one, or several by one statement.
 *
 * OR FAIL: a row that breaks a constraint ends the statement, and those before it stay. SQLite then
 * counts them. Of a value of another type than its column's it would not, but what is bound here
 * has the columns' types.
 */
#include "ledger/sqlite/apply.h"
#include "model/trace_bytes.h"

#define INTO_ORDERS                                                                                                            \
	"INTO orders (id, sale, lot, quantity, state, epoch, buyer_units, limit_per_buyer, placed_at_ms, changed_at_ms,"       \
	" hold_expires_at_ms, first_hold_expires_at_ms, buyer, trace, key, price_minor, reference, metadata, confirmed_at_ms)" \
	" VALUES "
#define ROW "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"

enum { COLUMNS = 19 };

static const char one_row[] = "INSERT " INTO_ORDERS ROW;
static const char rows[] = "INSERT OR FAIL " INTO_ORDERS ROW "," ROW "," ROW "," ROW "," ROW "," ROW "," ROW "," ROW;

/*
 * Its columns are the parameters behind `before`. The trace is packed into `trace`, which must
 * stay, as the event.
 */
static void bind_order(sqlite3_stmt *statement, int before, const struct event *event, unsigned char trace[static TRACE_BYTES])
{
	const struct slice packed = {(const char *)trace, TRACE_BYTES};

	sqlite_bind_uuid(statement, before + 1, &event->id);
	sqlite_bind_int(statement, before + 2, event->sale);
	sqlite_bind_int(statement, before + 3, event->lot);
	sqlite_bind_int(statement, before + 4, event->quantity);
	sqlite_bind_int(statement, before + 5, event->hold_expires_at_ms ? ORDER_HELD : ORDER_CONFIRMED);
	sqlite_bind_int(statement, before + 6, event->epoch);
	sqlite_bind_int(statement, before + 7, event->buyer_units);
	sqlite_bind_int(statement, before + 8, event->limit_per_buyer);
	sqlite_bind_int(statement, before + 9, event->at_ms);
	sqlite_bind_int(statement, before + 10, event->at_ms);
	sqlite_bind_int_or_null(statement, before + 11, event->hold_expires_at_ms, 0);
	sqlite_bind_int_or_null(statement, before + 12, event->hold_expires_at_ms, 0);
	sqlite_bind_text(statement, before + 13, event->buyer);
	sqlite_bind_bytes_or_null(statement, before + 14, trace_pack(event->trace, trace) ? packed : event->trace);
	sqlite_bind_text_or_null(statement, before + 15, event->key);
	sqlite_bind_int_or_null(statement, before + 16, event->priced ? event->unit_price : -1, -1);
	sqlite_bind_text_or_null(statement, before + 17, event->labels.reference);
	sqlite_bind_text_or_null(statement, before + 18, event->labels.metadata);
	sqlite_bind_int_or_null(statement, before + 19, event->hold_expires_at_ms ? 0 : event->at_ms, 0);
}

int sqlite_order_insert(struct sqlite_connection *connection, const struct event *event)
{
	unsigned char trace[TRACE_BYTES];
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(connection, one_row, &statement);

	if (result < 0)
		return result;
	bind_order(statement, 0, event, trace);
	return sqlite_step_once(connection, statement);
}

int sqlite_orders_insert(struct sqlite_connection *connection, const struct event *const *events, size_t *inserted)
{
	unsigned char traces[SQLITE_ROWS][TRACE_BYTES];
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(connection, rows, &statement);

	*inserted = 0;
	if (result < 0)
		return result;
	for (int i = 0; i < SQLITE_ROWS; i++)
		bind_order(statement, COLUMNS * i, events[i], traces[i]);
	result = sqlite_step_once(connection, statement);
	if (result < 0)
		return result;
	*inserted = (size_t)sqlite3_changes(connection->db);
	return 0;
}

int sqlite_order_find(struct sqlite_connection *connection, const struct event *event, struct order_row *row)
{
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(connection,
					       "SELECT lot, quantity, state, hold_expires_at_ms, buyer, coalesce(first_quantity, quantity) FROM orders"
					       " WHERE sale = ?1 AND id = ?2",
					       &statement);

	if (result < 0)
		return result;
	sqlite_bind_int(statement, 1, event->sale);
	sqlite_bind_uuid(statement, 2, &event->id);
	result = sqlite_step_row(connection, statement);
	if (result != STEP_ROW)
		return result;
	row->sale = event->sale;
	row->lot = (uint32_t)sqlite3_column_int64(statement, 0);
	row->quantity = (uint32_t)sqlite3_column_int64(statement, 1);
	row->state = (enum order_state)sqlite3_column_int64(statement, 2);
	row->hold_expires_at_ms = sqlite3_column_int64(statement, 3);
	sqlite_column_text(statement, 4, row->buyer, sizeof(row->buyer));
	row->first_quantity = (uint32_t)sqlite3_column_int64(statement, 5);
	sqlite3_reset(statement);
	return ORDER_FOUND;
}

int sqlite_order_change(struct sqlite_connection *connection, const struct event *event, const struct event_change *change)
{
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(
		connection,
		"UPDATE orders SET state = ?2, changed_at_ms = ?3, hold_expires_at_ms = coalesce(?4, hold_expires_at_ms),"
		" confirmed_at_ms = coalesce(?6, confirmed_at_ms), actor = ?7, reason = ?8"
		" WHERE sale = ?5 AND id = ?1",
		&statement);

	if (result < 0)
		return result;
	sqlite_bind_uuid(statement, 1, &event->id);
	sqlite_bind_int(statement, 5, event->sale);
	sqlite_bind_int(statement, 2, change->state);
	sqlite_bind_int(statement, 3, event->at_ms);
	sqlite_bind_int_or_null(statement, 4, event->kind == EVENT_EXTENDED ? event->hold_expires_at_ms : 0, 0);
	sqlite_bind_int_or_null(statement, 6, event->kind == EVENT_CONFIRMED ? event->at_ms : 0, 0);
	sqlite_bind_text_or_null(statement, 7, change->by);
	sqlite_bind_text_or_null(statement, 8, event->reason);
	result = sqlite_step_once(connection, statement);
	return result == STEP_CONSTRAINT ? LEDGER_CONSTRAINT : result;
}

int sqlite_order_take(struct sqlite_connection *connection, const struct event *event, const struct event_change *change)
{
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(connection,
					       "UPDATE orders SET first_quantity = coalesce(first_quantity, quantity), quantity = quantity - ?3,"
					       " withdrawn_units = coalesce(withdrawn_units, 0) + ?4 WHERE sale = ?2 AND id = ?1",
					       &statement);

	if (result < 0)
		return result;
	sqlite_bind_uuid(statement, 1, &event->id);
	sqlite_bind_int(statement, 2, event->sale);
	sqlite_bind_int(statement, 3, change->leaves);
	sqlite_bind_int(statement, 4, change->movement.withdrawn);
	result = sqlite_step_once(connection, statement);
	return result == STEP_CONSTRAINT ? LEDGER_CONSTRAINT : result;
}
