/*
 * Reading orders: one by its id, which ends in its sale's number, or many in the order of their
 * ids. Within a sale that is the order of the tree: nothing is sorted, and a page begins where the
 * one before it ended. A page of all sales takes the first ids of each sale, as far as they are
 * below the ones that it has, and then their rows. A filter by state looks at every order behind
 * `after`; that is the price of having no second index to write. A filter by buyer looks at the
 * chunks that may have the buyer (buyer_index.h).
 */
#include <stdlib.h>
#include "ledger/sqlite/sqlite_ledger.h"
#include "model/trace_bytes.h"

#define SELECT_ORDERS "SELECT " SQLITE_ORDER_COLUMNS " FROM orders" SQLITE_ORDER_PAYMENT " WHERE "
#define FILTERED "orders.sale = ?1 AND orders.id > ?2 AND (?4 = 0 OR state = ?4) AND (?5 = '' OR buyer = ?5) AND orders.id <= ?7"

const char sqlite_orders_of_sale[] = SELECT_ORDERS "orders.sale = ?1 ORDER BY orders.id";
static const char select_order[] = SELECT_ORDERS "orders.sale = ?1 AND orders.id = ?2";
static const char select_filtered[] = SELECT_ORDERS FILTERED " ORDER BY orders.id LIMIT ?3";
static const char select_ids[] = "SELECT id FROM orders WHERE " FILTERED " AND id < ?6 ORDER BY id LIMIT ?3";
/* The few orders that a payment is for, found by its reference. */
static const char select_paid[] =
	"SELECT orders.id FROM payments CROSS JOIN orders ON orders.sale = payments.sale AND orders.id = payments.order_id"
	" WHERE payments.reference = ?6 AND (?7 = '' OR orders.reference = ?7) AND (?1 = 0 OR orders.sale = ?1) AND orders.id > ?2 AND (?4 = 0 OR state = ?4)"
	" AND (?5 = '' OR buyer = ?5) ORDER BY orders.id LIMIT ?3";
/* Those with the shop's own name: the same. */
static const char select_named[] =
	"SELECT id FROM orders INDEXED BY orders_by_reference WHERE reference = ?6 AND ?7 = '' AND (?1 = 0 OR sale = ?1) AND id > ?2"
	" AND (?4 = 0 OR state = ?4) AND (?5 = '' OR buyer = ?5) ORDER BY id LIMIT ?3";

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
	sqlite_bind_int(statement, 1, uuid_tag(id));
	sqlite_bind_uuid(statement, 2, id);
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

static void bind_filter(sqlite3_stmt *statement, uint32_t sale, const struct ledger_order_filter *filter, size_t max)
{
	sqlite_bind_int(statement, 1, sale);
	sqlite_bind_uuid(statement, 2, &filter->after);
	sqlite_bind_int(statement, 3, (int64_t)max);
	sqlite_bind_int(statement, 4, filter->state);
	sqlite_bind_text(statement, 5, filter->buyer);
}

/* Of a range those that are behind filter->after. */
static void bind_range(sqlite3_stmt *statement, const struct buyer_range *range, const struct ledger_order_filter *filter, size_t max)
{
	bind_filter(statement, range->sale, filter, max);
	if (uuid_compare(&filter->after, &range->from) < 0)
		sqlite_bind_uuid(statement, 2, &range->from);
	sqlite_bind_uuid(statement, 7, &range->until);
}

/* All orders of a sale. */
static struct buyer_range whole(uint32_t sale)
{
	struct buyer_range range = {.sale = sale};

	memset(&range.until, 0xff, sizeof(range.until));
	return range;
}

/* Behind the `*count` that there are. */
static int orders_of_range(struct sqlite_connection *connection, const struct buyer_range *range,
			   const struct ledger_order_filter *filter, struct ledger_order *orders, size_t max, size_t *count)
{
	struct sqlite_recent_lots recent = {{NULL}};
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(connection, select_filtered, &statement);

	if (result < 0)
		return result;
	bind_range(statement, range, filter, max - *count);
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

/*
 * The lowest ids of the sales seen so far, sorted: at most `max`. `spare` has room for as many, and
 * is where the next ones are merged.
 */
struct first_ids {
	struct uuid *ids, *spare;
	size_t count, max;
};

/* Merges a range's ids, which come sorted. */
static int merge_range(struct sqlite_connection *connection, const struct buyer_range *range,
		       const struct ledger_order_filter *filter, struct first_ids *first)
{
	struct uuid below, next;
	size_t taken = 0, count = 0;
	sqlite3_stmt *statement;
	struct uuid *swap;
	int result = sqlite_connection_prepare(connection, select_ids, &statement);

	if (result < 0)
		return result;
	memset(&below, 0xff, sizeof(below));
	if (first->count == first->max)
		below = first->ids[first->count - 1];
	bind_range(statement, range, filter, first->max);
	sqlite_bind_uuid(statement, 6, &below);
	result = sqlite_step_row(connection, statement);
	if (result == STEP_DONE)
		return 0;
	while (result == STEP_ROW && count < first->max) {
		sqlite_column_uuid(statement, 0, &next);
		while (count < first->max && taken < first->count && uuid_compare(&first->ids[taken], &next) < 0)
			first->spare[count++] = first->ids[taken++];
		if (count < first->max)
			first->spare[count++] = next;
		result = sqlite_step_row(connection, statement);
	}
	sqlite3_reset(statement);
	if (result < 0)
		return result;
	while (count < first->max && taken < first->count)
		first->spare[count++] = first->ids[taken++];
	swap = first->ids;
	first->ids = first->spare;
	first->spare = swap;
	first->count = count;
	return 0;
}

static int merge_sales(struct sqlite_connection *connection, const struct ledger_order_filter *filter, struct first_ids *first)
{
	sqlite3_stmt *statement;
	int merged = 0, result = sqlite_connection_prepare(connection, "SELECT number FROM sales ORDER BY number", &statement);

	if (result < 0)
		return result;
	while (merged == 0 && (result = sqlite_step_row(connection, statement)) == STEP_ROW) {
		struct buyer_range range = whole((uint32_t)sqlite3_column_int64(statement, 0));

		merged = merge_range(connection, &range, filter, first);
	}
	sqlite3_reset(statement);
	return merged < 0 ? merged : result;
}

static int merge_ranges(struct sqlite_connection *connection, const struct buyer_range *ranges, size_t range_count,
			const struct ledger_order_filter *filter, struct first_ids *first)
{
	int result = 0;

	for (size_t i = 0; i < range_count && result == 0; i++)
		result = merge_range(connection, &ranges[i], filter, first);
	return result;
}

/* ranges NULL: of all sales. */
static int orders_of_all(struct sqlite_connection *connection, const struct buyer_range *ranges, size_t range_count,
			 const struct ledger_order_filter *filter, struct ledger_order *orders, size_t max, size_t *count)
{
	struct first_ids first = {calloc(max, sizeof(struct uuid)), calloc(max, sizeof(struct uuid)), 0, max};
	struct sqlite_recent_lots recent = {{NULL}};
	int result = first.ids && first.spare ? 0 : error_origin(-ENOMEM);

	if (result == 0)
		result = ranges ? merge_ranges(connection, ranges, range_count, filter, &first)
				: merge_sales(connection, filter, &first);
	for (size_t i = 0; i < first.count && result == 0; i++) {
		result = get(connection, &first.ids[i], &orders[*count], &recent);
		*count += result == 0;
	}
	free(first.ids);
	free(first.spare);
	return result > 0 ? error_origin(-EUCLEAN) : result;
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
	bind_filter(statement, filter->sale, filter, max);
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

	if (result == 0 && !filter->sale)
		result = orders_of_all(connection, ranges, range_count, filter, orders, max, count);
	for (size_t i = 0; filter->sale && i < range_count && *count < max && result == 0; i++)
		result = orders_of_range(connection, &ranges[i], filter, orders, max, count);
	free(ranges);
	return result;
}

static int read_page(struct sqlite_ledger *ledger, struct sqlite_connection *connection, const struct ledger_order_filter *filter,
		     struct ledger_order *orders, size_t max, size_t *count)
{
	struct buyer_range range = whole(filter->sale);

	if (filter->payment.size || filter->reference.size)
		return orders_indexed(connection, filter, orders, max, count);
	if (filter->buyer.size)
		return orders_of_buyer(ledger, connection, filter, orders, max, count);
	if (filter->sale)
		return orders_of_range(connection, &range, filter, orders, max, count);
	return orders_of_all(connection, NULL, 0, filter, orders, max, count);
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
