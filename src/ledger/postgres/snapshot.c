/*
 * Everything of one sale at one moment: one transaction in REPEATABLE READ, whose snapshot is taken
 * by its first statement.
 */
#include <stdlib.h>
#include "ledger/postgres/postgres_ledger.h"

enum { PAGE = 4096 }; /* 3 MiB of rows at a time */

static const char select_positions[] = "SELECT partition, next, mark FROM journal_offsets";
static const char select_partitions[] = "SELECT partitions FROM journal";
static const char select_withdrawals[] = "SELECT movement_id, lot, withdrawn, cause FROM movements"
					 " WHERE sale = $1 AND movement_id IS NOT NULL ORDER BY number";

static int take_positions(const PGresult *result, const PGresult *log, struct ledger_snapshot *snapshot)
{
	size_t count = (size_t)PQntuples(result);

	if (PQntuples(log))
		snapshot->partitions = (uint32_t)pg_get_int(log, 0, 0);
	if (count == 0)
		return 0;
	snapshot->positions = calloc(count, sizeof(snapshot->positions[0]));
	if (!snapshot->positions)
		return error_origin(-ENOMEM);
	for (; snapshot->position_count < count; snapshot->position_count++) {
		int row = (int)snapshot->position_count;

		snapshot->positions[row] = (struct ledger_position){
			.partition = (uint32_t)pg_get_int(result, row, 0),
			.next = pg_get_int(result, row, 1),
			.mark = (uint64_t)pg_get_int(result, row, 2),
		};
	}
	return 0;
}

static int take_withdrawals(const PGresult *result, struct ledger_snapshot *snapshot)
{
	int count = PQntuples(result);

	if (count == 0)
		return 0;
	snapshot->withdrawals = calloc((size_t)count, sizeof(snapshot->withdrawals[0]));
	if (!snapshot->withdrawals)
		return error_origin(-ENOMEM);
	for (int row = 0; row < count; row++) {
		struct ledger_withdrawal *withdrawal = &snapshot->withdrawals[snapshot->withdrawal_count];

		if (pg_get_int(result, row, 3) != CAUSE_WITHDRAW)
			continue;
		pg_get_uuid(result, row, 0, &withdrawal->movement);
		withdrawal->lot = (uint32_t)pg_get_int(result, row, 1);
		withdrawal->units = (uint32_t)pg_get_int(result, row, 2);
		snapshot->withdrawal_count++;
	}
	return 0;
}

/* Begins the transaction, and reads all but the orders. 0, LEDGER_NOT_FOUND, or negative. */
static int read_head(struct pg_connection *connection, uint32_t sale, struct ledger_snapshot *snapshot)
{
	struct pg_params number = {0};
	PGresult *results[6] = {NULL};
	int end;

	pg_put_int(&number, sale);
	pg_add(connection, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", NULL);
	pg_add(connection, pg_sale_by_number[0], &number);
	pg_add(connection, pg_sale_by_number[1], &number);
	pg_add(connection, select_positions, NULL);
	pg_add(connection, select_partitions, NULL);
	pg_add(connection, select_withdrawals, &number);
	end = pg_outcome(pg_run(connection, results), -EIO);
	if (end < 0)
		return end;
	snapshot->sale = pg_sale_read(&results[1], &end);
	if (end == 0 && !snapshot->sale)
		end = LEDGER_NOT_FOUND;
	if (end == 0)
		end = take_positions(results[3], results[4], snapshot);
	if (end == 0)
		end = take_withdrawals(results[5], snapshot);
	pg_clear(results, 6);
	return end;
}

/* The orders of a page, with their names. 0, or negative where one is of no lot. */
static int take_orders(const PGresult *result, const struct sale *sale, struct ledger_order *orders)
{
	for (int row = 0; row < PQntuples(result); row++) {
		struct ledger_order *order = &orders[row];

		pg_order_read(result, row, order);
		if (order->lot >= sale->lot_count)
			return error_origin(-EUCLEAN);
		memcpy(order->sale_id, sale->id, sizeof(order->sale_id));
		memcpy(order->sku, sale->lots[order->lot].sku, sizeof(order->sku));
	}
	return 0;
}

static void ask_for_page(struct pg_connection *connection, uint32_t sale, const struct uuid *after)
{
	struct pg_params params = {0};

	pg_put_int(&params, sale);
	pg_put_uuid(&params, after);
	pg_put_int(&params, PAGE);
	pg_add(connection, pg_orders_of_sale, &params);
	pg_send(connection);
}

/*
 * The server reads the next page while this one is being loaded. It reads in the order of the
 * primary key: of a table that was filled since it was last analyzed, such as a new sale's, the
 * planner thinks that it is small, and would fetch all that is left of the sale and sort it for
 * each page.
 */
static int read_orders(struct pg_connection *connection, const struct ledger_snapshot *snapshot, ledger_orders_fn *page, void *context)
{
	struct ledger_order *orders = calloc(PAGE, sizeof(*orders));
	int end = orders ? pg_outcome(pg_do(connection, "SET LOCAL enable_sort = off", NULL), -EIO) : error_origin(-ENOMEM);
	uint32_t sale = snapshot->sale->number;
	int rows = PAGE;
	PGresult *result;

	if (end == 0)
		ask_for_page(connection, sale, &(struct uuid){{0}});
	while (end == 0 && rows == PAGE) {
		end = pg_outcome(pg_run(connection, &result), -EIO);
		if (end < 0)
			break;
		rows = PQntuples(result);
		end = take_orders(result, snapshot->sale, orders);
		PQclear(result);
		if (end == 0 && rows == PAGE)
			ask_for_page(connection, sale, &orders[rows - 1].id);
		if (end == 0 && rows)
			end = page(context, snapshot, orders, (size_t)rows);
		if (end < 0 && connection->trip_sent && pg_run(connection, &result) == 0)
			PQclear(result);
	}
	free(orders);
	return end;
}

int postgres_sale_snapshot(struct ledger *base, uint32_t sale, struct ledger_snapshot *snapshot, ledger_orders_fn *page, void *context)
{
	struct postgres_ledger *ledger = postgres_ledger_of(base);
	struct pg_reader *reader;
	int ended, end = -ENOTCONN;

	*snapshot = (struct ledger_snapshot){0};
	/*
	 * A connection may have died while it lay idle: as often as there may be such, and once on
	 * a fresh one.
	 */
	for (int tries = 0; tries <= LEDGER_READERS_MAX && end == -ENOTCONN; tries++) {
		ledger_snapshot_deinit(snapshot);
		end = pg_reader_begin(ledger, &reader);
		if (end < 0)
			return end;
		end = read_head(&reader->connection, sale, snapshot);
		if (end < 0)
			end = pg_reader_end(ledger, reader, end);
	}
	if (end < 0)
		return end;
	if (end == 0)
		end = read_orders(&reader->connection, snapshot, page, context);
	ended = reader->connection.handle ? pg_outcome(pg_do(&reader->connection, "ROLLBACK", NULL), -EIO) : 0;
	return pg_reader_end(ledger, reader, ended < 0 && end == 0 ? ended : end);
}
