/* The feed of what happened: true, in the order of each order, and without a gap. */
#include "simulation/judge/judge_state.h"

#include <string.h>

static const char *text_of(const struct uuid *id, char text[static UUID_TEXT_SIZE])
{
	uuid_format(id, text);
	return text;
}

static bool is_step(const struct known_order *order, const struct order_step *step, const struct history_change *change)
{
	return step->kind == change->kind &&
	       (step->kind != RECORD_EXTENDED || step->hold_expires_at_ms == change->hold_expires_at_ms) &&
	       (step->kind != RECORD_REDUCED || step->left == change->left) &&
	       (!step->pays || (change->payment && strcmp(change->payment, order->paid) == 0));
}

/*
 * A ledger that has another's backup gives the places of its changes to others, so what it tells
 * may have been told before.
 */
static bool is_told_again(const struct judge *judge, const struct known_order *order, const struct history_change *change)
{
	for (uint32_t i = 0; judge->restored && i < order->fed; i++)
		if (is_step(order, &order->steps[i], change))
			return true;
	return false;
}

static void told_movement(struct judge *judge, const struct history_change *change)
{
	char id[UUID_TEXT_SIZE];

	for (uint32_t i = 0; i < judge->movement_count; i++)
		if (uuid_equal(&judge->movements[i].id, &change->id)) {
			judge->movements[i].fed = true;
			return;
		}
	judge_broken(judge, "feed-untrue", "the feed tells of the withdrawal %s, and the log does not have it",
		     text_of(&change->id, id));
}

static const char *state_behind(const struct order_step *step)
{
	static const char *const names[] = {
		[LIFE_HELD] = "held", [LIFE_CONFIRMED] = "confirmed", [LIFE_CANCELLED] = "cancelled", [LIFE_EXPIRED] = "expired"};

	return names[step->life];
}

/* How the order is shown must be true, and no older than the change. */
static void told_order_now(struct judge *judge, const struct known_order *order, uint32_t step, const struct history_change *change)
{
	char id[UUID_TEXT_SIZE];

	if (change->state && strcmp(change->state, state_behind(&order->steps[step])) != 0)
		judge_broken(judge, "feed-untrue", "order %s was told as %s by its change %u, which has made it %s",
			     text_of(&change->id, id), change->state, step, state_behind(&order->steps[step]));
	for (uint32_t i = step; change->order && i < order->step_count; i++)
		if (strcmp(change->order->state, state_behind(&order->steps[i])) == 0 &&
		    change->order->quantity == order->steps[i].left)
			return;
	if (change->order)
		judge_broken(judge, "feed-untrue", "order %s is shown as %s, of %u units, with its change %u, and was not so since",
			     text_of(&change->id, id), change->order->state, change->order->quantity, step);
}

void history_change(struct judge *judge, const struct history_change *change)
{
	struct known_order *order = change->kind == RECORD_WITHDRAWN ? NULL : judge_order(judge, &change->id);
	char id[UUID_TEXT_SIZE];

	if (change->kind == RECORD_WITHDRAWN) {
		told_movement(judge, change);
		return;
	}
	if (!order || order->is_void) {
		judge_broken(judge, "feed-untrue", "the feed tells of order %s (%d), which the log %s", text_of(&change->id, id),
			     (int)change->kind, order ? "has behind a barrier" : "does not have");
		return;
	}
	if (order->fed < order->step_count && is_step(order, &order->steps[order->fed], change))
		told_order_now(judge, order, order->fed++, change);
	else if (!is_told_again(judge, order, change))
		judge_broken(judge, "feed-order", "the feed tells of order %s (%d) as its change %u of %u; the log has (%d) there",
			     text_of(&change->id, id), (int)change->kind, order->fed, order->step_count,
			     order->fed < order->step_count ? (int)order->steps[order->fed].kind : 0);
}

void history_feed_again(struct judge *judge)
{
	for (uint32_t i = 0; i < judge->order_count; i++)
		judge->orders[i].fed = 0;
}

void history_feed_asked(struct judge *judge)
{
	for (uint32_t i = 0; i < judge->order_count; i++)
		judge->orders[i].due = judge->orders[i].step_count;
	for (uint32_t i = 0; i < judge->movement_count; i++)
		judge->movements[i].due = true;
}

void history_feed_end(struct judge *judge)
{
	char id[UUID_TEXT_SIZE];

	for (uint32_t i = 0; i < judge->order_count; i++) {
		const struct known_order *order = &judge->orders[i];

		if (!order->is_void && order->fed < order->due)
			judge_broken(judge, "feed-skipped", "order %s of sale %u: the feed has told %u of its %u changes",
				     text_of(&order->id, id), order->sale, order->fed, order->due);
	}
	for (uint32_t i = 0; i < judge->movement_count; i++)
		if (judge->movements[i].due && !judge->movements[i].fed)
			judge_broken(judge, "feed-skipped", "sale %u: the feed has not told of the withdrawal %s",
				     judge->movements[i].sale, text_of(&judge->movements[i].id, id));
}
