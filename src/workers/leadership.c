#include "workers/leadership.h"

#include <stdatomic.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/log.h"

static const int64_t ASK_NS = 1000000000; /* how often the ledger is asked */
static const int64_t SOON_NS = 100000000; /* the same, while nobody sells: what was left waits for a leader */
static const int64_t UNFIT_NS = 3000000000;

struct leadership {
	struct leadership_settings settings;
	_Atomic int64_t fit_ns; /* when all that caring needs was last there */
	int64_t asked_ns;
	atomic_bool held;
};

static double read_held(void *context)
{
	return atomic_load((atomic_bool *)context);
}

int leadership_new(struct leadership **out, const struct leadership_settings *settings)
{
	struct leadership *leadership = calloc(1, sizeof(*leadership));
	int64_t now_ns = clock_mono_ns();

	if (!leadership)
		return error_origin(-ENOMEM);
	leadership->settings = *settings;
	atomic_init(&leadership->fit_ns, now_ns);
	leadership->asked_ns = now_ns - ASK_NS;
	atomic_init(&leadership->held, !settings->shared);
	metrics_reader(settings->metrics, "gauge", "penstock_elected", "1 where this process cares for the sales of its ledger.",
		       NULL, read_held, &leadership->held);
	*out = leadership;
	return 0;
}

void leadership_free(struct leadership *leadership)
{
	free(leadership);
}

bool leadership_held(const struct leadership *leadership)
{
	return atomic_load(&leadership->held);
}

static bool is_candidate(struct leadership *leadership, int64_t now_ns)
{
	struct stock *stock = leadership->settings.stock;
	struct journal *journal = leadership->settings.journal;
	enum stock_sellers sellers = stock_sellers(stock);
	const char *reason;

	/*
	 * Who cares for the sales is one of those who sell: at once, for the next to sell wait for
	 * the last of these to go.
	 */
	if (sellers == STOCK_SELLERS_OTHERS)
		return false;
	if ((sellers == STOCK_SELLERS_NONE || stock->ops->health(stock, &reason) >= 0) &&
	    (journal->ops->in_ledger || journal->ops->health(journal, &reason) == 0))
		atomic_store(&leadership->fit_ns, now_ns);
	return now_ns - atomic_load(&leadership->fit_ns) < UNFIT_NS;
}

static int ask(struct leadership *leadership, int64_t now_ns)
{
	struct ledger *ledger = leadership->settings.ledger;
	int r = ledger->ops->elect(ledger, is_candidate(leadership, now_ns));
	bool held = r == LEDGER_DONE, before = atomic_exchange(&leadership->held, held);

	if (r < 0 && before)
		log_warn("sales", "this process cannot care for the sales now: the ledger does not answer",
			 LOG_TEXT("error", error_text(r)));
	else if (held != before)
		log_info("sales", held ? "this process cares for the sales now" : "another process cares for the sales now");
	return r;
}

void leadership_renew(struct leadership *leadership, int64_t now_ns)
{
	bool soon = !leadership_held(leadership) && stock_sellers(leadership->settings.stock) == STOCK_SELLERS_NONE;

	if (now_ns - leadership->asked_ns < (soon ? SOON_NS : ASK_NS))
		return;
	leadership->asked_ns = now_ns;
	(void)!ask(leadership, now_ns);
}

int leadership_claim(struct leadership *leadership)
{
	return ask(leadership, clock_mono_ns());
}
