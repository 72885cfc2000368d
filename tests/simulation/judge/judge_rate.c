/*
 * The rate: so many purchases of a buyer in any window of so many seconds. A grant lies somewhere
 * between its request and its record, and only what must be so, wherever it lies, is a breach. A
 * stock that was built again has forgotten who bought when.
 */
#include "simulation/judge/judge_state.h"

#include <string.h>

enum { SECOND_NS = 1000000000, ATTEMPTS = 10 };

/* How long the window is at least, or at most, by clocks that drift. */
static int64_t window_ns(const struct judge *judge, const struct sale_book *sale, int sign)
{
	int64_t length_ns = (int64_t)sale->terms.rate_seconds * SECOND_NS;

	return length_ns + sign * (length_ns / 1000000 * judge->terms.drift_ppm + judge->jumps_ms * 1000000);
}

static bool is_counted(const struct known_order *its, const struct known_order *like)
{
	return its->sale == like->sale && !its->is_void && strcmp(its->buyer, like->buyer) == 0 && !order_is_late_confirm(its);
}

/* How many of the buyer's lie wholly in the window that begins with this request. */
static uint32_t bought_since(const struct judge *judge, const struct known_order *first, int64_t until_ns)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < judge->order_count; i++)
		count += is_counted(&judge->orders[i], first) && judge->orders[i].granted_from_ns >= first->granted_from_ns &&
			 judge->orders[i].logged_ns < until_ns;
	return count;
}

void judge_rate(struct judge *judge, const struct known_order *order)
{
	const struct sale_book *sale = judge_sale(judge, order->sale);
	char id[UUID_TEXT_SIZE];

	if (sale->terms.rate_requests == 0 || order_is_late_confirm(order))
		return;
	for (uint32_t i = 0; i < judge->order_count; i++) {
		const struct known_order *first = &judge->orders[i];
		uint32_t count;

		if (!is_counted(first, order) || judge->stock_lost_ns >= first->granted_from_ns ||
		    sale->built_ns >= first->granted_from_ns)
			continue;
		count = bought_since(judge, first, first->granted_from_ns + window_ns(judge, sale, -1));
		if (count <= sale->terms.rate_requests)
			continue;
		uuid_format(&order->id, id);
		judge_broken(judge, "p3-rate",
			     "sale %u: %s has bought %u times from %.6f s on within %u s, with order %s: %u are allowed",
			     order->sale, order->buyer, count, (double)first->granted_from_ns / 1e9, sale->terms.rate_seconds, id,
			     sale->terms.rate_requests);
		return;
	}
}

/* --- Who was refused --- */

static bool is_same_request(const struct asked *one, const struct asked *other)
{
	return one->what.sale == other->what.sale && strcmp(one->buyer, other->buyer) == 0 && one->key[0] &&
	       strcmp(one->key, other->key) == 0;
}

/*
 * Whether this request may have had a place in its buyer's window from `from_ns` on, and have it
 * still at `until_ns`.
 */
static bool may_have_place(const struct judge *judge, const struct asked *asked, int64_t from_ns, int64_t until_ns)
{
	if (asked_effect(asked) == EFFECT_NONE)
		return asked->status >= 500 && asked->ended_ns >= until_ns; /* until it was undone, which is before it is told */
	for (uint32_t i = 0; i < judge->order_count; i++) {
		const struct known_order *order = &judge->orders[i];

		if (asked_may_have(asked, order) && order->logged_ns < from_ns && asked->key[0])
			return false; /* its grant was before */
		if (asked->status == 202 && uuid_equal(&asked->order, &order->id) && order->logged_ns < from_ns)
			return false;
	}
	return true;
}

/* Requests of one key have one place. */
static bool is_counted_before(const struct judge *judge, uint32_t at, int64_t from_ns, int64_t until_ns)
{
	for (uint32_t i = 0; i < at; i++)
		if (judge->asked[i].what.kind == HISTORY_BUY && is_same_request(&judge->asked[i], &judge->asked[at]) &&
		    may_have_place(judge, &judge->asked[i], from_ns, until_ns))
			return true;
	return false;
}

/* As many refusals as that have a limit of their own, at each gate. */
static bool has_attempted_much(const struct judge *judge, const struct asked *asked, uint32_t limit)
{
	uint32_t refused = 0;

	for (uint32_t i = 0; i < judge->asked_count; i++) {
		const struct asked *its = &judge->asked[i];

		refused += its->what.kind == HISTORY_BUY && its->what.sale == asked->what.sale &&
			   strcmp(its->buyer, asked->buyer) == 0;
	}
	return refused >= limit * ATTEMPTS;
}

void judge_rate_limited(struct judge *judge, const struct asked *asked)
{
	const struct sale_book *sale = judge_sale(judge, asked->what.sale);
	int64_t length_ns, from_ns;
	uint32_t count = 0;

	if (!sale)
		return;
	/* A stock in the gate's memory counts by the gate's clock. */
	length_ns = window_ns(judge, sale, 1) + SECOND_NS;
	from_ns = judge->terms.shared ? asked->invoked_ns - length_ns
				      : judge_before(judge, asked->what.node, asked->invoked_ns, length_ns);
	if (has_attempted_much(judge, asked, sale->terms.rate_requests))
		return;
	for (uint32_t i = 0; i < judge->asked_count; i++) {
		const struct asked *its = &judge->asked[i];

		count += its->what.kind == HISTORY_BUY && its != asked && its->what.sale == asked->what.sale &&
			 strcmp(its->buyer, asked->buyer) == 0 && !is_same_request(its, asked) &&
			 may_have_place(judge, its, from_ns, asked->invoked_ns) &&
			 !is_counted_before(judge, i, from_ns, asked->invoked_ns);
	}
	if (count < sale->terms.rate_requests)
		judge_broken(judge, "dishonest-429",
			     "%s asked for sale %u at %.6f s and heard that it buys too often: since %.6f s it has bought %u times at most, and may %u times",
			     asked->buyer, asked->what.sale, (double)asked->invoked_ns / 1e9, (double)from_ns / 1e9, count,
			     sale->terms.rate_requests);
}
