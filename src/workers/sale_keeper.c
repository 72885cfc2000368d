#include "workers/sale_keeper.h"

#include <stdlib.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/pause.h"
#include "base/thread.h"
#include "recovery/catalog_load.h"

static const int64_t TURN_NS = 20000000; /* opening times are exact by the gates' own clocks; this is how soon the rest follows */
static const int64_t RECALL_NS = 1000000000; /* how often what the stock has kept is looked at while the ledger is away */

struct sale_keeper {
	struct sale_keeper_settings settings;
	struct thread thread;
	struct pause rest;
	int64_t next_recall_ns;
	bool unfit; /* the ledger that was reached at last is another */
	int logged_error;
};

int sale_keeper_new(struct sale_keeper **out, const struct sale_keeper_settings *settings)
{
	struct sale_keeper *keeper = calloc(1, sizeof(*keeper));

	if (!keeper)
		return error_origin(-ENOMEM);
	keeper->settings = *settings;
	pause_init(&keeper->rest);
	*out = keeper;
	return 0;
}

/*
 * Sales that nobody sells any more: they are of another version of the stock's functions, whose
 * last process has gone.
 */
static void take_over(struct sale_keeper *keeper)
{
	struct stock *stock = keeper->settings.stock;

	if (leadership_held(keeper->settings.leadership) && stock_sellers(stock) == STOCK_SELLERS_NONE)
		(void)!stock->ops->take_over(stock); /* if not now, then with the next turn */
}

/* Another ledger than the stock was sold by: nothing is, until somebody has put that right. */
static void sell_nothing(struct sale_keeper *keeper)
{
	if (!keeper->unfit)
		log_error("sales",
			  "this gate sells nothing: the ledger is not the one of what the stock has armed. Set it right, and restart");
	keeper->unfit = true;
	(void)!sale_catalog_remove_recalled(keeper->settings.catalog);
}

/*
 * For the first time, and as a whole: what was recalled and is not there is taken out. 0 or
 * negative.
 */
static int hear_ledger(struct sale_keeper *keeper, int64_t live_since_ms)
{
	struct sale_keeper_settings *settings = &keeper->settings;
	int r = keeper->unfit ? -EINVAL : settings->meet_ledger(settings->context);

	if (r == -EINVAL)
		sell_nothing(keeper);
	if (r == 0)
		r = catalog_load(settings->ledger, settings->stock, settings->catalog, live_since_ms, &settings->change);
	if (r == 0)
		r = sale_catalog_remove_recalled(settings->catalog);
	if (r < 0)
		return r;
	sale_catalog_set_whole(settings->catalog, true);
	settings->meet_ledger = NULL;
	log_info("sales", "the ledger has been reached: its word counts from now on");
	return 0;
}

/* While the ledger cannot be asked. */
static void recall(struct sale_keeper *keeper, int64_t now_ns)
{
	if (now_ns < keeper->next_recall_ns || keeper->unfit)
		return;
	keeper->next_recall_ns = now_ns + RECALL_NS;
	(void)!catalog_recall_all(keeper->settings.stock, keeper->settings.catalog);
}

static int follow(struct sale_keeper *keeper, int64_t wall_ms)
{
	struct sale_keeper_settings *settings = &keeper->settings;
	int64_t live_since_ms = wall_ms - settings->retention_ms;
	int r = settings->meet_ledger
			? hear_ledger(keeper, live_since_ms)
			: catalog_follow(settings->ledger, settings->stock, settings->catalog, live_since_ms, &settings->change);

	if (r < 0)
		recall(keeper, clock_mono_ns());
	return r;
}

static int turn(struct sale_keeper *keeper)
{
	const struct sale_keeper_settings *settings = &keeper->settings;
	int64_t wall_ms = clock_wall_ms();
	int r = 0, followed = 0;

	if (settings->shared) {
		followed = follow(keeper, wall_ms);
		leadership_renew(settings->leadership, clock_mono_ns());
		take_over(keeper);
	}
	r = sale_control_care(sale_turn_take(settings->sales), wall_ms, leadership_held(settings->leadership));
	sale_turn_end(settings->sales);
	return followed ? followed : r;
}

static const char *why(int r)
{
	if (r < 0)
		return error_text(r);
	switch (r) {
	case SALE_CONTROL_STOCK_AWAY:
		return "the stock cannot be used";
	case SALE_CONTROL_JOURNAL_AWAY:
		return "the journal cannot be used";
	}
	return "refused";
}

static void sale_keeper_run(void *argument)
{
	struct sale_keeper *keeper = argument;

	while (!pause_ended(&keeper->rest)) {
		int r = turn(keeper);

		if (r && r != keeper->logged_error)
			log_warn("sales", "sales cannot be cared for now", LOG_TEXT("error", why(r)), LOG_INT("code", r));
		keeper->logged_error = r;
		(void)pause_rest(&keeper->rest, TURN_NS);
	}
}

int sale_keeper_start(struct sale_keeper *keeper)
{
	return thread_start(&keeper->thread, "sales", sale_keeper_run, keeper);
}

void sale_keeper_stop(struct sale_keeper *keeper)
{
	pause_end(&keeper->rest);
	thread_join(&keeper->thread);
}

void sale_keeper_free(struct sale_keeper *keeper)
{
	if (!keeper)
		return;
	sale_keeper_stop(keeper);
	pause_deinit(&keeper->rest);
	free(keeper);
}
