/*
 * Applying events: one transaction a batch, and as few round trips as can be.
 *
 *   The long way, two trips. What the batch needs to know is read (its lots, its ids, the end of the operator log), each event is judged and its rows are made in
 *       memory (postgres_batch.c), and all rows go out together with COMMIT: one statement a table, with an array for each column. Nobody changes
 *       anything between the trips: every transaction begins by taking the row of `commits`.
 *   The short way, one trip, for the common batch: purchases alone, of lots that are known from before. It assumes that no order is there yet and that the
 *       epochs are what they were, and the server checks both in the same transaction (check_epochs(), the primary key). Where it says no, nothing was
 *       done, and the batch goes the long way.
 *
 * What becomes of an event is decided in this order:
 *
 *   1. Is it there already? Then that is the answer, whatever else holds: who drives an event again must never hear that it is not in the ledger
 *      when it is.
 *   2. Has its sale a newer epoch? Then it is void, whatever its kind (rule 4). A newer epoch than the ledger's is let through: a ledger that was
 *      restored from a backup meets such events, and the barrier that raised the epoch is behind them in the same log.
 *   3. Does its lot, its order exist, and does the order's state allow it? A terminal state absorbs what comes late.
 *   4. The tables' own constraints, the last line. One that fires says only that some event of the batch is bad: the batch is rolled back and
 *      applied in halves, each in a savepoint, down to the one. This never happens in a program that works, so it may cost what it likes.
 *
 * When the transaction fails, the caller must still be told the truth about each event: one that was driven again may be there from before. So
 * after a failure each is looked up (LEDGER_ALREADY, or the failure; -EINPROGRESS where the ledger cannot be read).
 *
 * Turned down: COPY, which has no place in a pipeline: two more trips. Microseconds a row, of a table like `orders` alone: one row 330 by arrays, 430
 * by COPY; 16 rows 24 and 34; 256 rows 6.3 and 5.7; 1,024 rows 4.3 and 4.3; 4,096 rows 4.3 and 2.8; by way of a staging table never better than either.
 * Also a function on the server that judges: the rules would be written twice, and once in another language.
 */
#include "base/failpoint.h"
#include "base/log.h"
#include "ledger/postgres_batch.h"

enum { TRIES_MAX = 5 };

/* --- Reading --- */

static const char select_lots[] = "SELECT lots.sale, lots.place, sales.epoch, lots.item, sales.id, items.sku FROM lots"
				  " JOIN sales ON sales.number = lots.sale JOIN items ON items.number = lots.item"
				  " WHERE lots.sale = ANY($1)";
static const char select_known[] = "SELECT id, sale, lot, quantity, state, hold_expires_at_ms, buyer FROM orders WHERE id = ANY($1)";
static const char select_moved[] = "SELECT movement_id FROM movements WHERE movement_id = ANY($1)";

/* What a batch is made of. */
struct makeup {
	bool withdrawals;
	bool operators; /* perhaps */
	bool purchases_only;
};

static struct makeup makeup_of(struct pg_batch *batch, const struct ledger_entry *entries, size_t count)
{
	struct makeup makeup = {.purchases_only = true};
	uint32_t last = 0;

	for (size_t i = 0; i < count; i++) {
		const struct event *event = entries[i].event;

		makeup.withdrawals |= event->kind == EVENT_WITHDRAWN;
		makeup.purchases_only &= event->kind == EVENT_RESERVED;
		makeup.operators |= event->kind != EVENT_RESERVED && event_by_operator(event, SLICE_NULL);
		pg_array_uuid(&batch->ids, &event->id);
		if (event->sale != last)
			pg_array_int(&batch->sales, event->sale);
		last = event->sale;
	}
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
	struct pg_params params = {0};

	pg_put_array(&params, array);
	pg_add(connection, sql, &params);
}

/* The first trip of the long way, with `opening` statements added before. 0, enum pg_end, or negative. */
static int read_batch(struct postgres_ledger *ledger, const struct makeup *makeup, size_t opening)
{
	struct pg_connection *connection = &ledger->writer.connection;
	struct pg_batch *batch = ledger->writer.batch;
	PGresult *results[PG_TRIP_MAX] = {NULL};
	size_t count = opening;
	int end;

	add_array_query(connection, select_lots, &batch->sales);
	add_array_query(connection, select_known, &batch->ids);
	count += 2;
	if (makeup->withdrawals) {
		add_array_query(connection, select_moved, &batch->ids);
		count++;
	}
	if (makeup->operators) {
		pg_add(connection, pg_log_head_sql, NULL);
		count++;
	}
	end = pg_run(connection, results);
	if (end != 0)
		return end;
	pg_batch_forget_lots(batch);
	end = know_lots(batch, results[opening]);
	know_orders(batch, results[opening + 1]);
	if (makeup->withdrawals)
		know_movements(batch, results[opening + 2]);
	if (makeup->operators)
		pg_log_head_read(results[count - 1], &batch->head);
	pg_clear(results, count);
	return end;
}

/* --- Writing --- */

static const char insert_orders[] =
	"WITH new AS MATERIALIZED (SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"
	" AS row (id, sale, lot, quantity, state, epoch, buyer_units, most, at_ms, hold_ms, buyer, trace, key)),"
	" keys AS (INSERT INTO idempotency_keys (order_id, key) SELECT id, key FROM new WHERE key IS NOT NULL"
	"  ON CONFLICT (order_id) DO UPDATE SET key = excluded.key)"
	"INSERT INTO orders (id, sale, lot, quantity, state, epoch, buyer_units, limit_per_buyer, placed_at_ms, changed_at_ms,"
	" hold_expires_at_ms, first_hold_expires_at_ms, buyer, trace)"
	" SELECT id, sale, lot, quantity, state, epoch, buyer_units, most, at_ms, at_ms, hold_ms, hold_ms, buyer, trace FROM new";
static const char insert_movements[] =
	"INSERT INTO movements (at_ms, cause, item, sale, lot, order_id, movement_id, on_hand, allocated, held, confirmed, withdrawn, actor)"
	" SELECT at_ms, cause, item, sale, lot, order_id, movement_id, on_hand, 0, held, confirmed, withdrawn, actor"
	" FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"
	" AS row (at_ms, cause, item, sale, lot, order_id, movement_id, on_hand, held, confirmed, withdrawn, actor)";
static const char update_orders[] =
	"UPDATE orders SET state = row.state, changed_at_ms = row.at_ms, hold_expires_at_ms = coalesce(row.hold_ms, hold_expires_at_ms)"
	" FROM unnest($1, $2, $3, $4) AS row (id, state, at_ms, hold_ms) WHERE orders.id = row.id";
static const char update_lots[] =
	"UPDATE lots SET held = lots.held + row.held, confirmed = lots.confirmed + row.confirmed, withdrawn = lots.withdrawn + row.withdrawn"
	" FROM unnest($1, $2, $3, $4, $5) AS row (sale, place, held, confirmed, withdrawn)"
	" WHERE lots.sale = row.sale AND lots.place = row.place";
static const char update_items[] =
	"UPDATE items SET on_hand = on_hand + back.units FROM (SELECT item, sum(units) AS units FROM unnest($1, $2) AS row (item, units)"
	" GROUP BY item) AS back WHERE items.number = back.item";
static const char insert_log[] = "INSERT INTO operator_log (number, at_ms, actor, action, subject, detail, trace, hash)"
				 " SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8)";

static void add_table(struct pg_connection *connection, const char *sql, struct pg_array *columns, size_t count)
{
	struct pg_params params = {0};

	for (size_t i = 0; i < count; i++)
		pg_put_array(&params, &columns[i]);
	pg_add(connection, sql, &params);
}

static void add_rows(struct pg_connection *connection, struct pg_batch *batch)
{
	struct pg_params head = {0};

	if (batch->has_new)
		add_table(connection, insert_orders, batch->new, NEW_COLUMNS);
	if (batch->has_moves)
		add_table(connection, insert_movements, batch->moves, MOVE_COLUMNS);
	if (batch->has_changes)
		add_table(connection, update_orders, batch->changes, CHANGE_COLUMNS);
	if (batch->has_lots)
		add_table(connection, update_lots, batch->lot_changes, LOT_COLUMNS);
	if (batch->has_returns)
		add_table(connection, update_items, batch->returns, RETURN_COLUMNS);
	if (!batch->has_log)
		return;
	add_table(connection, insert_log, batch->log, LOG_COLUMNS);
	pg_log_head_put(&head, &batch->head);
	pg_add(connection, pg_log_head_update_sql, &head);
}

/* Judges every event; 0 or negative. */
static int judge(struct pg_batch *batch, struct ledger_entry *entries, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		entries[i].outcome = pg_batch_apply(batch, entries[i].event);
		if (entries[i].outcome < 0)
			return entries[i].outcome;
	}
	pg_batch_finish(batch);
	return 0;
}

/* --- The short way --- */

static bool may_go_short(struct pg_batch *batch, const struct makeup *makeup, const struct ledger_entry *entries, size_t count)
{
	if (!makeup->purchases_only)
		return false;
	for (size_t i = 0; i < count; i++)
		if (!pg_batch_lot(batch, entries[i].event->sale, entries[i].event->lot))
			return false;
	return true;
}

/* 0: committed. PG_CONSTRAINT, PG_STALE: the long way. Otherwise as pg_transaction_commit(). */
static int go_short(struct postgres_ledger *ledger, struct ledger_entry *entries, size_t count)
{
	struct pg_connection *connection = &ledger->writer.connection;
	struct pg_batch *batch = ledger->writer.batch;
	int result = judge(batch, entries, count);

	if (result < 0)
		return pg_transaction_abandon(ledger, result);
	for (size_t i = 0; i < count; i++)
		if (entries[i].outcome != LEDGER_DONE)
			return PG_STALE;
	pg_add_begin(ledger);
	add_table(connection, "SELECT check_epochs($1, $2)", batch->epochs, EPOCH_COLUMNS);
	add_rows(connection, batch);
	return pg_transaction_commit(ledger);
}

/* --- The long way --- */

static int go_long(struct postgres_ledger *ledger, const struct makeup *makeup, struct ledger_entry *entries, size_t count)
{
	struct pg_batch *batch = ledger->writer.batch;
	int result;

	pg_add_begin(ledger);
	result = pg_transaction_settle(ledger, read_batch(ledger, makeup, 2));
	if (result != 0)
		return result;
	result = judge(batch, entries, count);
	if (result < 0)
		return pg_transaction_abandon(ledger, result);
	/* Nothing new: what is there already was durable before it could be seen. */
	if (!pg_batch_wrote(batch))
		return pg_transaction_abandon(ledger, 0);
	add_rows(&ledger->writer.connection, batch);
	return pg_transaction_commit(ledger);
}

/* --- In halves --- */

/* In a transaction. 0, enum pg_end, or negative. */
static int apply_range(struct postgres_ledger *ledger, struct ledger_entry *entries, size_t count)
{
	struct pg_connection *connection = &ledger->writer.connection;
	struct pg_batch *batch = ledger->writer.batch;
	struct makeup makeup;
	int result;

	pg_batch_clear(batch);
	makeup = makeup_of(batch, entries, count);
	pg_add(connection, "SAVEPOINT half", NULL);
	result = read_batch(ledger, &makeup, 1);
	if (result == 0)
		result = judge(batch, entries, count);
	if (result != 0)
		return result;
	add_rows(connection, batch);
	pg_add(connection, "RELEASE half", NULL);
	return pg_run(connection, NULL);
}

/* Leaves out the events that break a constraint, and applies the rest. 0, enum pg_end, or negative. */
static int apply_halves(struct postgres_ledger *ledger, struct ledger_entry *entries, size_t count)
{
	size_t half = count / 2;
	int result = apply_range(ledger, entries, count);

	if (result != PG_CONSTRAINT)
		return result;
	pg_add(&ledger->writer.connection, "ROLLBACK TO half", NULL);
	pg_add(&ledger->writer.connection, "RELEASE half", NULL);
	result = pg_run(&ledger->writer.connection, NULL);
	if (result != 0)
		return result;
	if (count == 1) {
		entries->outcome = LEDGER_CONSTRAINT;
		return 0;
	}
	result = apply_halves(ledger, entries, half);
	return result != 0 ? result : apply_halves(ledger, entries + half, count - half);
}

static int go_in_halves(struct postgres_ledger *ledger, struct ledger_entry *entries, size_t count)
{
	int result;

	pg_add_begin(ledger);
	result = pg_transaction_run(ledger, NULL);
	if (result == 0)
		result = pg_transaction_settle(ledger, apply_halves(ledger, entries, count));
	return result != 0 ? result : pg_transaction_commit(ledger);
}

/* --- The batch --- */

static void shout(const struct ledger_entry *entries, size_t count)
{
	char id[UUID_TEXT_SIZE];

	for (size_t i = 0; i < count; i++) {
		if (entries[i].outcome != LEDGER_CONSTRAINT)
			continue;
		uuid_format(&entries[i].event->id, id);
		log_error("ledger", "a last-line constraint fired: an event that must not be was kept out", LOG_TEXT("id", id),
			  LOG_TEXT("kind", event_kind_name(entries[i].event->kind)), LOG_INT("sale", entries[i].event->sale));
	}
}

/* One transaction. 0, enum pg_end, or negative. */
static int attempt(struct postgres_ledger *ledger, struct ledger_entry *entries, size_t count)
{
	struct pg_batch *batch = ledger->writer.batch;
	struct makeup makeup;
	int result = pg_writer_ready(ledger);

	if (result == 0)
		result = FAILPOINT("ledger.begin");
	if (result < 0)
		return pg_writer_failed(ledger, result);
	pg_batch_clear(batch);
	makeup = makeup_of(batch, entries, count);
	if (may_go_short(batch, &makeup, entries, count)) {
		result = go_short(ledger, entries, count);
		if (result != PG_CONSTRAINT && result != PG_STALE)
			return result;
		pg_batch_clear(batch);
		makeup = makeup_of(batch, entries, count);
	}
	result = go_long(ledger, &makeup, entries, count);
	return result == PG_CONSTRAINT ? go_in_halves(ledger, entries, count) : result;
}

/* What is there from before, after the transaction has failed with `code`. */
static int look_up(struct pg_batch *batch, const struct event *event, int code)
{
	const struct batch_order *known = pg_batch_order(batch, &event->id);
	enum order_state next;

	if (event->kind == EVENT_WITHDRAWN)
		return known->is_movement ? LEDGER_ALREADY : code;
	if (!known->is_order)
		return code;
	if (event->kind == EVENT_RESERVED)
		return order_row_same(&known->row, event) ? LEDGER_ALREADY : code;
	if (known->row.sale != event->sale)
		return code;
	return order_row_settle(&known->row, event, &next) == LEDGER_ALREADY ? LEDGER_ALREADY : code;
}

static void look_up_all(struct postgres_ledger *ledger, struct ledger_entry *entries, size_t count, int code)
{
	struct pg_batch *batch = ledger->writer.batch;
	struct makeup makeup;
	bool read = false;

	if (batch && code != -EINPROGRESS && pg_writer_ready(ledger) == 0) {
		pg_batch_clear(batch);
		makeup = makeup_of(batch, entries, count);
		read = read_batch(ledger, &makeup, 0) == 0;
	}
	for (size_t i = 0; i < count; i++)
		entries[i].outcome = read ? look_up(batch, entries[i].event, code) : -EINPROGRESS;
}

int postgres_apply(struct ledger *base, struct ledger_entry *entries, size_t count)
{
	struct postgres_ledger *ledger = postgres_ledger_of(base);
	int result;

	if (count == 0)
		return 0;
	pg_writer_lock(ledger);
	result = pg_batch_fit(&ledger->writer.batch, count);
	/* Again after a deadlock, and where a connection that had died in silence took the first try with it: nothing of that is there. */
	for (int tries = 0; tries < TRIES_MAX && result >= 0; tries++) {
		result = attempt(ledger, entries, count);
		if (result == 0 || (result < 0 && (result != -ENOTCONN || tries > 0)))
			break;
		if (result == -ENOTCONN)
			result = 1;
	}
	if (result > 0)
		result = pg_writer_failed(ledger, -EBUSY);
	if (result < 0)
		look_up_all(ledger, entries, count, result);
	pg_writer_unlock(ledger);
	if (result == 0)
		shout(entries, count);
	return result;
}
