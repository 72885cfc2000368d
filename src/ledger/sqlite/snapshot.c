/*
 * Everything of one sale at one moment: one read transaction, which in WAL mode sees nothing of
 * what is committed after its first statement.
 */
#include <stdlib.h>
#include "ledger/sqlite/sqlite_ledger.h"

enum {
	PAGE = 4096,         /* 3 MiB of rows at a time */
	IDS_AT_ONCE = 16384, /* of orders: each time what no row has yet is looked through */
};

/* Room for one more in an array that has `count`, which doubles at powers of two. 0 or -ENOMEM. */
static int grow(void **array, size_t count, size_t size)
{
	void *larger;

	if (count & (count - 1))
		return 0;
	larger = realloc(*array, (count ? 2 * count : 1) * size);
	if (!larger)
		return error_origin(-ENOMEM);
	*array = larger;
	return 0;
}

static int read_positions(struct sqlite_connection *connection, struct ledger_snapshot *snapshot)
{
	sqlite3_stmt *positions, *log;
	int result = sqlite_connection_prepare(connection, "SELECT partition, next, mark FROM journal_offsets", &positions);

	if (result == 0)
		result = sqlite_connection_prepare(connection, "SELECT partitions FROM journal", &log);
	if (result < 0)
		return result;
	while ((result = sqlite_step_row(connection, positions)) == STEP_ROW) {
		result = grow((void **)&snapshot->positions, snapshot->position_count, sizeof(snapshot->positions[0]));
		if (result < 0) {
			sqlite3_reset(positions);
			return result;
		}
		snapshot->positions[snapshot->position_count++] = (struct ledger_position){
			.partition = (uint32_t)sqlite3_column_int64(positions, 0),
			.next = sqlite3_column_int64(positions, 1),
			.mark = (uint64_t)sqlite3_column_int64(positions, 2),
		};
	}
	if (result == 0)
		result = sqlite_step_row(connection, log);
	if (result != STEP_ROW)
		return result;
	snapshot->partitions = (uint32_t)sqlite3_column_int64(log, 0);
	sqlite3_reset(log);
	return 0;
}

static int read_withdrawals(struct sqlite_connection *connection, struct ledger_snapshot *snapshot)
{
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(connection,
					       "SELECT movement_id, lot, withdrawn, cause FROM movements"
					       " WHERE sale = ?1 AND movement_id IS NOT NULL ORDER BY number",
					       &statement);

	if (result < 0)
		return result;
	sqlite_bind_int(statement, 1, snapshot->sale->number);
	while ((result = sqlite_step_row(connection, statement)) == STEP_ROW) {
		struct ledger_withdrawal *withdrawal;

		if (sqlite3_column_int64(statement, 3) != CAUSE_WITHDRAW)
			continue;
		result = grow((void **)&snapshot->withdrawals, snapshot->withdrawal_count, sizeof(snapshot->withdrawals[0]));
		if (result < 0) {
			sqlite3_reset(statement);
			return result;
		}
		withdrawal = &snapshot->withdrawals[snapshot->withdrawal_count++];
		sqlite_column_uuid(statement, 0, &withdrawal->movement);
		withdrawal->lot = (uint32_t)sqlite3_column_int64(statement, 1);
		withdrawal->units = (uint32_t)sqlite3_column_int64(statement, 2);
	}
	return result;
}

static int read_orders(struct sqlite_connection *connection, const struct ledger_snapshot *snapshot, ledger_orders_fn *page,
		       void *context)
{
	static const struct uuid first;
	struct ledger_order *orders = calloc(PAGE, sizeof(*orders));
	const struct sale *sale = snapshot->sale;
	struct sqlite_order_walk walk = {0};
	size_t count = 0;
	int ended = 0, result = orders ? sqlite_order_walk_begin(&walk, connection, sale->number, &first, IDS_AT_ONCE)
				       : error_origin(-ENOMEM);

	while (result == 0 && ended == 0 && (result = sqlite_order_walk_next(&walk)) == STEP_ROW) {
		struct ledger_order *order = &orders[count++];

		sqlite_order_read(walk.statement, order);
		result = 0;
		if (order->lot >= sale->lot_count) {
			result = error_origin(-EUCLEAN); /* an order of no lot */
			break;
		}
		memcpy(order->sale_id, sale->id, sizeof(order->sale_id));
		memcpy(order->sku, sale->lots[order->lot].sku, sizeof(order->sku));
		if (count == PAGE) {
			ended = page(context, snapshot, orders, count);
			count = 0;
		}
	}
	sqlite_order_walk_end(&walk);
	if (result == 0 && ended == 0 && count)
		ended = page(context, snapshot, orders, count);
	free(orders);
	return result < 0 ? result : ended;
}

int sqlite_sale_snapshot(struct ledger *base, uint32_t number, struct ledger_snapshot *snapshot, ledger_orders_fn *page, void *context)
{
	struct sqlite_ledger *ledger = sqlite_ledger_of(base);
	struct sqlite_connection *connection;
	struct sqlite_reader *reader;
	int ended, result = sqlite_reader_begin(ledger, &reader);

	*snapshot = (struct ledger_snapshot){0};
	if (result < 0)
		return result;
	connection = &reader->connection;
	result = sqlite_connection_run(connection, "BEGIN");
	if (result < 0)
		return sqlite_reader_end(ledger, reader, result);
	result = sqlite_sale_read(connection, number, &snapshot->sale);
	if (result == 0)
		result = read_positions(connection, snapshot);
	if (result == 0)
		result = read_withdrawals(connection, snapshot);
	if (result == 0)
		result = read_orders(connection, snapshot, page, context);
	ended = sqlite_connection_run(connection, "ROLLBACK");
	return sqlite_reader_end(ledger, reader, ended < 0 && result == 0 ? ended : result);
}
