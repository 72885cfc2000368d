/*
 * Reading orders: one by its id, or many in the order of their ids, which is the order of the tree:
 * nothing is sorted, and a page begins where the one before it ended. Those of one sale are read by
 * their ids (sale_orders.h), and one after the other where nobody else's lie between. A filter by
 * state looks at every order behind `after`; that is the price of having no second index to write.
 * A filter by buyer looks at the chunks that may have the buyer (buyer_index.h).
 */
#include <stdlib.h>
#include "ledger/sqlite/sale_orders.h"
#include "ledger/sqlite/sqlite_ledger.h"
#include "model/trace_bytes.h"

#define SELECT_ORDERS "SELECT " SQLITE_ORDER_COLUMNS " FROM orders" SQLITE_ORDER_PAYMENT " WHERE "
#define FILTERED "(?1 = 0 OR orders.sale = ?1) AND orders.id > ?2 AND (?4 = 0 OR state = ?4) AND (?5 = '' OR buyer = ?5)"

static const char select_order[] = SELECT_ORDERS "orders.id = ?1";
static const char select_from[] = SELECT_ORDERS "orders.id >= ?1 ORDER BY orders.id";
static const char select_filtered[] = SELECT_ORDERS FILTERED " AND orders.id <= ?6 ORDER BY orders.id LIMIT ?3";
/* The few orders that a payment is for, found by its reference. */
static const char select_paid[] =
	"SELECT orders.id FROM payments CROSS JOIN orders ON orders.id = payments.order_id"
	" WHERE payments.reference = ?6 AND (?7 = '' OR orders.reference = ?7) AND " FILTERED " ORDER BY orders.id LIMIT ?3";
/* Those with the shop's own name: the same. */
static const char select_named[] =
	"SELECT id FROM orders INDEXED BY orders_by_reference WHERE reference = ?6 AND ?7 = '' AND " FILTERED
	" ORDER BY id LIMIT ?3";

enum { IDS_AT_ONCE = 1024 }; /* of a sale, where a filter leaves some out */

enum { PAYMENT_COLUMN = SQLITE_ORDER_COLUMN_COUNT - 5 };

static void read_payment(sqlite3_stmt *statement, struct ledger_order *order)
{
	struct payment_row *payment = &order->payment;
	bool has_amount = sqlite3_column_type(statement, PAYMENT_COLUMN + 1) != SQLITE_NULL;

	if (sqlite3_column_type(statement, PAYMENT_COLUMN) == SQLITE_NULL)
		return;
	sqlite_column_text(statement, PAYMENT_COLUMN, payment->reference, sizeof(payment->reference));
	payment->amount = has_amount ? sqlite3_column_int64(statement, PAYMENT_COLUMN + 1) : PAYMENT_NO_AMOUNT;
	sqlite_column_text(statement, PAYMENT_COLUMN + 2, payment->currency, sizeof(payment->currency));
	sqlite_column_text(statement, PAYMENT_COLUMN + 3, payment->method, sizeof(payment->method));
	order->paid_at_ms = sqlite3_column_int64(statement, PAYMENT_COLUMN + 4);
}

void sqlite_order_read(sqlite3_stmt *statement, struct ledger_order *order)
{
	*order = (struct ledger_order){0};
	sqlite_column_uuid(statement, 0, &order->id);
	order->sale = (uint32_t)sqlite3_column_int64(statement, 1);
	order->lot = (uint32_t)sqlite3_column_int64(statement, 2);
	order->quantity = (uint32_t)sqlite3_column_int64(statement, 3);
	order->epoch = (uint32_t)sqlite3_column_int64(statement, 4);
	order->state = (enum order_state)sqlite3_column_int64(statement, 5);
	order->placed_at_ms = sqlite3_column_int64(statement, 6);
	order->changed_at_ms = sqlite3_column_int64(statement, 7);
	order->hold_expires_at_ms = sqlite3_column_int64(statement, 8);
	order->first_hold_expires_at_ms = sqlite3_column_int64(statement, 9);
	sqlite_column_text(statement, 10, order->buyer, sizeof(order->buyer));
	if (sqlite3_column_bytes(statement, 11) == TRACE_BYTES)
		trace_unpack(sqlite3_column_blob(statement, 11), order->trace);
	else
		sqlite_column_text(statement, 11, order->trace, sizeof(order->trace));
	sqlite_column_text(statement, 12, order->key, sizeof(order->key));
	order->priced = sqlite3_column_type(statement, 13) != SQLITE_NULL;
	order->unit_price = sqlite3_column_int64(statement, 13);
	sqlite_column_text(statement, 14, order->reference, sizeof(order->reference));
	sqlite_column_text(statement, 15, order->metadata, sizeof(order->metadata));
	order->confirmed_at_ms = sqlite3_column_int64(statement, 16);
	sqlite_column_text(statement, 17, order->actor, sizeof(order->actor));
	sqlite_column_text(statement, 18, order->reason, sizeof(order->reason));
	order->first_quantity = (uint32_t)sqlite3_column_int64(statement, 19);
	order->withdrawn = (uint32_t)sqlite3_column_int64(statement, 20);
	ledger_order_actor(order);
	read_payment(statement, order);
}

int sqlite_order_name(struct sqlite_connection *connection, struct ledger_order *order, struct sqlite_recent_lots *recent)
{
	const struct ledger_order **like = recent ? &recent->orders[(order->sale * 31 + order->lot) % SQLITE_RECENT_LOTS] : NULL;
	sqlite3_stmt *statement;
	int result;

	if (like && *like && (*like)->sale == order->sale && (*like)->lot == order->lot) {
		memcpy(order->sale_id, (*like)->sale_id, sizeof(order->sale_id));
		memcpy(order->sku, (*like)->sku, sizeof(order->sku));
		memcpy(order->currency, (*like)->currency, sizeof(order->currency));
		return 0;
	}
	result = sqlite_connection_prepare(connection,
					   "SELECT sales.id, items.sku, sales.currency FROM lots JOIN sales ON sales.number = lots.sale"
					   " JOIN items ON items.number = lots.item WHERE lots.sale = ?1 AND lots.place = ?2",
					   &statement);
	if (result < 0)
		return result;
	sqlite_bind_int(statement, 1, order->sale);
	sqlite_bind_int(statement, 2, order->lot);
	result = sqlite_step_row(connection, statement);
	if (result < 0)
		return result;
	if (result != STEP_ROW)
		return error_origin(-EUCLEAN); /* an order of no lot */
	sqlite_column_text(statement, 0, order->sale_id, sizeof(order->sale_id));
	sqlite_column_text(statement, 1, order->sku, sizeof(order->sku));
	sqlite_column_text(statement, 2, order->currency, sizeof(order->currency));
	sqlite3_reset(statement);
	if (like)
		*like = order;
	return 0;
}

/* With its names. 0, LEDGER_NOT_FOUND, or negative. */
static int get(struct sqlite_connection *connection, const struct uuid *id, struct ledger_order *order,
	       struct sqlite_recent_lots *recent)
{
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(connection, select_order, &statement);

	if (result < 0)
		return result;
	sqlite_bind_uuid(statement, 1, id);
	result = sqlite_step_row(connection, statement);
	if (result != STEP_ROW)
		return result < 0 ? result : LEDGER_NOT_FOUND;
	sqlite_order_read(statement, order);
	sqlite3_reset(statement);
	return sqlite_order_name(connection, order, recent);
}

int sqlite_order_get(struct ledger *base, const struct uuid *id, struct ledger_order *order)
{
	struct sqlite_ledger *ledger = sqlite_ledger_of(base);
	struct sqlite_reader *reader;
	int result = sqlite_reader_begin(ledger, &reader);

	return result < 0 ? result : sqlite_reader_end(ledger, reader, get(&reader->connection, id, order, NULL));
}

/* --- Those of a sale --- */

int sqlite_order_walk_begin(struct sqlite_order_walk *walk, struct sqlite_connection *connection, uint32_t sale,
			    const struct uuid *after, size_t at_once)
{
	*walk = (struct sqlite_order_walk){.connection = connection, .sale = sale, .after = *after, .at_once = at_once};
	return sqlite_connection_prepare(connection, select_from, &walk->statement);
}

/* STEP_ROW: there are more ids. */
static int find_more(struct sqlite_order_walk *walk)
{
	int result;

	if (walk->is_last)
		return STEP_DONE;
	free(walk->ids);
	walk->ids = NULL;
	walk->at = walk->count = 0;
	result = sale_orders_find(walk->connection, walk->sale, &walk->after, walk->at_once, &walk->ids, &walk->count);
	if (result < 0)
		return result;
	walk->is_last = walk->count < walk->at_once;
	if (walk->count == 0)
		return STEP_DONE;
	walk->after = walk->ids[walk->count - 1];
	return STEP_ROW;
}

int sqlite_order_walk_next(struct sqlite_order_walk *walk)
{
	struct uuid id;
	int result, order;

	do {
		result = walk->at < walk->count ? STEP_ROW : find_more(walk);
		if (result != STEP_ROW)
			return result;
		if (!walk->is_near) {
			sqlite3_reset(walk->statement);
			sqlite_bind_uuid(walk->statement, 1, &walk->ids[walk->at]);
		}
		result = sqlite_step_row(walk->connection, walk->statement);
		if (result != STEP_ROW)
			return result;
		sqlite_column_uuid(walk->statement, 0, &id);
		order = uuid_compare(&id, &walk->ids[walk->at]);
		walk->at += order >= 0; /* above: it is not there, as the audit tells */
		walk->is_near = order == 0;
	} while (order != 0);
	return STEP_ROW;
}

void sqlite_order_walk_end(struct sqlite_order_walk *walk)
{
	if (walk->statement)
		sqlite3_reset(walk->statement);
	free(walk->ids);
	*walk = (struct sqlite_order_walk){0};
}

/* --- Lists --- */

static void bind_filter(sqlite3_stmt *statement, const struct ledger_order_filter *filter, size_t max)
{
	sqlite_bind_int(statement, 1, filter->sale);
	sqlite_bind_uuid(statement, 2, &filter->after);
	sqlite_bind_int(statement, 3, (int64_t)max);
	sqlite_bind_int(statement, 4, filter->state);
	sqlite_bind_text(statement, 5, filter->buyer);
}

/* Of a range those that are behind filter->after; behind the `*count` that there are. */
static int orders_of_range(struct sqlite_connection *connection, const struct buyer_range *range,
			   const struct ledger_order_filter *filter, struct ledger_order *orders, size_t max, size_t *count)
{
	struct sqlite_recent_lots recent = {{NULL}};
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(connection, select_filtered, &statement);

	if (result < 0)
		return result;
	bind_filter(statement, filter, max - *count);
	if (uuid_compare(&filter->after, &range->from) < 0)
		sqlite_bind_uuid(statement, 2, &range->from);
	sqlite_bind_uuid(statement, 6, &range->until);
	while ((result = sqlite_step_row(connection, statement)) == STEP_ROW) {
		struct ledger_order *order = &orders[*count];

		sqlite_order_read(statement, order);
		result = sqlite_order_name(connection, order, &recent);
		if (result < 0) {
			sqlite3_reset(statement);
			break;
		}
		++*count;
	}
	return result;
}

static int orders_of_all(struct sqlite_connection *connection, const struct ledger_order_filter *filter,
			 struct ledger_order *orders, size_t max, size_t *count)
{
	struct buyer_range all = {0};

	memset(&all.until, 0xff, sizeof(all.until));
	return orders_of_range(connection, &all, filter, orders, max, count);
}

static int orders_of_sale(struct sqlite_connection *connection, const struct ledger_order_filter *filter,
			  struct ledger_order *orders, size_t max, size_t *count)
{
	struct sqlite_recent_lots recent = {{NULL}};
	struct sqlite_order_walk walk;
	int result = sqlite_order_walk_begin(&walk, connection, filter->sale, &filter->after, filter->state ? IDS_AT_ONCE : max);

	while (result == 0 && *count < max && (result = sqlite_order_walk_next(&walk)) == STEP_ROW) {
		struct ledger_order *order = &orders[*count];

		sqlite_order_read(walk.statement, order);
		result = 0;
		if (filter->state && order->state != filter->state)
			continue;
		result = sqlite_order_name(connection, order, &recent);
		*count += result == 0;
	}
	sqlite_order_walk_end(&walk);
	return result;
}

/* The orders that the payment is for, or that the shop has named so. */
static int orders_indexed(struct sqlite_connection *connection, const struct ledger_order_filter *filter,
			  struct ledger_order *orders, size_t max, size_t *count)
{
	bool paid = filter->payment.size > 0;
	sqlite3_stmt *statement;
	struct uuid id;
	int result = sqlite_connection_prepare(connection, paid ? select_paid : select_named, &statement), read = 0;

	if (result < 0)
		return result;
	bind_filter(statement, filter, max);
	sqlite_bind_text(statement, 6, paid ? filter->payment : filter->reference);
	sqlite_bind_text(statement, 7, paid ? filter->reference : SLICE(""));
	while (read == 0 && (result = sqlite_step_row(connection, statement)) == STEP_ROW) {
		sqlite_column_uuid(statement, 0, &id);
		read = get(connection, &id, &orders[*count], NULL);
		*count += read == 0;
	}
	sqlite3_reset(statement);
	if (read != 0)
		return read > 0 ? error_origin(-EUCLEAN) : read;
	return result;
}

static int orders_of_buyer(struct sqlite_ledger *ledger, struct sqlite_connection *connection,
			   const struct ledger_order_filter *filter, struct ledger_order *orders, size_t max, size_t *count)
{
	struct buyer_range *ranges = NULL;
	size_t range_count;
	int result = buyer_index_find(&ledger->buyers, connection, filter, &ranges, &range_count);

	for (size_t i = 0; i < range_count && *count < max && result == 0; i++)
		result = orders_of_range(connection, &ranges[i], filter, orders, max, count);
	free(ranges);
	return result;
}

static int read_page(struct sqlite_ledger *ledger, struct sqlite_connection *connection, const struct ledger_order_filter *filter,
		     struct ledger_order *orders, size_t max, size_t *count)
{
	if (filter->payment.size || filter->reference.size)
		return orders_indexed(connection, filter, orders, max, count);
	if (filter->buyer.size)
		return orders_of_buyer(ledger, connection, filter, orders, max, count);
	if (filter->sale)
		return orders_of_sale(connection, filter, orders, max, count);
	return orders_of_all(connection, filter, orders, max, count);
}

int sqlite_orders(struct ledger *base, const struct ledger_order_filter *filter, struct ledger_order *orders, size_t max, size_t *count)
{
	struct sqlite_ledger *ledger = sqlite_ledger_of(base);
	struct sqlite_reader *reader;
	int result = sqlite_reader_begin(ledger, &reader);

	*count = 0;
	if (result < 0)
		return result;
	result = sqlite_connection_run(&reader->connection, "BEGIN");
	if (result == 0)
		result = read_page(ledger, &reader->connection, filter, orders, max, count);
	if (result == 0)
		result = sqlite_connection_run(&reader->connection, "COMMIT");
	return sqlite_reader_end(ledger, reader, result);
}
