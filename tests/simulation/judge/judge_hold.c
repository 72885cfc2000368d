/* Whether a hold has ended too early. */
#include "simulation/judge/judge_state.h"

static const int64_t SECOND = 1000000000;

enum { KNOWN_BY_ALL_S = 5 };

/*
 * A stock that was built has a sale's time from whoever built it, until a gate that has measured
 * more says so: each looks once a second, and rests up to four seconds too long.
 */
static bool has_time_of_builder(const struct known_order *order)
{
	return order->built_ns >= 0 && order->granted_from_ns >= order->built_ns &&
	       order->granted_from_ns - order->built_ns < KNOWN_BY_ALL_S * SECOND;
}

/* For how long the gate stood still before `until_ns`, all in all. */
static int64_t stood_before(const struct judge *judge, uint32_t node, int64_t until_ns)
{
	int64_t sum = 0;

	for (uint32_t i = 0; i < judge->stood_count; i++)
		if (judge->stood[i].node == node && judge->stood[i].from_ns < until_ns)
			sum += judge->stood[i].to_ns - judge->stood[i].from_ns;
	return sum;
}

/*
 * For how long gates that were asked for it had stood still, and their clocks with them. To a
 * shared stock the first call of such a gate says that its clock was set ahead, so it measures the
 * hold from where that stood: the buyer is told the moment, and it is sooner. So does a stock that
 * such a gate has built just before.
 */
static int64_t stood_ns(const struct judge *judge, const struct known_order *order)
{
	bool asked[HISTORY_NODES] = {false};
	int64_t sum = 0, builder_ns = 0;

	if (!judge->terms.shared)
		return 0;
	for (uint32_t i = 0; i < judge->asked_count; i++)
		if (asked_may_have(&judge->asked[i], order) && judge->asked[i].what.node < HISTORY_NODES)
			asked[judge->asked[i].what.node] = true;
	for (uint32_t node = 0; node < HISTORY_NODES; node++) {
		int64_t built_ns = has_time_of_builder(order) ? stood_before(judge, node, order->built_ns) : 0;

		sum += asked[node] ? stood_before(judge, node, order->logged_ns) : 0;
		builder_ns = built_ns > builder_ns ? built_ns : builder_ns;
	}
	return sum > builder_ns ? sum : builder_ns;
}

/* It lost what it had, or it was fenced with all that it had: who loads a hold has its moment. */
static bool is_built_since(struct judge *judge, const struct known_order *order)
{
	return judge->stock_lost_ns >= order->granted_from_ns || judge_sale(judge, order->sale)->built_ns >= order->granted_from_ns;
}

/*
 * A hold ends when the moment that its buyer was told has passed by the clock that is furthest
 * ahead, and its length is over; a stock that was built again since has only the moment.
 */
void judge_hold(struct judge *judge, const struct known_order *order)
{
	const struct sale_book *sale = judge_sale(judge, order->sale);
	int64_t length_ns = (int64_t)sale->terms.hold_seconds * SECOND;
	char id[UUID_TEXT_SIZE];

	uuid_format(&order->id, id);
	length_ns -= length_ns / 1000000 * judge->terms.drift_ppm + judge->jumps_ms * 1000000 + stood_ns(judge, order);
	if (!is_built_since(judge, order) && judge->now_ns - order->granted_from_ns < length_ns)
		judge_broken(judge, "hold-early", "order %s of %s expired %.3f s after it was asked for: it is held for %u s", id,
			     order->buyer, (double)(judge->now_ns - order->granted_from_ns) / 1e9, sale->terms.hold_seconds);
	if (judge_wall_ms(judge) + judge->ahead_ms + judge->jumps_ms < order->told_hold_ms)
		judge_broken(judge, "hold-early", "order %s of %s expired %lld ms before the moment that was told", id,
			     order->buyer, (long long)(order->told_hold_ms - judge_wall_ms(judge)));
}
