/* What moves a sale from one state to the next, with the stock that it needs for that. */
#include <stdlib.h>
#include "base/clock.h"
#include "core/brake.h"
#include "core/preheat.h"
#include "core/sale_changes.h"

enum { DISARM_TRIES = 3 }; /* another process may be rebuilding it */

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
 * Pre-heats a sale that has never been armed: it has no orders yet. Another process may be arming
 * it too, so the ledger is asked twice. Before: what is armed already must not be begun anew.
 * Between begin and arm: orders come after the move, and after begin() no older term grants any; so
 * where it is a draft still, there are none. Where it is not, its stock has lost orders: it stays
 * fenced until it is rebuilt.
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

/*
 * Opening a draft is two moves, and the second may fail alone; and of a move that failed the end
 * may be unknown. A sale that is armed in the ledger and lacks its stock is sold by nobody. Where
 * that cannot be asked a shared stock is built again if need be; what stayed in it could be granted
 * from by a server that has gone on under this epoch, beside the one that is filled under the next.
 */
static bool may_be_armed(struct sale_control *control, uint32_t number)
{
	int r = ask_draft(control, number);

	if (r == SALE_CONTROL_DONE || r == SALE_CONTROL_NO_SALE)
		return false;
	return r == SALE_CONTROL_ALREADY || control->settings.stock->ops->local;
}

int sale_control_move_one(struct sale_control *control, const struct sale *sale, enum sale_action action,
			  const struct ledger_actor *actor)
{
	struct ledger *ledger = control->settings.ledger;
	struct stock *stock = control->settings.stock;
	bool preheats = sale->state == SALE_DRAFT && (action == SALE_ARM || action == SALE_START);
	uint32_t epoch = 0; /* the one begun here; what another process has begun stays */
	bool stocked = false;
	int r = 0;

	if (preheats) {
		r = preheat(control, sale, &epoch);
		stocked = r == 0;
	}
	if (r == 0 && preheats && action == SALE_START) {
		struct ledger_actor first = *actor;

		first.request = NULL; /* it is done with the second move */
		r = sale_control_by_ledger(ledger->ops->sale_move(ledger, sale->number, SALE_ARM, &first));
	}
	if (r == 0)
		r = sale_control_by_ledger(ledger->ops->sale_move(ledger, sale->number, action, actor));
	if (r && epoch && !(stocked && may_be_armed(control, sale->number)))
		stock->ops->drop(stock, sale->number, epoch);
	return r ? r : sale_control_publish(control, sale->number);
}

/* With what was said of its brake written down, so that the ledger's word is the last one. */
static int find_with_brake(struct sale_control *control, uint32_t number, struct sale **sale)
{
	struct stock_brake brake;
	int r = sale_control_read(control, number, sale);

	if (r || !control->settings.stock->ops->brake_of(control->settings.stock, number, &brake) || !stock_brake_pending(&brake))
		return r;
	r = brake_write(control->settings.stock, control->settings.ledger, *sale);
	if (r < 0)
		return r;
	free(*sale);
	return sale_control_read(control, number, sale);
}

/*
 * An operator can stop a sale while it is being disarmed, which may take as long as the log is
 * behind. drop() forgets that, so the operator log has it before; where it cannot be written the
 * stop stays in the stock, until the keeper or who disarms again has written it.
 */
static int write_last_stops(struct sale_control *control, const struct sale *sale)
{
	struct stock *stock = control->settings.stock;

	stock->ops->brake_hear(stock, sale->number); /* of other processes' */
	return brake_write(stock, control->settings.ledger, sale);
}

/*
 * The ledger's transaction finds no order, and none comes behind it, since what an older epoch has
 * granted becomes durable no more. With a journal that is not in the ledger, the tail is read first
 * under a new epoch; the transaction then holds only under that one.
 */
static int disarm_once(struct sale_control *control, const struct sale *sale, const struct ledger_actor *actor)
{
	struct ledger *ledger = control->settings.ledger;
	struct stock *stock = control->settings.stock;
	uint32_t epoch = sale->epoch;
	enum sale_state next;
	int r = 0;

	if (control->settings.proof.unsold && sale_next(sale->state, sale->opened, SALE_DISARM, &next) == SALE_MOVED)
		r = control->settings.proof.unsold(control->settings.proof.context, sale, &epoch);
	if (r)
		return r;
	r = sale_control_by_ledger(ledger->ops->sale_disarm(ledger, sale->number, epoch, actor));
	if (r == 0)
		r = write_last_stops(control, sale);
	/* Only what this sale was armed with: who arms it anew has a newer epoch. */
	if (r == 0)
		stock->ops->drop(stock, sale->number, epoch);
	return r ? r : brake_follow(stock, control->settings.catalog, sale->number);
}

static int disarm(struct sale_control *control, uint32_t number, const struct ledger_actor *actor)
{
	int r = SALE_CONTROL_CONFLICT, shown = 0;

	for (int i = 0; i < DISARM_TRIES && r == SALE_CONTROL_CONFLICT; i++) {
		struct sale *sale;

		r = find_with_brake(control, number, &sale);
		if (r == 0)
			r = disarm_once(control, sale, actor);
		free(sale);
	}
	/* Already, too: the answer to the first may have been lost. */
	if (r == SALE_CONTROL_DONE || r == SALE_CONTROL_ALREADY)
		shown = sale_control_publish(control, number);
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
		r = action == SALE_DISARM ? disarm(control, sale->number, actor)
					  : sale_control_move_one(control, sale, action, actor);
	free(sale);
	return r;
}

/* The ledger's word when this process heard of the sale last. */
struct known_sale {
	struct sale_stops stops; /* that it had counted */
	bool paused;
};

static struct known_sale known_sale(const struct sale_control *control, uint32_t number)
{
	const struct sale_table *table = sale_catalog_ref(control->settings.catalog);
	const struct sale_entry *entry = sale_table_find_number(table, number);
	struct known_sale known = {.paused = false};

	if (entry)
		known = (struct known_sale){.stops = entry->sale->stops, .paused = entry->sale->state == SALE_PAUSED};
	sale_table_unref(table);
	return known;
}

/*
 * How many stops the ledger has counted: a release answers those. Where it cannot be asked, what
 * this process has heard last; a stop that went by the ledger alone since then wins.
 */
static uint32_t count_stops(const struct sale_control *control, uint32_t number)
{
	const struct sale_control_settings *settings = &control->settings;
	uint32_t stops = known_sale(control, number).stops.count;
	struct sale *sale = NULL;

	if (!sale_catalog_waits(settings->catalog) &&
	    settings->ledger->ops->sale_get(settings->ledger, number, SLICE_NULL, &sale) == LEDGER_DONE)
		stops = sale->stops.count;
	free(sale);
	return stops;
}

/*
 * A stock forgets whose changes it has had: one in memory with each restart. A late retry would let
 * a sale go on that somebody has stopped since. Where the ledger cannot be asked, nobody waits.
 */
static bool was_done(const struct sale_control *control, const struct ledger_actor *actor)
{
	return !sale_catalog_waits(control->settings.catalog) && sale_control_asked_before(control, actor) == SALE_CONTROL_REPEATED;
}

/* Who made it was told that nobody knows, and may have stopped the sale since. */
static bool is_late(const struct ledger_actor *actor)
{
	return actor->until_ns && clock_mono_ns() >= actor->until_ns;
}

static int let_go_on(const struct sale_control *control, uint32_t number, const struct ledger_actor *actor)
{
	uint32_t stops;

	if (was_done(control, actor))
		return SALE_CONTROL_REPEATED;
	stops = count_stops(control, number);
	if (is_late(actor))
		return SALE_CONTROL_UNKNOWN;
	return sale_control_by_stock(control,
				     brake_set(control->settings.stock, control->settings.catalog, number, false, stops, actor));
}

/*
 * Asks the ledger of what this process has known alone. A stock that has forgotten its history
 * takes an old one for a new one, until somebody puts the history back in which it was released
 * since. So what the ledger has goes to the stock again only where the sale is paused, for that may
 * not have reached it.
 */
static int stop(const struct sale_control *control, uint32_t number, const struct ledger_actor *actor)
{
	const struct known_sale known = known_sale(control, number);
	const bool counted = actor->request && sale_stops_has(&known.stops, &actor->request->id);
	int r;

	if (counted && !known.paused)
		return SALE_CONTROL_REPEATED;
	/* A stop that was made while the stock was away, and somebody has said otherwise since. */
	if (actor->request && brake_has_lost(control->settings.stock, number, &actor->request->id) && was_done(control, actor))
		return SALE_CONTROL_REPEATED;
	r = sale_control_by_stock(control, brake_set(control->settings.stock, control->settings.catalog, number, true, 0, actor));
	return r == SALE_CONTROL_DONE && counted ? SALE_CONTROL_REPEATED : r;
}

int sale_control_brake(const struct sale_control *control, uint32_t number, bool stopped, const struct ledger_actor *actor)
{
	return stopped ? stop(control, number, actor) : let_go_on(control, number, actor);
}
