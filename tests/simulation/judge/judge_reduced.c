/* Units that orders give back: each request's once, and to where it has sent them. */
#include "simulation/judge/judge_state.h"

#include <string.h>

bool order_had(const struct known_order *order, uint32_t quantity)
{
	for (uint32_t i = 0; i < order->step_count; i++)
		if (order->steps[i].left == quantity)
			return true;
	return false;
}

static bool is_of(const struct asked *asked, const struct known_order *order)
{
	return (asked->what.kind == HISTORY_CANCEL || asked->what.kind == HISTORY_REDUCE) &&
	       uuid_equal(&asked->what.order, &order->id);
}

/* Where the sale is over, the warehouse has what was to be for sale again. */
static bool is_place(enum history_place asked, const struct order_step *step)
{
	return asked == step->to || (step->unsold && asked == PLACE_SALE && step->to == PLACE_WAREHOUSE);
}

/* Whether the request may have had this done. */
static bool may_have_given(const struct asked *asked, const struct known_order *order, const struct order_step *step)
{
	if (!is_of(asked, order) || asked_effect(asked) == EFFECT_NONE || !is_place(asked->what.to, step))
		return false;
	return asked->what.kind == HISTORY_REDUCE ? asked->what.units == step->units : step->kind != RECORD_REDUCED;
}

static bool is_given_back(const struct order_step *step)
{
	return step->kind == RECORD_REDUCED || step->kind == RECORD_CANCELLED || step->kind == RECORD_REFUNDED;
}

static bool is_same_key(const struct asked *its, const struct asked *asked)
{
	return its->key[0] && strcmp(its->key, asked->key) == 0 && strcmp(its->actor, asked->actor) == 0 &&
	       its->what.kind == asked->what.kind && uuid_equal(&its->what.order, &asked->what.order);
}

/* How many requests may have had such a thing done: each key once. */
static uint32_t requests_for(const struct judge *judge, const struct known_order *order, const struct order_step *step)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < judge->asked_count; i++) {
		const struct asked *its = &judge->asked[i], *before = judge->asked;

		if (!may_have_given(its, order, step))
			continue;
		while (before < its && !(may_have_given(before, order, step) && is_same_key(before, its)))
			before++;
		count += before == its;
	}
	return count;
}

/*
 * Whether who may have asked for the one step may have asked for the other, wherever it has sent
 * the units.
 */
static bool is_among(const struct order_step *its, const struct order_step *step)
{
	for (int place = PLACE_SALE; place <= PLACE_GONE; place++)
		if (is_place((enum history_place)place, its) && !is_place((enum history_place)place, step))
			return false;
	return is_given_back(its) && its->units == step->units;
}

/* How many records, with this one, must be of the requests that may have had this one done. */
static uint32_t records_like(const struct known_order *order, const struct order_step *step)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < order->step_count; i++)
		count += is_among(&order->steps[i], step);
	return count;
}

/* How many records may have given so many units of who has sent them there. */
static uint32_t records_of(const struct known_order *order, uint32_t units, enum history_place to)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < order->step_count; i++)
		count += is_given_back(&order->steps[i]) && order->steps[i].units == units && is_place(to, &order->steps[i]);
	return count;
}

void judge_given_back(struct judge *judge, const struct known_order *order)
{
	const struct order_step *step = &order->steps[order->step_count - 1];
	char id[UUID_TEXT_SIZE];
	uint32_t asked;

	if (step->kind != RECORD_REDUCED && (step->to == PLACE_SALE || !is_given_back(step)))
		return;
	uuid_format(&order->id, id);
	asked = requests_for(judge, order, step);
	if (asked == 0)
		judge_broken(judge, "units-astray", "order %s has given %u units back to %d, and nobody has asked for that", id,
			     step->units, (int)step->to);
	else if (records_like(order, step) > asked)
		judge_broken(judge, "reduced-twice",
			     "order %s has given %u units back to %d %u times, and %u requests may have asked for it", id,
			     step->units, (int)step->to, records_like(order, step), asked);
}

/* How many requests for as much were told that it was done: each key once. */
static uint32_t told_alike(const struct judge *judge, const struct asked *asked)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < judge->asked_count; i++) {
		const struct asked *its = &judge->asked[i], *before = judge->asked;

		if (its->what.kind != HISTORY_REDUCE || asked_effect(its) != EFFECT_DONE || its->what.units != asked->what.units ||
		    its->what.to != asked->what.to || !uuid_equal(&its->what.order, &asked->what.order))
			continue;
		while (before < its && !(asked_effect(before) == EFFECT_DONE && is_same_key(before, its)))
			before++;
		count += before == its;
	}
	return count;
}

/* Whether a gate has decided on this request, with its key, before the order was confirmed. */
static bool was_decided_while_held(const struct judge *judge, const struct asked *asked, const struct known_order *order)
{
	for (const struct asked *its = judge->asked; its < asked; its++)
		if (is_same_key(its, asked) && its->end == ASKED_ANSWERED && its->ended_ns < order->confirmed_ns &&
		    strcmp(its->code, "journal-unavailable") == 0)
			return true;
	return false;
}

/* Whether the order has given such units back while it was held. */
static bool has_given_while_held(const struct known_order *order, const struct asked *asked)
{
	for (uint32_t i = 0; i < order->step_count; i++) {
		const struct order_step *step = &order->steps[i];
		bool held = step->kind == RECORD_CANCELLED || (step->kind == RECORD_REDUCED && step->life == LIFE_HELD);

		if (held && step->units == asked->what.units && is_place(asked->what.to, step))
			return true;
	}
	return false;
}

/*
 * As judge_refund(): one that was sent while the order was held takes nothing of what was paid
 * meanwhile. No gate goes on before the ledger has written down what was decided, so that only one
 * that was restored may have forgotten it.
 */
static void judge_refund_of_units(struct judge *judge, const struct asked *asked, const struct known_order *order)
{
	char id[UUID_TEXT_SIZE];

	if (judge->restored || !was_decided_while_held(judge, asked, order) || has_given_while_held(order, asked))
		return;
	uuid_format(&order->id, id);
	judge_broken(judge, "refund-unmeant",
		     "key %s of %s was to take %u units of order %s while it was held, and has taken them of what was confirmed at %.6f s",
		     asked->key, asked->actor, asked->what.units, id, (double)order->confirmed_ns / 1e9);
}

void judge_reduced(struct judge *judge, const struct asked *asked, struct known_order *order, const struct history_order *told)
{
	uint32_t records = records_of(order, asked->what.units, asked->what.to), requests = told_alike(judge, asked);
	char id[UUID_TEXT_SIZE];

	if (requests > records) {
		uuid_format(&order->id, id);
		judge_broken(judge, "p2-not-durable",
			     "%u requests were told that order %s has given %u units back to %d, and the log has that %u times",
			     requests, id, asked->what.units, (int)asked->what.to, records);
	}
	judge_refund_of_units(judge, asked, order);
	for (uint32_t i = 0; i < order->step_count; i++)
		if (order->steps[i].kind == RECORD_REDUCED && order->steps[i].left >= told->quantity &&
		    order->steps[i].told_ns > judge->now_ns)
			order->steps[i].told_ns = judge->now_ns;
	if (!life_is_live(order->life) && strcmp(told->state, "cancelled") == 0 && judge->now_ns < order->freed_told_ns)
		order->freed_told_ns = judge->now_ns;
}
