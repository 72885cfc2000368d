/* The log: what it has counts, unless it lies behind a barrier. */
#include "simulation/judge/judge_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/assertion.h"

static const char *text_of(const struct uuid *id, char text[static UUID_TEXT_SIZE])
{
	uuid_format(id, text);
	return text;
}

void judge_oversold(struct judge *judge, uint32_t number, uint32_t place)
{
	struct sale_book *sale = judge_sale(judge, number);
	const struct lot_book *lot = judge_lot(judge, number, place);

	if (!lot)
		return;
	if (lot->live + lot->withdrawn > lot->allocated)
		judge_broken(judge, "p1-log", "sale %u lot %u: %lld units in live orders and %lld withdrawn, of %lld", number,
			     place, (long long)lot->live, (long long)lot->withdrawn, (long long)lot->allocated);
	for (uint32_t i = 0; i < HISTORY_NODES; i++) {
		const struct stock_book *stock = &sale->stocks[i];
		int64_t available = stock->lots[place].available;

		if (!stock->armed || stock->lost || stock->epoch < sale->barrier)
			continue;
		if (available < 0 || lot->live + lot->withdrawn + available > lot->allocated)
			judge_broken(judge, "p1-counter",
				     "sale %u lot %u: stock %u sells %lld units (epoch %u) beside %lld in live orders and %lld withdrawn, of %lld",
				     number, place, i, (long long)available, stock->epoch, (long long)lot->live,
				     (long long)lot->withdrawn, (long long)lot->allocated);
	}
}

void history_armed(struct judge *judge, uint32_t number)
{
	struct sale_book *sale = judge_sale(judge, number);

	if (sale && sale->armed_ns < 0)
		sale->armed_ns = judge->now_ns;
}

void history_allocated(struct judge *judge, uint32_t number, uint32_t place, uint32_t allocated)
{
	struct lot_book *lot = judge_lot(judge, number, place);

	if (!lot || allocated <= lot->allocated)
		return;
	judge->added = judge_more(judge->added, judge->added_count, &judge->added_room, sizeof(*judge->added));
	judge->added[judge->added_count++] = (struct added){number, place, allocated - lot->allocated, judge->now_ns};
	lot->allocated = allocated;
}

/* P3: what the buyer has in the log, and that a key has one order. */
static void judge_buyer(struct judge *judge, const struct known_order *order)
{
	const struct sale_book *sale = judge_sale(judge, order->sale);
	uint32_t units = 0;
	char id[UUID_TEXT_SIZE], other[UUID_TEXT_SIZE];

	for (uint32_t i = 0; i < judge->order_count; i++) {
		const struct known_order *its = &judge->orders[i];

		if (its->sale != order->sale || its->is_void || strcmp(its->buyer, order->buyer) != 0)
			continue;
		if (life_is_live(its->life))
			units += its->quantity;
		if (its != order && order->key[0] && strcmp(its->key, order->key) == 0)
			judge_broken(judge, "p3-key", "sale %u: key %s of %s has order %s and order %s", order->sale, order->key,
				     order->buyer, text_of(&its->id, other), text_of(&order->id, id));
	}
	if (units > sale->terms.limit_per_buyer)
		judge_broken(judge, "p3-limit", "sale %u: %s has %u units in live orders, with order %s", order->sale,
			     order->buyer, units, text_of(&order->id, id));
}

/* So many units are the order's no more. */
static void give_back(struct judge *judge, struct known_order *order, uint32_t units, enum history_place to)
{
	struct lot_book *lot = judge_lot(judge, order->sale, order->lot);

	lot->live -= units;
	if (to == PLACE_SALE)
		return;
	lot->withdrawn += units;
	order->withdrawn += units;
}

static void move_to(struct judge *judge, struct known_order *order, enum order_life life, const struct history_record *record)
{
	bool was = !order->is_void && life_is_live(order->life);

	order->life = life;
	if (was && !life_is_live(life)) {
		give_back(judge, order, order->quantity, record->to);
		if (order->freed_ns == INT64_MAX)
			order->freed_ns = judge->now_ns;
		judge_copy(order->freed_by, sizeof(order->freed_by), record->actor);
	}
}

/* The earliest moment at which any request can have brought it. */
static int64_t asked_from(const struct judge *judge, const struct known_order *order)
{
	int64_t from = judge->now_ns;

	for (uint32_t i = 0; i < judge->asked_count; i++)
		if (asked_may_have(&judge->asked[i], order) && judge->asked[i].invoked_ns < from)
			from = judge->asked[i].invoked_ns;
	return from;
}

static void step(struct known_order *order, const struct order_step *its)
{
	ASSERT(order->step_count < STEPS_MAX);
	order->steps[order->step_count++] = *its;
}

bool order_is_late_confirm(const struct known_order *order)
{
	return strncmp(order->key, "late-confirm ", 13) == 0;
}

static void judge_pause(struct judge *judge, const struct known_order *order)
{
	const struct sale_book *sale = judge_sale(judge, order->sale);
	char id[UUID_TEXT_SIZE];

	/* Whoever has paid late is not held up by a stop. */
	if (order_is_late_confirm(order))
		return;
	if (sale->taken_ns >= 0 && judge_is_calm(judge, order->granted_from_ns) &&
	    judge_has_heard(sale->taken_ns, order->granted_from_ns) && !judge->restored)
		judge_broken(judge, "sold-while-paused",
			     "the stop of sale %u was taken at %.6f s; order %s was asked for at %.6f s", order->sale,
			     (double)sale->taken_ns / 1e9, text_of(&order->id, id), (double)order->granted_from_ns / 1e9);
	if (sale->paused_ns >= 0 && judge->stock_lost_ns < sale->paused_ns && order->granted_from_ns > sale->paused_ns)
		judge_broken(judge, "sold-while-paused", "sale %u was stopped at %.6f s; order %s was asked for at %.6f s",
			     order->sale, (double)sale->paused_ns / 1e9, text_of(&order->id, id),
			     (double)order->granted_from_ns / 1e9);
}

/* Who has made the order what it is now, and why. */
static void changed(struct known_order *order, const struct history_record *record)
{
	judge_copy(order->actor, sizeof(order->actor), record->actor);
	judge_copy(order->reason, sizeof(order->reason), record->reason);
}

static void reserved(struct judge *judge, const struct history_record *record, bool is_void)
{
	struct known_order *order = judge_order(judge, &record->id);
	struct lot_book *lot = judge_lot(judge, record->sale, record->lot);

	if (order && (!order->is_void || is_void)) {
		if (order->missing && !order->is_void)
			lot->live += order->quantity;
		if (order->missing)
			changed(order, record);
		order->missing = false;
		return;
	}
	if (!lot)
		return;
	if (!order) {
		judge->orders = judge_more(judge->orders, judge->order_count, &judge->order_room, sizeof(*judge->orders));
		order = &judge->orders[judge->order_count++];
	}
	*order = (struct known_order){.id = record->id,
				      .sale = record->sale,
				      .lot = record->lot,
				      .granted = record->quantity,
				      .quantity = record->quantity,
				      .life = record->hold_expires_at_ms ? LIFE_HELD : LIFE_CONFIRMED,
				      .confirmed = record->hold_expires_at_ms == 0,
				      .is_void = is_void,
				      .logged_ns = judge->now_ns,
				      .built_ns = judge_sale(judge, record->sale)->built_ns,
				      .lost_ns = judge->stock_lost_ns,
				      .freed_ns = INT64_MAX,
				      .freed_told_ns = INT64_MAX,
				      .hold_expires_at_ms = record->hold_expires_at_ms,
				      .first_hold_expires_at_ms = record->hold_expires_at_ms,
				      .step_count = 1};
	order->steps[0] = (struct order_step){
		.kind = RECORD_RESERVED, .left = record->quantity, .life = order->life, .at_ns = judge->now_ns, .told_ns = INT64_MAX};
	judge_copy(order->buyer, sizeof(order->buyer), record->buyer);
	judge_copy(order->key, sizeof(order->key), record->key);
	changed(order, record);
	order->granted_from_ns = asked_from(judge, order);
	if (is_void)
		return;
	lot->live += record->quantity;
	judge_buyer(judge, order);
	judge_rate(judge, order);
	judge_match(judge, order);
	judge_pause(judge, order);
	judge_oversold(judge, record->sale, record->lot);
}

static bool reduce(struct judge *judge, struct known_order *order, const struct history_record *record)
{
	char id[UUID_TEXT_SIZE];

	if (!life_is_live(order->life) || order->quantity <= record->left)
		return false;
	if (record->left == 0 || record->left + record->quantity != order->quantity)
		judge_broken(judge, "wrong-reduction", "order %s has %u units; the log has a reduction by %u that leaves it %u",
			     text_of(&order->id, id), order->quantity, record->quantity, record->left);
	give_back(judge, order, order->quantity - record->left, record->to);
	order->quantity = record->left;
	return true;
}

/*
 * Whether something has become of the order by it. A state that is the last absorbs what comes
 * late.
 */
static bool settle(struct judge *judge, struct known_order *order, const struct history_record *record)
{
	enum order_life from = record->kind == RECORD_REFUNDED || record->kind == RECORD_PAID ? LIFE_CONFIRMED : LIFE_HELD;

	if (record->kind == RECORD_REDUCED)
		return reduce(judge, order, record);
	if (order->life != from)
		return false;
	switch (record->kind) {
	case RECORD_CONFIRMED:
		order->confirmed = true;
		if (order->confirmed_ns == 0) /* else it is read anew */
			order->confirmed_ns = judge->now_ns;
		move_to(judge, order, LIFE_CONFIRMED, record);
		return true;
	case RECORD_CANCELLED:
		order->cancelled = true;
		move_to(judge, order, LIFE_CANCELLED, record);
		return true;
	case RECORD_REFUNDED:
		order->refunded = true;
		move_to(judge, order, LIFE_CANCELLED, record);
		return true;
	case RECORD_EXPIRED:
		judge_hold(judge, order);
		move_to(judge, order, LIFE_EXPIRED, record);
		return true;
	case RECORD_EXTENDED:
		if (record->hold_expires_at_ms <= order->hold_expires_at_ms)
			return false;
		order->hold_expires_at_ms = record->hold_expires_at_ms;
		judge_extensions(judge, order);
		return true;
	case RECORD_PAID:
		order->paid_later |= !order->paid[0];
		return !order->paid[0];
	case RECORD_RESERVED:
	case RECORD_WITHDRAWN:
	case RECORD_BARRIER:
	case RECORD_REDUCED:
		break;
	}
	return false;
}

/*
 * When the log had this reduction, who was told, and whether the sale was over, before it was read
 * anew.
 */
static void keep_past(const struct known_order *order, struct order_step *its)
{
	for (uint32_t i = order->step_count; i < order->steps_before; i++)
		if (order->steps[i].kind == RECORD_REDUCED && its->kind == RECORD_REDUCED && order->steps[i].left == its->left) {
			its->at_ns = order->steps[i].at_ns;
			its->told_ns = order->steps[i].told_ns;
			its->unsold = order->steps[i].unsold;
		}
}

static bool is_unsold(struct judge *judge, uint32_t number)
{
	const struct sale_book *sale = judge_sale(judge, number);

	for (uint32_t i = 0; i < HISTORY_NODES; i++)
		if (sale->stocks[i].armed && !sale->stocks[i].lost)
			return false;
	return true;
}

static void settled(struct judge *judge, const struct history_record *record)
{
	struct known_order *order = judge_order(judge, &record->id);
	bool pays = record->payment && record->payment[0];
	uint32_t had = order ? order->quantity : 0;
	struct order_step its;

	if (!order || order->is_void || !settle(judge, order, record))
		return;
	changed(order, record);
	its = (struct order_step){.kind = record->kind,
				  .hold_expires_at_ms = record->hold_expires_at_ms,
				  .pays = pays,
				  .units = life_is_live(order->life) ? had - order->quantity : had,
				  .left = order->quantity,
				  .to = record->to,
				  .life = order->life,
				  .unsold = is_unsold(judge, order->sale),
				  .at_ns = judge->now_ns,
				  .told_ns = INT64_MAX};
	keep_past(order, &its);
	step(order, &its);
	if (pays)
		judge_paid(judge, order, record->payment);
	judge_given_back(judge, order);
}

static void withdrawn(struct judge *judge, const struct history_record *record)
{
	struct lot_book *lot = judge_lot(judge, record->sale, record->lot);
	struct known_movement *movement;

	for (uint32_t i = 0; i < judge->movement_count; i++)
		if (uuid_equal(&judge->movements[i].id, &record->id)) {
			if (judge->movements[i].missing)
				lot->withdrawn += judge->movements[i].quantity;
			judge->movements[i].missing = false;
			return;
		}
	if (!lot)
		return;
	judge->movements = judge_more(judge->movements, judge->movement_count, &judge->movement_room, sizeof(*judge->movements));
	movement = &judge->movements[judge->movement_count++];
	*movement = (struct known_movement){
		.id = record->id, .sale = record->sale, .lot = record->lot, .quantity = record->quantity, .logged_ns = judge->now_ns};
	judge_copy(movement->actor, sizeof(movement->actor), record->actor);
	lot->withdrawn += record->quantity;
	judge_oversold(judge, record->sale, record->lot);
}

void history_record(struct judge *judge, const struct history_record *record)
{
	struct sale_book *sale = judge_sale(judge, record->sale);
	bool is_void = sale && record->epoch && record->epoch < sale->barrier;

	if (!sale)
		return;
	if (record->kind == RECORD_BARRIER) {
		if (record->epoch > sale->barrier)
			sale->barrier = record->epoch;
	} else if (record->kind == RECORD_RESERVED) {
		reserved(judge, record, is_void);
	} else if (!is_void && record->kind == RECORD_WITHDRAWN) {
		withdrawn(judge, record);
	} else if (!is_void) {
		settled(judge, record);
	}
}

/* --- A log that has lost its end --- */

static void judge_still_there(struct judge *judge)
{
	char id[UUID_TEXT_SIZE];

	for (uint32_t i = 0; i < judge->order_count; i++) {
		const struct known_order *order = &judge->orders[i];
		const char *what = NULL;

		if (order->missing && order->told)
			what = "the order";
		else if (order->told_confirmed && !order->confirmed)
			what = "its confirm";
		else if (order->told_cancelled && !order->cancelled && !order->refunded)
			what = "its cancel";
		else if (order->told_paid && !order->paid[0])
			what = "its payment";
		else if (order->told_left && order->quantity > order->told_left)
			what = "its reduction";
		else if (order->fed > (order->missing ? 0 : order->step_count))
			what = "what the feed has of it";
		if (what)
			judge_broken(judge, "p2-lost", "order %s of %s: %s was told, and the log has it no more",
				     text_of(&order->id, id), order->buyer, what);
	}
}

/* As it was when nothing had become of it. */
static void unsettle(struct judge *judge, struct known_order *order)
{
	if (!order->is_void && life_is_live(order->life))
		judge_lot(judge, order->sale, order->lot)->live -= order->quantity;
	judge_lot(judge, order->sale, order->lot)->withdrawn -= order->withdrawn;
	order->withdrawn = 0;
	order->quantity = order->granted;
	order->missing = true;
	order->life = order->first_hold_expires_at_ms ? LIFE_HELD : LIFE_CONFIRMED;
	order->confirmed = order->first_hold_expires_at_ms == 0;
	order->cancelled = order->refunded = false;
	order->extensions = 0;
	order->hold_expires_at_ms = order->first_hold_expires_at_ms;
	order->paid[0] = '\0';
	order->paid_later = false;
	order->steps_before = order->step_count > order->steps_before ? order->step_count : order->steps_before;
	order->step_count = 1;
}

/* What was never told may be lost with the log's end: it is as if it had never been there. */
static void forget_missing(struct judge *judge)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < judge->order_count; i++) {
		struct known_order *order = &judge->orders[i];

		if (!order->confirmed)
			order->confirmed_ns = 0;
		if (!order->missing)
			judge->orders[kept++] = *order;
	}
	judge->order_count = kept;
	kept = 0;
	for (uint32_t i = 0; i < judge->movement_count; i++)
		if (!judge->movements[i].missing)
			judge->movements[kept++] = judge->movements[i];
	judge->movement_count = kept;
}

void history_reread(struct judge *judge, bool begins)
{
	for (uint32_t i = 0; begins && i < judge->order_count; i++)
		unsettle(judge, &judge->orders[i]);
	for (uint32_t i = 0; begins && i < judge->movement_count; i++) {
		struct known_movement *movement = &judge->movements[i];

		judge_lot(judge, movement->sale, movement->lot)->withdrawn -= movement->quantity;
		movement->missing = true;
	}
	if (begins)
		return;
	judge_still_there(judge);
	forget_missing(judge);
}
