/* Movements: every change of stock with its cause, append only. The sum of a lot's or an item's movements is its balance. */
#include "base/failpoint.h"
#include "ledger/sqlite/private.h"

int movement_write(struct connection *connection, const struct movement *movement)
{
	sqlite3_stmt *statement;
	int result;

	if (FAILPOINT("ledger.drop_movement") > 0)
		return 0;
	result = connection_prepare(connection,
				    "INSERT INTO movements (at_ms, cause, item, sale, lot, order_id, movement_id, on_hand, allocated, held,"
				    " confirmed, withdrawn, actor) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
				    &statement);
	if (result < 0)
		return result;
	bind_int(statement, 1, movement->at_ms);
	bind_int(statement, 2, movement->cause);
	bind_int_or_null(statement, 3, movement->item, 0);
	bind_int_or_null(statement, 4, movement->sale, 0);
	if (movement->sale)
		bind_int(statement, 5, movement->lot);
	else
		bind_null(statement, 5);
	if (movement->order)
		bind_uuid(statement, 6, movement->order);
	else
		bind_null(statement, 6);
	if (movement->movement)
		bind_uuid(statement, 7, movement->movement);
	else
		bind_null(statement, 7);
	bind_int(statement, 8, movement->on_hand);
	bind_int(statement, 9, movement->allocated);
	bind_int(statement, 10, movement->held);
	bind_int(statement, 11, movement->confirmed);
	bind_int(statement, 12, movement->withdrawn);
	bind_text_or_null(statement, 13, movement->actor);
	result = step_once(connection, statement);
	return result == STEP_CONSTRAINT ? error_origin(-EUCLEAN) : result;
}

int movement_exists(struct connection *connection, const struct uuid *id)
{
	sqlite3_stmt *statement;
	int result = connection_prepare(connection, "SELECT 1 FROM movements WHERE movement_id = ?1", &statement);

	if (result < 0)
		return result;
	bind_uuid(statement, 1, id);
	result = step_row(connection, statement);
	if (result == STEP_ROW)
		sqlite3_reset(statement);
	return result;
}
