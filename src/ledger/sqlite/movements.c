/* Movements: every change of stock with its cause, append only. The sum of a lot's or an item's movements is its balance. */
#include "base/failpoint.h"
#include "ledger/sqlite/private.h"

int sqlite_movement_write(struct transaction *transaction, const struct movement *movement)
{
	struct sqlite_connection *connection = sqlite_connection_of(transaction);
	sqlite3_stmt *statement;
	int result;

	if (FAILPOINT("ledger.drop_movement") > 0)
		return 0;
	result = sqlite_connection_prepare(
		connection,
		"INSERT INTO movements (at_ms, cause, item, sale, lot, order_id, movement_id, on_hand, allocated, held,"
		" confirmed, withdrawn, actor) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
		&statement);
	if (result < 0)
		return result;
	sqlite_bind_int(statement, 1, movement->at_ms);
	sqlite_bind_int(statement, 2, movement->cause);
	sqlite_bind_int_or_null(statement, 3, movement->item, 0);
	sqlite_bind_int_or_null(statement, 4, movement->sale, 0);
	if (movement->sale)
		sqlite_bind_int(statement, 5, movement->lot);
	else
		sqlite_bind_null(statement, 5);
	if (movement->order)
		sqlite_bind_uuid(statement, 6, movement->order);
	else
		sqlite_bind_null(statement, 6);
	if (movement->movement)
		sqlite_bind_uuid(statement, 7, movement->movement);
	else
		sqlite_bind_null(statement, 7);
	sqlite_bind_int(statement, 8, movement->on_hand);
	sqlite_bind_int(statement, 9, movement->allocated);
	sqlite_bind_int(statement, 10, movement->held);
	sqlite_bind_int(statement, 11, movement->confirmed);
	sqlite_bind_int(statement, 12, movement->withdrawn);
	sqlite_bind_text_or_null(statement, 13, movement->actor);
	result = sqlite_step_once(connection, statement);
	return result == STEP_CONSTRAINT ? error_origin(-EUCLEAN) : result;
}

int sqlite_movement_exists(struct transaction *transaction, const struct uuid *id)
{
	struct sqlite_connection *connection = sqlite_connection_of(transaction);
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(connection, "SELECT 1 FROM movements WHERE movement_id = ?1", &statement);

	if (result < 0)
		return result;
	sqlite_bind_uuid(statement, 1, id);
	result = sqlite_step_row(connection, statement);
	if (result == STEP_ROW)
		sqlite3_reset(statement);
	return result;
}
