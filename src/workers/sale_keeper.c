#include "workers/sale_keeper.h"

#include <stdatomic.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/pause.h"
#include "base/thread.h"
#include "recovery/catalog_load.h"

static const int64_t TURN_NS = 20000000; /* opening times are exact by the gates' own clocks; this is how soon the rest follows */
static const int64_t ELECT_NS = 1000000000; /* how often the election is asked about */
static const int64_t SOON_NS = 100000000;   /* the same, while nobody sells: what was left waits for who is elected */
/* Who reaches nothing for so long does not stand: a service that starts again is not worth an election. */
static const int64_t UNFIT_NS = 3000000000;

static const int64_t RECALL_NS = 1000000000; /* how often what the stock has kept is looked at while the ledger is away */

struct sale_keeper {
	struct sale_keeper_settings settings;
	struct thread thread;
	struct pause rest;
	int64_t next_recall_ns;
	bool unfit;               /* the ledger that was reached at last is another */
	int64_t asked_ns, fit_ns; /* when the election was asked about last; when all that caring needs was last there */
	atomic_bool elected;
	int logged_error;
};

static double read_elected(void *context)
{
	return atomic_load((atomic_bool *)context);
}

int sale_keeper_new(struct sale_keeper **out, const struct sale_keeper_settings *settings)
{
	struct sale_keeper *keeper = calloc(1, sizeof(*keeper));

	if (!keeper)
		return error_origin(-ENOMEM);
	keeper->settings = *settings;
	pause_init(&keeper->rest);
	keeper->fit_ns = clock_mono_ns();
	keeper->asked_ns = keeper->fit_ns - ELECT_NS;
	atomic_init(&keeper->elected, !settings->shared);
	metrics_reader(settings->metrics, "gauge", "penstock_elected", "1 where this process cares for the sales of its ledger.",
		       NULL, read_elected, &keeper->elected);
	*out = keeper;
	return 0;
}

/* Sales that nobody sells any more: they are of another version of the stock's functions, whose last process has gone. */
static void take_over(struct sale_keeper *keeper)
{
	struct stock *stock = keeper->settings.stock;

	if (atomic_load(&keeper->elected) && stock_sellers(stock) == STOCK_SELLERS_NONE)
		(void)!stock->ops->take_over(stock); /* if not now, then with the next turn */
}

/* The ledger is not asked about: who does not reach it is not elected by it. */
static bool is_candidate(struct sale_keeper *keeper, int64_t now_ns)
{
	struct stock *stock = keeper->settings.stock;
	struct journal *journal = keeper->settings.journal;
	enum stock_sellers sellers = stock_sellers(stock);
	const char *reason;

	/* Who cares for the sales is one of those who sell: at once, for the next to sell wait for the last of these to go. */
	if (sellers == STOCK_SELLERS_OTHERS)
		return false;
	if ((sellers == STOCK_SELLERS_NONE || stock->ops->health(stock, &reason) == 0) &&
	    (journal->ops->in_ledger || journal->ops->health(journal, &reason) == 0))
		keeper->fit_ns = now_ns;
	return now_ns - keeper->fit_ns < UNFIT_NS;
}

static void elect(struct sale_keeper *keeper, int64_t now_ns)
{
	struct ledger *ledger = keeper->settings.ledger;
	bool before = atomic_load(&keeper->elected), elected;
	int64_t pace_ns = !before && stock_sellers(keeper->settings.stock) == STOCK_SELLERS_NONE ? SOON_NS : ELECT_NS;
	int r;

	if (now_ns - keeper->asked_ns < pace_ns)
		return;
	keeper->asked_ns = now_ns;
	r = ledger->ops->elect(ledger, is_candidate(keeper, now_ns));
	elected = r == LEDGER_DONE;
	atomic_store(&keeper->elected, elected);
	if (r < 0 && before)
		log_warn("sales", "this process cannot care for the sales now: the ledger does not answer",
			 LOG_TEXT("error", error_text(r)));
	else if (elected != before)
		log_info("sales", elected ? "this process cares for the sales now" : "another process cares for the sales now");
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

/* For the first time, and as a whole: what was recalled and is not there is taken out. 0 or negative. */
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
		elect(keeper, clock_mono_ns());
		take_over(keeper);
	}
	r = sale_control_care(sale_turn_take(settings->sales), wall_ms, atomic_load(&keeper->elected));
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

static void run(void *argument)
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
	return thread_start(&keeper->thread, "sales", run, keeper);
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
