/*
 * What a batch needs to know, read; and what it has come to, written: SQL and the order of its
 * statements. What they are for is told in apply.c.
 */
#include "ledger/postgres/rows.h"

/* So many new orders that COPY is faster, its trips included. */
enum { COPY_MIN = 256 };

/* --- Reading --- */

static const char select_lots[] = "SELECT lots.sale, lots.place, sales.epoch, lots.item, sales.id, items.sku, sales.barrier FROM lots"
				  " JOIN sales ON sales.number = lots.sale JOIN items ON items.number = lots.item"
				  " WHERE lots.sale = ANY($1)";
#define KNOWN                                                                                                     \
	"SELECT orders.id, orders.sale, orders.lot, orders.quantity, orders.state, orders.hold_expires_at_ms,"    \
	" orders.buyer, coalesce(orders.first_quantity, orders.quantity) FROM unnest($1, $2) AS asked (id, sale)" \
	" JOIN orders ON orders.sale = asked.sale AND orders.id = asked.id"
static const char select_known[] = KNOWN;
static const char lock_known[] = KNOWN " ORDER BY orders.sale, orders.id FOR NO KEY UPDATE OF orders";
static const char select_paid[] = "SELECT payments.order_id, payments.reference FROM unnest($1, $2) AS asked (id, sale)"
				  " JOIN payments ON payments.sale = asked.sale AND payments.order_id = asked.id";
static const char select_moved[] = "SELECT movement_id FROM movements WHERE movement_id = ANY($1)";

struct pg_makeup pg_rows_makeup(struct pg_batch *batch, const struct ledger_entry *entries, size_t count)
{
	struct pg_makeup makeup = {.purchases_only = true};
	uint32_t last = 0;

	for (size_t i = 0; i < count; i++) {
		const struct event *event = entries[i].event;

		makeup.withdrawals |= event->kind == EVENT_WITHDRAWN;
		makeup.payments |= event->kind == EVENT_PAID;
		makeup.purchases_only &= event->kind == EVENT_RESERVED;
		makeup.operators |= event->kind != EVENT_RESERVED && event->kind != EVENT_BARRIER &&
				    ledger_event_by_operator(event, SLICE_NULL);
		pg_array_uuid(&batch->asked[ASK_ID], &event->id);
		pg_array_int(&batch->asked[ASK_SALE], event->sale);
		if (event->sale != last)
			pg_array_int(&batch->sales, event->sale);
		last = event->sale;
	}
	/* Whatever touches an item has the log's end locked. */
	makeup.operators |= makeup.withdrawals;
	return makeup;
}

static int know_lots(struct pg_batch *batch, const PGresult *result)
{
	int known = 0;

	for (int row = 0; row < PQntuples(result) && known == 0; row++) {
		struct batch_lot lot = {
			.sale = (uint32_t)pg_get_int(result, row, 0),
			.lot = (uint32_t)pg_get_int(result, row, 1),
			.epoch = (uint32_t)pg_get_int(result, row, 2),
			.item = pg_get_int(result, row, 3),
			.barrier = (uint32_t)pg_get_int(result, row, 6),
		};

		pg_get_text(result, row, 4, lot.sale_id, sizeof(lot.sale_id));
		pg_get_text(result, row, 5, lot.sku, sizeof(lot.sku));
		known = pg_batch_know_lot(batch, &lot);
	}
	return known;
}

static void know_orders(struct pg_batch *batch, const PGresult *result)
{
	for (int row = 0; row < PQntuples(result); row++) {
		struct batch_order *order;
		struct uuid id;

		pg_get_uuid(result, row, 0, &id);
		order = pg_batch_order(batch, &id);
		order->is_order = true;
		order->row.sale = (uint32_t)pg_get_int(result, row, 1);
		order->row.lot = (uint32_t)pg_get_int(result, row, 2);
		order->row.quantity = (uint32_t)pg_get_int(result, row, 3);
		order->row.state = (enum order_state)pg_get_int(result, row, 4);
		order->row.hold_expires_at_ms = pg_get_int(result, row, 5);
		pg_get_text(result, row, 6, order->row.buyer, sizeof(order->row.buyer));
		order->row.first_quantity = (uint32_t)pg_get_int(result, row, 7);
	}
}

static void know_payments(struct pg_batch *batch, const PGresult *result)
{
	for (int row = 0; row < PQntuples(result); row++) {
		struct batch_order *order;
		struct uuid id;

		pg_get_uuid(result, row, 0, &id);
		order = pg_batch_order(batch, &id);
		pg_get_text(result, row, 1, order->paid, sizeof(order->paid));
	}
}

static void know_movements(struct pg_batch *batch, const PGresult *result)
{
	for (int row = 0; row < PQntuples(result); row++) {
		struct uuid id;

		pg_get_uuid(result, row, 0, &id);
		pg_batch_order(batch, &id)->is_movement = true;
	}
}

static void add_array_query(struct pg_connection *connection, const char *sql, struct pg_array *array)
{
	pg_add_table(connection, sql, array, 1);
}

int pg_rows_read(struct postgres_ledger *ledger, const struct pg_makeup *makeup, size_t opening)
{
	struct pg_connection *connection = &ledger->writer.connection;
	struct pg_batch *batch = ledger->writer.batch;
	PGresult *results[PG_TRIP_MAX] = {NULL};
	size_t at = opening, count;
	int end;

	if (makeup->operators)
		pg_add(connection, ledger->shared ? pg_log_head_lock_sql : pg_log_head_sql, NULL);
	if (ledger->shared && !batch->by_barrier) {
		add_array_query(connection, "SELECT hold_epochs($1)", &batch->sales);
		at++;
	}
	add_array_query(connection, select_lots, &batch->sales);
	pg_add_table(connection, ledger->shared ? lock_known : select_known, batch->asked, ASK_COLUMNS);
	if (makeup->withdrawals)
		add_array_query(connection, select_moved, &batch->asked[ASK_ID]);
	if (makeup->payments)
		pg_add_table(connection, select_paid, batch->asked, ASK_COLUMNS);
	count = connection->trip_asked;
	end = pg_run(connection, results);
	if (end != 0)
		return end;
	pg_batch_forget_lots(batch);
	if (makeup->operators)
		pg_log_head_read(results[opening], &batch->head);
	at += makeup->operators;
	end = know_lots(batch, results[at]);
	know_orders(batch, results[at + 1]);
	if (makeup->withdrawals)
		know_movements(batch, results[at + 2]);
	if (makeup->payments)
		know_payments(batch, results[at + 2 + makeup->withdrawals]);
	pg_clear(results, count);
	return end;
}

/* --- Writing --- */

static const char insert_orders[] =
	"INSERT INTO orders (id, sale, lot, quantity, state, epoch, buyer_units, limit_per_buyer, placed_at_ms, changed_at_ms,"
	" hold_expires_at_ms, first_hold_expires_at_ms, buyer, trace, key, price_minor, reference, metadata, confirmed_at_ms)"
	" SELECT id, sale, lot, quantity, state, epoch, buyer_units, most, at_ms, at_ms, hold_ms, hold_ms, buyer, trace, key, price, reference,"
	" metadata, confirmed_ms"
	" FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)"
	" AS row (id, sale, lot, quantity, state, epoch, buyer_units, most, at_ms, hold_ms, buyer, trace, key, price, reference, metadata,"
	" confirmed_ms)";
static const char insert_movements[] =
	"INSERT INTO movements (at_ms, cause, item, sale, lot, order_id, movement_id, on_hand, allocated, held, confirmed, withdrawn, actor,"
	" epoch, hold_expires_at_ms, reason, left_units, refund)"
	" SELECT at_ms, cause, item, sale, lot, order_id, movement_id, on_hand, 0, held, confirmed, withdrawn, actor, epoch, hold_ms, reason,"
	" left_units, refund"
	" FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)"
	" AS row (at_ms, cause, item, sale, lot, order_id, movement_id, on_hand, held, confirmed, withdrawn, actor, epoch, hold_ms, reason,"
	" left_units, refund)";
static const char update_orders[] =
	"UPDATE orders SET state = row.state, changed_at_ms = row.at_ms, hold_expires_at_ms = coalesce(row.hold_ms, hold_expires_at_ms),"
	" confirmed_at_ms = coalesce(row.confirmed_ms, confirmed_at_ms), actor = row.actor, reason = row.reason,"
	" quantity = coalesce(row.quantity, orders.quantity),"
	" first_quantity = CASE WHEN row.quantity IS NULL THEN first_quantity ELSE coalesce(first_quantity, orders.quantity) END,"
	" withdrawn_units = CASE WHEN row.withdrawn IS NULL THEN withdrawn_units ELSE coalesce(withdrawn_units, 0) + row.withdrawn END"
	" FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
	" AS row (sale, id, state, at_ms, hold_ms, confirmed_ms, actor, reason, quantity, withdrawn)"
	" WHERE orders.sale = row.sale AND orders.id = row.id";
static const char update_lots[] =
	"UPDATE lots SET held = lots.held + row.held, confirmed = lots.confirmed + row.confirmed, withdrawn = lots.withdrawn + row.withdrawn"
	" FROM unnest($1, $2, $3, $4, $5) AS row (sale, place, held, confirmed, withdrawn)"
	" WHERE lots.sale = row.sale AND lots.place = row.place";
static const char update_items[] =
	"UPDATE items SET on_hand = on_hand + back.units FROM (SELECT item, sum(units) AS units FROM unnest($1, $2) AS row (item, units)"
	" GROUP BY item) AS back WHERE items.number = back.item";
static const char insert_log[] = "INSERT INTO operator_log (number, at_ms, actor, action, subject, detail, trace, hash)"
				 " SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8)";

static const char insert_requests[] = "INSERT INTO operator_requests (id, body, outcome, at_ms)"
				      " SELECT * FROM unnest($1, $2, $3, $4) ON CONFLICT (id) DO NOTHING";

static const char insert_payments[] = "INSERT INTO payments (sale, order_id, at_ms, reference, amount_minor, currency, method)"
				      " SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7)";

static const char update_barriers[] =
	"UPDATE sales SET barrier = row.barrier, version = version + 1, change = next_change()"
	" FROM (SELECT number, max(barrier) AS barrier FROM unnest($1, $2) AS all_of (number, barrier) GROUP BY number) AS row"
	" WHERE sales.number = row.number AND sales.barrier < row.barrier";
/* Before the lots' sums are moved on: what the batch has changed before the barrier. */
static const char update_barrier_sums[] =
	"UPDATE lots SET barrier_held = lots.held + row.held, barrier_confirmed = lots.confirmed + row.confirmed,"
	" barrier_withdrawn = lots.withdrawn + row.withdrawn"
	" FROM unnest($1, $2, $3, $4, $5) AS row (sale, place, held, confirmed, withdrawn)"
	" WHERE lots.sale = row.sale AND lots.place = row.place";
static const char insert_dead[] = "INSERT INTO dead_letters (at_ms, reason, event) SELECT * FROM unnest($1, $2, $3)";

void pg_add_table(struct pg_connection *connection, const char *sql, struct pg_array *columns, size_t count)
{
	struct pg_params params = {0};

	for (size_t i = 0; i < count; i++)
		pg_put_array(&params, &columns[i]);
	pg_add(connection, sql, &params);
}

/* In the order in which rows are locked: see writer.c. */
static void add_changes(struct pg_connection *connection, struct pg_batch *batch)
{
	struct pg_params head = {0};

	if (batch->has_changes)
		pg_add_table(connection, update_orders, batch->changes, CHANGE_COLUMNS);
	if (batch->has_payments)
		pg_add_table(connection, insert_payments, batch->payments, PAYMENT_COLUMNS);
	if (batch->has_barriers) {
		pg_add_table(connection, update_barriers, batch->barriers, EPOCH_COLUMNS);
		pg_add_table(connection, update_barrier_sums, batch->barrier_sums, LOT_COLUMNS);
	}
	if (batch->has_lots)
		pg_add_table(connection, update_lots, batch->lot_changes, LOT_COLUMNS);
	if (batch->has_returns)
		pg_add_table(connection, update_items, batch->returns, RETURN_COLUMNS);
	if (batch->has_dead)
		pg_add_table(connection, insert_dead, batch->dead, DEAD_COLUMNS);
	if (batch->has_requests)
		pg_add_table(connection, insert_requests, batch->requests, REQUEST_COLUMNS);
	if (!batch->has_log)
		return;
	pg_add_table(connection, insert_log, batch->log, LOG_COLUMNS);
	pg_log_head_put(&head, &batch->head);
	pg_add(connection, pg_log_head_update_sql, &head);
}

void pg_rows_add(struct pg_connection *connection, struct pg_batch *batch)
{
	if (batch->has_new)
		pg_add_table(connection, insert_orders, batch->new, NEW_COLUMNS);
	if (batch->has_moves)
		pg_add_table(connection, insert_movements, batch->moves, MOVE_COLUMNS);
	add_changes(connection, batch);
}

int pg_rows_write(struct pg_connection *connection, struct pg_batch *batch)
{
	int end;

	if (batch->new[NEW_ID].count < COPY_MIN) {
		pg_rows_add(connection, batch);
		return 0;
	}
	end = connection->trip_asked ? pg_run(connection, NULL) : 0;
	if (end == 0)
		end = pg_copy_orders(connection, batch);
	if (end == 0)
		add_changes(connection, batch);
	return end;
}
