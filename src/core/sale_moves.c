/* What moves a sale from one state to the next, with the stock that it needs for that. */
#include <stdlib.h>
#include "core/brake.h"
#include "core/preheat.h"
#include "core/sale_changes.h"

/* DONE where the ledger has the sale as a draft, else ALREADY, NO_SALE, or negative. */
static int ask_draft(struct sale_control *control, uint32_t number)
{
	struct sale *sale;
	int r = sale_control_read(control, number, &sale);

	if (r == 0 && sale->state != SALE_DRAFT)
		r = SALE_CONTROL_ALREADY;
	free(sale);
	return r;
}

/*
 * Pre-heats a sale that has never been armed: it has no orders yet. Another process may be arming it too, so the ledger is asked twice. Before: what is
 * armed already must not be begun anew. Between begin and arm: orders come after the move, and after begin() no older term grants any; so where it is
 * a draft still, there are none. Where it is not, its stock has lost orders: it stays fenced until it is rebuilt.
 */
static int preheat(struct sale_control *control, const struct sale *sale, uint32_t *epoch)
{
	struct ledger *ledger = control->settings.ledger;
	struct stock *stock = control->settings.stock;
	int r = ask_draft(control, sale->number);

	if (r == 0)
		r = sale_control_by_ledger(ledger->ops->sale_raise_epoch(ledger, sale->number, 0, epoch));
	if (r)
		return r;
	if (preheat_begin(stock, sale, *epoch) < 0)
		return SALE_CONTROL_STOCK_AWAY;
	r = ask_draft(control, sale->number);
	if (r)
		return r == SALE_CONTROL_ALREADY ? SALE_CONTROL_STOCK_AWAY : r;
	return preheat_arm(stock, sale) < 0 ? SALE_CONTROL_STOCK_AWAY : 0;
}

int sale_control_move_one(struct sale_control *control, const struct sale *sale, enum sale_action action,
			  const struct ledger_actor *actor)
{
	struct ledger *ledger = control->settings.ledger;
	struct stock *stock = control->settings.stock;
	bool preheats = sale->state == SALE_DRAFT && (action == SALE_ARM || action == SALE_START);
	uint32_t epoch = 0; /* the one begun here; what another process has begun stays */
	int r = 0;

	if (preheats)
		r = preheat(control, sale, &epoch);
	if (r == 0 && preheats && action == SALE_START) {
		struct ledger_actor first = *actor;

		first.request = NULL; /* it is done with the second move */
		r = sale_control_by_ledger(ledger->ops->sale_move(ledger, sale->number, SALE_ARM, &first));
	}
	if (r == 0)
		r = sale_control_by_ledger(ledger->ops->sale_move(ledger, sale->number, action, actor));
	if (r && epoch)
		stock->ops->drop(stock, sale->number, epoch);
	return r ? r : sale_control_publish(control, sale->number);
}

/*
 * The ledger's transaction is the proof: it finds no order, and none comes behind it, since the journal refuses what an older epoch has granted. That needs a
 * journal in the ledger; what lies in another one may have been told already.
 */
static int disarm(struct sale_control *control, const struct sale *sale, const struct ledger_actor *actor)
{
	struct ledger *ledger = control->settings.ledger;
	struct stock *stock = control->settings.stock;
	int r, shown = 0;

	if (sale->state == SALE_ARMED && !control->settings.journal_in_ledger)
		return SALE_CONTROL_NO_PROOF;
	if (brake_state(stock, sale) != sale->state)
		return SALE_CONTROL_WRONG_STATE;
	r = sale_control_by_ledger(ledger->ops->sale_move(ledger, sale->number, SALE_DISARM, actor));
	/* Only what this sale was armed with: who arms it anew has a newer epoch. */
	if (r == 0)
		stock->ops->drop(stock, sale->number, sale->epoch);
	/* Already, too: the answer to the first may have been lost. */
	if (r == SALE_CONTROL_DONE || r == SALE_CONTROL_ALREADY)
		shown = sale_control_publish(control, sale->number);
	return shown ? shown : r;
}

int sale_control_move(struct sale_control *control, struct slice id, enum sale_action action, const struct ledger_actor *actor)
{
	struct sale *sale = NULL;
	int r = sale_control_asked_before(control, actor);

	if (r == 0)
		r = sale_control_find(control, id, &sale);
	if (r == 0 && (action == SALE_ARM || action == SALE_START))
		r = sale_control_check_times(sale, action == SALE_ARM && sale->state == SALE_DRAFT,
					     sale->state == SALE_DRAFT || sale->state == SALE_ARMED, actor->now_ms);
	if (r == 0)
		r = action == SALE_DISARM ? disarm(control, sale, actor) : sale_control_move_one(control, sale, action, actor);
	free(sale);
	return r;
}

int sale_control_brake(const struct sale_control *control, uint32_t number, bool stopped, const struct ledger_actor *actor)
{
	return sale_control_by_stock(control, brake_set(control->settings.stock, control->settings.catalog, number, stopped, actor));
}
