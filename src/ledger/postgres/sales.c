/* Sales and their lots: making and changing them. Reading is in sales_read.c. */
#include "ledger/log_detail.h"
#include "ledger/postgres/private.h"

static void put_terms(struct pg_params *params, const struct sale *sale)
{
	pg_put_text(params, slice_of(sale->name));
	pg_put_int(params, sale->price_minor);
	pg_put_text(params, slice_of(sale->currency));
	pg_put_int(params, sale->limit_per_buyer);
	pg_put_int(params, sale->rate_requests);
	pg_put_int(params, sale->rate_seconds);
	pg_put_int(params, sale->hold_seconds);
	pg_put_int(params, sale->late_confirm);
	pg_put_int_or_null(params, sale->opens_at_ms, SALE_NO_TIME);
	pg_put_int_or_null(params, sale->closes_at_ms, SALE_NO_TIME);
	pg_put_int(params, sale->scheduled);
	pg_put_int(params, sale->announced);
}

/* The terms of a sale for the operator log. */
static int log_terms(struct pg_connection *connection, const struct sale *sale, const struct ledger_actor *actor, const char *action)
{
	struct buffer detail;
	int result;

	buffer_init(&detail, LOG_TERMS_MAX);
	log_detail_terms(&detail, sale);
	if (detail.failed)
		result = error_origin(-ENOMEM);
	else
		result = pg_log_row_write(connection, actor, action, slice_of(sale->id), buffer_slice(&detail));
	buffer_deinit(&detail);
	return result;
}

/* 0 with the sale's number, LEDGER_EXISTS, or negative. */
static int insert_sale(struct pg_connection *connection, const struct sale *sale, int64_t change, uint32_t *number)
{
	struct pg_params params = {0};
	PGresult *result;
	int end;

	put_terms(&params, sale);
	pg_put_text(&params, slice_of(sale->id));
	pg_put_int(&params, sale->created_at_ms);
	pg_put_int(&params, SALE_DRAFT);
	pg_put_int(&params, change);
	end = pg_outcome(pg_query(connection,
				  "INSERT INTO sales (name, price_minor, currency, limit_per_buyer, rate_requests, rate_seconds,"
				  " hold_seconds, late_confirm, opens_at_ms, closes_at_ms, scheduled, announced, id, created_at_ms, epoch,"
				  " version, state, change) VALUES ($1, $2, $3, $4, $5, $6, $7, $8 <> 0, $9, $10, $11 <> 0, $12 <> 0, $13,"
				  " $14, 1, 1, $15, $16)"
				  " ON CONFLICT (id) DO NOTHING RETURNING number",
				  &params, &result),
			 -EIO);
	if (end < 0)
		return end;
	if (PQntuples(result) == 1)
		*number = (uint32_t)pg_get_int(result, 0, 0);
	else
		end = LEDGER_EXISTS;
	PQclear(result);
	return end;
}

/* Takes units off an item. 0, LEDGER_NOT_FOUND, LEDGER_NOT_ENOUGH, or negative. */
static int take_from_item(struct pg_connection *connection, struct slice sku, int64_t units, int64_t *item)
{
	struct pg_params find = {0}, take = {0};
	PGresult *results[2];
	int end;

	pg_put_text(&find, sku);
	pg_put_text(&take, sku);
	pg_put_int(&take, units);
	pg_add(connection, "SELECT number FROM items WHERE sku = $1", &find);
	pg_add(connection, "UPDATE items SET on_hand = on_hand - $2 WHERE sku = $1 AND on_hand >= $2", &take);
	end = pg_outcome(pg_run(connection, results), LEDGER_NOT_ENOUGH);
	if (end != 0)
		return end;
	if (PQntuples(results[0]) == 0) {
		end = LEDGER_NOT_FOUND;
	} else {
		*item = pg_get_int(results[0], 0, 0);
		if (pg_changed(results[1]) == 0)
			end = LEDGER_NOT_ENOUGH;
	}
	pg_clear(results, 2);
	return end;
}

int pg_lot_insert(struct pg_connection *connection, uint32_t sale, uint32_t place, struct sale_lot *lot,
		  const struct ledger_actor *actor)
{
	struct movement movement = {.cause = CAUSE_ALLOCATE,
				    .at_ms = actor->now_ms,
				    .sale = sale,
				    .lot = place,
				    .on_hand = -lot->allocated,
				    .allocated = lot->allocated,
				    .actor = actor->name};
	struct pg_params params = {0};
	int result = take_from_item(connection, slice_of(lot->sku), lot->allocated, &movement.item);

	if (result != 0)
		return result;
	pg_put_int(&params, sale);
	pg_put_int(&params, place);
	pg_put_int(&params, movement.item);
	pg_put_int(&params, lot->allocated);
	/* Two lots of one item break the constraint. */
	result = pg_outcome(pg_do(connection, "INSERT INTO lots (sale, place, item, allocated) VALUES ($1, $2, $3, $4)", &params),
			    LEDGER_CONSTRAINT);
	if (result != 0)
		return result;
	lot->item = (uint32_t)movement.item;
	lot->held = lot->confirmed = lot->withdrawn = 0;
	return pg_movement_write(connection, &movement);
}

/* In a transaction. *lot: which one could not be made. */
static int create(struct pg_work *work, struct sale *sale, const struct ledger_actor *actor, uint32_t *lot)
{
	int result = pg_request_check(work->connection, actor);

	*lot = 0;
	if (result == 0)
		result = insert_sale(work->connection, sale, work->change, &sale->number);
	if (result == 0) {
		sale->epoch = 1;
		sale->barrier = 0;
		sale->version = 1;
		sale->change = (uint64_t)work->change;
		sale->state = SALE_DRAFT;
		sale->ended_at_ms = SALE_NO_TIME;
	}
	for (uint32_t i = 0; i < sale->lot_count && result == 0; i++) {
		*lot = i;
		result = pg_lot_insert(work->connection, sale->number, i, &sale->lots[i], actor);
	}
	return result == 0 ? log_terms(work->connection, sale, actor, "sale.create") : result;
}

int postgres_sale_create(struct ledger *base, struct sale *sale, const struct ledger_actor *actor, uint32_t *lot)
{
	struct pg_work work = {.ledger = postgres_ledger_of(base), .logs = true, .changes_sale = true};

	while (pg_work_begin(&work))
		pg_work_end(&work, create(&work, sale, actor, lot));
	return work.result;
}

/* What a change of a sale must know of it. */
struct sale_head {
	char id[SALE_ID_MAX + 1];
	uint32_t epoch, version;
	enum sale_state state;
};

/* 0, LEDGER_NOT_FOUND, or negative. */
static int read_head(struct pg_connection *connection, uint32_t number, struct sale_head *head)
{
	struct pg_params params = {0};
	PGresult *result;
	int end;

	pg_put_int(&params, number);
	end = pg_outcome(pg_query(connection, "SELECT id, epoch, version, state FROM sales WHERE number = $1", &params, &result),
			 -EIO);
	if (end < 0)
		return end;
	if (PQntuples(result) == 0) {
		end = LEDGER_NOT_FOUND;
	} else {
		pg_get_text(result, 0, 0, head->id, sizeof(head->id));
		head->epoch = (uint32_t)pg_get_int(result, 0, 1);
		head->version = (uint32_t)pg_get_int(result, 0, 2);
		head->state = (enum sale_state)pg_get_int(result, 0, 3);
	}
	PQclear(result);
	return end;
}

int pg_sale_may_change(struct pg_connection *connection, const struct sale *sale)
{
	struct sale_head head;
	int result = read_head(connection, sale->number, &head);

	if (result == 0 && head.state != SALE_DRAFT)
		return LEDGER_WRONG_STATE;
	return result == 0 && head.version != sale->version ? LEDGER_CONFLICT : result;
}

int pg_sale_touch(struct pg_work *work, uint32_t sale)
{
	struct pg_params params = {0};

	pg_put_int(&params, sale);
	pg_put_int(&params, work->change);
	return pg_outcome(pg_do(work->connection, "UPDATE sales SET version = version + 1, change = $2 WHERE number = $1", &params),
			  -EIO);
}

static int update_terms(struct pg_work *work, const struct sale *sale)
{
	struct pg_params params = {0};

	put_terms(&params, sale);
	pg_put_int(&params, sale->number);
	pg_put_int(&params, work->change);
	return pg_outcome(pg_do(work->connection,
				"UPDATE sales SET name = $1, price_minor = $2, currency = $3, limit_per_buyer = $4, rate_requests = $5,"
				" rate_seconds = $6, hold_seconds = $7, late_confirm = $8 <> 0, opens_at_ms = $9, closes_at_ms = $10,"
				" scheduled = $11 <> 0, announced = $12 <> 0, version = version + 1, change = $14 WHERE number = $13",
				&params),
			  -EIO);
}

int postgres_sale_update(struct ledger *base, const struct sale *sale, const struct ledger_actor *actor)
{
	struct pg_work work = {.ledger = postgres_ledger_of(base), .logs = true, .changes_sale = true};
	struct sale_head head;
	int result;

	while (pg_work_begin(&work)) {
		result = read_head(work.connection, sale->number, &head);
		if (result == 0 && head.version != sale->version)
			result = LEDGER_CONFLICT;
		if (result == 0)
			result = update_terms(&work, sale);
		if (result == 0)
			result = log_terms(work.connection, sale, actor, "sale.update");
		pg_work_end(&work, result);
	}
	return work.result;
}

static int update_state(struct pg_work *work, uint32_t sale, enum sale_state state, int64_t now_ms)
{
	struct pg_params params = {0};

	pg_put_int(&params, sale);
	pg_put_int(&params, state);
	pg_put_int_or_null(&params, state == SALE_ENDED ? now_ms : SALE_NO_TIME, SALE_NO_TIME);
	pg_put_int(&params, work->change);
	pg_put_int(&params, SALE_DRAFT);
	return pg_outcome(pg_do(work->connection,
				"UPDATE sales SET state = $2, ended_at_ms = coalesce($3, ended_at_ms), scheduled = scheduled AND $2 <> $5,"
				" version = version + 1, change = $4 WHERE number = $1",
				&params),
			  -EIO);
}

/* What of a draft's lot is there goes back to its item. */
int pg_lot_return(struct pg_connection *connection, uint32_t sale, uint32_t lot, int64_t item, int64_t units,
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
	struct pg_params take = {0}, give = {0};
	int result;

	pg_put_int(&take, sale);
	pg_put_int(&take, lot);
	pg_put_int(&take, units);
	pg_put_int(&give, item);
	pg_put_int(&give, units);
	pg_add(connection, "UPDATE lots SET withdrawn = withdrawn + $3 WHERE sale = $1 AND place = $2", &take);
	pg_add(connection, "UPDATE items SET on_hand = on_hand + $2 WHERE number = $1", &give);
	result = pg_outcome(pg_run(connection, NULL), -EIO);
	return result == 0 ? pg_movement_write(connection, &movement) : result;
}

static int return_lots(struct pg_connection *connection, uint32_t sale, const struct ledger_actor *actor)
{
	struct pg_params params = {0};
	PGresult *result;
	int end;

	pg_put_int(&params, sale);
	end = pg_outcome(pg_query(connection,
				  "SELECT item, allocated - withdrawn - held - confirmed FROM lots WHERE sale = $1 ORDER BY place",
				  &params, &result),
			 -EIO);
	if (end < 0)
		return end;
	for (int row = 0; row < PQntuples(result) && end == 0; row++)
		if (pg_get_int(result, row, 1))
			end = pg_lot_return(connection, sale, (uint32_t)row, pg_get_int(result, row, 0),
					    pg_get_int(result, row, 1), actor);
	PQclear(result);
	return end;
}

/* The row stays; no sale can be made with a '~' in its id. */
static int free_id(struct pg_connection *connection, uint32_t sale)
{
	struct pg_params params = {0};

	pg_put_int(&params, sale);
	return pg_outcome(pg_do(connection, "UPDATE sales SET id = left(id, 55) || '~' || number WHERE number = $1", &params), -EIO);
}

/*
 * Of a sale that was armed a moment ago: waits for those who hold its epoch and raises it, with the number of the change; then looks what is so now, which
 * stays so. 0, LEDGER_ALREADY, LEDGER_WRONG_STATE, LEDGER_HAS_ORDERS, or negative.
 */
static int cut_unsold(struct pg_work *work, uint32_t sale)
{
	struct pg_params params = {0}, asked = {0};
	PGresult *result;
	int64_t state;
	bool sold;
	int end;

	pg_put_int(&params, sale);
	end = pg_outcome(pg_do(work->connection, "SELECT raise_epoch($1, 0)", &params), -EIO);
	if (end != 0)
		return end;
	pg_put_int(&asked, sale);
	end = pg_outcome(pg_query(work->connection,
				  "SELECT change, state, (EXISTS (SELECT 1 FROM orders WHERE sale = $1))::integer FROM sales"
				  " WHERE number = $1",
				  &asked, &result),
			 -EIO);
	if (end < 0)
		return end;
	work->change = pg_get_int(result, 0, 0);
	state = pg_get_int(result, 0, 1);
	sold = pg_get_int(result, 0, 2) != 0;
	PQclear(result);
	if (state != SALE_ARMED)
		return state == SALE_DRAFT ? LEDGER_ALREADY : LEDGER_WRONG_STATE;
	return sold ? LEDGER_HAS_ORDERS : 0;
}

/* In a transaction. */
static int move(struct pg_work *work, uint32_t sale, enum sale_action action, const struct ledger_actor *actor, bool *already)
{
	struct sale_head head;
	enum sale_state next;
	enum sale_move moved;
	int result = pg_request_check(work->connection, actor);

	if (result == 0)
		result = read_head(work->connection, sale, &head);
	if (result != 0)
		return result;
	moved = sale_next(head.state, action, &next);
	if (moved == SALE_MOVE_ALREADY && actor->request) {
		/* Asked again after somebody has moved it on, it must not move it back. */
		*already = true;
		return pg_request_write(work->connection, actor->request, actor->now_ms);
	}
	if (moved != SALE_MOVED)
		return moved == SALE_MOVE_ALREADY ? LEDGER_ALREADY : LEDGER_WRONG_STATE;
	if (action == SALE_DISARM)
		result = cut_unsold(work, sale);
	if (result == 0)
		result = update_state(work, sale, next, actor->now_ms);
	if (result == 0 && action == SALE_DELETE)
		result = return_lots(work->connection, sale, actor);
	if (result == 0 && action == SALE_DELETE)
		result = free_id(work->connection, sale);
	if (result != 0)
		return result;
	return pg_log_row_write(work->connection, actor, log_action_of_sale(action), slice_of(head.id), SLICE("{}"));
}

int postgres_sale_move(struct ledger *base, uint32_t sale, enum sale_action action, const struct ledger_actor *actor)
{
	/* Epochs come before the number of changes: raise_epoch() takes both. */
	struct pg_work work = {.ledger = postgres_ledger_of(base), .logs = true, .changes_sale = action != SALE_DISARM};
	bool already = false;

	while (pg_work_begin(&work)) {
		already = false;
		pg_work_end(&work, move(&work, sale, action, actor, &already));
	}
	return work.result == 0 && already ? LEDGER_ALREADY : work.result;
}

int postgres_sale_raise_epoch(struct ledger *base, uint32_t sale, uint32_t above, uint32_t *epoch)
{
	/* raise_epoch() takes the number of the change itself, behind those who hold the epoch. */
	struct pg_work work = {.ledger = postgres_ledger_of(base)};
	struct pg_params params = {0};
	PGresult *result;
	int end;

	pg_put_int(&params, sale);
	pg_put_int(&params, above);
	while (pg_work_begin(&work)) {
		end = pg_outcome(pg_query(work.connection, "SELECT raise_epoch($1, $2)", &params, &result), -EIO);
		if (end == 0 && PQgetisnull(result, 0, 0))
			end = LEDGER_NOT_FOUND;
		if (end == 0)
			*epoch = (uint32_t)pg_get_int(result, 0, 0);
		PQclear(result);
		pg_work_end(&work, end);
	}
	return work.result;
}

/* --- More units --- */

/* In a transaction: out of the item, with its movement. 0, LEDGER_NOT_FOUND, LEDGER_NOT_ENOUGH, or negative. */
static int grow_lot(struct pg_connection *connection, const char *sku, struct movement *movement)
{
	struct pg_params params = {0};
	int result = take_from_item(connection, slice_of(sku), movement->allocated, &movement->item);

	if (result != 0)
		return result;
	pg_put_int(&params, movement->sale);
	pg_put_int(&params, movement->lot);
	pg_put_int(&params, movement->allocated);
	result = pg_outcome(pg_do(connection, "UPDATE lots SET allocated = allocated + $3 WHERE sale = $1 AND place = $2", &params),
			    -EIO);
	return result == 0 ? pg_movement_write(connection, movement) : result;
}

int pg_lot_grow(struct pg_connection *connection, uint32_t sale, uint32_t lot, const char *sku, int64_t units,
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

static int read_lot_sku(struct pg_connection *connection, uint32_t sale, uint32_t lot, char sku[static SKU_MAX + 1])
{
	struct pg_params params = {0};
	PGresult *result;
	int end;

	pg_put_int(&params, sale);
	pg_put_int(&params, lot);
	end = pg_outcome(pg_query(connection,
				  "SELECT items.sku FROM lots JOIN items ON items.number = lots.item WHERE lots.sale = $1 AND lots.place = $2",
				  &params, &result),
			 -EIO);
	if (end < 0)
		return end;
	if (PQntuples(result) == 0)
		end = LEDGER_NOT_FOUND;
	else
		pg_get_text(result, 0, 0, sku, SKU_MAX + 1);
	PQclear(result);
	return end;
}

/* In a transaction: whether the units may come. 0, ALREADY, NOT_FOUND, WRONG_STATE, or negative. */
static int check_add(struct pg_connection *connection, uint32_t sale, uint32_t lot, const struct uuid *movement,
		     struct sale_head *head, char sku[static SKU_MAX + 1])
{
	int result = read_head(connection, sale, head);

	if (result == 0)
		result = read_lot_sku(connection, sale, lot, sku);
	if (result != 0)
		return result;
	result = pg_movement_exists(connection, movement);
	if (result != 0)
		return result < 0 ? result : LEDGER_ALREADY;
	return head->state == SALE_ENDED || head->state == SALE_DELETED ? LEDGER_WRONG_STATE : 0;
}

/* In a transaction. */
static int add(struct pg_work *work, uint32_t sale, uint32_t lot, uint32_t units, const struct uuid *id,
	       const struct ledger_actor *actor)
{
	struct movement movement = {.cause = CAUSE_ADD,
				    .at_ms = actor->now_ms,
				    .sale = sale,
				    .lot = lot,
				    .movement = id,
				    .on_hand = -(int64_t)units,
				    .allocated = units,
				    .actor = actor->name};
	char sku[SKU_MAX + 1], detail[LOG_DETAIL_SIZE];
	struct sale_head head;
	int result = pg_request_check(work->connection, actor);

	if (result == 0)
		result = check_add(work->connection, sale, lot, id, &head, sku);
	if (result == 0)
		result = grow_lot(work->connection, sku, &movement);
	if (result == 0)
		result = pg_sale_touch(work, sale);
	if (result != 0)
		return result;
	return pg_log_row_write(work->connection, actor, "lot.add", slice_of(head.id), log_detail_units(detail, sku, units, id));
}

int postgres_lot_add(struct ledger *base, uint32_t sale, uint32_t lot, uint32_t units, const struct uuid *id,
		     const struct ledger_actor *actor)
{
	struct pg_work work = {.ledger = postgres_ledger_of(base), .logs = true, .changes_sale = true};

	while (pg_work_begin(&work))
		pg_work_end(&work, add(&work, sale, lot, units, id, actor));
	return work.result;
}
