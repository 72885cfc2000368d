#include "ledger/lot_transactions.h"

#include "ledger/log_detail.h"

/* Takes units off an item. 0, LEDGER_NOT_FOUND, LEDGER_NOT_ENOUGH, or negative. */
static int take_from_item(struct transaction *transaction, const char *sku, int64_t units, int64_t *item)
{
	const struct item_rows *items = transaction->rows->items;
	int64_t on_hand;
	int result = items->find(transaction, slice_of(sku), item, &on_hand);

	if (result != 0)
		return result;
	return on_hand < units ? LEDGER_NOT_ENOUGH : items->add_on_hand(transaction, *item, -units);
}

int lot_insert(struct transaction *transaction, uint32_t sale, uint32_t place, struct sale_lot *lot, const struct ledger_actor *actor)
{
	const struct transaction_rows *rows = transaction->rows;
	struct movement movement = {.cause = CAUSE_ALLOCATE,
				    .at_ms = actor->now_ms,
				    .sale = sale,
				    .lot = place,
				    .on_hand = -lot->allocated,
				    .allocated = lot->allocated,
				    .actor = actor->name};
	int result = take_from_item(transaction, lot->sku, lot->allocated, &movement.item);

	if (result == 0)
		result = rows->lots->insert(transaction, sale, place, movement.item, lot->allocated);
	if (result != 0)
		return result;
	lot->item = (uint32_t)movement.item;
	lot->held = lot->confirmed = lot->withdrawn = 0;
	return rows->records->write_movement(transaction, &movement);
}

static int give_back(struct transaction *transaction, uint32_t sale, const struct lot_row *lot, int64_t units,
		     const struct ledger_actor *actor)
{
	const struct transaction_rows *rows = transaction->rows;
	const struct movement movement = {.cause = CAUSE_WITHDRAW,
					  .at_ms = actor->now_ms,
					  .item = lot->item,
					  .sale = sale,
					  .lot = lot->place,
					  .on_hand = units,
					  .withdrawn = units,
					  .actor = actor->name};
	int result = rows->lots->add_units(transaction, sale, lot->place, 0, units);

	if (result == 0)
		result = rows->items->add_on_hand(transaction, lot->item, units);
	if (result != 0)
		return result < 0 ? result : error_origin(-EIO);
	return rows->records->write_movement(transaction, &movement);
}

int lot_return_all(struct transaction *transaction, uint32_t sale, const struct ledger_actor *actor)
{
	struct lot_row lots[LOTS_MAX];
	uint32_t count = 0;
	int result = transaction->rows->lots->read_free(transaction, sale, lots, &count);

	for (uint32_t i = 0; i < count && result == 0; i++)
		if (lots[i].units)
			result = give_back(transaction, sale, &lots[i], lots[i].units, actor);
	return result;
}

/*
 * Out of the item, with its movement. 0, LEDGER_NOT_FOUND, LEDGER_NOT_ENOUGH, LEDGER_TOO_MANY, or
 * negative.
 */
static int grow(struct transaction *transaction, uint32_t sale, uint32_t lot, const char *sku, int64_t units,
		const struct uuid *id, const struct ledger_actor *actor)
{
	const struct transaction_rows *rows = transaction->rows;
	struct movement movement = {.cause = CAUSE_ADD,
				    .at_ms = actor->now_ms,
				    .sale = sale,
				    .lot = lot,
				    .movement = id,
				    .on_hand = -units,
				    .allocated = units,
				    .actor = actor->name};
	int result = take_from_item(transaction, sku, units, &movement.item);

	if (result == 0)
		result = rows->lots->add_units(transaction, sale, lot, units, 0);
	return result == 0 ? rows->records->write_movement(transaction, &movement) : result;
}

/* --- A draft's lots: what a person can still change his mind about --- */

struct lot_setting {
	const struct sale *sale;
	const struct sale_lot *lots;
	uint32_t count;
	const struct ledger_actor *actor;
	uint32_t *lot;
};

/*
 * Whether it is a draft as it was read: 0, LEDGER_NOT_FOUND, LEDGER_WRONG_STATE, LEDGER_CONFLICT,
 * or negative.
 */
static int check_draft(struct transaction *transaction, const struct sale *sale)
{
	struct sale_head head;
	int result = transaction->rows->sales->read_head(transaction, sale->number, &head);

	if (result == 0 && head.state != SALE_DRAFT)
		return LEDGER_WRONG_STATE;
	return result == 0 && head.version != sale->version ? LEDGER_CONFLICT : result;
}

/*
 * 0, LEDGER_NOT_FOUND (item), LEDGER_NOT_ENOUGH, LEDGER_TOO_MANY, LEDGER_CONSTRAINT (too many
 * lots), or negative.
 */
static int set_lot(struct transaction *transaction, uint32_t sale, const struct sale_lot *lot, const struct ledger_actor *actor)
{
	struct sale_lot fresh = *lot;
	struct lot_row row = {0};
	int result = transaction->rows->lots->find(transaction, sale, lot->sku, &row);

	if (result == LEDGER_NOT_FOUND)
		return row.place < LOTS_MAX ? lot_insert(transaction, sale, row.place, &fresh, actor) : LEDGER_CONSTRAINT;
	if (result != 0 || row.units == lot->allocated)
		return result;
	if (row.units > lot->allocated)
		return give_back(transaction, sale, &row, row.units - lot->allocated, actor);
	return grow(transaction, sale, row.place, lot->sku, lot->allocated - row.units, NULL, actor);
}

static int set_lots(struct transaction *transaction, void *request)
{
	const struct lot_setting *setting = request;
	const struct transaction_rows *rows = transaction->rows;
	char detail[LOG_DETAIL_SIZE];
	int result = check_draft(transaction, setting->sale);

	*setting->lot = 0;
	for (uint32_t i = 0; i < setting->count && result == 0; i++) {
		*setting->lot = i;
		result = set_lot(transaction, setting->sale->number, &setting->lots[i], setting->actor);
	}
	if (result == 0)
		result = rows->sales->touch(transaction, setting->sale->number);
	if (result == 0)
		result = rows->records->write_log(transaction, setting->actor, ACTION_SALE_LOTS, slice_of(setting->sale->id),
						  log_detail_lots(detail, setting->lots, setting->count));
	return result;
}

int lot_transaction_set(struct ledger *ledger, const struct sale *sale, const struct sale_lot *lots, uint32_t count,
			const struct ledger_actor *actor, uint32_t *lot)
{
	struct lot_setting setting = {sale, lots, count, actor, lot};

	*lot = 0;
	return transaction_run(ledger, TRANSACTION_LOGS | TRANSACTION_CHANGES_SALES, set_lots, &setting);
}

/* --- More units --- */

struct lot_addition {
	uint32_t sale, lot, units;
	const struct uuid *id; /* the movement's */
	const struct ledger_actor *actor;
};

/* Whether the units may come. 0, ALREADY, NOT_FOUND, WRONG_STATE, or negative. */
static int check_addition(struct transaction *transaction, const struct lot_addition *addition, struct sale_head *head,
			  char sku[static SKU_MAX + 1])
{
	const struct transaction_rows *rows = transaction->rows;
	int result = rows->sales->read_head(transaction, addition->sale, head);

	if (result == 0)
		result = rows->lots->read_sku(transaction, addition->sale, addition->lot, sku);
	if (result != 0)
		return result;
	result = rows->records->movement_exists(transaction, addition->id);
	if (result != 0)
		return result < 0 ? result : LEDGER_ALREADY;
	return head->state == SALE_ENDED || head->state == SALE_DELETED ? LEDGER_WRONG_STATE : 0;
}

static int add_units(struct transaction *transaction, void *request)
{
	const struct lot_addition *addition = request;
	const struct transaction_rows *rows = transaction->rows;
	char sku[SKU_MAX + 1], detail[LOG_DETAIL_SIZE];
	struct sale_head head;
	int result = transaction_check_request(transaction, addition->actor);

	if (result == 0)
		result = check_addition(transaction, addition, &head, sku);
	if (result == 0)
		result = grow(transaction, addition->sale, addition->lot, sku, addition->units, addition->id, addition->actor);
	if (result == 0)
		result = rows->sales->touch(transaction, addition->sale);
	if (result != 0)
		return result;
	return rows->records->write_log(transaction, addition->actor, ACTION_LOT_ADD, slice_of(head.id),
					log_detail_units(detail, sku, addition->units, addition->id));
}

int lot_transaction_add(struct ledger *ledger, uint32_t sale, uint32_t lot, uint32_t units, const struct uuid *movement,
			const struct ledger_actor *actor)
{
	struct lot_addition addition = {sale, lot, units, movement, actor};

	return transaction_run(ledger, TRANSACTION_LOGS | TRANSACTION_CHANGES_SALES, add_units, &addition);
}

/* --- What a rebuild arms --- */

struct lot_arming {
	const struct sale *sale;
	uint32_t epoch;
};

static int write_armed(struct transaction *transaction, void *request)
{
	const struct lot_arming *arming = request;
	const struct sale *sale = arming->sale;
	int result = 0;

	for (uint32_t i = 0; i < sale->lot_count && result == 0; i++)
		result = transaction->rows->lots->write_armed(transaction, sale->number, i, arming->epoch, &sale->lots[i]);
	return result;
}

int lot_transaction_arm(struct ledger *ledger, const struct sale *sale, uint32_t epoch)
{
	struct lot_arming arming = {sale, epoch};

	return transaction_run(ledger, 0, write_armed, &arming);
}
