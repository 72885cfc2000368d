#include "simulation/judge/watch_ledger.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/assertion.h"

/* movement_causes, as the ledger's migrations write them. */
enum cause {
	CAUSE_ALLOCATE = 2,
	CAUSE_ADD = 3,
	CAUSE_WITHDRAW = 4,
	CAUSE_RESERVE = 5,
	CAUSE_CONFIRM = 6,
	CAUSE_CANCEL = 7,
	CAUSE_REFUND = 8,
	CAUSE_EXPIRE = 9,
	CAUSE_EXTEND = 11,
	CAUSE_PAY = 12,
	CAUSE_REDUCE = 13,
};

enum { STATEMENTS = 2, ROWS_MAX = 1024 };
enum statement { MOVEMENTS, ALLOCATED };
/*
 * A payment that has a movement of its own is not the confirm's, though it may be of that very
 * millisecond.
 */
static const char *const texts[STATEMENTS] = {
	[MOVEMENTS] =
		"SELECT m.number, m.cause, m.sale, m.lot, coalesce(m.order_id, m.movement_id), m.withdrawn, coalesce(m.actor, o.buyer),"
		" coalesce(o.first_quantity, o.quantity), o.buyer, o.key, coalesce(m.hold_expires_at_ms, o.first_hold_expires_at_ms), p.reference, m.reason,"
		" -(m.held + m.confirmed), m.left_units, m.on_hand FROM movements AS m"
		" LEFT JOIN orders AS o ON o.sale = m.sale AND o.id = m.order_id"
		" LEFT JOIN payments AS p ON p.sale = o.sale AND p.order_id = o.id AND p.at_ms = m.at_ms"
		" AND (m.cause = 12 OR NOT EXISTS (SELECT 1 FROM movements AS paid WHERE paid.order_id = m.order_id AND paid.cause = 12))"
		" WHERE m.number > ?1 ORDER BY m.number",
	[ALLOCATED] = "SELECT sale, place, allocated FROM lots",
};

struct watch_ledger {
	struct judge *judge;
	bool is_log;
	int64_t last; /* the last movement that was told */
	sqlite3 *database;
	sqlite3_stmt *statements[STATEMENTS];
};

struct watch_ledger *watch_ledger_new(struct judge *judge, bool is_log)
{
	struct watch_ledger *watch = calloc(1, sizeof(*watch));

	ASSERT(watch);
	watch->judge = judge;
	watch->is_log = is_log;
	return watch;
}

void watch_ledger_release(struct watch_ledger *watch)
{
	for (size_t i = 0; i < STATEMENTS; i++) {
		sqlite3_finalize(watch->statements[i]);
		watch->statements[i] = NULL;
	}
	watch->database = NULL;
}

void watch_ledger_free(struct watch_ledger *watch)
{
	if (!watch)
		return;
	watch_ledger_release(watch);
	free(watch);
}

static bool prepare(struct watch_ledger *watch, sqlite3 *database)
{
	if (watch->database == database)
		return true;
	ASSERT(!watch->database);
	watch->database = database;
	for (size_t i = 0; i < STATEMENTS; i++)
		if (sqlite3_prepare_v2(database, texts[i], -1, &watch->statements[i], NULL) != SQLITE_OK) {
			watch_ledger_release(watch);
			return false;
		}
	return true;
}

static const char *text_at(sqlite3_stmt *row, int column)
{
	return (const char *)sqlite3_column_text(row, column);
}

static struct uuid id_at(sqlite3_stmt *row, int column)
{
	struct uuid id = {{0}};

	if (sqlite3_column_bytes(row, column) == sizeof(id.bytes))
		memcpy(id.bytes, sqlite3_column_blob(row, column), sizeof(id.bytes));
	return id;
}

static uint32_t number_at(sqlite3_stmt *row, int column)
{
	return (uint32_t)sqlite3_column_int64(row, column);
}

/* 0: a movement that is no record of a journal's. */
static enum history_record_kind kind_of(int64_t cause)
{
	switch ((enum cause)cause) {
	case CAUSE_WITHDRAW:
		return RECORD_WITHDRAWN;
	case CAUSE_RESERVE:
		return RECORD_RESERVED;
	case CAUSE_CONFIRM:
		return RECORD_CONFIRMED;
	case CAUSE_CANCEL:
		return RECORD_CANCELLED;
	case CAUSE_REFUND:
		return RECORD_REFUNDED;
	case CAUSE_EXPIRE:
		return RECORD_EXPIRED;
	case CAUSE_EXTEND:
		return RECORD_EXTENDED;
	case CAUSE_PAY:
		return RECORD_PAID;
	case CAUSE_REDUCE:
		return RECORD_REDUCED;
	case CAUSE_ALLOCATE:
	case CAUSE_ADD:
		break;
	}
	return 0;
}

static uint32_t quantity_of(enum history_record_kind kind, sqlite3_stmt *row)
{
	return number_at(row, kind == RECORD_WITHDRAWN ? 5 : kind == RECORD_REDUCED ? 13 : 7);
}

/* Withdrawn and on hand again: in the warehouse. */
static enum history_place place_of(sqlite3_stmt *row)
{
	if (sqlite3_column_int64(row, 5) == 0)
		return PLACE_SALE;
	return sqlite3_column_int64(row, 15) > 0 ? PLACE_WAREHOUSE : PLACE_GONE;
}

static void tell_movement(struct watch_ledger *watch, sqlite3_stmt *row)
{
	enum history_record_kind kind = kind_of(sqlite3_column_int64(row, 1));

	if (kind)
		history_record(watch->judge,
			       &(struct history_record){
				       .kind = kind,
				       .sale = number_at(row, 2),
				       .lot = number_at(row, 3),
				       .id = id_at(row, 4),
				       .quantity = quantity_of(kind, row),
				       .left = number_at(row, 14),
				       .to = kind == RECORD_WITHDRAWN ? PLACE_SALE : place_of(row),
				       .actor = text_at(row, 6),
				       .buyer = text_at(row, 8),
				       .key = text_at(row, 9),
				       .payment = kind == RECORD_CONFIRMED || kind == RECORD_PAID ? text_at(row, 11) : NULL,
				       .reason = text_at(row, 12),
				       .hold_expires_at_ms =
					       kind == RECORD_RESERVED || kind == RECORD_EXTENDED ? sqlite3_column_int64(row, 10) : 0,
			       });
}

static bool tell_allocated(struct watch_ledger *watch)
{
	sqlite3_stmt *row = watch->statements[ALLOCATED];
	int code;

	while ((code = sqlite3_step(row)) == SQLITE_ROW)
		history_allocated(watch->judge, number_at(row, 0), number_at(row, 1), number_at(row, 2));
	sqlite3_reset(row);
	return code == SQLITE_DONE;
}

static bool tell_movements(struct watch_ledger *watch, bool *more_units)
{
	sqlite3_stmt *row = watch->statements[MOVEMENTS];
	int code;

	sqlite3_bind_int64(row, 1, watch->last);
	while ((code = sqlite3_step(row)) == SQLITE_ROW) {
		int64_t cause = sqlite3_column_int64(row, 1);

		watch->last = sqlite3_column_int64(row, 0);
		*more_units = *more_units || cause == CAUSE_ADD || cause == CAUSE_ALLOCATE;
		if (watch->is_log)
			tell_movement(watch, row);
	}
	sqlite3_reset(row);
	return code == SQLITE_DONE;
}

bool watch_ledger_look(struct watch_ledger *watch, sqlite3 *database)
{
	bool more_units = false, whole;

	if (!prepare(watch, database))
		return false;
	if (sqlite3_exec(database, "BEGIN", NULL, NULL, NULL) != SQLITE_OK)
		return false;
	whole = tell_movements(watch, &more_units);
	whole = whole && (!more_units || tell_allocated(watch));
	sqlite3_exec(database, "COMMIT", NULL, NULL, NULL);
	return whole;
}

bool watch_ledger_look_again(struct watch_ledger *watch, sqlite3 *database)
{
	bool whole;

	if (!prepare(watch, database))
		return false;
	watch->last = 0;
	history_reread(watch->judge, true);
	whole = watch_ledger_look(watch, database);
	history_reread(watch->judge, false);
	return whole;
}

/* --- The end --- */

static sqlite3_stmt *ask(sqlite3 *database, const char *text, int64_t first)
{
	sqlite3_stmt *row = NULL;
	int code = sqlite3_prepare_v2(database, text, -1, &row, NULL);

	ASSERT(code == SQLITE_OK);
	sqlite3_bind_int64(row, 1, first);
	return row;
}

/* What is asked at many steps stays prepared, until its connection is closed. */
static sqlite3_stmt *ask_again(sqlite3 *database, const char *text)
{
	sqlite3_stmt *row = sqlite3_next_stmt(database, NULL);

	while (row && strcmp(sqlite3_sql(row), text) != 0)
		row = sqlite3_next_stmt(database, row);
	return row ? row : ask(database, text, 0);
}

void watch_ledger_positions(sqlite3 *database, int64_t *positions, uint32_t partitions)
{
	sqlite3_stmt *row = ask_again(database, "SELECT partition, next FROM journal_offsets WHERE partition >= ?1");

	for (uint32_t i = 0; i < partitions; i++)
		positions[i] = -1;
	while (sqlite3_step(row) == SQLITE_ROW)
		if (number_at(row, 0) < partitions)
			positions[number_at(row, 0)] = sqlite3_column_int64(row, 1);
	sqlite3_reset(row);
}

uint64_t watch_ledger_armed(sqlite3 *database)
{
	sqlite3_stmt *row = ask(database, "SELECT number FROM sales WHERE state <> ?1", 1);
	uint64_t armed = 0;

	while (sqlite3_step(row) == SQLITE_ROW) {
		ASSERT(number_at(row, 0) <= HISTORY_SALES);
		armed |= (uint64_t)1 << number_at(row, 0);
	}
	sqlite3_finalize(row);
	return armed;
}

uint32_t watch_ledger_drafts(sqlite3 *database)
{
	sqlite3_stmt *row = ask(database, "SELECT count(*) FROM sales WHERE state = ?1", 1);
	uint32_t count = sqlite3_step(row) == SQLITE_ROW ? number_at(row, 0) : 0;

	sqlite3_finalize(row);
	return count;
}

static void rest_lots(sqlite3 *database, struct history_rest *rest)
{
	sqlite3_stmt *row =
		ask(database,
		    "SELECT l.place, l.allocated, l.held, l.confirmed, l.withdrawn, sum(m.allocated), sum(m.held), sum(m.confirmed),"
		    " sum(m.withdrawn) FROM lots AS l LEFT JOIN movements AS m ON m.sale = l.sale AND m.lot = l.place"
		    " WHERE l.sale = ?1 GROUP BY l.place",
		    rest->sale);

	while (sqlite3_step(row) == SQLITE_ROW) {
		struct history_rest_lot *lot = &rest->lots[number_at(row, 0)];

		ASSERT(number_at(row, 0) < HISTORY_LOTS);
		lot->allocated = sqlite3_column_int64(row, 1);
		lot->held = sqlite3_column_int64(row, 2);
		lot->confirmed = sqlite3_column_int64(row, 3);
		lot->withdrawn = sqlite3_column_int64(row, 4);
		lot->moved_allocated = sqlite3_column_int64(row, 5);
		lot->moved_held = sqlite3_column_int64(row, 6);
		lot->moved_confirmed = sqlite3_column_int64(row, 7);
		lot->moved_withdrawn = sqlite3_column_int64(row, 8);
	}
	sqlite3_finalize(row);
}

static void copy(char *to, size_t size, const char *text)
{
	snprintf(to, size, "%s", text ? text : "");
}

static uint32_t rest_orders(sqlite3 *database, const struct history_rest *rest, struct history_rest_order *orders)
{
	sqlite3_stmt *row =
		ask(database,
		    "SELECT o.id, s.name, o.lot, o.quantity, o.buyer, o.key, p.reference,"
		    " coalesce(o.actor, CASE s.name WHEN 'expired' THEN 'clock' ELSE o.buyer END), o.reason FROM orders AS o JOIN order_states AS s ON s.number = o.state"
		    " LEFT JOIN payments AS p ON p.sale = o.sale AND p.order_id = o.id"
		    " WHERE o.sale = ?1",
		    rest->sale);
	uint32_t count = 0;

	while (count < ROWS_MAX && sqlite3_step(row) == SQLITE_ROW) {
		struct history_rest_order *order = &orders[count++];

		*order = (struct history_rest_order){.id = id_at(row, 0), .lot = number_at(row, 2), .quantity = number_at(row, 3)};
		copy(order->state, sizeof(order->state), text_at(row, 1));
		copy(order->buyer, sizeof(order->buyer), text_at(row, 4));
		copy(order->key, sizeof(order->key), text_at(row, 5));
		copy(order->payment, sizeof(order->payment), text_at(row, 6));
		copy(order->actor, sizeof(order->actor), text_at(row, 7));
		copy(order->reason, sizeof(order->reason), text_at(row, 8));
	}
	sqlite3_finalize(row);
	return count;
}

static uint32_t rest_log(sqlite3 *database, struct history_rest_log *log)
{
	sqlite3_stmt *row = ask(database, "SELECT actor, action, subject FROM operator_log WHERE number > ?1", 0);
	uint32_t count = 0;

	while (count < ROWS_MAX && sqlite3_step(row) == SQLITE_ROW) {
		copy(log[count].actor, sizeof(log[count].actor), text_at(row, 0));
		copy(log[count].action, sizeof(log[count].action), text_at(row, 1));
		copy(log[count].subject, sizeof(log[count].subject), text_at(row, 2));
		count++;
	}
	sqlite3_finalize(row);
	return count;
}

static uint32_t rest_dead_letters(sqlite3 *database)
{
	sqlite3_stmt *row = ask(database, "SELECT count(*) FROM dead_letters WHERE number > ?1", 0);
	uint32_t count = sqlite3_step(row) == SQLITE_ROW ? number_at(row, 0) : 0;

	sqlite3_finalize(row);
	return count;
}

void watch_ledger_rest(struct watch_ledger *watch, sqlite3 *database, struct history_rest *rest)
{
	static struct history_rest_order orders[ROWS_MAX];
	static struct history_rest_log log[ROWS_MAX];

	rest_lots(database, rest);
	rest->orders = orders;
	rest->order_count = rest_orders(database, rest, orders);
	rest->log = log;
	rest->log_count = rest_log(database, log);
	rest->dead_letters = rest_dead_letters(database);
	history_rest(watch->judge, rest);
}
