/* What is sent again with its key is done once, and is what it was when it was sent first. */
#include "simulation/judge/judge_state.h"

#include <string.h>

/* Whether every confirm of the order that there ever was is this request, sent again or not. */
static bool alone_confirms(const struct judge *judge, const struct asked *asked)
{
	for (uint32_t i = 0; i < judge->asked_count; i++) {
		const struct asked *its = &judge->asked[i];

		if (its->what.kind == HISTORY_CONFIRM && uuid_equal(&its->what.order, &asked->what.order) &&
		    (strcmp(its->key, asked->key) != 0 || strcmp(its->actor, asked->actor) != 0))
			return false;
	}
	return true;
}

/*
 * A confirm that was done is known by its key for ever, whatever has become of the order: a payment
 * is never told as refused.
 */
void judge_known_confirm(struct judge *judge, const struct asked *asked)
{
	const struct known_order *order = judge_order(judge, &asked->what.order);
	char id[UUID_TEXT_SIZE];

	if (order && !order->is_void && order->first_hold_expires_at_ms && order->confirmed && order->confirmed_ns < asked->invoked_ns &&
	    asked->key[0] && strcmp(asked->code, "order-state") == 0 && alone_confirms(judge, asked)) {
		uuid_format(&order->id, id);
		judge_broken(judge, "key-forgotten", "key %s of %s has confirmed order %s at %.6f s, and was answered %d %s",
			     asked->key, asked->actor, id, (double)order->confirmed_ns / 1e9, asked->status, asked->code);
	}
}

static bool is_same_key(const struct asked *its, const struct asked *asked)
{
	return its->what.kind == asked->what.kind && its->what.sale == asked->what.sale && asked->key[0] &&
	       strcmp(its->key, asked->key) == 0 && strcmp(its->actor, asked->actor) == 0 &&
	       uuid_equal(&its->what.order, &asked->what.order);
}

/*
 * A cancel that was sent while the order was held, and that a gate has decided on, is no refund
 * when it is sent again. That it was decided on is known where the journal has refused it; what was
 * decided is written down where the ledger can be written to.
 */
void judge_refund(struct judge *judge, const struct asked *asked)
{
	const struct known_order *order = judge_order(judge, &asked->what.order);
	char id[UUID_TEXT_SIZE];

	if (!judge->terms.ledger_stays || !order || !order->refunded || !asked->what.actor ||
	    strcmp(order->freed_by, asked->actor) != 0)
		return;
	for (const struct asked *its = judge->asked; its < asked; its++) {
		if (!is_same_key(its, asked) || its->end != ASKED_ANSWERED || its->ended_ns >= order->confirmed_ns ||
		    order->freed_ns < asked->invoked_ns || strcmp(its->code, "journal-unavailable") != 0)
			continue;
		uuid_format(&order->id, id);
		judge_broken(judge, "refund-unmeant",
			     "key %s of %s was to cancel order %s at %.6f s, when it was held; it has refunded it at %.6f s",
			     asked->key, asked->actor, id, (double)its->invoked_ns / 1e9, (double)order->freed_ns / 1e9);
		return;
	}
}

/* --- Extensions --- */

static bool may_extend(const struct asked *asked, const struct known_order *order)
{
	return asked->what.kind == HISTORY_EXTEND && uuid_equal(&asked->what.order, &order->id) && asked_effect(asked) != EFFECT_NONE;
}

/* Each moves the hold once: one without a key each time that it is sent. */
void judge_extensions(struct judge *judge, struct known_order *order)
{
	uint32_t asked = 0;
	char id[UUID_TEXT_SIZE];

	for (uint32_t i = 0; i < judge->asked_count; i++) {
		const struct asked *its = &judge->asked[i], *before = judge->asked;

		if (!may_extend(its, order))
			continue;
		while (before < its && !(may_extend(before, order) && is_same_key(before, its)))
			before++;
		asked += before == its;
	}
	uuid_format(&order->id, id);
	if (++order->extensions > asked)
		judge_broken(judge, "extended-twice", "the hold of order %s was moved %u times, and %u requests may have asked for it",
			     id, order->extensions, asked);
}
