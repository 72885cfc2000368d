/*
 * Units of a sale that is in the stock: added (ledger first) and withdrawn (counter first), by rule
 * 1.
 */
#include <stdlib.h>
#include "base/clock.h"
#include "base/failpoint.h"
#include "core/sale_changes.h"

static int find_lot(struct sale_control *control, struct slice id, struct slice sku, struct sale **sale, uint32_t *lot)
{
	int r = sale_control_find(control, id, sale), place;

	if (r)
		return r;
	place = sale_find_lot(*sale, sku);
	if (place < 0)
		return SALE_CONTROL_NO_SALE;
	*lot = (uint32_t)place;
	return !sale_in_stock(*sale) || (*sale)->state == SALE_ENDED ? SALE_CONTROL_WRONG_STATE : SALE_CONTROL_DONE;
}

int sale_control_allocate(struct sale_control *control, uint32_t number)
{
	struct stock *stock = control->settings.stock;
	struct sale *sale;
	int r = sale_control_read(control, number, &sale), outcome = 0;

	if (r)
		return r > 0 ? error_origin(-EUCLEAN) : r;
	for (uint32_t i = 0; i < sale->lot_count && outcome == 0; i++)
		outcome = stock->ops->allocate(stock, number, i, sale->lots[i].allocated);
	free(sale);
	return outcome;
}

/* Whether the stock may have these units still to come: it cannot be asked now. */
static bool is_undecided(int r)
{
	return r < 0 || r == STOCK_FENCED || r == STOCK_UNAVAILABLE || r == STOCK_OUTCOME_UNKNOWN;
}

static int add_again_later(struct sale_control *control, uint32_t sale, uint32_t lot, uint32_t units, const struct uuid *movement,
			   const struct ledger_request *request)
{
	struct pending_add *pending = malloc(sizeof(*pending));

	if (!pending)
		return error_origin(-ENOMEM);
	*pending = (struct pending_add){.next = control->pending, .sale = sale, .lot = lot, .units = units, .movement = *movement};
	if (request)
		pending->request = *request;
	control->pending = pending;
	return -EINPROGRESS;
}

/* The movement's id is the request's: whoever knows the one knows the other, the stock too. */
static struct uuid movement_of(struct sale_control *control, const struct ledger_actor *actor, uint32_t sale)
{
	return actor->request ? actor->request->id : uuid_make(&control->ids, actor->now_ms, sale);
}

int sale_control_add(struct sale_control *control, struct slice id, struct slice sku, uint32_t units, const struct ledger_actor *actor)
{
	struct ledger *ledger = control->settings.ledger;
	struct uuid movement;
	struct sale *sale = NULL;
	uint32_t lot;
	int r = sale_control_asked_before(control, actor), added = 0; /* by the ledger; by the stock */

	if (r == 0)
		r = find_lot(control, id, sku, &sale, &lot);
	if (r == 0) {
		movement = movement_of(control, actor, sale->number);
		r = sale_control_by_ledger(ledger->ops->lot_add(ledger, sale->number, lot, units, &movement, actor));
		(void)FAILPOINT("add.in_ledger"); /* the ledger has the units, the counter does not */
		if (r == SALE_CONTROL_DONE)
			added = sale_control_allocate(control, sale->number);
		if (r == -EINPROGRESS || is_undecided(added))
			r = add_again_later(control, sale->number, lot, units, &movement, actor->request);
		else if (added && !control->settings.stock_shared)
			r = SALE_CONTROL_NOT_IN_STOCK;
		/*
		 * A shared stock has forgotten the sale: it is rebuilt from the ledger, which has
		 * the units.
		 */
	}
	free(sale);
	return r;
}

int sale_control_take(struct sale_control *control, uint32_t sale, uint32_t lot, uint32_t units, bool exact,
		      const struct ledger_actor *actor, uint32_t *taken)
{
	struct stock *stock = control->settings.stock;
	struct stock_withdrawal withdrawal = {
		.sale = sale,
		.lot = lot,
		.units = units,
		.exact = exact,
		.movement = movement_of(control, actor, sale),
		.request = actor->request ? actor->request->body : (struct uuid){{0}},
		.now_ns = clock_mono_ns(),
		.now_ms = actor->now_ms,
		.actor_kind = actor->kind,
		.actor = actor->name,
		.trace = actor->trace,
	};

	int r = sale_control_by_stock(control, stock->ops->withdraw(stock, &withdrawal));

	*taken = 0;
	if (r)
		return r;
	if (withdrawal.event.quantity == 0)
		return exact ? SALE_CONTROL_NOT_SO_MANY : SALE_CONTROL_DONE;
	/* The movement was known: it took what another body asked for. */
	if (withdrawal.event.quantity > units || (exact && withdrawal.event.quantity != units))
		return SALE_CONTROL_KEY_REUSED;
	(void)FAILPOINT("withdraw.decided"); /* the units are out of the counter, the journal does not know */
	switch (control->settings.commit.append(control->settings.commit.context, &withdrawal.event, withdrawal.now_ns, NULL)) {
	case JOURNAL_DURABLE:
		*taken = withdrawal.event.quantity;
		return SALE_CONTROL_DONE;
	case JOURNAL_REFUSED:
		return SALE_CONTROL_JOURNAL_AWAY;
	case JOURNAL_UNKNOWN:
		break;
	}
	return SALE_CONTROL_UNKNOWN;
}

int sale_control_withdraw(struct sale_control *control, struct slice id, struct slice sku, uint32_t units, bool exact,
			  const struct ledger_actor *actor, uint32_t *taken)
{
	struct sale *sale = NULL;
	uint32_t lot;
	int r = sale_control_asked_before(control, actor);

	*taken = 0;
	if (r == SALE_CONTROL_REPEATED)
		*taken = (uint32_t)actor->request->outcome;
	if (r == 0)
		r = find_lot(control, id, sku, &sale, &lot);
	if (r == 0)
		r = sale_control_take(control, sale->number, lot, units, exact, actor, taken);
	free(sale);
	return r;
}

/* The ledger knows the movement: a second time changes nothing there, nor in the stock. */
int sale_control_finish_adds(struct sale_control *control, const struct ledger_actor *actor)
{
	struct ledger *ledger = control->settings.ledger;
	struct pending_add **link = &control->pending;

	while (*link) {
		struct pending_add *pending = *link;
		struct ledger_actor who = *actor;
		int r;

		who.request = uuid_is_null(&pending->request.id) ? NULL : &pending->request;
		r = sale_control_by_ledger(
			ledger->ops->lot_add(ledger, pending->sale, pending->lot, pending->units, &pending->movement, &who));
		if (r < 0)
			return r;
		if ((r == SALE_CONTROL_DONE || r == SALE_CONTROL_ALREADY || r == SALE_CONTROL_REPEATED) &&
		    is_undecided(sale_control_allocate(control, pending->sale)))
			return -EAGAIN;
		*link = pending->next;
		free(pending);
	}
	return 0;
}
