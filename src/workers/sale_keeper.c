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
/* Who reaches nothing for so long does not stand: a service that starts again is not worth an election. */
static const int64_t UNFIT_NS = 3000000000;

struct sale_keeper {
	struct sale_keeper_settings settings;
	struct thread thread;
	struct pause rest;
	int64_t next_elect_ns, fit_ns; /* when it will be asked next; when all that caring needs was last there */
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
	atomic_init(&keeper->elected, !settings->shared);
	metrics_reader(settings->metrics, "gauge", "penstock_elected", "1 where this process cares for the sales of its ledger.",
		       NULL, read_elected, &keeper->elected);
	*out = keeper;
	return 0;
}

/* The ledger is not asked about: who does not reach it is not elected by it. */
static bool is_candidate(struct sale_keeper *keeper, int64_t now_ns)
{
	struct stock *stock = keeper->settings.stock;
	struct journal *journal = keeper->settings.journal;
	const char *reason;

	if (stock->ops->health(stock, &reason) == 0 && (journal->ops->in_ledger || journal->ops->health(journal, &reason) == 0))
		keeper->fit_ns = now_ns;
	return now_ns - keeper->fit_ns < UNFIT_NS;
}

static void elect(struct sale_keeper *keeper, int64_t now_ns)
{
	struct ledger *ledger = keeper->settings.ledger;
	bool before = atomic_load(&keeper->elected), elected;
	int r;

	if (now_ns < keeper->next_elect_ns)
		return;
	keeper->next_elect_ns = now_ns + ELECT_NS;
	r = ledger->ops->elect(ledger, is_candidate(keeper, now_ns));
	elected = r == LEDGER_DONE;
	atomic_store(&keeper->elected, elected);
	if (r < 0 && before)
		log_warn("sales", "this process cannot care for the sales now: the ledger does not answer",
			 LOG_TEXT("error", error_text(r)));
	else if (elected != before)
		log_info("sales", elected ? "this process cares for the sales now" : "another process cares for the sales now");
}

static int turn(struct sale_keeper *keeper)
{
	const struct sale_keeper_settings *settings = &keeper->settings;
	int64_t wall_ms = clock_wall_ms();
	int r = 0, followed = 0;

	if (settings->shared) {
		followed = catalog_follow(settings->ledger, settings->stock, settings->catalog, wall_ms - settings->retention_ms,
					  &keeper->settings.change);
		elect(keeper, clock_mono_ns());
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
