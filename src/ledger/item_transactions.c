#include "ledger/item_transactions.h"

#include "ledger/log_detail.h"
#include "ledger/transaction.h"

struct item_creation {
	const struct ledger_item *item;
	const struct ledger_actor *actor;
};

int item_transaction_insert(struct transaction *transaction, const struct ledger_item *item, const struct ledger_actor *actor)
{
	const struct transaction_rows *rows = transaction->rows;
	struct movement movement = {.cause = CAUSE_RECEIVE, .at_ms = actor->now_ms, .on_hand = item->on_hand, .actor = actor->name};
	char detail[LOG_DETAIL_SIZE];
	int result = transaction_check_request(transaction, actor);

	if (result == 0)
		result = rows->items->insert(transaction, item, &movement.item);
	if (result == 0 && item->on_hand)
		result = rows->records->write_movement(transaction, &movement);
	if (result != 0)
		return result;
	return rows->records->write_log(transaction, actor, ACTION_ITEM_CREATE, slice_of(item->sku),
					log_detail_item(detail, item->on_hand));
}

static int create(struct transaction *transaction, void *request)
{
	const struct item_creation *creation = request;

	return item_transaction_insert(transaction, creation->item, creation->actor);
}

int item_transaction_create(struct ledger *ledger, const struct ledger_item *item, const struct ledger_actor *actor)
{
	struct item_creation creation = {item, actor};

	ASSERT(item->on_hand >= 0);
	return transaction_run(ledger, TRANSACTION_LOGS, create, &creation);
}

/* Units that come, or are counted anew. */
struct item_change {
	struct slice sku, reason; /* reason.data NULL: received */
	int64_t units;
	const struct uuid *id; /* the movement's */
	const struct ledger_actor *actor;
	int64_t *on_hand;
};

static int change_units(struct transaction *transaction, void *request)
{
	const struct transaction_rows *rows = transaction->rows;
	const struct item_change *change = request;
	const struct ledger_actor *actor = change->actor;
	struct movement movement = {.cause = change->reason.data ? CAUSE_ADJUST : CAUSE_RECEIVE,
				    .at_ms = actor->now_ms,
				    .movement = change->id,
				    .on_hand = change->units,
				    .actor = actor->name};
	char detail[LOG_DETAIL_SIZE];
	int result = rows->items->find(transaction, change->sku, &movement.item, change->on_hand);

	if (result == 0)
		result = transaction_check_request(transaction, actor);
	if (result != 0)
		return result;
	result = rows->records->movement_exists(transaction, change->id);
	if (result != 0)
		return result < 0 ? result : LEDGER_ALREADY;
	if (*change->on_hand + change->units < 0)
		return LEDGER_NOT_ENOUGH;
	result = rows->items->add_on_hand(transaction, movement.item, change->units);
	if (result == 0)
		result = rows->records->write_movement(transaction, &movement);
	if (result != 0)
		return result;
	*change->on_hand += change->units;
	return rows->records->write_log(transaction, actor, change->reason.data ? ACTION_ITEM_ADJUST : ACTION_ITEM_RECEIVE,
					change->sku, log_detail_receive(detail, change->units, change->reason, change->id));
}

int item_transaction_receive(struct ledger *ledger, struct slice sku, int64_t units, const struct uuid *movement,
			     const struct ledger_actor *actor, int64_t *on_hand)
{
	struct item_change change = {sku, SLICE_NULL, units, movement, actor, on_hand};

	ASSERT(units > 0);
	return transaction_run(ledger, TRANSACTION_LOGS, change_units, &change);
}

int item_transaction_adjust(struct ledger *ledger, struct slice sku, int64_t units, struct slice reason,
			    const struct uuid *movement, const struct ledger_actor *actor, int64_t *on_hand)
{
	struct item_change change = {sku, reason, units, movement, actor, on_hand};

	ASSERT(reason.size > 0);
	return transaction_run(ledger, TRANSACTION_LOGS, change_units, &change);
}
