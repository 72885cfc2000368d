/* What is done for the sales without anybody asking: the sale keeper's turn. */
#include <stdlib.h>
#include "core/brake.h"
#include "core/sale_changes.h"

enum {
	ARM_AHEAD_MS = 10000, /* a sale with an opening time is pre-heated this long before it */
	RETRY_MS = 1000,      /* after a failure the sale keeper's turn waits so long */
};

static const struct slice clock_name = {"clock", 5};

/*
 * What an ended sale has left goes back to its items; holds that run out later bring more, and it
 * is asked again.
 */
static int return_leftovers(struct sale_control *control, const struct sale *sale, const struct ledger_actor *actor)
{
	struct stock *stock = control->settings.stock;
	struct stock_lot_state lots[LOTS_MAX];
	uint32_t lot_count, taken;
	int r = 0;

	if (stock->ops->snapshot(stock, sale->number, lots, &lot_count))
		return 0;
	for (uint32_t i = 0; i < lot_count && r == 0; i++)
		if (lots[i].available > 0)
			r = sale_control_take(control, sale->number, i, UNITS_MAX, false, actor, &taken);
	/* Asked again next turn. */
	return r == SALE_CONTROL_UNKNOWN || r == SALE_CONTROL_FULL || r == SALE_CONTROL_STOCK_AWAY ? 0 : r;
}

/*
 * As is_settled(), by the ledger: of a sale that a shared stock has forgotten. What it still holds
 * must be rebuilt first, to come back.
 */
static bool is_settled_in_ledger(struct sale_control *control, uint32_t number)
{
	struct sale *sale;
	bool settled = sale_control_read(control, number, &sale) == SALE_CONTROL_DONE;

	for (uint32_t i = 0; settled && i < sale->lot_count; i++) {
		const struct sale_lot *lot = &sale->lots[i];

		settled = lot->held == 0 && lot->confirmed + lot->withdrawn == lot->allocated;
	}
	free(sale);
	return settled;
}

/* Nothing is held any more, so nothing can come back: it may be forgotten. */
static bool is_settled(struct sale_control *control, const struct sale *sale)
{
	struct stock *stock = control->settings.stock;
	struct stock_lot_state lots[LOTS_MAX];
	uint32_t lot_count;

	if (stock->ops->snapshot(stock, sale->number, lots, &lot_count))
		return !control->settings.stock_shared || is_settled_in_ledger(control, sale->number);
	for (uint32_t i = 0; i < lot_count; i++)
		if (lots[i].held > 0 || lots[i].available > 0)
			return false;
	return true;
}

/*
 * Units that the ledger has allocated and the stock does not know of: whoever added them has died
 * in between.
 */
static int finish_allocation(struct sale_control *control, const struct sale *sale)
{
	struct stock *stock = control->settings.stock;
	struct stock_lot_state lots[LOTS_MAX];
	uint32_t lot_count;

	if (!control->settings.stock_shared || stock->ops->snapshot(stock, sale->number, lots, &lot_count))
		return 0;
	for (uint32_t i = 0; i < lot_count && i < sale->lot_count; i++)
		if (lots[i].allocated < sale->lots[i].allocated)
			return sale_control_allocate(control, sale->number) < 0 ? -EAGAIN : 0;
	return 0;
}

/* Its retention is over and nothing of it can come back. */
static bool is_past(struct sale_control *control, const struct sale *sale, int64_t wall_ms)
{
	return sale->state == SALE_ENDED && wall_ms - sale->ended_at_ms > control->settings.retention_ms && is_settled(control, sale);
}

/* Tells the ledger of a brake, and then the gates that it has it. */
static int write_brake(struct sale_control *control, const struct sale *sale)
{
	struct stock *stock = control->settings.stock;
	struct stock_brake brake;
	int r;

	if (!stock->ops->brake_of(stock, sale->number, &brake) || !stock_brake_pending(&brake))
		return 0;
	r = brake_write(stock, control->settings.ledger, sale);
	if (r == 0)
		r = sale_control_publish(control, sale->number);
	return r == 0 ? brake_follow(stock, control->settings.catalog, sale->number) : r;
}

static int care_for(struct sale_control *control, const struct sale *sale, int64_t wall_ms)
{
	const struct ledger_actor actor = {.kind = ACTOR_CLOCK, .name = clock_name, .now_ms = wall_ms};
	struct stock *stock = control->settings.stock;
	enum sale_phase phase = sale_phase(sale, wall_ms);
	int r = 0;

	switch (sale->state) {
	case SALE_DRAFT:
		if (sale->scheduled && wall_ms >= sale->opens_at_ms - ARM_AHEAD_MS)
			r = sale_control_move_one(control, sale, SALE_ARM, &actor);
		break;
	case SALE_ARMED:
	case SALE_OPEN:
	case SALE_PAUSED:
		if (phase == SALE_PHASE_ENDED)
			r = sale_control_move_one(control, sale, SALE_END, &actor);
		else if (phase == SALE_PHASE_OPEN && sale->state == SALE_ARMED)
			r = sale_control_move_one(control, sale, SALE_START, &actor);
		if (r == 0)
			r = finish_allocation(control, sale);
		break;
	case SALE_ENDED:
		r = return_leftovers(control, sale, &actor);
		/* Out of the catalog first: what is in there and not in the stock is rebuilt. */
		if (r == 0 && is_past(control, sale, wall_ms)) {
			r = sale_catalog_remove(control->settings.catalog, sale->number);
			if (r == 0)
				stock->ops->drop(stock, sale->number, sale->epoch);
		}
		break;
	case SALE_DELETED: /* never in the catalog */
		break;
	}
	/* An operator was faster: the catalog shows it by now. */
	return r == SALE_CONTROL_ALREADY || r == SALE_CONTROL_WRONG_STATE || r == SALE_CONTROL_NOT_IN_STOCK ? 0 : r;
}

int sale_control_care(struct sale_control *control, int64_t wall_ms, bool elected)
{
	const struct ledger_actor actor = {.kind = ACTOR_CLOCK, .name = clock_name, .now_ms = wall_ms};
	const struct sale_table *table;
	int first = 0, r;

	if (wall_ms < control->not_before_ms && control->not_before_ms - wall_ms <= RETRY_MS)
		return control->error;
	first = sale_control_finish_adds(control, &actor);
	table = sale_catalog_ref(control->settings.catalog);
	for (size_t i = 0; i < sale_table_count(table); i++) {
		const struct sale *sale = sale_table_at(table, i)->sale;

		r = 0;
		if (elected)
			r = write_brake(control, sale);
		if (elected && r >= 0)
			r = care_for(control, sale, wall_ms);
		else if (is_past(control, sale, wall_ms))
			r = sale_catalog_remove(control->settings.catalog, sale->number);
		if (r && !first)
			first = r;
	}
	sale_table_unref(table);
	control->not_before_ms = first ? wall_ms + RETRY_MS : 0;
	control->error = first;
	return first;
}
