#include "core/sale_control.h"

#include <stdlib.h>
#include "core/brake.h"
#include "core/sale_changes.h"

int sale_control_new(struct sale_control **out, const struct sale_control_settings *settings)
{
	struct sale_control *control = calloc(1, sizeof(*control));

	if (!control)
		return error_origin(-ENOMEM);
	control->settings = *settings;
	*out = control;
	return 0;
}

void sale_control_free(struct sale_control *control)
{
	struct pending_add *pending;

	if (!control)
		return;
	while ((pending = control->pending)) {
		control->pending = pending->next;
		free(pending);
	}
	free(control);
}

int sale_control_by_ledger(int r)
{
	if (r < 0)
		return r;
	switch ((enum ledger_outcome)r) {
	case LEDGER_DONE:
		return SALE_CONTROL_DONE;
	case LEDGER_ALREADY:
		return SALE_CONTROL_ALREADY;
	case LEDGER_REPEATED:
		return SALE_CONTROL_REPEATED;
	case LEDGER_KEY_REUSED:
		return SALE_CONTROL_KEY_REUSED;
	case LEDGER_NOT_FOUND:
		return SALE_CONTROL_NO_SALE;
	case LEDGER_EXISTS:
		return SALE_CONTROL_EXISTS;
	case LEDGER_NOT_ENOUGH:
		return SALE_CONTROL_NOT_ENOUGH;
	case LEDGER_TOO_MANY:
		return SALE_CONTROL_TOO_MANY;
	case LEDGER_WRONG_STATE:
		return SALE_CONTROL_WRONG_STATE;
	case LEDGER_CONFLICT:
		return SALE_CONTROL_CONFLICT;
	case LEDGER_HAS_ORDERS:
		return SALE_CONTROL_HAS_ORDERS;
	case LEDGER_STALE_EPOCH:
	case LEDGER_CONSTRAINT:
	case LEDGER_LEASE_HELD:
	case LEDGER_TOO_NEW:
	case LEDGER_STALE_POSITION:
	case LEDGER_OTHER_LOG:
		break; /* of events, of opening and of the drain */
	}
	assertion_failed("an outcome of a sale", __FILE__, __LINE__, __func__);
}

/* As above, of a call that names items. */
static int lots_by_ledger(int r)
{
	if (r == LEDGER_NOT_FOUND)
		return SALE_CONTROL_NO_ITEM;
	return r == LEDGER_CONSTRAINT ? SALE_CONTROL_TOO_MANY_LOTS : sale_control_by_ledger(r);
}

int sale_control_by_stock(const struct sale_control *control, int outcome)
{
	if (outcome < 0)
		return outcome;
	switch ((enum stock_outcome)outcome) {
	case STOCK_DONE:
		return SALE_CONTROL_DONE;
	case STOCK_REPLAY:
		return SALE_CONTROL_REPEATED;
	case STOCK_FULL:
		return SALE_CONTROL_FULL;
	case STOCK_FENCED:
	case STOCK_UNAVAILABLE:
		return SALE_CONTROL_STOCK_AWAY;
	case STOCK_BUSY: /* the same request is on its way to the journal still */
	case STOCK_OUTCOME_UNKNOWN:
		return SALE_CONTROL_UNKNOWN;
	default: /* a shared stock has forgotten the sale, which is rebuilt */
		return control->settings.stock_shared ? SALE_CONTROL_STOCK_AWAY : SALE_CONTROL_NOT_IN_STOCK;
	}
}

int sale_control_find(struct sale_control *control, struct slice id, struct sale **sale)
{
	struct ledger *ledger = control->settings.ledger;

	*sale = NULL;
	return sale_control_by_ledger(ledger->ops->sale_get(ledger, 0, id, sale));
}

int sale_control_read(struct sale_control *control, uint32_t number, struct sale **sale)
{
	struct ledger *ledger = control->settings.ledger;

	*sale = NULL;
	return sale_control_by_ledger(ledger->ops->sale_get(ledger, number, SLICE_NULL, sale));
}

int sale_control_publish(struct sale_control *control, uint32_t number)
{
	struct sale *sale;
	int r = sale_control_read(control, number, &sale);

	if (r == 0 && sale->state == SALE_DELETED) {
		free(sale);
		return sale_catalog_remove(control->settings.catalog, number);
	}
	return r ? r : sale_catalog_put(control->settings.catalog, sale);
}

int sale_control_check_times(const struct sale *sale, bool opens, bool closes, int64_t now_ms)
{
	if (sale->opens_at_ms != SALE_NO_TIME && sale->closes_at_ms != SALE_NO_TIME && sale->closes_at_ms <= sale->opens_at_ms)
		return SALE_CONTROL_BAD_TIMES;
	if (opens && sale->opens_at_ms != SALE_NO_TIME && sale->opens_at_ms < now_ms)
		return SALE_CONTROL_PAST_OPENS;
	if (closes && sale->closes_at_ms != SALE_NO_TIME && sale->closes_at_ms <= now_ms)
		return SALE_CONTROL_PAST_CLOSES;
	return sale->scheduled && sale->opens_at_ms == SALE_NO_TIME ? SALE_CONTROL_NO_OPENS : 0;
}

int sale_control_asked_before(const struct sale_control *control, const struct ledger_actor *actor)
{
	struct ledger *ledger = control->settings.ledger;

	return actor->request ? sale_control_by_ledger(ledger->ops->request_find(ledger, actor->request)) : SALE_CONTROL_DONE;
}

int sale_control_create(struct sale_control *control, struct sale *sale, const struct ledger_actor *actor, uint32_t *lot)
{
	struct ledger *ledger = control->settings.ledger;
	int r = sale_control_asked_before(control, actor); /* first: its times may be over by now */

	if (r == 0)
		r = sale_control_check_times(sale, true, true, actor->now_ms);
	if (r)
		return r;
	r = lots_by_ledger(ledger->ops->sale_create(ledger, sale, actor, lot));
	if (r == 0)
		r = sale_control_publish(control, sale->number);
	return r;
}

int sale_control_import(struct sale_control *control, struct ledger_import *import, const struct ledger_actor *actor)
{
	struct ledger *ledger = control->settings.ledger;
	int r = sale_control_asked_before(control, actor);

	for (size_t i = 0; i < import->sale_count && r == 0; i++) {
		import->in_sale = true;
		import->at = i;
		r = sale_control_check_times(import->sales[i], true, true, actor->now_ms);
	}
	if (r == 0)
		r = lots_by_ledger(ledger->ops->import(ledger, import, actor));
	for (size_t i = 0; i < import->sale_count && r == 0 && !import->dry_run; i++)
		r = sale_control_publish(control, import->sales[i]->number);
	return r;
}

static void change_fields(struct sale *sale, unsigned fields, const struct sale *change)
{
	if (fields & SALE_FIELD_NAME)
		memcpy(sale->name, change->name, sizeof(sale->name));
	if (fields & SALE_FIELD_PRICE) {
		sale->price_minor = change->price_minor;
		memcpy(sale->currency, change->currency, sizeof(sale->currency));
	}
	if (fields & SALE_FIELD_LIMIT)
		sale->limit_per_buyer = change->limit_per_buyer;
	if (fields & SALE_FIELD_RATE) {
		sale->rate_requests = change->rate_requests;
		sale->rate_seconds = change->rate_seconds;
	}
	if (fields & SALE_FIELD_HOLD)
		sale->hold_seconds = change->hold_seconds;
	if (fields & SALE_FIELD_OPENS)
		sale->opens_at_ms = change->opens_at_ms;
	if (fields & SALE_FIELD_CLOSES)
		sale->closes_at_ms = change->closes_at_ms;
	if (fields & SALE_FIELD_LATE_CONFIRM)
		sale->late_confirm = change->late_confirm;
	if (fields & SALE_FIELD_SCHEDULE)
		sale->scheduled = change->scheduled;
	if (fields & SALE_FIELD_ANNOUNCE)
		sale->announced = change->announced;
}

/* Whether it is open, or was, be it by the clock alone and before the ledger has it so. */
static bool may_have_sold(struct sale_control *control, const struct sale *sale, int64_t now_ms)
{
	enum sale_state state = brake_state(control->settings.stock, sale);

	if (sale->opened || (state != SALE_ARMED && state != SALE_PAUSED))
		return true;
	if (sale->state == SALE_PAUSED && state == SALE_PAUSED)
		return false; /* stopped before it opened, whatever the time is */
	return sale->opens_at_ms != SALE_NO_TIME && now_ms >= sale->opens_at_ms;
}

/*
 * Until when what: a draft all, an armed sale what the stock does not have, then what changes no
 * order. 0, or why not.
 */
static int check_fields(struct sale_control *control, const struct sale *sale, unsigned fields, int64_t now_ms)
{
	if (sale->state == SALE_ENDED)
		return SALE_CONTROL_WRONG_STATE;
	if (sale->state == SALE_DRAFT || !(fields & ~(unsigned)SALE_FIELDS_HARMLESS))
		return 0;
	if (may_have_sold(control, sale, now_ms))
		return SALE_CONTROL_FROZEN;
	return fields & ~(unsigned)SALE_FIELDS_ARMED ? SALE_CONTROL_LOADED : 0;
}

int sale_control_update(struct sale_control *control, struct slice id, unsigned fields, const struct sale *change,
			const struct ledger_actor *actor)
{
	struct ledger *ledger = control->settings.ledger;
	struct sale *sale;
	int r = sale_control_find(control, id, &sale);

	if (r == 0)
		r = check_fields(control, sale, fields, actor->now_ms);
	if (r == 0) {
		change_fields(sale, fields, change);
		r = sale_control_check_times(sale, fields & SALE_FIELD_OPENS, fields & SALE_FIELD_CLOSES, actor->now_ms);
	}
	if (r == 0)
		r = sale_control_by_ledger(ledger->ops->sale_update(ledger, sale, actor));
	if (r == 0)
		r = sale_control_publish(control, sale->number);
	free(sale);
	return r;
}

int sale_control_set_lots(struct sale_control *control, struct slice id, const struct sale_lot *lots, uint32_t count,
			  const struct ledger_actor *actor, uint32_t *lot)
{
	struct ledger *ledger = control->settings.ledger;
	struct sale *sale;
	int r = sale_control_find(control, id, &sale);

	*lot = 0;
	if (r == 0 && sale->state != SALE_DRAFT)
		r = SALE_CONTROL_WRONG_STATE;
	if (r == 0)
		r = lots_by_ledger(ledger->ops->sale_set_lots(ledger, sale, lots, count, actor, lot));
	if (r == 0)
		r = sale_control_publish(control, sale->number);
	free(sale);
	return r;
}
