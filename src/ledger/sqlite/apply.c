/*
 * Applying events: the hot path of the whole program. One transaction a batch; an order that is
 * granted is two rows in two trees (orders, movements), and what the batch does to a lot is added
 * up here and written once.
 *
 * What becomes of an event is event_judge()'s to say. Behind it lie the tables' own constraints,
 * the last line. A row that breaks one is left out by itself. A lot whose sum breaks one says only
 * that some event of the batch is bad: the batch is rolled back and applied in halves, each in a
 * savepoint, down to the one. This never happens in a program that works, so it may cost what it
 * likes, and the common path has no savepoint.
 *
 * When the transaction fails, the caller must still be told the truth about each event: one that
 * was driven again may be there from before. So after a failure each is looked up (LEDGER_ALREADY,
 * or the failure; -EINPROGRESS where the ledger cannot be read).
 *
 * Orders that are granted, one behind the other, are written by statements of several rows, for
 * what a statement costs besides its rows is a fifth of an order (docs/performance.md). Its rows do
 * not stand or fall together: it stops at the first that breaks a constraint, what is before that
 * one stays, and it and those behind it are written one by one.
 */
#include "base/failpoint.h"
#include "ledger/event_batch.h"
#include "ledger/log_detail.h"
#include "ledger/sqlite/apply.h"

/* --- Writing --- */

static int insert_payment(struct sqlite_connection *connection, const struct event *event)
{
	const struct payment *payment = &event->payment;
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(connection,
					       "INSERT INTO payments (sale, order_id, at_ms, reference, amount_minor, currency, method)"
					       " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
					       &statement);

	if (result < 0)
		return result;
	sqlite_bind_int(statement, 1, event->sale);
	sqlite_bind_uuid(statement, 2, &event->id);
	sqlite_bind_int(statement, 3, event->at_ms);
	sqlite_bind_text(statement, 4, payment->reference);
	sqlite_bind_int_or_null(statement, 5, payment->amount, PAYMENT_NO_AMOUNT);
	sqlite_bind_text_or_null(statement, 6, slice_of(payment->currency));
	sqlite_bind_text_or_null(statement, 7, payment->method);
	result = sqlite_step_once(connection, statement);
	return result == STEP_CONSTRAINT ? LEDGER_CONSTRAINT : result;
}

/* The reference of the order's payment, in `text`; empty: it has none. 0 or negative. */
static int read_paid(struct sqlite_connection *connection, const struct event *event, char text[static PAYMENT_REFERENCE_MAX + 1])
{
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(connection, "SELECT reference FROM payments WHERE sale = ?1 AND order_id = ?2",
					       &statement);

	*text = '\0';
	if (result < 0)
		return result;
	sqlite_bind_int(statement, 1, event->sale);
	sqlite_bind_uuid(statement, 2, &event->id);
	result = sqlite_step_row(connection, statement);
	if (result != STEP_ROW)
		return result;
	sqlite_column_text(statement, 0, text, PAYMENT_REFERENCE_MAX + 1);
	sqlite3_reset(statement);
	return 0;
}

static int return_to_item(struct sqlite_connection *connection, const struct movement *movement)
{
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(connection, "UPDATE items SET on_hand = on_hand + ?2 WHERE number = ?1", &statement);

	if (result < 0)
		return result;
	sqlite_bind_int(statement, 1, movement->item);
	sqlite_bind_int(statement, 2, movement->on_hand);
	result = sqlite_step_once(connection, statement);
	return result == STEP_CONSTRAINT ? error_origin(-EIO) : result;
}

static int raise_barrier(struct apply *apply, const struct event *event)
{
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(apply->transaction.connection,
					       "UPDATE sales SET barrier = ?2, version = version + 1 WHERE number = ?1", &statement);

	if (result < 0)
		return result;
	sqlite_bind_int(statement, 1, event->sale);
	sqlite_bind_int(statement, 2, event->epoch);
	result = sqlite_step_once(apply->transaction.connection, statement);
	if (result != 0)
		return result < 0 ? result : LEDGER_CONSTRAINT;
	result = sqlite_scratch_raise(apply->lots, apply->transaction.connection, event->sale, event->epoch);
	return result < 0 ? result : sqlite_sale_changed(apply->transaction.connection, event->sale);
}

/* The row of the operator log for what is an operator's. */
static int log_operator(struct apply *apply, const struct touched *lot, const struct event *event)
{
	struct ledger_request request = ledger_event_request(event);
	struct ledger_actor actor = {.name = event->actor,
				     .trace = event->trace,
				     .now_ms = event->at_ms,
				     .request = uuid_is_null(&request.id) ? NULL : &request};
	char id[UUID_TEXT_SIZE], sale[SALE_ID_MAX + 1], sku[SKU_MAX + 1], detail[LOG_DETAIL_SIZE];
	bool withdrawn = event->kind == EVENT_WITHDRAWN;
	sqlite3_stmt *statement;
	struct slice json;
	int result;

	result = sqlite_connection_prepare(apply->transaction.connection,
					   "SELECT sales.id, items.sku FROM lots JOIN sales ON sales.number = lots.sale"
					   " JOIN items ON items.number = lots.item WHERE lots.sale = ?1 AND lots.place = ?2",
					   &statement);
	if (result < 0)
		return result;
	sqlite_bind_int(statement, 1, lot->sale);
	sqlite_bind_int(statement, 2, lot->lot);
	result = sqlite_step_row(apply->transaction.connection, statement);
	if (result != STEP_ROW)
		return result < 0 ? result : error_origin(-EUCLEAN);
	sqlite_column_text(statement, 0, sale, sizeof(sale));
	sqlite_column_text(statement, 1, sku, sizeof(sku));
	sqlite3_reset(statement);
	uuid_format(&event->id, id);
	json = withdrawn ? log_detail_units(detail, sku, event->quantity, &event->id) : log_detail_order(detail, sale, sku, event);
	return sqlite_log_row_write(&apply->transaction.base, &actor, log_action_of_event(event->kind),
				    slice_of(withdrawn ? sale : id), json);
}

static void add_to_lot(struct touched *lot, const struct movement *movement)
{
	lot->held += movement->held;
	lot->confirmed += movement->confirmed;
	lot->withdrawn += movement->withdrawn;
}

/* What an event does to its lot, its item and the operator log. */
static int write_change(struct apply *apply, struct touched *lot, const struct event *event, const struct event_change *change)
{
	int result = 0;

	apply->wrote = true;
	if (change->moves) {
		add_to_lot(lot, &change->movement);
		result = sqlite_movement_write(&apply->transaction.base, &change->movement);
	}
	if (result == 0 && change->pays)
		result = insert_payment(apply->transaction.connection, event);
	if (result == 0 && change->movement.on_hand)
		result = return_to_item(apply->transaction.connection, &change->movement);
	if (result == 0 && change->logged)
		result = log_operator(apply, lot, event);
	return result;
}

/* --- Event by event --- */

/* What the batch knows of the lot, and where there is none, of its sale. Every sale has a lot 0. */
static int know_lot(struct apply *apply, uint32_t sale, uint32_t place, struct event_facts *facts, struct touched **lot)
{
	int result = sqlite_scratch_touch(apply->lots, apply->transaction.connection, sale, place, lot);

	facts->has_lot = result == 0;
	if (result == LEDGER_NOT_FOUND)
		result = sqlite_scratch_touch(apply->lots, apply->transaction.connection, sale, 0, lot);
	if (result < 0)
		return result;
	facts->has_sale = result == 0;
	facts->oldest = (*lot)->oldest;
	facts->barrier = (*lot)->barrier;
	facts->item = (*lot)->item;
	return 0;
}

/*
 * What is there where the event's row is not written for `outcome`: that, or what the row there
 * says. Or negative.
 */
static int judge_present(struct apply *apply, const struct event *event, int outcome)
{
	struct event_facts facts = {0};
	struct event_change change;
	struct order_row row;
	struct touched *lot;
	int result = know_lot(apply, event->sale, event->lot, &facts, &lot);

	if (result >= 0)
		result = sqlite_order_find(apply->transaction.connection, event, &row);
	if (result <= 0)
		return result < 0 ? result : outcome;
	facts.order = &row;
	return event_judge(event, &facts, &change);
}

/*
 * What goes with an order's row, but for the movement. Who has made it is its buyer, or says so in
 * a change behind it.
 */
static int follow_grant(struct apply *apply, const struct apply_grant *grant)
{
	const struct event_change *change = &grant->change;

	apply->wrote = true;
	add_to_lot(grant->lot, &change->movement);
	return change->by.size ? sqlite_order_change(apply->transaction.connection, grant->entry->event, change) : 0;
}

static int write_grant(struct apply *apply, const struct apply_grant *grant)
{
	int result = sqlite_order_insert(apply->transaction.connection, grant->entry->event);

	if (result == STEP_CONSTRAINT) {
		grant->entry->outcome = judge_present(apply, grant->entry->event, LEDGER_CONSTRAINT);
		return grant->entry->outcome < 0 ? grant->entry->outcome : 0;
	}
	if (result == 0)
		result = follow_grant(apply, grant);
	return result == 0 ? sqlite_movement_write(&apply->transaction.base, &grant->change.movement) : result;
}

/* So many that a statement takes them. *done: those before the first that breaks a constraint. */
static int write_many_grants(struct apply *apply, size_t *done)
{
	const struct event *events[SQLITE_ROWS];
	const struct movement *movements[SQLITE_ROWS];
	int result;

	for (size_t i = 0; i < SQLITE_ROWS; i++) {
		events[i] = apply->grants[i].entry->event;
		movements[i] = &apply->grants[i].change.movement;
	}
	result = sqlite_orders_insert(apply->transaction.connection, events, done);
	for (size_t i = 0; i < *done && result == 0; i++)
		result = follow_grant(apply, &apply->grants[i]);
	return result == 0 ? sqlite_movements_write(&apply->transaction.base, movements, *done) : result;
}

/* Those that wait are written. 0 or negative. */
static int write_grants(struct apply *apply)
{
	size_t count = apply->grant_count, done = 0;
	int result = 0;

	apply->grant_count = 0;
	if (count == SQLITE_ROWS)
		result = write_many_grants(apply, &done);
	for (size_t i = done; i < count && result == 0; i++)
		result = write_grant(apply, &apply->grants[i]);
	return result;
}

/*
 * The row is inserted without looking for one first: its absence is what the common path finds. It
 * waits for others, to be written with them; that it is done is taken back where it breaks a
 * constraint. An outcome, or negative.
 */
static int apply_reserved(struct apply *apply, struct ledger_entry *entry)
{
	struct apply_grant *grant = &apply->grants[apply->grant_count];
	struct event_facts facts = {0};
	int outcome, result = know_lot(apply, entry->event->sale, entry->event->lot, &facts, &grant->lot);

	if (result < 0)
		return result;
	outcome = event_judge(entry->event, &facts, &grant->change);
	if (outcome == LEDGER_DONE) {
		grant->entry = entry;
		apply->grant_count++;
		return LEDGER_DONE;
	}
	result = write_grants(apply);
	return result < 0 ? result : judge_present(apply, entry->event, outcome);
}

static int apply_settlement(struct apply *apply, const struct event *event)
{
	char paid[PAYMENT_REFERENCE_MAX + 1] = "";
	struct event_facts facts = {0};
	struct event_change change;
	struct order_row row;
	struct touched *lot;
	int result = sqlite_order_find(apply->transaction.connection, event, &row);

	if (result == ORDER_FOUND)
		facts.order = &row;
	if (result >= 0 && event->kind == EVENT_PAID)
		result = read_paid(apply->transaction.connection, event, paid);
	if (result < 0)
		return result;
	facts.paid = slice_of(paid);
	result = know_lot(apply, event->sale, facts.order ? row.lot : 0, &facts, &lot);
	if (result < 0)
		return result;
	result = event_judge(event, &facts, &change);
	if (result != LEDGER_DONE)
		return result;
	apply->wrote = true;
	result = sqlite_order_change(apply->transaction.connection, event, &change);
	if (result == 0 && (change.leaves || change.movement.withdrawn))
		result = sqlite_order_take(apply->transaction.connection, event, &change);
	return result != 0 ? result : write_change(apply, lot, event, &change);
}

static int apply_withdrawn(struct apply *apply, const struct event *event)
{
	struct event_facts facts = {0};
	struct event_change change;
	struct touched *lot;
	int result = sqlite_movement_exists(&apply->transaction.base, &event->id);

	facts.has_movement = result > 0;
	if (result >= 0)
		result = know_lot(apply, event->sale, event->lot, &facts, &lot);
	if (result < 0)
		return result;
	result = event_judge(event, &facts, &change);
	return result != LEDGER_DONE ? result : write_change(apply, lot, event, &change);
}

static int apply_barrier(struct apply *apply, const struct event *event)
{
	struct event_facts facts = {0};
	struct event_change change;
	struct touched *lot;
	int result = know_lot(apply, event->sale, 0, &facts, &lot);

	if (result < 0)
		return result;
	result = event_judge(event, &facts, &change);
	if (result != LEDGER_DONE)
		return result;
	apply->wrote = true;
	return raise_barrier(apply, event);
}

static int apply_follower(struct apply *apply, const struct event *event)
{
	int result = write_grants(apply);

	if (result < 0)
		return result;
	if (event->kind == EVENT_WITHDRAWN)
		return apply_withdrawn(apply, event);
	if (event->kind == EVENT_BARRIER)
		return apply_barrier(apply, event);
	return apply_settlement(apply, event);
}

/* 0 or negative; the entry's outcome may still be taken back by write_grants(). */
static int apply_entry(struct apply *apply, struct ledger_entry *entry)
{
	int result = FAILPOINT("ledger.insert");

	if (result < 0)
		return result;
	result = entry->event->kind == EVENT_RESERVED ? apply_reserved(apply, entry) : apply_follower(apply, entry->event);
	if (result < 0)
		return result;
	entry->outcome = result;
	return apply->grant_count == SQLITE_ROWS ? write_grants(apply) : 0;
}

/* --- The batch --- */

/* 0, LEDGER_CONSTRAINT where the events together break a lot, or negative. */
static int apply_range(struct apply *apply, struct ledger_entry *entries, size_t count)
{
	int result = 0;

	sqlite_scratch_clear(apply->lots, apply->drain != NULL);
	apply->grant_count = 0;
	for (size_t i = 0; i < count && result == 0; i++)
		result = apply_entry(apply, &entries[i]);
	if (result == 0)
		result = write_grants(apply);
	return result != 0 ? result : sqlite_scratch_write(apply->lots, apply->transaction.connection);
}

/* apply_range() in a savepoint, of which nothing stays where it breaks a lot: an event_range. */
static int try_range(void *context, struct ledger_entry *entries, size_t count, bool *broken)
{
	struct apply *apply = context;
	int result = sqlite_connection_run(apply->transaction.connection, "SAVEPOINT half");

	if (result == 0)
		result = apply_range(apply, entries, count);
	*broken = result == LEDGER_CONSTRAINT;
	if (*broken)
		result = sqlite_connection_run(apply->transaction.connection, "ROLLBACK TO half");
	return result == 0 ? sqlite_connection_run(apply->transaction.connection, "RELEASE half") : result;
}

int sqlite_apply_batch(struct apply *apply, struct ledger_entry *entries, size_t count)
{
	int result = apply_range(apply, entries, count);

	if (result != LEDGER_CONSTRAINT)
		return result;
	result = sqlite_connection_run(apply->transaction.connection, "ROLLBACK");
	if (result == 0)
		result = sqlite_connection_run(apply->transaction.connection, "BEGIN IMMEDIATE");
	if (result == 0 && apply->drain)
		result = sqlite_drain_move(apply->transaction.connection, apply->drain);
	return result != 0 ? result : event_batch_halve(try_range, apply, entries, count);
}

/* What is there from before, after the transaction has failed with `code`. */
static int look_up(struct apply *apply, const struct event *event, int code)
{
	char paid[PAYMENT_REFERENCE_MAX + 1] = "";
	struct event_facts facts = {0};
	struct order_row row;
	struct touched *lot;
	int result = 0;

	if (event->kind == EVENT_PAID && read_paid(apply->transaction.connection, event, paid) < 0)
		return -EINPROGRESS;
	facts.paid = slice_of(paid);
	if (event->kind == EVENT_WITHDRAWN)
		result = sqlite_movement_exists(&apply->transaction.base, &event->id);
	else if (event->kind == EVENT_BARRIER)
		result = know_lot(apply, event->sale, 0, &facts, &lot);
	else
		result = sqlite_order_find(apply->transaction.connection, event, &row);
	if (result < 0)
		return -EINPROGRESS;
	facts.has_movement = event->kind == EVENT_WITHDRAWN && result > 0;
	facts.order = result == ORDER_FOUND ? &row : NULL;
	return event_is_there(event, &facts) ? LEDGER_ALREADY : code;
}

int sqlite_apply(struct ledger *base, struct ledger_entry *entries, size_t count)
{
	struct sqlite_ledger *ledger = sqlite_ledger_of(base);
	struct apply apply = {.transaction = {{&sqlite_transaction_rows}, &ledger->writer.connection}};
	bool readable;
	int result;

	if (count == 0)
		return 0;
	sqlite_writer_lock(ledger);
	result = sqlite_scratch_fit(&ledger->writer.scratch, APPLY_LOTS_MAX * count);
	readable = result == 0;
	apply.lots = ledger->writer.scratch;
	if (result == 0)
		result = sqlite_transaction_begin(ledger);
	if (result == 0) {
		result = sqlite_apply_batch(&apply, entries, count);
		/*
		 * Nothing new: no need to wait for the disk. What is there already was made durable
		 * when it came, or at opening.
		 */
		if (result == 0 && !apply.wrote)
			result = LEDGER_ALREADY;
		result = sqlite_transaction_end(ledger, result);
		if (result > 0)
			result = 0;
	}
	readable &= sqlite_writer_trusted(ledger);
	if (result < 0 && readable)
		sqlite_scratch_clear(apply.lots, false);
	for (size_t i = 0; i < count && result < 0; i++)
		entries[i].outcome = readable ? look_up(&apply, entries[i].event, result) : -EINPROGRESS;
	sqlite_writer_unlock(ledger);
	if (result == 0)
		event_batch_log_violations(entries, count);
	return result;
}
