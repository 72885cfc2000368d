/*
 * Reading orders: one by its id, or many in the order of their ids, which is the order of the tree: nothing is sorted, and a page begins where the
 * one before it ended. A filter looks at every order behind `after`; that is the price of having no second index to write.
 */
#include "ledger/sqlite_private.h"

#define ORDER_COLUMNS                                                                                                                 \
	"orders.id, orders.sale, orders.lot, orders.quantity, orders.epoch, orders.state, orders.placed_at_ms, orders.changed_at_ms," \
	" orders.hold_expires_at_ms, orders.first_hold_expires_at_ms, orders.buyer, orders.trace, idempotency_keys.key"
#define ORDER_TABLES " FROM orders LEFT JOIN idempotency_keys ON idempotency_keys.order_id = orders.id"

static const char select_order[] = "SELECT " ORDER_COLUMNS ORDER_TABLES " WHERE orders.id = ?1";
static const char select_orders[] = "SELECT " ORDER_COLUMNS ORDER_TABLES " WHERE orders.id > ?1 ORDER BY orders.id LIMIT ?2";
static const char select_filtered[] =
	"SELECT " ORDER_COLUMNS ORDER_TABLES " WHERE orders.id > ?1"
	" AND (?3 = 0 OR orders.sale = ?3) AND (?4 = 0 OR orders.state = ?4) AND (?5 = '' OR orders.buyer = ?5)"
	" ORDER BY orders.id LIMIT ?2";

static void read_order(sqlite3_stmt *statement, struct ledger_order *order)
{
	column_uuid(statement, 0, &order->id);
	order->sale = (uint32_t)sqlite3_column_int64(statement, 1);
	order->lot = (uint32_t)sqlite3_column_int64(statement, 2);
	order->quantity = (uint32_t)sqlite3_column_int64(statement, 3);
	order->epoch = (uint32_t)sqlite3_column_int64(statement, 4);
	order->state = (enum order_state)sqlite3_column_int64(statement, 5);
	order->placed_at_ms = sqlite3_column_int64(statement, 6);
	order->changed_at_ms = sqlite3_column_int64(statement, 7);
	order->hold_expires_at_ms = sqlite3_column_int64(statement, 8);
	order->first_hold_expires_at_ms = sqlite3_column_int64(statement, 9);
	column_text(statement, 10, order->buyer, sizeof(order->buyer));
	column_text(statement, 11, order->trace, sizeof(order->trace));
	column_text(statement, 12, order->key, sizeof(order->key));
}

/* Orders of a page by their lot, so that its names are looked up once and not for every order: the last one seen in each of a few places. */
enum { RECENT_LOTS = 64 };
struct recent {
	const struct ledger_order *orders[RECENT_LOTS];
};

/* The names of the order's sale and item. `recent` may be NULL. */
static int name_lot(struct connection *connection, struct ledger_order *order, struct recent *recent)
{
	const struct ledger_order **like = recent ? &recent->orders[(order->sale * 31 + order->lot) % RECENT_LOTS] : NULL;
	sqlite3_stmt *statement;
	int result;

	if (like && *like && (*like)->sale == order->sale && (*like)->lot == order->lot) {
		memcpy(order->sale_id, (*like)->sale_id, sizeof(order->sale_id));
		memcpy(order->sku, (*like)->sku, sizeof(order->sku));
		return 0;
	}
	result = connection_prepare(connection,
				    "SELECT sales.id, items.sku FROM lots JOIN sales ON sales.number = lots.sale"
				    " JOIN items ON items.number = lots.item WHERE lots.sale = ?1 AND lots.place = ?2",
				    &statement);
	if (result < 0)
		return result;
	bind_int(statement, 1, order->sale);
	bind_int(statement, 2, order->lot);
	result = step_row(connection, statement);
	if (result < 0)
		return result;
	if (result != STEP_ROW)
		return error_origin(-EUCLEAN); /* an order of no lot */
	column_text(statement, 0, order->sale_id, sizeof(order->sale_id));
	column_text(statement, 1, order->sku, sizeof(order->sku));
	sqlite3_reset(statement);
	if (like)
		*like = order;
	return 0;
}

int sqlite_order_get(struct ledger *base, const struct uuid *id, struct ledger_order *order)
{
	struct sqlite_ledger *ledger = sqlite_ledger_of(base);
	struct reader *reader;
	sqlite3_stmt *statement;
	int result = reader_begin(ledger, &reader);

	if (result < 0)
		return result;
	result = connection_prepare(&reader->connection, select_order, &statement);
	if (result < 0)
		return reader_end(ledger, reader, result);
	bind_uuid(statement, 1, id);
	result = step_row(&reader->connection, statement);
	if (result == STEP_ROW) {
		read_order(statement, order);
		sqlite3_reset(statement);
		result = name_lot(&reader->connection, order, NULL);
	} else if (result == STEP_DONE) {
		result = LEDGER_NOT_FOUND;
	}
	return reader_end(ledger, reader, result);
}

int sqlite_orders(struct ledger *base, const struct ledger_order_filter *filter, struct ledger_order *orders, size_t max, size_t *count)
{
	bool filtered = filter->sale || filter->state || filter->buyer.size;
	struct sqlite_ledger *ledger = sqlite_ledger_of(base);
	struct recent recent = {{NULL}};
	struct reader *reader;
	sqlite3_stmt *statement;
	int result = reader_begin(ledger, &reader);

	*count = 0;
	if (result < 0)
		return result;
	result = connection_prepare(&reader->connection, filtered ? select_filtered : select_orders, &statement);
	if (result < 0)
		return reader_end(ledger, reader, result);
	bind_uuid(statement, 1, &filter->after);
	bind_int(statement, 2, (int64_t)max);
	if (filtered) {
		bind_int(statement, 3, filter->sale);
		bind_int(statement, 4, filter->state);
		bind_text(statement, 5, filter->buyer);
	}
	while ((result = step_row(&reader->connection, statement)) == STEP_ROW) {
		struct ledger_order *order = &orders[*count];

		read_order(statement, order);
		result = name_lot(&reader->connection, order, &recent);
		if (result < 0) {
			sqlite3_reset(statement);
			break;
		}
		++*count;
	}
	return reader_end(ledger, reader, result);
}
