/*
 * How things stand when faults have been over for a minute: what lies in the services must be one
 * and the same.
 */
#include "simulation/judge/judge_state.h"

#include <stdio.h>
#include <string.h>

static void judge_sums(struct judge *judge, const struct history_rest *rest, uint32_t place)
{
	const struct history_rest_lot *lot = &rest->lots[place];
	const struct lot_book *book = judge_lot(judge, rest->sale, place);
	int64_t free_units = lot->allocated - lot->held - lot->confirmed - lot->withdrawn;

	if (lot->allocated != lot->moved_allocated || lot->held != lot->moved_held || lot->confirmed != lot->moved_confirmed ||
	    lot->withdrawn != lot->moved_withdrawn)
		judge_broken(judge, "p4-rest",
			     "sale %u lot %u: the ledger has %lld allocated, %lld held, %lld confirmed, %lld withdrawn; its "
			     "movements add up to %lld, %lld, %lld, %lld",
			     rest->sale, place, (long long)lot->allocated, (long long)lot->held, (long long)lot->confirmed,
			     (long long)lot->withdrawn, (long long)lot->moved_allocated, (long long)lot->moved_held,
			     (long long)lot->moved_confirmed, (long long)lot->moved_withdrawn);
	if (lot->held + lot->confirmed != book->live || lot->withdrawn != book->withdrawn)
		judge_broken(judge, "p4-rest",
			     "sale %u lot %u: the ledger has %lld units in live orders and %lld withdrawn, the log %lld and %lld",
			     rest->sale, place, (long long)(lot->held + lot->confirmed), (long long)lot->withdrawn,
			     (long long)book->live, (long long)book->withdrawn);
	if (rest->armed && (lot->stock.available != free_units || lot->stock.held != lot->held || lot->stock.confirmed != lot->confirmed ||
			    lot->stock.withdrawn != lot->withdrawn || lot->stock.allocated != lot->allocated))
		judge_broken(judge, "p4-rest",
			     "sale %u lot %u: the stock has %lld available, %lld held, %lld confirmed, %lld withdrawn of %lld; "
			     "the ledger %lld, %lld, %lld, %lld of %lld",
			     rest->sale, place, (long long)lot->stock.available, (long long)lot->stock.held,
			     (long long)lot->stock.confirmed, (long long)lot->stock.withdrawn, (long long)lot->stock.allocated,
			     (long long)free_units, (long long)lot->held, (long long)lot->confirmed, (long long)lot->withdrawn,
			     (long long)lot->allocated);
}

static const char *name_of(enum order_life life)
{
	static const char *const names[] = {
		[LIFE_HELD] = "held", [LIFE_CONFIRMED] = "confirmed", [LIFE_CANCELLED] = "cancelled", [LIFE_EXPIRED] = "expired"};

	return names[life];
}

/* Every order of the log is in the ledger as the log has it, and no other. */
static void judge_orders(struct judge *judge, const struct history_rest *rest)
{
	char id[UUID_TEXT_SIZE];
	uint32_t known = 0;

	for (uint32_t i = 0; i < rest->order_count; i++) {
		const struct history_rest_order *row = &rest->orders[i];
		const struct known_order *order = judge_order(judge, &row->id);

		uuid_format(&row->id, id);
		if (!order || order->is_void)
			judge_broken(judge, "p4-rest", "the ledger has order %s of %s, and the log %s", id, row->buyer,
				     order ? "has it behind a barrier" : "does not have it");
		else if (strcmp(row->state, name_of(order->life)) != 0 || row->lot != order->lot || row->quantity != order->quantity ||
			 strcmp(row->buyer, order->buyer) != 0 || strcmp(row->key, order->key) != 0)
			judge_broken(judge, "p4-rest",
				     "order %s is %s in the ledger: %u of lot %u, %s, key '%s'; in the log %s: %u of lot %u, %s, key '%s'",
				     id, row->state, row->quantity, row->lot, row->buyer, row->key, name_of(order->life),
				     order->quantity, order->lot, order->buyer, order->key);
		else if (strcmp(row->payment, order->paid) != 0)
			judge_broken(judge, "payment-lost", "order %s is paid with '%s' in the ledger, and with '%s' in the log",
				     id, row->payment, order->paid);
		else if (row->actor[0] && (strcmp(row->actor, order->actor) != 0 || strcmp(row->reason, order->reason) != 0))
			judge_broken(judge, "who-lost",
				     "order %s was changed last by %s because of '%s' in the ledger, and by %s because of '%s' in the log",
				     id, row->actor, row->reason, order->actor, order->reason);
	}
	for (uint32_t i = 0; i < judge->order_count; i++)
		known += judge->orders[i].sale == rest->sale && !judge->orders[i].is_void;
	if (known != rest->order_count)
		judge_broken(judge, "p2-lost", "sale %u: the log has %u orders, and the ledger %u", rest->sale, known,
			     rest->order_count);
}

/* --- Holds have ended --- */

/* By the clock that is furthest behind. */
static bool is_long_over(const struct judge *judge, const struct known_order *order)
{
	int64_t latest_ms = judge_wall_ms(judge) - judge->behind_ms - judge->jumps_ms - judge->terms.rest_ms;

	return judge->terms.rest_ms && order->life == LIFE_HELD && !order->is_void && order->hold_expires_at_ms < latest_ms;
}

bool judge_has_late_holds(const struct judge *judge, uint32_t sale)
{
	for (uint32_t i = 0; i < judge->order_count; i++)
		if (judge->orders[i].sale == sale && is_long_over(judge, &judge->orders[i]))
			return true;
	return false;
}

static void judge_ended(struct judge *judge, const struct history_rest *rest)
{
	char id[UUID_TEXT_SIZE];

	for (uint32_t i = 0; rest->armed && i < judge->order_count; i++) {
		const struct known_order *order = &judge->orders[i];

		if (order->sale != rest->sale || !is_long_over(judge, order))
			continue;
		uuid_format(&order->id, id);
		judge_broken(judge, "hold-for-ever", "order %s of %s was held until %lld ms ago, and is still held at the end",
			     id, order->buyer, (long long)(judge_wall_ms(judge) - order->hold_expires_at_ms));
	}
}

/* --- Who acted is logged --- */

static uint32_t rows_of(const struct history_rest *rest, const char *action, const char *subject, const char *actor)
{
	uint32_t rows = 0;

	for (uint32_t i = 0; i < rest->log_count; i++)
		rows += strcmp(rest->log[i].action, action) == 0 && strcmp(rest->log[i].subject, subject) == 0 &&
			(!actor || strcmp(rest->log[i].actor, actor) == 0);
	return rows;
}

/* A release may find that nothing is stopped: it has a row where it did something. */
static const char *action_of(enum history_kind kind)
{
	switch (kind) {
	case HISTORY_ADD:
		return "lot.add";
	case HISTORY_WITHDRAW:
		return "lot.withdraw";
	case HISTORY_ARM:
		return "sale.arm";
	case HISTORY_OPEN:
		return "sale.open";
	case HISTORY_PAUSE:
		return "sale.pause";
	case HISTORY_END:
		return "sale.end";
	case HISTORY_DISARM:
		return "sale.disarm";
	default:
		return NULL;
	}
}

/*
 * Each that moves units has a row of its own; what a sale is already has the row of who made it so.
 */
static bool is_counted(enum history_kind kind)
{
	return kind == HISTORY_ADD || kind == HISTORY_WITHDRAW;
}

static bool is_told(const struct asked *asked)
{
	return asked->what.actor && asked_effect(asked) == EFFECT_DONE && !asked->replayed;
}

/*
 * How many earlier requests were the same one, of the same operator, route and key, and may have
 * done something; and the first of them.
 */
static uint32_t count_earlier(const struct judge *judge, const struct asked *asked, const struct asked **first)
{
	uint32_t count = 0;

	for (const struct asked *its = judge->asked; asked->key[0] && its < asked; its++)
		if (its->what.kind == asked->what.kind && its->what.sale == asked->what.sale &&
		    its->what.lot == asked->what.lot && strcmp(its->actor, asked->actor) == 0 &&
		    strcmp(its->key, asked->key) == 0 && asked_effect(its) != EFFECT_NONE && count++ == 0)
			*first = its;
	return count;
}

/*
 * Whether an earlier request was the same one, and was done: what is told of it again needs no row.
 */
static bool was_done(const struct judge *judge, const struct asked *asked)
{
	for (const struct asked *its = judge->asked; asked->key[0] && its < asked; its++)
		if (is_told(its) && its->what.kind == asked->what.kind && its->what.sale == asked->what.sale &&
		    its->what.lot == asked->what.lot && strcmp(its->actor, asked->actor) == 0 && strcmp(its->key, asked->key) == 0)
			return true;
	return false;
}

/* What was told to this operator of the same kind, with this request the last: each key once. */
static uint32_t told_alike(const struct judge *judge, const struct asked *asked)
{
	uint32_t told = 0;

	for (uint32_t i = 0; i < judge->asked_count; i++) {
		const struct asked *its = &judge->asked[i];

		told += is_told(its) && its->what.kind == asked->what.kind && its->what.sale == asked->what.sale &&
			strcmp(its->actor, asked->actor) == 0 && (its->what.kind != HISTORY_WITHDRAW || its->units > 0) &&
			!was_done(judge, its);
	}
	return told;
}

/*
 * A stop lies in the stock until the ledger has heard of it, so a stock that was lost meanwhile may
 * have taken it along.
 */
static bool may_be_lost(const struct judge *judge, const struct asked *asked)
{
	return asked->what.kind == HISTORY_PAUSE && judge->stock_lost_ns >= asked->invoked_ns;
}

/* Whether somebody has let a sale go on, or may have, and not before the stop was asked for. */
static bool may_be_released(const struct judge *judge, const struct asked *stop)
{
	for (uint32_t i = 0; i < judge->asked_count; i++) {
		const struct asked *its = &judge->asked[i];
		const enum history_kind kind = its->what.kind;
		const enum asked_effect effect = asked_effect(its);

		if ((kind == HISTORY_RESUME || kind == HISTORY_OPEN || kind == HISTORY_ARM || kind == HISTORY_DISARM) &&
		    its->what.sale == stop->what.sale && effect != EFFECT_NONE &&
		    (effect == EFFECT_OPEN || its->ended_ns >= stop->invoked_ns))
			return true;
	}
	return false;
}

/*
 * A stop that is sent again with its key, where the stock has forgotten it and its release, stops
 * the sale anew, and is another one in the ledger: under one more request, so once. Its operator
 * may be told that it was done before, for the ledger may have the stop and not yet its release.
 */
static bool may_be_another(const struct judge *judge, const struct asked *asked)
{
	const struct asked *first = NULL;
	const uint32_t earlier = count_earlier(judge, asked, &first);

	return earlier == 0 || (earlier == 1 && may_be_lost(judge, first) && may_be_released(judge, first));
}

/* Each stop and each release is written down once, whoever does it. */
static void judge_twice(struct judge *judge, const struct sale_book *sale, const struct history_rest *rest,
			enum history_kind kind, const char *action)
{
	uint32_t asked = 0, rows = rows_of(rest, action, sale->id, NULL);

	for (uint32_t i = 0; i < judge->asked_count; i++) {
		const struct asked *its = &judge->asked[i];

		asked += its->what.kind == kind && its->what.sale == rest->sale && its->what.actor &&
			 asked_effect(its) != EFFECT_NONE && may_be_another(judge, its);
	}
	if (rows > asked)
		judge_broken(judge, "logged-twice", "%s of sale %s may have been done %u times, and the operator log has it %u times",
			     action, sale->id, asked, rows);
}

/*
 * What was never armed before is a draft already, and nobody has made it one. Who arms it meanwhile
 * may be behind that.
 */
static bool is_draft_already(const struct sale_book *sale, const struct asked *asked)
{
	return asked->what.kind == HISTORY_DISARM && (sale->armed_ns < 0 || sale->armed_ns >= asked->invoked_ns);
}

static void judge_operators(struct judge *judge, const struct sale_book *sale, const struct history_rest *rest)
{
	for (uint32_t i = 0; i < judge->asked_count; i++) {
		const struct asked *asked = &judge->asked[i];
		const char *action = action_of(asked->what.kind);
		uint32_t rows, told;

		if (!action || !is_told(asked) || asked->what.sale != rest->sale || may_be_lost(judge, asked) ||
		    is_draft_already(sale, asked))
			continue;
		rows = rows_of(rest, action, sale->id, is_counted(asked->what.kind) ? asked->actor : NULL);
		told = is_counted(asked->what.kind) ? told_alike(judge, asked) : 1;
		if (rows < told)
			judge_broken(judge, "not-logged",
				     "%s of sale %s was told to %s %u times, and the operator log has it %u times", action,
				     sale->id, asked->actor, told, rows);
	}
}

/* Orders: where an operator alone can have done it. */
static void judge_settlers(struct judge *judge, const struct history_rest *rest)
{
	char id[UUID_TEXT_SIZE];

	for (uint32_t i = 0; i < judge->order_count; i++) {
		const struct known_order *order = &judge->orders[i];

		if (order->sale != rest->sale || order->is_void)
			continue;
		uuid_format(&order->id, id);
		if (order->first_hold_expires_at_ms && order->confirmed && !rows_of(rest, "order.confirm", id, NULL))
			judge_broken(judge, "not-logged", "order %s was confirmed, and the operator log does not say by whom", id);
		if (order->paid_later && !rows_of(rest, "order.paid", id, NULL))
			judge_broken(judge, "not-logged", "order %s was paid, and the operator log does not say who has told so", id);
		if (order->refunded && !rows_of(rest, "order.refund", id, order->freed_by[0] ? order->freed_by : NULL))
			judge_broken(judge, "not-logged", "order %s was refunded by %s, and the operator log does not have it",
				     id, order->freed_by);
	}
}

void history_rest(struct judge *judge, const struct history_rest *rest)
{
	const struct sale_book *sale = judge_sale(judge, rest->sale);

	if (!sale)
		return;
	if (rest->dead_letters)
		judge_broken(judge, "dead-letter", "%u records could not be applied", rest->dead_letters);
	if (rest->outbox)
		judge_broken(judge, "outbox", "sale %u: %lld entries wait in the outbox or are on their way", rest->sale,
			     (long long)rest->outbox);
	judge_orders(judge, rest);
	judge_ended(judge, rest);
	for (uint32_t place = 0; place < sale->terms.lot_count; place++)
		judge_sums(judge, rest, place);
	judge_operators(judge, sale, rest);
	judge_twice(judge, sale, rest, HISTORY_PAUSE, "sale.pause");
	judge_twice(judge, sale, rest, HISTORY_RESUME, "sale.resume");
	judge_settlers(judge, rest);
}
