/* Sales and their lots: making and changing them. Reading is in sales_read.c. */
#include "ledger/log_detail.h"
#include "ledger/sqlite/private.h"

static void bind_terms(sqlite3_stmt *statement, const struct sale *sale)
{
	sqlite_bind_text(statement, 1, slice_of(sale->name));
	sqlite_bind_int(statement, 2, sale->price_minor);
	sqlite_bind_text(statement, 3, slice_of(sale->currency));
	sqlite_bind_int(statement, 4, sale->limit_per_buyer);
	sqlite_bind_int(statement, 5, sale->rate_requests);
	sqlite_bind_int(statement, 6, sale->rate_seconds);
	sqlite_bind_int(statement, 7, sale->hold_seconds);
	sqlite_bind_int(statement, 8, sale->late_confirm);
	sqlite_bind_int_or_null(statement, 9, sale->opens_at_ms, SALE_NO_TIME);
	sqlite_bind_int_or_null(statement, 10, sale->closes_at_ms, SALE_NO_TIME);
	sqlite_bind_int(statement, 11, sale->scheduled);
	sqlite_bind_int(statement, 12, sale->announced);
}

/* The terms of a sale for the operator log. */
static int log_terms(struct sqlite_connection *connection, const struct sale *sale, const struct ledger_actor *actor, const char *action)
{
	struct buffer detail;
	int result;

	buffer_init(&detail, LOG_TERMS_MAX);
	log_detail_terms(&detail, sale);
	if (detail.failed)
		result = error_origin(-ENOMEM);
	else
		result = sqlite_log_row_write(connection, actor, action, slice_of(sale->id), buffer_slice(&detail));
	buffer_deinit(&detail);
	return result;
}

int sqlite_sale_changed(struct sqlite_connection *connection, uint32_t sale)
{
	sqlite3_stmt *statement;
	int result = sqlite_connection_run(connection, "UPDATE sale_changes SET number = number + 1");

	if (result == 0)
		result = sqlite_connection_prepare(
			connection, "UPDATE sales SET change = (SELECT number FROM sale_changes) WHERE number = ?1", &statement);
	if (result < 0)
		return result;
	sqlite_bind_int(statement, 1, sale);
	result = sqlite_step_once(connection, statement);
	return result == STEP_CONSTRAINT ? error_origin(-EIO) : result;
}

static int insert_sale(struct sqlite_connection *connection, const struct sale *sale)
{
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(
		connection,
		"INSERT INTO sales (name, price_minor, currency, limit_per_buyer, rate_requests, rate_seconds,"
		" hold_seconds, late_confirm, opens_at_ms, closes_at_ms, scheduled, announced, id, created_at_ms, epoch,"
		" version, state, change)"
		" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, 1, 1, ?15,"
		" (SELECT number FROM sale_changes))",
		&statement);

	if (result < 0)
		return result;
	bind_terms(statement, sale);
	sqlite_bind_text(statement, 13, slice_of(sale->id));
	sqlite_bind_int(statement, 14, sale->created_at_ms);
	sqlite_bind_int(statement, 15, SALE_DRAFT);
	result = sqlite_connection_run(connection, "UPDATE sale_changes SET number = number + 1");
	if (result == 0)
		result = sqlite_step_once(connection, statement);
	return result == STEP_CONSTRAINT ? LEDGER_EXISTS : result;
}

/* Takes units off an item. 0, LEDGER_NOT_FOUND, LEDGER_NOT_ENOUGH, or negative. */
static int take_from_item(struct sqlite_connection *connection, struct slice sku, int64_t units, int64_t *item)
{
	sqlite3_stmt *find, *take;
	int64_t on_hand;
	int result = sqlite_connection_prepare(connection, "SELECT number, on_hand FROM items WHERE sku = ?1", &find);

	if (result == 0)
		result = sqlite_connection_prepare(connection, "UPDATE items SET on_hand = on_hand - ?2 WHERE number = ?1", &take);
	if (result < 0)
		return result;
	sqlite_bind_text(find, 1, sku);
	result = sqlite_step_row(connection, find);
	if (result != STEP_ROW)
		return result < 0 ? result : LEDGER_NOT_FOUND;
	*item = sqlite3_column_int64(find, 0);
	on_hand = sqlite3_column_int64(find, 1);
	sqlite3_reset(find);
	if (on_hand < units)
		return LEDGER_NOT_ENOUGH;
	sqlite_bind_int(take, 1, *item);
	sqlite_bind_int(take, 2, units);
	result = sqlite_step_once(connection, take);
	return result == STEP_CONSTRAINT ? LEDGER_NOT_ENOUGH : result;
}

int sqlite_lot_insert(struct sqlite_connection *connection, uint32_t sale, uint32_t place, struct sale_lot *lot,
		      const struct ledger_actor *actor)
{
	struct movement movement = {.cause = CAUSE_ALLOCATE,
				    .at_ms = actor->now_ms,
				    .sale = sale,
				    .lot = place,
				    .on_hand = -lot->allocated,
				    .allocated = lot->allocated,
				    .actor = actor->name};
	sqlite3_stmt *statement;
	int result = take_from_item(connection, slice_of(lot->sku), lot->allocated, &movement.item);

	if (result == 0)
		result = sqlite_connection_prepare(
			connection, "INSERT INTO lots (sale, place, item, allocated) VALUES (?1, ?2, ?3, ?4)", &statement);
	if (result != 0)
		return result;
	sqlite_bind_int(statement, 1, sale);
	sqlite_bind_int(statement, 2, place);
	sqlite_bind_int(statement, 3, movement.item);
	sqlite_bind_int(statement, 4, lot->allocated);
	result = sqlite_step_once(connection, statement);
	if (result != 0)
		return result == STEP_CONSTRAINT ? LEDGER_CONSTRAINT : result; /* two lots of one item */
	lot->item = (uint32_t)movement.item;
	lot->held = lot->confirmed = lot->withdrawn = 0;
	return sqlite_movement_write(connection, &movement);
}

int sqlite_sale_create(struct ledger *base, struct sale *sale, const struct ledger_actor *actor, uint32_t *lot)
{
	struct sqlite_ledger *ledger = sqlite_ledger_of(base);
	struct sqlite_connection *connection;
	int64_t change = 0;
	int result = sqlite_writer_begin(ledger, &connection);

	if (result < 0)
		return result;
	*lot = 0;
	result = sqlite_request_check(connection, actor);
	if (result == 0)
		result = insert_sale(connection, sale);
	if (result == 0) {
		sale->number = (uint32_t)sqlite3_last_insert_rowid(connection->db);
		sale->epoch = 1;
		sale->barrier = 0;
		sale->version = 1;
		sale->state = SALE_DRAFT;
		sale->ended_at_ms = SALE_NO_TIME;
		result = sqlite_connection_read_number(connection, "SELECT number FROM sale_changes", &change);
		sale->change = (uint64_t)change;
	}
	for (uint32_t i = 0; i < sale->lot_count && result == 0; i++) {
		*lot = i;
		result = sqlite_lot_insert(connection, sale->number, i, &sale->lots[i], actor);
	}
	if (result == 0)
		result = log_terms(connection, sale, actor, "sale.create");
	return sqlite_writer_end(ledger, result);
}

/* What a change of a sale must know of it. 0, LEDGER_NOT_FOUND, or negative. */
struct sale_head {
	char id[SALE_ID_MAX + 1];
	uint32_t epoch, barrier, version;
	enum sale_state state;
};

static int read_head(struct sqlite_connection *connection, uint32_t number, struct sale_head *head)
{
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(connection, "SELECT id, epoch, version, state, barrier FROM sales WHERE number = ?1",
					       &statement);

	if (result < 0)
		return result;
	sqlite_bind_int(statement, 1, number);
	result = sqlite_step_row(connection, statement);
	if (result != STEP_ROW)
		return result < 0 ? result : LEDGER_NOT_FOUND;
	sqlite_column_text(statement, 0, head->id, sizeof(head->id));
	head->epoch = (uint32_t)sqlite3_column_int64(statement, 1);
	head->version = (uint32_t)sqlite3_column_int64(statement, 2);
	head->state = (enum sale_state)sqlite3_column_int64(statement, 3);
	head->barrier = (uint32_t)sqlite3_column_int64(statement, 4);
	sqlite3_reset(statement);
	return 0;
}

int sqlite_sale_may_change(struct sqlite_connection *connection, const struct sale *sale)
{
	struct sale_head head;
	int result = read_head(connection, sale->number, &head);

	if (result == 0 && head.state != SALE_DRAFT)
		return LEDGER_WRONG_STATE;
	return result == 0 && head.version != sale->version ? LEDGER_CONFLICT : result;
}

int sqlite_sale_touch(struct sqlite_connection *connection, uint32_t sale)
{
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(connection, "UPDATE sales SET version = version + 1 WHERE number = ?1", &statement);

	if (result < 0)
		return result;
	sqlite_bind_int(statement, 1, sale);
	result = sqlite_step_once(connection, statement);
	return result == 0 ? sqlite_sale_changed(connection, sale) : error_origin(-EIO);
}

static int update_terms(struct sqlite_connection *connection, const struct sale *sale)
{
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(
		connection,
		"UPDATE sales SET name = ?1, price_minor = ?2, currency = ?3, limit_per_buyer = ?4,"
		" rate_requests = ?5, rate_seconds = ?6, hold_seconds = ?7, late_confirm = ?8, opens_at_ms = ?9,"
		" closes_at_ms = ?10, scheduled = ?11, announced = ?12, version = version + 1 WHERE number = ?13",
		&statement);

	if (result < 0)
		return result;
	bind_terms(statement, sale);
	sqlite_bind_int(statement, 13, sale->number);
	result = sqlite_step_once(connection, statement);
	return result == STEP_CONSTRAINT ? error_origin(-EIO) : result;
}

int sqlite_sale_update(struct ledger *base, const struct sale *sale, const struct ledger_actor *actor)
{
	struct sqlite_ledger *ledger = sqlite_ledger_of(base);
	struct sqlite_connection *connection;
	struct sale_head head;
	int result = sqlite_writer_begin(ledger, &connection);

	if (result < 0)
		return result;
	result = read_head(connection, sale->number, &head);
	if (result == 0 && head.version != sale->version)
		result = LEDGER_CONFLICT;
	if (result == 0)
		result = update_terms(connection, sale);
	if (result == 0)
		result = sqlite_sale_changed(connection, sale->number);
	if (result == 0)
		result = log_terms(connection, sale, actor, "sale.update");
	return sqlite_writer_end(ledger, result);
}

static int update_state(struct sqlite_connection *connection, uint32_t sale, enum sale_state state, int64_t now_ms)
{
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(
		connection,
		"UPDATE sales SET state = ?2, ended_at_ms = coalesce(?3, ended_at_ms), scheduled = (scheduled AND ?2 <> ?4),"
		" version = version + 1 WHERE number = ?1",
		&statement);

	if (result < 0)
		return result;
	sqlite_bind_int(statement, 1, sale);
	sqlite_bind_int(statement, 2, state);
	sqlite_bind_int_or_null(statement, 3, state == SALE_ENDED ? now_ms : SALE_NO_TIME, SALE_NO_TIME);
	sqlite_bind_int(statement, 4, SALE_DRAFT);
	result = sqlite_step_once(connection, statement);
	return result == STEP_CONSTRAINT ? error_origin(-EIO) : result;
}

/* What of a draft's lot is there goes back to its item. */
int sqlite_lot_return(struct sqlite_connection *connection, uint32_t sale, uint32_t lot, int64_t item, int64_t units,
		      const struct ledger_actor *actor)
{
	const struct movement movement = {.cause = CAUSE_WITHDRAW,
					  .at_ms = actor->now_ms,
					  .item = item,
					  .sale = sale,
					  .lot = lot,
					  .on_hand = units,
					  .withdrawn = units,
					  .actor = actor->name};
	sqlite3_stmt *take, *give;
	int result = sqlite_connection_prepare(connection,
					       "UPDATE lots SET withdrawn = withdrawn + ?3 WHERE sale = ?1 AND place = ?2", &take);

	if (result == 0)
		result = sqlite_connection_prepare(connection, "UPDATE items SET on_hand = on_hand + ?2 WHERE number = ?1", &give);
	if (result < 0)
		return result;
	sqlite_bind_int(take, 1, sale);
	sqlite_bind_int(take, 2, lot);
	sqlite_bind_int(take, 3, units);
	sqlite_bind_int(give, 1, item);
	sqlite_bind_int(give, 2, units);
	result = sqlite_step_once(connection, take);
	if (result == 0)
		result = sqlite_step_once(connection, give);
	if (result != 0)
		return error_origin(-EIO);
	return sqlite_movement_write(connection, &movement);
}

static int return_lots(struct sqlite_connection *connection, uint32_t sale, const struct ledger_actor *actor)
{
	struct {
		int64_t item, units;
	} lots[LOTS_MAX] = {{0}};
	uint32_t count = 0;
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(
		connection, "SELECT item, allocated - withdrawn - held - confirmed FROM lots WHERE sale = ?1 ORDER BY place",
		&statement);

	if (result < 0)
		return result;
	sqlite_bind_int(statement, 1, sale);
	while ((result = sqlite_step_row(connection, statement)) == STEP_ROW && count < LOTS_MAX) {
		lots[count].item = sqlite3_column_int64(statement, 0);
		lots[count++].units = sqlite3_column_int64(statement, 1);
	}
	for (uint32_t i = 0; i < count && result == 0; i++)
		if (lots[i].units)
			result = sqlite_lot_return(connection, sale, i, lots[i].item, lots[i].units, actor);
	return result;
}

/* The row stays; no sale can be made with a '~' in its id. */
static int free_id(struct sqlite_connection *connection, uint32_t sale)
{
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(
		connection, "UPDATE sales SET id = substr(id, 1, 55) || '~' || number WHERE number = ?1", &statement);

	if (result < 0)
		return result;
	sqlite_bind_int(statement, 1, sale);
	result = sqlite_step_once(connection, statement);
	return result == STEP_CONSTRAINT ? error_origin(-EIO) : result;
}

/* 0, LEDGER_HAS_ORDERS, or negative. */
static int check_unsold(struct sqlite_connection *connection, uint32_t sale)
{
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(connection, "SELECT 1 FROM orders WHERE sale = ?1 LIMIT 1", &statement);

	if (result < 0)
		return result;
	sqlite_bind_int(statement, 1, sale);
	result = sqlite_step_row(connection, statement);
	sqlite3_reset(statement);
	if (result < 0)
		return result;
	return result == STEP_ROW ? LEDGER_HAS_ORDERS : 0;
}

/* Above all that was granted or met so far, and above `above`. */
static int raise_epoch(struct sqlite_connection *connection, uint32_t sale, const struct sale_head *head, uint32_t above,
		       uint32_t *epoch)
{
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(connection, "UPDATE sales SET epoch = ?2, version = version + 1 WHERE number = ?1",
					       &statement);

	if (result < 0)
		return result;
	*epoch = head->epoch > head->barrier ? head->epoch : head->barrier;
	*epoch = (*epoch > above ? *epoch : above) + 1;
	sqlite_bind_int(statement, 1, sale);
	sqlite_bind_int(statement, 2, *epoch);
	return sqlite_step_once(connection, statement) == STEP_DONE ? 0 : error_origin(-EIO);
}

int sqlite_sale_move(struct ledger *base, uint32_t sale, enum sale_action action, const struct ledger_actor *actor)
{
	struct sqlite_ledger *ledger = sqlite_ledger_of(base);
	struct sqlite_connection *connection;
	struct sale_head head;
	enum sale_state next;
	enum sale_move move;
	uint32_t epoch;
	int result = sqlite_writer_begin(ledger, &connection);

	if (result < 0)
		return result;
	result = sqlite_request_check(connection, actor);
	if (result == 0)
		result = read_head(connection, sale, &head);
	if (result == 0) {
		move = sale_next(head.state, action, &next);
		if (move != SALE_MOVED)
			result = move == SALE_MOVE_ALREADY ? LEDGER_ALREADY : LEDGER_WRONG_STATE;
	}
	if (result == LEDGER_ALREADY && actor->request) {
		/* Asked again after somebody has moved it on, it must not move it back. */
		result = sqlite_writer_end(ledger, sqlite_request_write(connection, actor->request, actor->now_ms));
		return result == 0 ? LEDGER_ALREADY : result;
	}
	if (result == 0 && action == SALE_DISARM) {
		result = check_unsold(connection, sale);
		if (result == 0)
			result = raise_epoch(connection, sale, &head, 0, &epoch);
	}
	if (result == 0)
		result = update_state(connection, sale, next, actor->now_ms);
	if (result == 0 && action == SALE_DELETE)
		result = return_lots(connection, sale, actor);
	if (result == 0 && action == SALE_DELETE)
		result = free_id(connection, sale);
	if (result == 0)
		result = sqlite_sale_changed(connection, sale);
	if (result == 0)
		result = sqlite_log_row_write(connection, actor, log_action_of_sale(action), slice_of(head.id), SLICE("{}"));
	return sqlite_writer_end(ledger, result);
}

int sqlite_sale_raise_epoch(struct ledger *base, uint32_t sale, uint32_t above, uint32_t *epoch)
{
	struct sqlite_ledger *ledger = sqlite_ledger_of(base);
	struct sqlite_connection *connection;
	struct sale_head head;
	int result = sqlite_writer_begin(ledger, &connection);

	if (result < 0)
		return result;
	result = read_head(connection, sale, &head);
	if (result == 0)
		result = raise_epoch(connection, sale, &head, above, epoch);
	if (result == 0)
		result = sqlite_sale_changed(connection, sale);
	return sqlite_writer_end(ledger, result);
}

/* --- More units --- */

/* In a transaction: out of the item, with its movement. 0, LEDGER_NOT_FOUND, LEDGER_NOT_ENOUGH, or negative. */
static int grow_lot(struct sqlite_connection *connection, const char *sku, struct movement *movement)
{
	sqlite3_stmt *grow;
	int result = take_from_item(connection, slice_of(sku), movement->allocated, &movement->item);

	if (result == 0)
		result = sqlite_connection_prepare(
			connection, "UPDATE lots SET allocated = allocated + ?3 WHERE sale = ?1 AND place = ?2", &grow);
	if (result != 0)
		return result;
	sqlite_bind_int(grow, 1, movement->sale);
	sqlite_bind_int(grow, 2, movement->lot);
	sqlite_bind_int(grow, 3, movement->allocated);
	result = sqlite_step_once(connection, grow);
	return result == 0 ? sqlite_movement_write(connection, movement) : error_origin(-EIO);
}

int sqlite_lot_grow(struct sqlite_connection *connection, uint32_t sale, uint32_t lot, const char *sku, int64_t units,
		    const struct ledger_actor *actor)
{
	struct movement movement = {.cause = CAUSE_ADD,
				    .at_ms = actor->now_ms,
				    .sale = sale,
				    .lot = lot,
				    .on_hand = -units,
				    .allocated = units,
				    .actor = actor->name};

	return grow_lot(connection, sku, &movement);
}

static int read_lot_sku(struct sqlite_connection *connection, uint32_t sale, uint32_t lot, char sku[static SKU_MAX + 1])
{
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(
		connection,
		"SELECT items.sku FROM lots JOIN items ON items.number = lots.item WHERE lots.sale = ?1 AND lots.place = ?2",
		&statement);

	if (result < 0)
		return result;
	sqlite_bind_int(statement, 1, sale);
	sqlite_bind_int(statement, 2, lot);
	result = sqlite_step_row(connection, statement);
	if (result != STEP_ROW)
		return result < 0 ? result : LEDGER_NOT_FOUND;
	sqlite_column_text(statement, 0, sku, SKU_MAX + 1);
	sqlite3_reset(statement);
	return 0;
}

/* In a transaction: whether the units may come. 0, ALREADY, NOT_FOUND, WRONG_STATE, or negative. */
static int check_add(struct sqlite_connection *connection, uint32_t sale, uint32_t lot, const struct uuid *movement,
		     struct sale_head *head, char sku[static SKU_MAX + 1])
{
	int result = read_head(connection, sale, head);

	if (result == 0)
		result = read_lot_sku(connection, sale, lot, sku);
	if (result != 0)
		return result;
	result = sqlite_movement_exists(connection, movement);
	if (result != 0)
		return result < 0 ? result : LEDGER_ALREADY;
	return head->state == SALE_ENDED || head->state == SALE_DELETED ? LEDGER_WRONG_STATE : 0;
}

int sqlite_lot_add(struct ledger *base, uint32_t sale, uint32_t lot, uint32_t units, const struct uuid *id,
		   const struct ledger_actor *actor)
{
	struct sqlite_ledger *ledger = sqlite_ledger_of(base);
	struct movement movement = {.cause = CAUSE_ADD,
				    .at_ms = actor->now_ms,
				    .sale = sale,
				    .lot = lot,
				    .movement = id,
				    .on_hand = -(int64_t)units,
				    .allocated = units,
				    .actor = actor->name};
	char sku[SKU_MAX + 1], detail[LOG_DETAIL_SIZE];
	struct sqlite_connection *connection;
	struct sale_head head;
	int result = sqlite_writer_begin(ledger, &connection);

	if (result < 0)
		return result;
	result = sqlite_request_check(connection, actor);
	if (result == 0)
		result = check_add(connection, sale, lot, id, &head, sku);
	if (result == 0)
		result = grow_lot(connection, sku, &movement);
	if (result == 0)
		result = sqlite_sale_touch(connection, sale);
	if (result == 0)
		result = sqlite_log_row_write(connection, actor, "lot.add", slice_of(head.id),
					      log_detail_units(detail, sku, units, id));
	return sqlite_writer_end(ledger, result);
}
