#include "core/sale_control.h"

#include <stdlib.h>
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/lock.h"
#include "base/log.h"
#include "core/brake.h"
#include "core/preheat.h"

enum {
	ARM_AHEAD_MS = 10000, /* a sale with an opening time is pre-heated this long before it */
	RETRY_MS = 1000,      /* after a failure the sale keeper's turn waits so long */
};

/* Units that may be in the ledger already but not yet in the counter: the answer of the ledger was lost. */
struct pending_add {
	struct pending_add *next;
	uint32_t sale, lot, units;
	struct uuid movement;
	struct ledger_request request; /* null id: it had no key */
};

struct sale_control {
	struct sale_control_settings settings;
	struct lock lock;
	struct uuid_generator ids;
	struct pending_add *pending;
	int64_t not_before_ms;
	int error; /* why care waits until then */
};

static const struct slice clock_name = {"clock", 5};

int sale_control_new(struct sale_control **out, const struct sale_control_settings *settings)
{
	struct sale_control *control = calloc(1, sizeof(*control));

	if (!control)
		return error_origin(-ENOMEM);
	control->settings = *settings;
	lock_init(&control->lock);
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
	lock_deinit(&control->lock);
	free(control);
}

static int find(struct sale_control *control, struct slice id, struct sale **sale)
{
	struct ledger *ledger = control->settings.ledger;

	*sale = NULL;
	return ledger->ops->sale_get(ledger, 0, id, sale);
}

/* Shows the gates the sale as the ledger has it now. */
static int publish(struct sale_control *control, uint32_t number)
{
	struct ledger *ledger = control->settings.ledger;
	struct sale *sale = NULL;
	int r = ledger->ops->sale_get(ledger, number, SLICE_NULL, &sale);

	if (r == 0 && sale->state == SALE_DELETED) {
		free(sale);
		return sale_catalog_remove(control->settings.catalog, number);
	}
	return r ? r : sale_catalog_put(control->settings.catalog, sale);
}

/* A time that is over would act at once: whoever gave it meant another. opens, closes: which of them are looked at. */
static int check_times(const struct sale *sale, bool opens, bool closes, int64_t now_ms)
{
	if (sale->opens_at_ms != SALE_NO_TIME && sale->closes_at_ms != SALE_NO_TIME && sale->closes_at_ms <= sale->opens_at_ms)
		return SALE_CONTROL_BAD_TIMES;
	if (opens && sale->opens_at_ms != SALE_NO_TIME && sale->opens_at_ms < now_ms)
		return SALE_CONTROL_PAST_OPENS;
	if (closes && sale->closes_at_ms != SALE_NO_TIME && sale->closes_at_ms <= now_ms)
		return SALE_CONTROL_PAST_CLOSES;
	return sale->scheduled && sale->opens_at_ms == SALE_NO_TIME ? SALE_CONTROL_NO_OPENS : 0;
}

/* What was done before is not begun anew: LEDGER_REPEATED, LEDGER_KEY_REUSED, 0 or negative. */
static int asked_before(struct sale_control *control, const struct ledger_actor *actor)
{
	struct ledger *ledger = control->settings.ledger;

	return actor->request ? ledger->ops->request_find(ledger, actor->request) : 0;
}

int sale_control_create(struct sale_control *control, struct sale *sale, const struct ledger_actor *actor, uint32_t *lot)
{
	struct ledger *ledger = control->settings.ledger;
	int r = asked_before(control, actor); /* first: its times may be over by now */

	if (r == 0)
		r = check_times(sale, true, true, actor->now_ms);
	if (r)
		return r;
	lock_take(&control->lock);
	r = ledger->ops->sale_create(ledger, sale, actor, lot);
	if (r == LEDGER_DONE)
		r = publish(control, sale->number);
	lock_release(&control->lock);
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

/* Until when what: a draft all, an armed sale what the stock does not have, then what changes no order. 0, or why not. */
static int check_fields(struct sale_control *control, const struct sale *sale, unsigned fields, int64_t now_ms)
{
	if (sale->state == SALE_ENDED)
		return LEDGER_WRONG_STATE;
	if (sale->state == SALE_DRAFT || !(fields & ~(unsigned)SALE_FIELDS_HARMLESS))
		return 0;
	/* Open by the clock, or stopped since, before the ledger has it so. */
	if (sale_phase(sale, now_ms) != SALE_PHASE_WAITING || brake_state(control->settings.stock, sale) != SALE_ARMED)
		return SALE_CONTROL_FROZEN;
	return fields & ~(unsigned)SALE_FIELDS_ARMED ? SALE_CONTROL_LOADED : 0;
}

int sale_control_update(struct sale_control *control, struct slice id, unsigned fields, const struct sale *change,
			const struct ledger_actor *actor)
{
	struct ledger *ledger = control->settings.ledger;
	struct sale *sale;
	int r;

	lock_take(&control->lock);
	r = find(control, id, &sale);
	if (r == 0)
		r = check_fields(control, sale, fields, actor->now_ms);
	if (r == 0) {
		change_fields(sale, fields, change);
		r = check_times(sale, fields & SALE_FIELD_OPENS, fields & SALE_FIELD_CLOSES, actor->now_ms);
	}
	if (r == 0)
		r = ledger->ops->sale_update(ledger, sale, actor);
	if (r == 0)
		r = publish(control, sale->number);
	lock_release(&control->lock);
	free(sale);
	return r;
}

int sale_control_set_lots(struct sale_control *control, struct slice id, const struct sale_lot *lots, uint32_t count,
			  const struct ledger_actor *actor, uint32_t *lot)
{
	struct ledger *ledger = control->settings.ledger;
	struct sale *sale;
	int r;

	*lot = 0;
	lock_take(&control->lock);
	r = find(control, id, &sale);
	if (r)
		r = r == LEDGER_NOT_FOUND ? SALE_CONTROL_NO_SALE : r;
	else if (sale->state != SALE_DRAFT)
		r = LEDGER_WRONG_STATE;
	else
		r = ledger->ops->sale_set_lots(ledger, sale, lots, count, actor, lot);
	if (r == 0)
		r = publish(control, sale->number);
	lock_release(&control->lock);
	free(sale);
	return r;
}

/* 0 where the ledger has the sale as a draft, else LEDGER_ALREADY, LEDGER_NOT_FOUND, or negative. */
static int ask_draft(struct sale_control *control, uint32_t number)
{
	struct ledger *ledger = control->settings.ledger;
	struct sale *sale = NULL;
	int r = ledger->ops->sale_get(ledger, number, SLICE_NULL, &sale);

	if (r == 0 && sale->state != SALE_DRAFT)
		r = LEDGER_ALREADY;
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
		r = ledger->ops->sale_raise_epoch(ledger, sale->number, 0, epoch);
	if (r)
		return r;
	if (preheat_begin(stock, sale, *epoch) < 0)
		return SALE_CONTROL_STOCK_AWAY;
	r = ask_draft(control, sale->number);
	if (r)
		return r == LEDGER_ALREADY ? SALE_CONTROL_STOCK_AWAY : r;
	return preheat_arm(stock, sale) < 0 ? SALE_CONTROL_STOCK_AWAY : 0;
}

/* One move, with the pre-heating that it needs. */
static int move(struct sale_control *control, const struct sale *sale, enum sale_action action, const struct ledger_actor *actor)
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
		r = ledger->ops->sale_move(ledger, sale->number, SALE_ARM, &first);
	}
	if (r == 0)
		r = ledger->ops->sale_move(ledger, sale->number, action, actor);
	if (r && epoch)
		stock->ops->drop(stock, sale->number, epoch);
	return r ? r : publish(control, sale->number);
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
		return LEDGER_WRONG_STATE;
	r = ledger->ops->sale_move(ledger, sale->number, SALE_DISARM, actor);
	/* Only what this sale was armed with: who arms it anew has a newer epoch. */
	if (r == 0)
		stock->ops->drop(stock, sale->number, sale->epoch);
	/* Already, too: the answer to the first may have been lost. */
	if (r == LEDGER_DONE || r == LEDGER_ALREADY)
		shown = publish(control, sale->number);
	return shown ? shown : r;
}

int sale_control_move(struct sale_control *control, struct slice id, enum sale_action action, const struct ledger_actor *actor)
{
	struct sale *sale;
	int r;

	lock_take(&control->lock);
	r = asked_before(control, actor);
	sale = NULL;
	if (r == 0)
		r = find(control, id, &sale);
	if (r == 0 && (action == SALE_ARM || action == SALE_START))
		r = check_times(sale, action == SALE_ARM && sale->state == SALE_DRAFT,
				sale->state == SALE_DRAFT || sale->state == SALE_ARMED, actor->now_ms);
	if (r == 0)
		r = action == SALE_DISARM ? disarm(control, sale, actor) : move(control, sale, action, actor);
	lock_release(&control->lock);
	free(sale);
	return r;
}

static int find_lot(struct sale_control *control, struct slice id, struct slice sku, struct sale **sale, uint32_t *lot)
{
	int r = find(control, id, sale), place;

	if (r)
		return r;
	place = sale_find_lot(*sale, sku);
	if (place < 0)
		return LEDGER_NOT_FOUND;
	*lot = (uint32_t)place;
	return !sale_in_stock(*sale) || (*sale)->state == SALE_ENDED ? LEDGER_WRONG_STATE : 0;
}

/* Tells the stock what the ledger has allocated to a sale by now. 0, an outcome of the stock, or negative. */
static int allocate(struct sale_control *control, uint32_t number)
{
	struct ledger *ledger = control->settings.ledger;
	struct stock *stock = control->settings.stock;
	struct sale *sale = NULL;
	int r = ledger->ops->sale_get(ledger, number, SLICE_NULL, &sale), outcome = 0;

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
	struct sale *sale;
	uint32_t lot;
	int r, added = 0; /* by the ledger; by the stock */

	lock_take(&control->lock);
	sale = NULL;
	r = asked_before(control, actor);
	if (r == 0)
		r = find_lot(control, id, sku, &sale, &lot);
	if (r == 0) {
		movement = movement_of(control, actor, sale->number);
		r = ledger->ops->lot_add(ledger, sale->number, lot, units, &movement, actor);
		(void)FAILPOINT("add.in_ledger"); /* the ledger has the units, the counter does not */
		if (r == LEDGER_DONE)
			added = allocate(control, sale->number);
		if (r == -EINPROGRESS || is_undecided(added))
			r = add_again_later(control, sale->number, lot, units, &movement, actor->request);
		else if (added && control->settings.stock->ops->local)
			r = SALE_CONTROL_NOT_IN_STOCK;
		/* A shared stock has forgotten the sale: it is rebuilt from the ledger, which has the units. */
	}
	lock_release(&control->lock);
	free(sale);
	return r;
}

static int withdraw(struct sale_control *control, uint32_t sale, uint32_t lot, uint32_t units, bool exact,
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

	*taken = 0;
	switch (stock->ops->withdraw(stock, &withdrawal)) {
	case STOCK_DONE:
		break;
	case STOCK_BUSY: /* the same request is on its way to the journal still */
		return SALE_CONTROL_UNKNOWN;
	case STOCK_FULL:
		return SALE_CONTROL_FULL;
	case STOCK_FENCED:
	case STOCK_UNAVAILABLE:
		return SALE_CONTROL_STOCK_AWAY;
	case STOCK_OUTCOME_UNKNOWN:
		return SALE_CONTROL_UNKNOWN;
	default: /* a shared stock has forgotten the sale, which is rebuilt */
		return stock->ops->local ? SALE_CONTROL_NOT_IN_STOCK : SALE_CONTROL_STOCK_AWAY;
	}
	if (withdrawal.event.quantity == 0)
		return exact ? SALE_CONTROL_NOT_SO_MANY : 0;
	/* The movement was known: it took what another body asked for. */
	if (withdrawal.event.quantity > units || (exact && withdrawal.event.quantity != units))
		return LEDGER_KEY_REUSED;
	(void)FAILPOINT("withdraw.decided"); /* the units are out of the counter, the journal does not know */
	switch (control->settings.commit.append(control->settings.commit.context, &withdrawal.event, withdrawal.now_ns, NULL)) {
	case JOURNAL_DURABLE:
		*taken = withdrawal.event.quantity;
		return 0;
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
	struct sale *sale;
	uint32_t lot;
	int r;

	*taken = 0;
	lock_take(&control->lock);
	sale = NULL;
	r = asked_before(control, actor);
	if (r == LEDGER_REPEATED)
		*taken = (uint32_t)actor->request->outcome;
	if (r == 0)
		r = find_lot(control, id, sku, &sale, &lot);
	if (r == 0)
		r = withdraw(control, sale->number, lot, units, exact, actor, taken);
	lock_release(&control->lock);
	free(sale);
	return r;
}

/* Finishes additions whose end was lost. The ledger knows the movement: a second time changes nothing there, nor in the stock. */
static int finish_adds(struct sale_control *control, const struct ledger_actor *actor)
{
	struct ledger *ledger = control->settings.ledger;
	struct pending_add **link = &control->pending;

	while (*link) {
		struct pending_add *pending = *link;
		struct ledger_actor who = *actor;
		int r;

		who.request = uuid_is_null(&pending->request.id) ? NULL : &pending->request;
		r = ledger->ops->lot_add(ledger, pending->sale, pending->lot, pending->units, &pending->movement, &who);

		if (r < 0)
			return r;
		if ((r == LEDGER_DONE || r == LEDGER_ALREADY || r == LEDGER_REPEATED) &&
		    is_undecided(allocate(control, pending->sale)))
			return -EAGAIN;
		*link = pending->next;
		free(pending);
	}
	return 0;
}

/* What an ended sale has left goes back to its items; holds that run out later bring more, and it is asked again. */
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
			r = withdraw(control, sale->number, i, UNITS_MAX, false, actor, &taken);
	/* Asked again next turn. */
	return r == SALE_CONTROL_UNKNOWN || r == SALE_CONTROL_FULL || r == SALE_CONTROL_STOCK_AWAY ? 0 : r;
}

/* As is_settled(), by the ledger: of a sale that a shared stock has forgotten. What it still holds must be rebuilt first, to come back. */
static bool is_settled_in_ledger(struct sale_control *control, uint32_t number)
{
	struct ledger *ledger = control->settings.ledger;
	struct sale *sale = NULL;
	bool settled = ledger->ops->sale_get(ledger, number, SLICE_NULL, &sale) == LEDGER_DONE;

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
		return stock->ops->local || is_settled_in_ledger(control, sale->number);
	for (uint32_t i = 0; i < lot_count; i++)
		if (lots[i].held > 0 || lots[i].available > 0)
			return false;
	return true;
}

/* Units that the ledger has allocated and the stock does not know of: whoever added them has died in between. */
static int finish_allocation(struct sale_control *control, const struct sale *sale)
{
	struct stock *stock = control->settings.stock;
	struct stock_lot_state lots[LOTS_MAX];
	uint32_t lot_count;

	if (stock->ops->local || stock->ops->snapshot(stock, sale->number, lots, &lot_count))
		return 0;
	for (uint32_t i = 0; i < lot_count && i < sale->lot_count; i++)
		if (lots[i].allocated < sale->lots[i].allocated)
			return allocate(control, sale->number) < 0 ? -EAGAIN : 0;
	return 0;
}

/* Its retention is over and nothing of it can come back. */
static bool is_past(struct sale_control *control, const struct sale *sale, int64_t wall_ms)
{
	return sale->state == SALE_ENDED && wall_ms - sale->ended_at_ms > control->settings.retention_ms && is_settled(control, sale);
}

int sale_control_brake(struct sale_control *control, uint32_t number, bool stopped, const struct ledger_actor *actor)
{
	int r = brake_set(control->settings.stock, control->settings.catalog, number, stopped, actor);

	switch (r) {
	case STOCK_FULL:
		return SALE_CONTROL_FULL;
	case STOCK_UNAVAILABLE:
		return SALE_CONTROL_STOCK_AWAY;
	case STOCK_OUTCOME_UNKNOWN:
		return SALE_CONTROL_UNKNOWN;
	}
	return r;
}

/* Tells the ledger of a brake, and then the gates that it has it. */
static int write_brake(struct sale_control *control, const struct sale *sale)
{
	struct stock *stock = control->settings.stock;
	struct stock_brake brake;
	int r;

	if (!stock->ops->brake_of(stock, sale->number, &brake) || !brake.pending)
		return 0;
	r = brake_write(stock, control->settings.ledger, sale->number);
	if (r == 0)
		r = publish(control, sale->number);
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
			r = move(control, sale, SALE_ARM, &actor);
		break;
	case SALE_ARMED:
	case SALE_OPEN:
	case SALE_PAUSED:
		if (phase == SALE_PHASE_ENDED)
			r = move(control, sale, SALE_END, &actor);
		else if (phase == SALE_PHASE_OPEN && sale->state == SALE_ARMED)
			r = move(control, sale, SALE_START, &actor);
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
	return r == LEDGER_ALREADY || r == LEDGER_WRONG_STATE || r == SALE_CONTROL_NOT_IN_STOCK ? 0 : r;
}

int sale_control_care(struct sale_control *control, int64_t wall_ms, bool elected)
{
	const struct ledger_actor actor = {.kind = ACTOR_CLOCK, .name = clock_name, .now_ms = wall_ms};
	const struct sale_table *table;
	int first = 0, r;

	if (wall_ms < control->not_before_ms && control->not_before_ms - wall_ms <= RETRY_MS)
		return control->error;
	lock_take(&control->lock);
	first = finish_adds(control, &actor);
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
	lock_release(&control->lock);
	return first;
}
