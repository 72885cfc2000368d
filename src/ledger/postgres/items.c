/* Items: what is in the warehouse. */
#include "ledger/log_detail.h"
#include "ledger/postgres/private.h"

static const char select_item[] = "SELECT items.sku, items.name, items.on_hand,"
				  " (SELECT coalesce(sum(allocated - withdrawn), 0)::bigint FROM lots WHERE lots.item = items.number)"
				  " FROM items WHERE items.sku = $1";
static const char select_items[] = "SELECT items.sku, items.name, items.on_hand,"
				   " (SELECT coalesce(sum(allocated - withdrawn), 0)::bigint FROM lots WHERE lots.item = items.number)"
				   " FROM items WHERE items.sku > $1 ORDER BY items.sku LIMIT $2";

static void read_item(const PGresult *result, int row, struct ledger_item *item)
{
	pg_get_text(result, row, 0, item->sku, sizeof(item->sku));
	pg_get_text(result, row, 1, item->name, sizeof(item->name));
	item->on_hand = pg_get_int(result, row, 2);
	item->allocated = pg_get_int(result, row, 3);
}

/* 0 with its number, LEDGER_EXISTS, or negative. */
static int insert_item(struct pg_connection *connection, const struct ledger_item *item, int64_t *number)
{
	struct pg_params params = {0};
	PGresult *result;
	int end;

	pg_put_text(&params, slice_of(item->sku));
	pg_put_text(&params, slice_of(item->name));
	pg_put_int(&params, item->on_hand);
	end = pg_outcome(pg_query(connection,
				  "INSERT INTO items (sku, name, on_hand) VALUES ($1, $2, $3) ON CONFLICT (sku) DO NOTHING RETURNING number",
				  &params, &result),
			 -EIO);
	if (end < 0)
		return end;
	if (PQntuples(result) == 1)
		*number = pg_get_int(result, 0, 0);
	else
		end = LEDGER_EXISTS;
	PQclear(result);
	return end;
}

int postgres_item_create(struct ledger *base, const struct ledger_item *item, const struct ledger_actor *actor)
{
	struct movement movement = {.cause = CAUSE_RECEIVE, .at_ms = actor->now_ms, .on_hand = item->on_hand, .actor = actor->name};
	struct pg_work work = {.ledger = postgres_ledger_of(base), .logs = true};
	char detail[LOG_DETAIL_SIZE];
	int result;

	ASSERT(item->on_hand >= 0);
	while (pg_work_begin(&work)) {
		result = pg_request_check(work.connection, actor);
		if (result == 0)
			result = insert_item(work.connection, item, &movement.item);
		if (result == 0 && item->on_hand)
			result = pg_movement_write(work.connection, &movement);
		if (result == 0)
			result = pg_log_row_write(work.connection, actor, "item.create", slice_of(item->sku),
						  log_detail_item(detail, item->on_hand));
		pg_work_end(&work, result);
	}
	return work.result;
}

/* 0 with the item's number and units, LEDGER_NOT_FOUND, or negative. */
static int find_item(struct pg_connection *connection, struct slice sku, int64_t *number, int64_t *on_hand)
{
	struct pg_params params = {0};
	PGresult *result;
	int end;

	pg_put_text(&params, sku);
	end = pg_outcome(pg_query(connection, "SELECT number, on_hand FROM items WHERE sku = $1", &params, &result), -EIO);
	if (end < 0)
		return end;
	if (PQntuples(result) == 0) {
		end = LEDGER_NOT_FOUND;
	} else {
		*number = pg_get_int(result, 0, 0);
		*on_hand = pg_get_int(result, 0, 1);
	}
	PQclear(result);
	return end;
}

static int add_on_hand(struct pg_connection *connection, int64_t item, int64_t units)
{
	struct pg_params params = {0};

	pg_put_int(&params, item);
	pg_put_int(&params, units);
	return pg_outcome(pg_do(connection, "UPDATE items SET on_hand = on_hand + $2 WHERE number = $1", &params), LEDGER_NOT_ENOUGH);
}

/* In a transaction. reason.data NULL: received. 0, REPEATED, KEY_REUSED, ALREADY, NOT_FOUND, NOT_ENOUGH, or negative. */
static int receive(struct pg_connection *connection, struct slice sku, int64_t units, struct slice reason, const struct uuid *id,
		   const struct ledger_actor *actor, int64_t *on_hand)
{
	struct movement movement = {.cause = reason.data ? CAUSE_ADJUST : CAUSE_RECEIVE,
				    .at_ms = actor->now_ms,
				    .movement = id,
				    .on_hand = units,
				    .actor = actor->name};
	char detail[LOG_DETAIL_SIZE];
	int result = find_item(connection, sku, &movement.item, on_hand);

	if (result == 0)
		result = pg_request_check(connection, actor);
	if (result != 0)
		return result;
	result = pg_movement_exists(connection, id);
	if (result != 0)
		return result < 0 ? result : LEDGER_ALREADY;
	if (*on_hand + units < 0)
		return LEDGER_NOT_ENOUGH;
	result = add_on_hand(connection, movement.item, units);
	if (result == 0)
		result = pg_movement_write(connection, &movement);
	if (result != 0)
		return result;
	*on_hand += units;
	return pg_log_row_write(connection, actor, reason.data ? "item.adjust" : "item.receive", sku,
				log_detail_receive(detail, units, reason, id));
}

int postgres_item_receive(struct ledger *base, struct slice sku, int64_t units, const struct uuid *movement,
			  const struct ledger_actor *actor, int64_t *on_hand)
{
	struct pg_work work = {.ledger = postgres_ledger_of(base), .logs = true};

	ASSERT(units > 0);
	while (pg_work_begin(&work))
		pg_work_end(&work, receive(work.connection, sku, units, SLICE_NULL, movement, actor, on_hand));
	return work.result;
}

int postgres_item_adjust(struct ledger *base, struct slice sku, int64_t units, struct slice reason, const struct uuid *movement,
			 const struct ledger_actor *actor, int64_t *on_hand)
{
	struct pg_work work = {.ledger = postgres_ledger_of(base), .logs = true};

	ASSERT(reason.size > 0);
	while (pg_work_begin(&work))
		pg_work_end(&work, receive(work.connection, sku, units, reason, movement, actor, on_hand));
	return work.result;
}

int postgres_item_get(struct ledger *base, struct slice sku, struct ledger_item *item)
{
	struct pg_params params = {0};
	PGresult *result;
	int end;

	pg_put_text(&params, sku);
	end = pg_read(postgres_ledger_of(base), select_item, &params, &result);
	if (end < 0)
		return end;
	if (PQntuples(result) == 0)
		end = LEDGER_NOT_FOUND;
	else
		read_item(result, 0, item);
	PQclear(result);
	return end;
}

int postgres_items(struct ledger *base, struct slice after, struct ledger_item *items, size_t max, size_t *count)
{
	struct pg_params params = {0};
	PGresult *result;
	int end;

	*count = 0;
	pg_put_text(&params, after);
	pg_put_int(&params, (int64_t)max);
	end = pg_read(postgres_ledger_of(base), select_items, &params, &result);
	if (end < 0)
		return end;
	for (int row = 0; row < PQntuples(result); row++)
		read_item(result, row, &items[(*count)++]);
	PQclear(result);
	return 0;
}
