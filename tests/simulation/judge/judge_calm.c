/* What must be so where nothing has gone wrong for a while. */
#include "simulation/judge/judge_state.h"

#include <string.h>
#include "base/assertion.h"

/* Until everybody has heard of everything; how often holds are looked at. */
static const int64_t calm_ns = 10 * INT64_C(1000000000), look_ns = INT64_C(1000000000);

void history_calm(struct judge *judge, bool calm)
{
	judge->calm_ns = calm ? judge->now_ns : INT64_MAX;
}

void history_stock_clock(struct judge *judge, int64_t by_ms)
{
	ASSERT(by_ms >= 0);
	judge->jumps_ms += by_ms;
}

void history_position(struct judge *judge, uint32_t partition, int64_t next)
{
	ASSERT(partition < PARTITIONS_MAX);
	if (next < judge->positions[partition] && judge->positions[partition] > 0)
		judge_broken(judge, "position-back", "the ledger was at %lld of partition %u, and is at %lld",
			     (long long)judge->positions[partition], partition, (long long)next);
	judge->positions[partition] = next;
}

void history_ledger_restored(struct judge *judge)
{
	memset(judge->positions, 0, sizeof(judge->positions));
	judge->restored = true;
}

void history_log_forgotten(struct judge *judge)
{
	memset(judge->positions, 0, sizeof(judge->positions));
}

bool judge_has_heard(int64_t from_ns, int64_t by_ns)
{
	return from_ns < by_ns && by_ns - from_ns >= calm_ns;
}

bool judge_is_calm(const struct judge *judge, int64_t since_ns)
{
	return judge_has_heard(judge->calm_ns, since_ns);
}

/* --- Holds end --- */

static bool is_overdue(const struct judge *judge, const struct known_order *order)
{
	return order->life == LIFE_HELD && !order->is_void &&
	       judge_wall_ms(judge) - judge->behind_ms > order->hold_expires_at_ms + judge->terms.late_ms + judge->jumps_ms;
}

void judge_holds(struct judge *judge)
{
	char id[UUID_TEXT_SIZE];

	if (judge->terms.late_ms == 0 || judge->now_ns - judge->looked_ns < look_ns ||
	    !judge_is_calm(judge, judge->now_ns - judge->terms.late_ms * INT64_C(1000000)))
		return;
	judge->looked_ns = judge->now_ns;
	for (uint32_t i = 0; i < judge->order_count; i++) {
		const struct known_order *order = &judge->orders[i];

		if (!is_overdue(judge, order))
			continue;
		uuid_format(&order->id, id);
		judge_broken(judge, "hold-late", "order %s of %s was held until %lld ms ago, and is still held", id, order->buyer,
			     (long long)(judge_wall_ms(judge) - order->hold_expires_at_ms));
	}
}

/* --- A sale that was let go on sells --- */

static bool is_move(const struct asked *asked, const struct asked *purchase)
{
	return asked->what.sale == purchase->what.sale && asked->what.actor != NULL;
}

/*
 * When this stop was done at the latest: it was answered, or an earlier one of the same key was.
 * INT64_MAX: nobody knows. An earlier 202 went by the ledger: the stock does not know its key, and
 * is told when it is sent again.
 */
static int64_t done_by(const struct judge *judge, const struct asked *stop)
{
	int64_t by_ns = INT64_MAX;

	for (uint32_t i = 0; i < judge->asked_count; i++) {
		const struct asked *its = &judge->asked[i];
		bool is_same = its == stop || (stop->key[0] && its->what.kind == stop->what.kind && its->what.sale == stop->what.sale &&
					       strcmp(its->key, stop->key) == 0 && strcmp(its->actor, stop->actor) == 0);

		if (is_same && asked_effect(its) == EFFECT_DONE && (its == stop || its->status != 202) && its->ended_ns < by_ns)
			by_ns = its->ended_ns;
	}
	return by_ns;
}

/* Somebody has let it go on behind the stop, and was told so long ago. */
static bool is_released(const struct judge *judge, const struct asked *stop, const struct asked *purchase)
{
	int64_t by_ns = done_by(judge, stop);

	for (uint32_t i = 0; i < judge->asked_count; i++) {
		const struct asked *its = &judge->asked[i];

		if (its->what.kind == HISTORY_RESUME && is_move(its, purchase) && asked_effect(its) == EFFECT_DONE &&
		    !its->replayed && its->invoked_ns > by_ns && its->ended_ns + calm_ns < purchase->invoked_ns)
			return true;
	}
	return false;
}

/*
 * It has sold: it was open before, by each gate's clock, and nobody has made a draft of it, or
 * ended it.
 */
static bool has_sold(const struct judge *judge, const struct asked *purchase)
{
	int64_t apart_ns = (judge->ahead_ms + judge->behind_ms) * 1000000;
	bool sold = false;

	for (uint32_t i = 0; i < judge->asked_count; i++) {
		const struct asked *its = &judge->asked[i];

		if (its->what.sale != purchase->what.sale)
			continue;
		if (its->what.kind == HISTORY_DISARM || its->what.kind == HISTORY_END || its->what.kind == HISTORY_OPEN)
			return false;
		sold = sold ||
		       (its->what.kind == HISTORY_BUY && its->status == 202 && its->ended_ns + apart_ns < purchase->invoked_ns);
	}
	return sold;
}

void judge_not_open(struct judge *judge, const struct asked *purchase)
{
	if (!judge_is_calm(judge, purchase->invoked_ns) || !has_sold(judge, purchase))
		return;
	for (uint32_t i = 0; i < judge->asked_count; i++) {
		const struct asked *its = &judge->asked[i];

		if (its->what.kind != HISTORY_PAUSE || !is_move(its, purchase) || asked_effect(its) == EFFECT_NONE)
			continue;
		if (judge->stock_lost_ns >= its->invoked_ns || !is_released(judge, its, purchase))
			return;
	}
	judge_broken(judge, "dishonest-409",
		     "%s asked for sale %u at %.6f s and heard that it is not open; who has stopped it has let it go on",
		     purchase->buyer, purchase->what.sale, (double)purchase->invoked_ns / 1e9);
}
