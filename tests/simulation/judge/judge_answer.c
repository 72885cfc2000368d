/* What clients asked, and whether their answers are true. */
#include "simulation/judge/judge_state.h"

#include <stdio.h>
#include <string.h>
#include "base/assertion.h"

static const char *text_of(const struct uuid *id, char text[static UUID_TEXT_SIZE])
{
	uuid_format(id, text);
	return text;
}

static bool says(const struct asked *asked, const char *code)
{
	return strcmp(asked->code, code) == 0;
}

static bool is_done(const struct asked *asked)
{
	return asked->end == ASKED_ANSWERED && asked->status >= 200 && asked->status < 300;
}

enum asked_effect asked_effect(const struct asked *asked)
{
	if (asked->end != ASKED_ANSWERED || says(asked, "outcome-unknown"))
		return EFFECT_OPEN;
	return is_done(asked) ? EFFECT_DONE : EFFECT_NONE;
}

/* --- Requests --- */

/* Whoever stops a sale counts only what was asked behind it. */
static void release(struct judge *judge, const struct history_operation *operation)
{
	struct sale_book *sale = judge_sale(judge, operation->sale);

	if (sale && (operation->kind == HISTORY_RESUME || operation->kind == HISTORY_OPEN || operation->kind == HISTORY_ARM ||
		     operation->kind == HISTORY_DISARM))
		sale->paused_ns = sale->taken_ns = -1;
}

uint32_t history_invoke(struct judge *judge, const struct history_operation *operation)
{
	struct asked *asked;

	judge->asked = judge_more(judge->asked, judge->asked_count, &judge->asked_room, sizeof(*judge->asked));
	asked = &judge->asked[judge->asked_count];
	*asked = (struct asked){.what = *operation, .invoked_ns = judge->now_ns, .end = ASKED_OPEN};
	judge_copy(asked->buyer, sizeof(asked->buyer), operation->buyer);
	judge_copy(asked->actor, sizeof(asked->actor), operation->actor);
	judge_copy(asked->key, sizeof(asked->key), operation->key);
	judge_copy(asked->payment, sizeof(asked->payment), operation->payment);
	release(judge, operation);
	return judge->asked_count++;
}

void history_none(struct judge *judge, uint32_t number)
{
	struct asked *asked = &judge->asked[number];

	ASSERT(number < judge->asked_count);
	ASSERT(asked->end == ASKED_OPEN);
	asked->end = ASKED_NOTHING;
	asked->ended_ns = judge->now_ns;
}

/* --- Who may have brought an order --- */

/* A late confirm makes an order whose key has the expired order's id. */
bool asked_confirms_late(const struct asked *asked, const struct known_order *order)
{
	char key[TEXT_MAX], id[UUID_TEXT_SIZE];

	snprintf(key, sizeof(key), "late-confirm %s", text_of(&asked->what.order, id));
	return asked->what.kind == HISTORY_CONFIRM && strcmp(order->key, key) == 0;
}

static bool is_same(const struct asked *asked, const struct known_order *order)
{
	if (asked->what.sale != order->sale)
		return false;
	if (asked->what.kind != HISTORY_BUY)
		return asked_confirms_late(asked, order);
	return asked->what.lot == order->lot && asked->what.units == order->granted && strcmp(asked->buyer, order->buyer) == 0 &&
	       strcmp(asked->key, order->key) == 0;
}

bool asked_may_have(const struct asked *asked, const struct known_order *order)
{
	return is_same(asked, order) && asked_effect(asked) != EFFECT_NONE &&
	       (uuid_is_null(&asked->order) || uuid_equal(&asked->order, &order->id));
}

void judge_match(struct judge *judge, const struct known_order *order)
{
	uint32_t asked = 0, there = 0;
	char id[UUID_TEXT_SIZE];

	for (uint32_t i = 0; i < judge->asked_count; i++)
		asked += is_same(&judge->asked[i], order) && asked_effect(&judge->asked[i]) != EFFECT_NONE;
	for (uint32_t i = 0; i < judge->order_count; i++) {
		const struct known_order *its = &judge->orders[i];

		there += !its->is_void && its->sale == order->sale && its->lot == order->lot && its->granted == order->granted &&
			 strcmp(its->buyer, order->buyer) == 0 && strcmp(its->key, order->key) == 0;
	}
	if (there > asked)
		judge_broken(judge, "unasked",
			     "order %s of %s (key '%s'): the log has %u such orders, and %u requests may have brought them",
			     text_of(&order->id, id), order->buyer, order->key, there, asked);
}

/* --- Answers --- */

/* What was told must be in the log, and must count. NULL: it does not, and that was said. */
static struct known_order *told_order(struct judge *judge, const struct history_order *told)
{
	struct known_order *order = judge_order(judge, &told->id);
	char id[UUID_TEXT_SIZE];

	if (!order)
		judge_broken(judge, "p2-not-durable", "order %s of %s was told as %s, and the log does not have it",
			     text_of(&told->id, id), told->buyer, told->state);
	else if (order->is_void)
		judge_broken(judge, "p2-void", "order %s of %s was told as %s, and lies behind a barrier of a newer epoch",
			     text_of(&told->id, id), told->buyer, told->state);
	else if (order->lot != told->lot || !order_had(order, told->quantity) || strcmp(order->buyer, told->buyer) != 0)
		judge_broken(judge, "wrong-answer", "order %s was told as %u units of lot %u of %s; the log has %u of lot %u of %s",
			     text_of(&told->id, id), told->quantity, told->lot, told->buyer, order->quantity, order->lot,
			     order->buyer);
	else
		return order;
	return NULL;
}

static void heard(struct judge *judge, struct known_order *order, const struct history_order *told)
{
	bool confirmed = strcmp(told->state, "confirmed") == 0, cancelled = strcmp(told->state, "cancelled") == 0;
	char id[UUID_TEXT_SIZE];

	order->told = true;
	if (told->payment[0] && strcmp(told->payment, order->paid) != 0)
		judge_broken(judge, "p2-not-durable", "order %s was told as paid with %s, and the log has '%s'",
			     text_of(&told->id, id), told->payment, order->paid);
	if (told->hold_expires_at_ms > order->told_hold_ms)
		order->told_hold_ms = told->hold_expires_at_ms;
	if ((confirmed && !order->confirmed) || (cancelled && !order->cancelled && !order->refunded) ||
	    (strcmp(told->state, "expired") == 0 && order->life != LIFE_EXPIRED))
		judge_broken(judge, "p2-not-durable", "order %s was told as %s, and the log has no record of that",
			     text_of(&told->id, id), told->state);
	order->told_confirmed |= confirmed;
	order->told_cancelled |= cancelled;
	if (told->quantity && (order->told_left == 0 || told->quantity < order->told_left))
		order->told_left = told->quantity;
}

/* One key, one order, one text. */
static void judge_replay(struct judge *judge, struct known_order *order, struct asked *asked)
{
	char id[UUID_TEXT_SIZE], other[UUID_TEXT_SIZE];

	for (uint32_t i = 0; i < judge->asked_count; i++) {
		const struct asked *its = &judge->asked[i];

		if (its == asked || its->what.kind != HISTORY_BUY || its->status != 202 || its->what.sale != asked->what.sale ||
		    strcmp(its->buyer, asked->buyer) != 0)
			continue;
		if (asked->key[0] && strcmp(its->key, asked->key) == 0 && !uuid_equal(&its->order, &asked->order))
			judge_broken(judge, "p3-replay", "key %s of %s was answered with order %s and order %s", asked->key,
				     asked->buyer, text_of(&its->order, other), text_of(&asked->order, id));
		if (strcmp(its->key, asked->key) != 0 && uuid_equal(&its->order, &asked->order))
			judge_broken(judge, "p3-replay", "order %s of %s was the answer to keys '%s' and '%s'",
				     text_of(&asked->order, id), asked->buyer, its->key, asked->key);
		if (asked->key[0] == 0 && its->key[0] == 0 && uuid_equal(&its->order, &asked->order))
			judge_broken(judge, "p3-replay", "order %s of %s was the answer to two requests without a key",
				     text_of(&asked->order, id), asked->buyer);
	}
	if (order->body && asked->body && order->body != asked->body)
		judge_broken(judge, "p3-replay", "order %s of %s was told in two texts", text_of(&asked->order, id), asked->buyer);
	if (asked->body)
		order->body = asked->body;
}

static void judge_bought(struct judge *judge, struct asked *asked, const struct history_answer *answer)
{
	const struct history_order *told = answer->orders;
	const struct sale_book *sale = judge_sale(judge, asked->what.sale);
	struct known_order *order;
	char id[UUID_TEXT_SIZE];

	if (answer->status != 202 || answer->order_count != 1) {
		judge_broken(judge, "wrong-answer", "a purchase of %s was answered %d with %u orders", asked->buyer,
			     answer->status, answer->order_count);
		return;
	}
	asked->order = told->id;
	order = told_order(judge, told);
	if (!order)
		return;
	if (!is_same(asked, order) || told->quantity != order->granted)
		judge_broken(judge, "wrong-answer",
			     "%s asked for %u units of lot %u with key '%s' and got order %s: %u units of lot %u, key '%s'",
			     asked->buyer, asked->what.units, asked->what.lot, asked->key, text_of(&told->id, id),
			     order->quantity, order->lot, order->key);
	if (told->hold_expires_at_ms != order->first_hold_expires_at_ms)
		judge_broken(judge, "wrong-answer", "order %s was told as held until %lld; the log has %lld", text_of(&told->id, id),
			     (long long)told->hold_expires_at_ms, (long long)order->first_hold_expires_at_ms);
	if (strcmp(told->state, sale && sale->terms.hold_seconds ? "held" : "confirmed") != 0)
		judge_broken(judge, "wrong-answer", "order %s was told as %s when it was bought", text_of(&told->id, id), told->state);
	if (order->granted_from_ns > asked->ended_ns)
		order->granted_from_ns = asked->invoked_ns;
	if (order->first_hold_expires_at_ms)
		heard(judge, order,
		      &(struct history_order){.id = told->id, .state = "held", .hold_expires_at_ms = told->hold_expires_at_ms});
	else
		order->told = order->told_confirmed = true;
	judge_replay(judge, order, asked);
}

/* Refused for good: nothing may have come of it. */
static void judge_refused_purchase(struct judge *judge, const struct asked *asked)
{
	for (uint32_t i = 0; i < judge->order_count; i++)
		if (!judge->orders[i].is_void && is_same(asked, &judge->orders[i]))
			judge_match(judge, &judge->orders[i]);
}

/*
 * The key of a purchase that the log has is known, with what was bought then: it is no other
 * request's, whatever its order has given back since.
 */
static void judge_known_purchase(struct judge *judge, const struct asked *asked)
{
	char id[UUID_TEXT_SIZE];

	for (uint32_t i = 0; i < judge->order_count && asked->key[0]; i++) {
		const struct known_order *order = &judge->orders[i];

		if (order->is_void || order->logged_ns >= asked->invoked_ns || !is_same(asked, order))
			continue;
		judge_broken(judge, "key-forgotten", "key %s of %s has brought order %s at %.6f s, and was answered %d %s", asked->key,
			     asked->buyer, text_of(&order->id, id), (double)order->logged_ns / 1e9, asked->status, asked->code);
	}
}

/* At some instant from what the gate may have known to the answer the lot had not so many. */
static void judge_sold_out(struct judge *judge, const struct asked *asked)
{
	const struct lot_book *lot = judge_lot(judge, asked->what.sale, asked->what.lot);
	int64_t since = judge_known_since(judge, asked->what.node, asked->invoked_ns);
	int64_t least = lot ? judge_least_available(judge, lot, since, judge->now_ns) : -1;

	if (least >= (int64_t)asked->what.units)
		judge_broken(judge, "dishonest-410",
			     "%s asked for %u units of sale %u lot %u at %.6f s and heard that it is sold out; since %.6f s it had %lld or more",
			     asked->buyer, asked->what.units, asked->what.sale, asked->what.lot, (double)asked->invoked_ns / 1e9,
			     (double)since / 1e9, (long long)least);
}

static void judge_settled(struct judge *judge, const struct asked *asked, const struct history_answer *answer)
{
	const struct history_order *told = answer->orders;
	struct known_order *order;
	char id[UUID_TEXT_SIZE];
	bool right = false;

	if (answer->order_count != 1) {
		judge_broken(judge, "wrong-answer", "a settlement was answered %d with %u orders", answer->status,
			     answer->order_count);
		return;
	}
	order = told_order(judge, told);
	if (!order)
		return;
	heard(judge, order, told);
	switch (asked->what.kind) {
	case HISTORY_CONFIRM:
		right = order->confirmed && (uuid_equal(&told->id, &asked->what.order) || asked_confirms_late(asked, order));
		judge_payment_done(judge, asked, order, told);
		break;
	case HISTORY_CANCEL:
		right = (order->cancelled || order->refunded) && uuid_equal(&told->id, &asked->what.order);
		if (right && judge->now_ns < order->freed_told_ns)
			order->freed_told_ns = judge->now_ns;
		judge_refund(judge, asked);
		break;
	case HISTORY_EXTEND:
		right = order->hold_expires_at_ms >= told->hold_expires_at_ms && uuid_equal(&told->id, &asked->what.order);
		break;
	case HISTORY_REDUCE:
		right = uuid_equal(&told->id, &asked->what.order);
		judge_reduced(judge, asked, order, told);
		break;
	default:
		break;
	}
	if (!right)
		judge_broken(judge, "p2-not-durable", "a settlement (%d) of order %s was told as done, and the log does not have it",
			     (int)asked->what.kind, text_of(&told->id, id));
}

/* The hold of an order was over, says an answer. */
static void judge_hold_expired(struct judge *judge, const struct asked *asked)
{
	const struct known_order *order = judge_order(judge, &asked->what.order);
	char id[UUID_TEXT_SIZE];

	if (order && judge_wall_ms(judge) + judge->ahead_ms + judge->jumps_ms < order->told_hold_ms && order->life != LIFE_CANCELLED)
		judge_broken(judge, "hold-early", "order %s was told as expired %lld ms before the moment that was told",
			     text_of(&order->id, id), (long long)(order->told_hold_ms - judge_wall_ms(judge)));
}

/* Whether an earlier request was this one, and was done. */
static bool was_told_before(const struct judge *judge, const struct asked *asked)
{
	for (const struct asked *its = judge->asked; asked->key[0] && its < asked; its++)
		if (its->what.kind == asked->what.kind && its->what.sale == asked->what.sale && its->what.lot == asked->what.lot &&
		    strcmp(its->key, asked->key) == 0 && strcmp(its->actor, asked->actor) == 0 && is_done(its))
			return true;
	return false;
}

/* What an operator heard that was withdrawn, each request once. */
static void judge_withdrawn(struct judge *judge, const struct asked *asked)
{
	const struct lot_book *lot = judge_lot(judge, asked->what.sale, asked->what.lot);
	int64_t told = 0;

	for (uint32_t i = 0; lot && i < judge->asked_count; i++) {
		const struct asked *its = &judge->asked[i];

		if (its->what.kind == HISTORY_WITHDRAW && is_done(its) && !its->replayed && its->what.sale == asked->what.sale &&
		    its->what.lot == asked->what.lot && !was_told_before(judge, its))
			told += its->units;
	}
	if (lot && told > lot->withdrawn)
		judge_broken(judge, "p2-not-durable", "sale %u lot %u: %lld units were told as withdrawn, and the log has %lld",
			     asked->what.sale, asked->what.lot, (long long)told, (long long)lot->withdrawn);
}

/*
 * An earlier release that nobody has an answer to may come into force at any time.
 */
static void stopped(struct judge *judge, const struct asked *asked)
{
	struct sale_book *sale = judge_sale(judge, asked->what.sale);

	if (!sale || asked->replayed)
		return;
	for (uint32_t i = 0; i < judge->asked_count; i++) {
		const struct asked *its = &judge->asked[i];

		if ((its->what.kind == HISTORY_RESUME || its->what.kind == HISTORY_OPEN) && its->what.sale == asked->what.sale &&
		    (its->end != ASKED_ANSWERED || its->ended_ns >= asked->invoked_ns || says(its, "outcome-unknown")))
			return;
	}
	if (asked->status == 202)
		sale->taken_ns = judge->now_ns;
	else
		sale->paused_ns = judge->now_ns;
}

/* What somebody has bought from is no draft again. */
static void judge_disarmed(struct judge *judge, const struct asked *asked)
{
	char id[UUID_TEXT_SIZE];

	for (uint32_t i = 0; i < judge->order_count && !asked->replayed; i++) {
		const struct known_order *order = &judge->orders[i];

		if (order->sale == asked->what.sale && !order->is_void && order->logged_ns < asked->invoked_ns)
			judge_broken(judge, "disarmed-sold", "sale %u was told as disarmed, and the log had order %s at %.6f s",
				     asked->what.sale, text_of(&order->id, id), (double)order->logged_ns / 1e9);
	}
}

static void judge_read(struct judge *judge, const struct history_answer *answer)
{
	for (uint32_t i = 0; i < answer->order_count; i++) {
		struct known_order *order = told_order(judge, &answer->orders[i]);

		if (order)
			heard(judge, order, &answer->orders[i]);
	}
}

static void done(struct judge *judge, struct asked *asked, const struct history_answer *answer)
{
	switch (asked->what.kind) {
	case HISTORY_BUY:
		judge_bought(judge, asked, answer);
		break;
	case HISTORY_CONFIRM:
	case HISTORY_CANCEL:
	case HISTORY_EXTEND:
	case HISTORY_REDUCE:
		judge_settled(judge, asked, answer);
		break;
	case HISTORY_WITHDRAW:
		judge_withdrawn(judge, asked);
		break;
	case HISTORY_PAUSE:
		stopped(judge, asked);
		break;
	case HISTORY_DISARM:
		judge_disarmed(judge, asked);
		break;
	case HISTORY_READ_ORDER:
	case HISTORY_READ_ORDERS:
		judge_read(judge, answer);
		break;
	default:
		break;
	}
}

void history_answer(struct judge *judge, uint32_t number, const struct history_answer *answer)
{
	struct asked *asked = &judge->asked[number];

	ASSERT(number < judge->asked_count);
	ASSERT(asked->end == ASKED_OPEN);
	asked->end = ASKED_ANSWERED;
	asked->ended_ns = judge->now_ns;
	asked->status = answer->status;
	asked->replayed = answer->replayed;
	asked->units = answer->units;
	asked->body = answer->body;
	judge_copy(asked->code, sizeof(asked->code), answer->code);
	if (is_done(asked))
		judge_version(judge, asked, answer);
	if (is_done(asked))
		done(judge, asked, answer);
	else if (asked->what.kind == HISTORY_BUY && asked_effect(asked) == EFFECT_NONE) {
		if (says(asked, "sold-out"))
			judge_sold_out(judge, asked);
		if (says(asked, "sale-not-open"))
			judge_not_open(judge, asked);
		if (says(asked, "rate-limited"))
			judge_rate_limited(judge, asked);
		if (says(asked, "idempotency-key-reused"))
			judge_known_purchase(judge, asked);
		judge_refused_purchase(judge, asked);
	} else if (asked->what.kind == HISTORY_CONFIRM)
		judge_payment_refused(judge, asked, answer);
	if (says(asked, "hold-expired"))
		judge_hold_expired(judge, asked);
	else if (asked->what.kind == HISTORY_CONFIRM && asked_effect(asked) == EFFECT_NONE && asked->status < 500)
		judge_known_confirm(judge, asked);
}
