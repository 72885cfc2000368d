#include "stock/memory/sale_stock.h"

void sale_stock_allocate(struct sale_stock *sale, uint32_t lot, int64_t allocated)
{
	struct lot_units *units = &sale->lots[lot];

	ASSERT(lot < sale->rules.lot_count);
	lock_take(&sale->movement_lock);
	if (allocated > units->allocated)
		lot_units_add(units, (uint32_t)(allocated - units->allocated));
	lock_release(&sale->movement_lock);
}

static int load_withdrawal(struct sale_stock *sale, const struct stock_withdrawn *withdrawn)
{
	struct movement *movement;

	if (withdrawn->lot >= sale->rules.lot_count)
		return error_origin(-ERANGE);
	movement = movement_log_find(&sale->movements, &withdrawn->movement);
	if (!movement)
		movement = movement_log_new(&sale->movements, &withdrawn->movement);
	if (!movement)
		return error_origin(-ENOMEM);
	movement->lot = withdrawn->lot;
	movement->quantity = withdrawn->units;
	return 0;
}

int sale_stock_load_withdrawals(struct sale_stock *sale, const struct stock_withdrawn *withdrawals, size_t count)
{
	size_t first = count > MOVEMENT_LOG_MAX ? count - MOVEMENT_LOG_MAX : 0; /* more are not remembered */
	int r = 0;

	lock_take(&sale->movement_lock);
	for (size_t i = first; i < count && r == 0; i++)
		r = load_withdrawal(sale, &withdrawals[i]);
	lock_release(&sale->movement_lock);
	return r;
}

static void fill_event(const struct sale_stock *sale, const struct movement *movement, struct stock_withdrawal *withdrawal)
{
	withdrawal->event = (struct event){
		.kind = EVENT_WITHDRAWN,
		.sale = sale->rules.sale,
		.epoch = sale->rules.epoch,
		.lot = movement->lot,
		.quantity = movement->quantity,
		.id = movement->id,
		.at_ms = withdrawal->now_ms,
		.actor_kind = withdrawal->actor_kind,
		.actor = withdrawal->actor,
		.trace = withdrawal->trace,
		.request = withdrawal->request,
	};
}

static int withdraw_locked(struct sale_stock *sale, struct stock_withdrawal *withdrawal)
{
	const struct outbox_pending nothing = {0};
	struct movement *movement = movement_log_find(&sale->movements, &withdrawal->movement);

	if (movement && movement->outbox)
		return STOCK_BUSY;
	if (movement) { /* done before, and durable: told again */
		fill_event(sale, movement, withdrawal);
		return 0;
	}
	if (!outbox_book(sale->common->outbox))
		return STOCK_FULL;
	movement = movement_log_new(&sale->movements, &withdrawal->movement);
	if (!movement) {
		outbox_unbook(sale->common->outbox);
		return STOCK_FULL;
	}
	movement->lot = withdrawal->lot;
	movement->quantity = lot_units_withdraw(&sale->lots[withdrawal->lot], withdrawal->units, withdrawal->exact);
	if (movement->quantity == 0) {
		movement_log_forget(&sale->movements, movement);
		outbox_unbook(sale->common->outbox);
		return 0;
	}
	fill_event(sale, movement, withdrawal);
	movement->outbox = outbox_put(sale->common->outbox, sale, withdrawal->now_ns, &withdrawal->event, &nothing);
	return 0;
}

int sale_stock_withdraw(struct sale_stock *sale, struct stock_withdrawal *withdrawal)
{
	int outcome;

	ASSERT(withdrawal->lot < sale->rules.lot_count);
	lock_take(&sale->movement_lock);
	outcome = withdraw_locked(sale, withdrawal);
	lock_release(&sale->movement_lock);
	return outcome;
}

enum stock_ack sale_stock_acknowledge_withdrawal(struct sale_stock *sale, const struct event *event)
{
	enum stock_ack answer = STOCK_ACK_UNKNOWN;
	struct outbox_pending pending;
	struct movement *movement;

	lock_take(&sale->movement_lock);
	movement = movement_log_find(&sale->movements, &event->id);
	if (movement && outbox_take(sale->common->outbox, movement->outbox, event, false, &pending)) {
		movement->outbox = 0;
		answer = STOCK_ACK_DONE;
	} else if (movement && !movement->outbox) {
		answer = STOCK_ACK_ALREADY;
	}
	lock_release(&sale->movement_lock);
	return answer;
}

bool sale_stock_compensate_withdrawal(struct sale_stock *sale, const struct event *event)
{
	struct outbox_pending pending;
	struct movement *movement;
	bool undone = true;

	lock_take(&sale->movement_lock);
	movement = movement_log_find(&sale->movements, &event->id);
	if (movement)
		undone = outbox_take(sale->common->outbox, movement->outbox, event, true, &pending);
	if (movement && undone) {
		lot_units_undo_withdraw(&sale->lots[movement->lot], movement->quantity);
		movement_log_forget(&sale->movements, movement);
	}
	lock_release(&sale->movement_lock);
	return undone;
}

void sale_stock_snapshot(struct sale_stock *sale, struct stock_lot_state *lots)
{
	lock_take(&sale->movement_lock);
	for (uint32_t i = 0; i < sale->rules.lot_count; i++)
		lot_units_read(&sale->lots[i], &lots[i]);
	lock_release(&sale->movement_lock);
}
