#include "workers/promise_watch.h"

#include <stdlib.h>
#include "base/log.h"
#include "base/pause.h"
#include "base/thread.h"

static const int64_t LOOK_NS = 2000000000;

enum {
	LOOKS_PER_COUNT = 300, /* payments are counted every ten minutes: all of them are looked at */
	DEAD_PAGE = 32,
	LOTS_SHOWN = 64, /* unequal lots that are counted: one is too many */
};

struct promise_watch {
	struct ledger *ledger;
	struct promises *promises;
	struct thread thread;
	struct pause rest;
	struct ledger_dead_letter dead[DEAD_PAGE];
	struct ledger_unequal_lot lots[LOTS_SHOWN], known[LOTS_SHOWN];
	size_t known_count;
	unsigned looks;
};

int promise_watch_new(struct promise_watch **out, struct ledger *ledger, struct promises *promises)
{
	struct promise_watch *watch = calloc(1, sizeof(*watch));

	if (!watch)
		return error_origin(-ENOMEM);
	watch->ledger = ledger;
	watch->promises = promises;
	pause_init(&watch->rest);
	*out = watch;
	return 0;
}

/* --- Dead letters --- */

/* 0 or negative. */
static int count_dead_purchases(struct promise_watch *watch, uint64_t *purchases)
{
	struct ledger *ledger = watch->ledger;
	int64_t after = 0;
	size_t count;
	int r;

	*purchases = 0;
	do {
		r = ledger->ops->dead_letters(ledger, after, watch->dead, DEAD_PAGE, &count);
		for (size_t i = 0; r == 0 && i < count; i++) {
			after = watch->dead[i].number;
			*purchases += event_may_be_purchase(slice_of(watch->dead[i].event));
			free(watch->dead[i].event);
		}
	} while (r == 0 && count == DEAD_PAGE && !pause_ended(&watch->rest));
	return r;
}

static void look_at_dead_letters(struct promise_watch *watch)
{
	uint64_t count;

	if (count_dead_purchases(watch, &count) < 0 || pause_ended(&watch->rest) ||
	    !promises_set_dead_purchases(watch->promises, count))
		return;
	if (count)
		log_error("promises", "A PROMISE IS BROKEN: dead letters may be purchases that were told; see penstock replay",
			  LOG_TEXT("promise", promise_name(PROMISE_NEVER_LOST)), LOG_INT("dead_letters", (int64_t)count));
	else
		log_info("promises", "every dead letter that may be a purchase was replayed or forgotten");
}

/* --- What was armed --- */

static bool is_known(const struct promise_watch *watch, const struct ledger_unequal_lot *lot)
{
	for (size_t i = 0; i < watch->known_count; i++)
		if (watch->known[i].epoch == lot->epoch && strcmp(watch->known[i].sale_id, lot->sale_id) == 0 &&
		    strcmp(watch->known[i].sku, lot->sku) == 0)
			return true;
	return false;
}

static void say_unequal(const struct ledger_unequal_lot *lot, enum promise promise)
{
	log_error("promises", "A PROMISE IS BROKEN: the stock was armed with other units than the ledger has at the barrier",
		  LOG_TEXT("promise", promise_name(promise)), LOG_TEXT("sale", lot->sale_id), LOG_TEXT("sku", lot->sku),
		  LOG_INT("epoch", lot->epoch), LOG_INT("armed_held", lot->armed_held),
		  LOG_INT("armed_confirmed", lot->armed_confirmed), LOG_INT("armed_withdrawn", lot->armed_withdrawn),
		  LOG_INT("ledger_held", lot->held), LOG_INT("ledger_confirmed", lot->confirmed),
		  LOG_INT("ledger_withdrawn", lot->withdrawn));
}

static void look_at_armed_lots(struct promise_watch *watch)
{
	struct ledger *ledger = watch->ledger;
	uint64_t oversold = 0;
	size_t count;

	if (ledger->ops->lots_unequal(ledger, watch->lots, LOTS_SHOWN, &count) < 0)
		return;
	for (size_t i = 0; i < count; i++) {
		bool more = ledger_lot_oversold(&watch->lots[i]);

		oversold += more;
		if (!is_known(watch, &watch->lots[i]))
			say_unequal(&watch->lots[i], more ? PROMISE_NEVER_OVERSOLD : PROMISE_NEVER_LEAKED);
	}
	if (count == 0 && watch->known_count)
		log_info("promises", "every lot was armed anew with what the ledger has");
	memcpy(watch->known, watch->lots, count * sizeof(watch->lots[0]));
	watch->known_count = count;
	promises_set_unequal_lots(watch->promises, oversold, count - oversold);
}

/* --- Payments --- */

static void look_at_payments(struct promise_watch *watch)
{
	int64_t shared;

	if (watch->ledger->ops->payments_shared(watch->ledger, &shared) < 0)
		return;
	if (promises_set_shared_payments(watch->promises, (uint64_t)shared) && shared)
		log_warn("promises",
			 "payments are told for several orders: somebody has paid once for two; see GET /v1/orders?payment=",
			 LOG_INT("payments", shared));
}

void promise_watch_look(struct promise_watch *watch)
{
	look_at_dead_letters(watch);
	look_at_armed_lots(watch);
	if (watch->looks++ % LOOKS_PER_COUNT == 0)
		look_at_payments(watch);
}

static void promise_watch_run(void *argument)
{
	struct promise_watch *watch = argument;

	do
		promise_watch_look(watch);
	while (pause_rest(&watch->rest, LOOK_NS));
}

int promise_watch_start(struct promise_watch *watch)
{
	return thread_start(&watch->thread, "promises", promise_watch_run, watch);
}

void promise_watch_stop(struct promise_watch *watch)
{
	pause_end(&watch->rest);
	thread_join(&watch->thread);
}

void promise_watch_free(struct promise_watch *watch)
{
	if (!watch)
		return;
	promise_watch_stop(watch);
	pause_deinit(&watch->rest);
	free(watch);
}
