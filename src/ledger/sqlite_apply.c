/*
 * Applying events: the hot path of the whole program. One transaction a batch; an order that is granted is three rows appended to three trees
 * (orders, movements, idempotency_keys), and what the batch does to a lot is added up here and written once.
 *
 * What becomes of an event is decided in this order:
 *
 *   1. Is it there already? Then that is the answer, whatever else holds: who drives an event again must never hear that it is not in the
 *      ledger when it is. A settlement is there when the order is where it leads (order_next() says ORDER_ALREADY). An extension is there when the
 *      order has its deadline; the stock lets nobody act on an order while an action on it is on its way, so an older one cannot come late.
 *   2. Has its sale a newer epoch (for a drain: a barrier of one)? Then it is void, whatever its kind (rule 4), also if what it follows was void. A newer epoch than the ledger's is let through: a ledger that was
 *      restored from a backup meets such events, and the barrier that raised the epoch is behind them in the same log.
 *   3. Does its lot, its order exist, and does the order's state allow it? A terminal state absorbs what comes late.
 *   4. The tables' own constraints, the last line. A row that breaks one is left out by itself. A lot whose sum breaks one says only that
 *      some event of the batch is bad: the batch is rolled back and applied in halves, each in a savepoint, down to the one.
 *      This never happens in a program that works, so it may cost what it likes, and the common path has no savepoint.
 *
 * When the transaction fails, the caller must still be told the truth about each event: one that was driven again may be there from before. So
 * after a failure each is looked up (LEDGER_ALREADY, or the failure; -EINPROGRESS where the ledger cannot be read).
 *
 * Turned down: statements of many rows. The rows of one statement stand or fall together, which ruins (4), and a step costs little beside the
 * inserting itself (docs/performance.md).
 */
#include "base/failpoint.h"
#include "base/log.h"
#include "ledger/log_detail.h"
#include "ledger/sqlite_apply.h"

/* Inner results besides the outcomes of a ledger_entry. */
enum { ROW_FOUND = 100 };

/* ROW_FOUND, 0 where there is none, or negative. */
static int read_order(struct connection *connection, const struct uuid *id, struct order_row *row)
{
	sqlite3_stmt *statement;
	int result = connection_prepare(
		connection, "SELECT sale, lot, quantity, state, hold_expires_at_ms, buyer FROM orders WHERE id = ?1", &statement);

	if (result < 0)
		return result;
	bind_uuid(statement, 1, id);
	result = step_row(connection, statement);
	if (result != STEP_ROW)
		return result;
	row->sale = (uint32_t)sqlite3_column_int64(statement, 0);
	row->lot = (uint32_t)sqlite3_column_int64(statement, 1);
	row->quantity = (uint32_t)sqlite3_column_int64(statement, 2);
	row->state = (enum order_state)sqlite3_column_int64(statement, 3);
	row->hold_expires_at_ms = sqlite3_column_int64(statement, 4);
	column_text(statement, 5, row->buyer, sizeof(row->buyer));
	sqlite3_reset(statement);
	return ROW_FOUND;
}

/* --- Writing --- */

static int insert_order(struct connection *connection, const struct event *event)
{
	sqlite3_stmt *statement;
	int result = connection_prepare(connection,
					"INSERT INTO orders (id, sale, lot, quantity, state, epoch, buyer_units, limit_per_buyer, placed_at_ms,"
					" changed_at_ms, hold_expires_at_ms, first_hold_expires_at_ms, buyer, trace)"
					" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9, ?10, ?10, ?11, ?12)",
					&statement);

	if (result < 0)
		return result;
	bind_uuid(statement, 1, &event->id);
	bind_int(statement, 2, event->sale);
	bind_int(statement, 3, event->lot);
	bind_int(statement, 4, event->quantity);
	bind_int(statement, 5, event->hold_expires_at_ms ? ORDER_HELD : ORDER_CONFIRMED);
	bind_int(statement, 6, event->epoch);
	bind_int(statement, 7, event->buyer_units);
	bind_int(statement, 8, event->limit_per_buyer);
	bind_int(statement, 9, event->at_ms);
	bind_int_or_null(statement, 10, event->hold_expires_at_ms, 0);
	bind_text(statement, 11, event->buyer);
	bind_text_or_null(statement, 12, event->trace);
	return step_once(connection, statement);
}

static int insert_key(struct connection *connection, const struct event *event)
{
	sqlite3_stmt *statement;
	int result;

	if (event->key.size == 0)
		return 0;
	/* The order's row is new, so a key that is there already belongs to nothing and must not stop its batch. */
	result = connection_prepare(connection, "INSERT OR REPLACE INTO idempotency_keys (order_id, key) VALUES (?1, ?2)", &statement);
	if (result < 0)
		return result;
	bind_uuid(statement, 1, &event->id);
	bind_text(statement, 2, event->key);
	result = step_once(connection, statement);
	return result == STEP_CONSTRAINT ? error_origin(-EUCLEAN) : result;
}

static int update_order(struct connection *connection, const struct event *event, enum order_state state)
{
	sqlite3_stmt *statement;
	int result = connection_prepare(connection,
					"UPDATE orders SET state = ?2, changed_at_ms = ?3, hold_expires_at_ms = coalesce(?4, hold_expires_at_ms)"
					" WHERE id = ?1",
					&statement);

	if (result < 0)
		return result;
	bind_uuid(statement, 1, &event->id);
	bind_int(statement, 2, state);
	bind_int(statement, 3, event->at_ms);
	bind_int_or_null(statement, 4, event->kind == EVENT_EXTENDED ? event->hold_expires_at_ms : 0, 0);
	result = step_once(connection, statement);
	return result == STEP_CONSTRAINT ? LEDGER_CONSTRAINT : result;
}

/* Adds to the lot's sums here and writes the movement. `order` is NULL for withdrawn units. */
static int move_units(struct apply *apply, struct touched *lot, const struct event *event, const struct movement *change)
{
	struct movement movement = *change;

	movement.cause = event_cause(event->kind);
	movement.at_ms = event->at_ms;
	movement.sale = lot->sale;
	movement.lot = lot->lot;
	lot->held += movement.held;
	lot->confirmed += movement.confirmed;
	lot->withdrawn += movement.withdrawn;
	apply->wrote = true;
	return movement_write(apply->connection, &movement);
}

/* --- The operator's hand --- */

/* The row of the operator log for what is an operator's; `buyer` is the order's. */
static int log_operator(struct apply *apply, const struct touched *lot, const struct event *event, struct slice buyer)
{
	struct ledger_actor actor = {event->actor, event->trace, event->at_ms};
	char id[UUID_TEXT_SIZE], sale[SALE_ID_MAX + 1], sku[SKU_MAX + 1], detail[LOG_DETAIL_SIZE];
	bool withdrawn = event->kind == EVENT_WITHDRAWN;
	sqlite3_stmt *statement;
	struct slice json;
	int result;

	if (!event_by_operator(event, buyer))
		return 0;
	result = connection_prepare(apply->connection,
				    "SELECT sales.id, items.sku FROM lots JOIN sales ON sales.number = lots.sale"
				    " JOIN items ON items.number = lots.item WHERE lots.sale = ?1 AND lots.place = ?2",
				    &statement);
	if (result < 0)
		return result;
	bind_int(statement, 1, lot->sale);
	bind_int(statement, 2, lot->lot);
	result = step_row(apply->connection, statement);
	if (result != STEP_ROW)
		return result < 0 ? result : error_origin(-EUCLEAN);
	column_text(statement, 0, sale, sizeof(sale));
	column_text(statement, 1, sku, sizeof(sku));
	sqlite3_reset(statement);
	uuid_format(&event->id, id);
	json = withdrawn ? log_detail_units(detail, sku, event->quantity, &event->id) : log_detail_order(detail, sale, sku);
	return log_row_write(apply->connection, &actor, log_action_of_event(event->kind), slice_of(withdrawn ? sale : id), json);
}

/* --- Event by event --- */

static bool is_void(const struct touched *lot, const struct event *event)
{
	return event->epoch < lot->oldest;
}

/* The outcome of an event whose order or lot is not there: it may be void, like what it follows. Every sale has a lot 0. */
static int not_found(struct apply *apply, const struct event *event)
{
	struct touched *lot;
	int result = apply_scratch_touch(apply->lots, apply->connection, event->sale, 0, &lot);

	return result == 0 && is_void(lot, event) ? LEDGER_STALE_EPOCH : result < 0 ? result : LEDGER_NOT_FOUND;
}

/* 0, a positive outcome, or negative. */
static int apply_reserved(struct apply *apply, const struct event *event)
{
	struct order_row row;
	struct touched *lot;
	struct movement movement = {.order = &event->id};
	int result = apply_scratch_touch(apply->lots, apply->connection, event->sale, event->lot, &lot);

	if (result != 0)
		return result < 0 ? result : not_found(apply, event);
	result = is_void(lot, event) ? STEP_CONSTRAINT : insert_order(apply->connection, event);
	if (result == STEP_CONSTRAINT) {
		result = read_order(apply->connection, &event->id, &row);
		if (result == ROW_FOUND)
			return order_row_same(&row, event) ? LEDGER_ALREADY : LEDGER_CONSTRAINT;
		if (result == 0)
			return is_void(lot, event) ? LEDGER_STALE_EPOCH : LEDGER_CONSTRAINT;
	}
	if (result == 0)
		result = insert_key(apply->connection, event);
	if (result < 0)
		return result;
	movement_reserve(&movement, event);
	return move_units(apply, lot, event, &movement);
}

static int apply_settlement(struct apply *apply, const struct event *event)
{
	struct movement movement = {.order = &event->id};
	struct order_row row;
	struct touched *lot;
	enum order_state next;
	int outcome, result = read_order(apply->connection, &event->id, &row);

	if (result <= 0)
		return result < 0 ? result : not_found(apply, event);
	if (row.sale != event->sale)
		return not_found(apply, event);
	result = apply_scratch_touch(apply->lots, apply->connection, row.sale, row.lot, &lot);
	if (result != 0)
		return result;
	outcome = order_row_settle(&row, event, &next);
	if (outcome != LEDGER_ALREADY && is_void(lot, event))
		return LEDGER_STALE_EPOCH;
	if (outcome != LEDGER_DONE)
		return outcome;

	apply->wrote = true;
	result = update_order(apply->connection, event, next);
	if (result != 0)
		return result;
	if (event->kind != EVENT_EXTENDED) {
		movement_settle(&movement, &row, next);
		if (!slice_equal(event->actor, slice_of(row.buyer)))
			movement.actor = event->actor;
		result = move_units(apply, lot, event, &movement);
	}
	if (result < 0 || event->kind == EVENT_EXPIRED)
		return result;
	return log_operator(apply, lot, event, slice_of(row.buyer));
}

static int return_to_item(struct connection *connection, int64_t item, uint32_t units)
{
	sqlite3_stmt *statement;
	int result = connection_prepare(connection, "UPDATE items SET on_hand = on_hand + ?2 WHERE number = ?1", &statement);

	if (result < 0)
		return result;
	bind_int(statement, 1, item);
	bind_int(statement, 2, units);
	result = step_once(connection, statement);
	return result == STEP_CONSTRAINT ? error_origin(-EIO) : result;
}

static int apply_withdrawn(struct apply *apply, const struct event *event)
{
	struct movement movement = {.movement = &event->id, .on_hand = event->quantity, .withdrawn = event->quantity};
	struct touched *lot;
	int result = apply_scratch_touch(apply->lots, apply->connection, event->sale, event->lot, &lot);

	if (result != 0)
		return result < 0 ? result : not_found(apply, event);
	result = movement_exists(apply->connection, &event->id);
	if (result != 0)
		return result < 0 ? result : LEDGER_ALREADY;
	if (is_void(lot, event))
		return LEDGER_STALE_EPOCH;
	movement.item = lot->item;
	movement.actor = event->actor;
	result = return_to_item(apply->connection, lot->item, event->quantity);
	if (result == 0)
		result = move_units(apply, lot, event, &movement);
	if (result == 0)
		result = log_operator(apply, lot, event, SLICE_NULL);
	return result;
}

static int apply_barrier(struct apply *apply, const struct event *event)
{
	sqlite3_stmt *find, *raise;
	int64_t barrier;
	int result = connection_prepare(apply->connection, "SELECT barrier FROM sales WHERE number = ?1", &find);

	if (result == 0)
		result = connection_prepare(apply->connection,
					    "UPDATE sales SET barrier = ?2, version = version + 1 WHERE number = ?1", &raise);
	if (result < 0)
		return result;
	bind_int(find, 1, event->sale);
	result = step_row(apply->connection, find);
	if (result != STEP_ROW)
		return result < 0 ? result : LEDGER_NOT_FOUND;
	barrier = sqlite3_column_int64(find, 0);
	sqlite3_reset(find);
	if (event->epoch <= barrier)
		return LEDGER_ALREADY;
	apply->wrote = true;
	bind_int(raise, 1, event->sale);
	bind_int(raise, 2, event->epoch);
	result = step_once(apply->connection, raise);
	if (result != 0)
		return result < 0 ? result : LEDGER_CONSTRAINT;
	apply_scratch_raise(apply->lots, event->sale, event->epoch);
	return sale_changed(apply->connection, event->sale);
}

static int apply_event(struct apply *apply, const struct event *event)
{
	int result = FAILPOINT("ledger.insert");

	if (result < 0)
		return result;
	switch (event->kind) {
	case EVENT_RESERVED:
		return apply_reserved(apply, event);
	case EVENT_WITHDRAWN:
		return apply_withdrawn(apply, event);
	case EVENT_CONFIRMED:
	case EVENT_CANCELLED:
	case EVENT_REFUNDED:
	case EVENT_EXPIRED:
	case EVENT_EXTENDED:
		return apply_settlement(apply, event);
	case EVENT_BARRIER:
		return apply_barrier(apply, event);
	}
	assertion_failed("a known kind of event", __FILE__, __LINE__, __func__);
}

/* --- The batch --- */

/* 0, LEDGER_CONSTRAINT where the events together break a lot, or negative. */
static int apply_range(struct apply *apply, struct ledger_entry *entries, size_t count)
{
	int result = 0;

	apply_scratch_clear(apply->lots, apply->drain != NULL);
	for (size_t i = 0; i < count && result >= 0; i++) {
		result = apply_event(apply, entries[i].event);
		entries[i].outcome = result;
	}
	return result < 0 ? result : apply_scratch_write(apply->lots, apply->connection);
}

/* Leaves out the events that break a lot, and applies the rest. 0 or negative. */
static int apply_halves(struct apply *apply, struct ledger_entry *entries, size_t count)
{
	size_t half = count / 2;
	int result = connection_run(apply->connection, "SAVEPOINT half");

	if (result == 0)
		result = apply_range(apply, entries, count);
	if (result == 0)
		return connection_run(apply->connection, "RELEASE half");
	if (result == LEDGER_CONSTRAINT)
		result = connection_run(apply->connection, "ROLLBACK TO half");
	if (result == 0)
		result = connection_run(apply->connection, "RELEASE half");
	if (result < 0)
		return result;
	if (count == 1) {
		entries->outcome = LEDGER_CONSTRAINT;
		return 0;
	}
	result = apply_halves(apply, entries, half);
	return result < 0 ? result : apply_halves(apply, entries + half, count - half);
}

int sqlite_apply_batch(struct apply *apply, struct ledger_entry *entries, size_t count)
{
	int result = apply_range(apply, entries, count);

	if (result != LEDGER_CONSTRAINT)
		return result;
	result = connection_run(apply->connection, "ROLLBACK");
	if (result == 0)
		result = connection_run(apply->connection, "BEGIN IMMEDIATE");
	if (result == 0 && apply->drain)
		result = sqlite_drain_move(apply->connection, apply->drain);
	return result != 0 ? result : apply_halves(apply, entries, count);
}

void sqlite_apply_shout(const struct ledger_entry *entries, size_t count)
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

/* Whether a barrier is there from before. 1, 0, or negative. */
static int barrier_exists(struct connection *connection, const struct event *event)
{
	sqlite3_stmt *statement;
	int result = connection_prepare(connection, "SELECT 1 FROM sales WHERE number = ?1 AND barrier >= ?2", &statement);

	if (result < 0)
		return result;
	bind_int(statement, 1, event->sale);
	bind_int(statement, 2, event->epoch);
	result = step_row(connection, statement);
	sqlite3_reset(statement);
	return result == STEP_ROW ? 1 : result;
}

/* What is there from before, after the transaction has failed with `code`. */
static int look_up(struct apply *apply, const struct event *event, int code)
{
	struct order_row row;
	enum order_state next;
	int result;

	if (event->kind == EVENT_WITHDRAWN)
		result = movement_exists(apply->connection, &event->id);
	else if (event->kind == EVENT_BARRIER)
		result = barrier_exists(apply->connection, event);
	else
		result = read_order(apply->connection, &event->id, &row);
	if (result <= 0)
		return result < 0 ? -EINPROGRESS : code;
	if (event->kind == EVENT_WITHDRAWN || event->kind == EVENT_BARRIER)
		return LEDGER_ALREADY;
	if (event->kind == EVENT_RESERVED)
		return order_row_same(&row, event) ? LEDGER_ALREADY : code;
	if (row.sale != event->sale)
		return code;
	return order_row_settle(&row, event, &next) == LEDGER_ALREADY ? LEDGER_ALREADY : code;
}

int sqlite_apply(struct ledger *base, struct ledger_entry *entries, size_t count)
{
	struct sqlite_ledger *ledger = sqlite_ledger_of(base);
	struct apply apply = {.connection = &ledger->writer.connection};
	int result;

	if (count == 0)
		return 0;
	writer_lock(ledger);
	result = apply_scratch_fit(&ledger->writer.scratch, APPLY_LOTS_MAX * count);
	apply.lots = ledger->writer.scratch;
	if (result == 0)
		result = transaction_begin(ledger);
	if (result == 0) {
		result = sqlite_apply_batch(&apply, entries, count);
		/* Nothing new: no need to wait for the disk. What is there already was made durable when it came, or at opening. */
		if (result == 0 && !apply.wrote)
			result = LEDGER_ALREADY;
		result = transaction_end(ledger, result);
		if (result > 0)
			result = 0;
	}
	for (size_t i = 0; i < count && result < 0; i++)
		entries[i].outcome = writer_trusted(ledger) ? look_up(&apply, entries[i].event, result) : -EINPROGRESS;
	writer_unlock(ledger);
	if (result == 0)
		sqlite_apply_shout(entries, count);
	return result;
}
