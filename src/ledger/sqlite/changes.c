/*
 * The feed of what happened. There is one writer, so movements are numbered in the order of their
 * commits: whoever has seen one has seen all below it.
 */
#include "ledger/change_rows.h"
#include "ledger/sqlite/sqlite_ledger.h"

#define MOVEMENT_COLUMNS                                                                                                            \
	"movements.number, movements.at_ms, movements.cause, movements.sale, movements.lot,"                                        \
	" coalesce(movements.order_id, movements.movement_id), movements.withdrawn, movements.epoch, movements.hold_expires_at_ms," \
	" movements.actor, movements.reason, movements.on_hand, -movements.held, -movements.confirmed, movements.left_units, movements.refund"

static const char select_row[] = "SELECT " MOVEMENT_COLUMNS " FROM movements WHERE number = ?1";
static const char select_rows[] =
	"SELECT " SQLITE_ORDER_COLUMNS ", orders.buyer_units, orders.limit_per_buyer, " MOVEMENT_COLUMNS
	" FROM (SELECT * FROM movements WHERE number > ?1 AND at_ms >= ?2 AND " CHANGE_ROWS " ORDER BY number LIMIT ?3) AS movements"
	" LEFT JOIN orders ON orders.id = movements.order_id" SQLITE_ORDER_PAYMENT " ORDER BY movements.number";
static const char select_end[] =
	"SELECT " MOVEMENT_COLUMNS " FROM movements WHERE number > ?1 AND " CHANGE_ROWS " ORDER BY number DESC LIMIT 1";

enum { BUYER_UNITS = SQLITE_ORDER_COLUMN_COUNT, LIMIT_PER_BUYER, MOVEMENT };

static struct change_row read_row(sqlite3_stmt *statement, int first)
{
	struct change_row row = {
		.number = sqlite3_column_int64(statement, first),
		.at_ms = sqlite3_column_int64(statement, first + 1),
		.cause = sqlite3_column_int64(statement, first + 2),
		.sale = (uint32_t)sqlite3_column_int64(statement, first + 3),
		.lot = (uint32_t)sqlite3_column_int64(statement, first + 4),
		.withdrawn = (uint32_t)sqlite3_column_int64(statement, first + 6),
		.epoch = (uint32_t)sqlite3_column_int64(statement, first + 7),
		.hold_expires_at_ms = sqlite3_column_int64(statement, first + 8),
		.on_hand = (uint32_t)sqlite3_column_int64(statement, first + 11),
		.held = (uint32_t)sqlite3_column_int64(statement, first + 12),
		.confirmed = (uint32_t)sqlite3_column_int64(statement, first + 13),
		.left = (uint32_t)sqlite3_column_int64(statement, first + 14),
	};

	sqlite_column_uuid(statement, first + 5, &row.id);
	return row;
}

/* 0, LEDGER_NOT_FOUND: the cursor is another ledger's, or negative. */
static int check_cursor(struct sqlite_connection *connection, const struct ledger_cursor *after)
{
	sqlite3_stmt *statement;
	struct change_row row;
	int result = after->number ? sqlite_connection_prepare(connection, select_row, &statement) : LEDGER_DONE;

	if (result < 0 || after->number == 0)
		return result;
	sqlite_bind_int(statement, 1, after->number);
	result = sqlite_step_row(connection, statement);
	if (result != STEP_ROW)
		return result < 0 ? result : LEDGER_NOT_FOUND;
	row = read_row(statement, 0);
	sqlite3_reset(statement);
	return change_row_mark(&row) == after->mark ? LEDGER_DONE : LEDGER_NOT_FOUND;
}

static int read_change(struct sqlite_connection *connection, sqlite3_stmt *statement, struct ledger_change *change,
		       struct sqlite_recent_lots *recent)
{
	struct change_row row = read_row(statement, MOVEMENT);
	int result;

	sqlite_order_read(statement, &change->order);
	change->buyer_units = (uint32_t)sqlite3_column_int64(statement, BUYER_UNITS);
	change->limit_per_buyer = (uint32_t)sqlite3_column_int64(statement, LIMIT_PER_BUYER);
	sqlite_column_text(statement, MOVEMENT + 9, change->actor, sizeof(change->actor));
	sqlite_column_text(statement, MOVEMENT + 10, change->reason, sizeof(change->reason));
	sqlite_column_text(statement, MOVEMENT + 15, change->refund, sizeof(change->refund));
	change->order.sale = row.sale;
	change->order.lot = row.lot;
	result = sqlite_order_name(connection, &change->order, recent);
	return result < 0 ? result : change_row_read(&row, change);
}

/* Moves it behind all that there is. */
static int pass_all(struct sqlite_connection *connection, struct ledger_cursor *next)
{
	sqlite3_stmt *statement;
	struct change_row row;
	int result = sqlite_connection_prepare(connection, select_end, &statement);

	if (result < 0)
		return result;
	sqlite_bind_int(statement, 1, next->number);
	result = sqlite_step_row(connection, statement);
	if (result != STEP_ROW)
		return result;
	row = read_row(statement, 0);
	sqlite3_reset(statement);
	*next = (struct ledger_cursor){row.number, change_row_mark(&row)};
	return LEDGER_DONE;
}

static int read_changes(struct sqlite_connection *connection, const struct ledger_change_filter *filter,
			struct ledger_change *changes, size_t max, size_t *count, struct ledger_cursor *next)
{
	struct sqlite_recent_lots recent = {{NULL}};
	sqlite3_stmt *statement;
	int result = check_cursor(connection, &filter->after);

	if (result == 0)
		result = sqlite_connection_prepare(connection, select_rows, &statement);
	if (result != 0)
		return result;
	sqlite_bind_int(statement, 1, filter->after.number);
	sqlite_bind_int(statement, 2, filter->since_ms);
	sqlite_bind_int(statement, 3, (int64_t)max);
	while ((result = sqlite_step_row(connection, statement)) == STEP_ROW) {
		result = read_change(connection, statement, &changes[*count], &recent);
		if (result < 0) {
			sqlite3_reset(statement);
			break;
		}
		++*count;
	}
	if (result < 0)
		return result;
	*next = *count ? changes[*count - 1].at : filter->after;
	return *count || !filter->since_ms ? result : pass_all(connection, next);
}

int sqlite_changes(struct ledger *base, const struct ledger_change_filter *filter, struct ledger_change *changes, size_t max,
		   size_t *count, struct ledger_cursor *next)
{
	struct sqlite_ledger *ledger = sqlite_ledger_of(base);
	struct sqlite_reader *reader;
	int outcome, result = sqlite_reader_begin(ledger, &reader);

	*count = 0;
	if (result < 0)
		return result;
	result = sqlite_connection_run(&reader->connection, "BEGIN");
	outcome = result == 0 ? read_changes(&reader->connection, filter, changes, max, count, next) : result;
	if (outcome >= 0)
		result = sqlite_connection_run(&reader->connection, "COMMIT");
	return sqlite_reader_end(ledger, reader, outcome < 0 ? outcome : result < 0 ? result : outcome);
}
