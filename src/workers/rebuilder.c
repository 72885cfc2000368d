#include "workers/rebuilder.h"

#include <stdlib.h>
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/thread.h"
#include "recovery/catch_up.h"
#include "recovery/rebuild.h"

enum {
	SALES_MAX = 4096,         /* in one round; more wait for the next */
	SAY_AGAIN_NS = 5000000000 /* how often a wait that lasts is said again */
};

const struct rebuilder_pace rebuilder_pace_usual = {
	.gather_ns = 200000000,
	.margin_ns = 500000000,
	.poll_ns = 50000000,
	.pause_ns = 1000000000,
};

struct rebuilder {
	struct rebuilder_settings settings;
	struct thread thread;
	struct rebuild_progress progress;
	struct catch_up mark; /* where the journal ended when the round began */
	uint32_t numbers[SALES_MAX];
	size_t count;
	void *popped[SALES_MAX];
	struct lane *rest; /* nothing is ever in it: waiting there is a rest that a stop ends */
};

const char *rebuild_phase_name(enum rebuild_phase phase)
{
	static const char *const names[] = {
		[REBUILD_IDLE] = "idle",
		[REBUILD_CATCHING_UP] = "waiting for the ledger to have what the journal has",
		[REBUILD_BEGUN] = "waiting until older grants can be told no more",
		[REBUILD_BARRIER] = "waiting for the journal to take the barrier",
		[REBUILD_DRAINING] = "waiting for the drain",
		[REBUILD_LOADING] = "loading orders",
	};

	return names[phase];
}

static double read_figure(void *context)
{
	return (double)atomic_load_explicit((_Atomic int64_t *)context, memory_order_relaxed);
}

int rebuilder_new(struct rebuilder **out, const struct rebuilder_settings *settings)
{
	struct rebuilder *rebuilder = calloc(1, sizeof(*rebuilder));
	struct metrics *metrics = settings->metrics;
	int r;

	if (!rebuilder)
		return error_origin(-ENOMEM);
	rebuilder->settings = *settings;
	r = lane_new(&rebuilder->rest, 1);
	if (r < 0) {
		free(rebuilder);
		return r;
	}
	metrics_reader(metrics, "gauge", "penstock_rebuild_sales", "Sales whose stock this process is rebuilding now.", NULL,
		       read_figure, &rebuilder->progress.sales);
	metrics_reader(metrics, "counter", "penstock_rebuild_sales_total", "Sales whose stock was rebuilt from the ledger.", NULL,
		       read_figure, &rebuilder->progress.rebuilt_total);
	metrics_reader(metrics, "counter", "penstock_rebuild_failures_total", "Rebuilds that were broken off and begun again.",
		       NULL, read_figure, &rebuilder->progress.failed_total);
	*out = rebuilder;
	return 0;
}

static void set_phase(struct rebuilder *rebuilder, enum rebuild_phase phase)
{
	atomic_store(&rebuilder->progress.phase, phase);
}

/* False: it is time to stop. */
static bool rest(struct rebuilder *rebuilder, int64_t time_ns)
{
	int64_t until_ns = clock_mono_ns() + time_ns, left_ns;
	void *nothing;

	while (!lane_closed(rebuilder->rest) && (left_ns = until_ns - clock_mono_ns()) > 0)
		(void)!lane_pop(rebuilder->rest, &nothing, 1, left_ns);
	return !lane_closed(rebuilder->rest);
}

/* --- The steps --- */

/* Asked now: what the housekeeper has told may be old. */
static bool is_fenced(struct rebuilder *rebuilder, uint32_t number)
{
	struct stock *stock = rebuilder->settings.stock;
	struct stock_find nothing = {.sale = number};

	stock->ops->find(stock, &nothing, 1);
	return nothing.outcome == STOCK_FENCED || nothing.outcome == STOCK_UNKNOWN_SALE;
}

/* One that was forgotten on purpose, its time being over, is not in the catalog any more. */
static bool is_shown(struct rebuilder *rebuilder, uint32_t number)
{
	const struct sale_table *table = sale_catalog_ref(rebuilder->settings.catalog);
	bool shown = sale_table_find_number(table, number) != NULL;

	sale_table_unref(table);
	return shown;
}

/* Begins every sale that is to be rebuilt; the table's sales are as the ledger has them. */
static int begin(struct rebuilder *rebuilder, struct sale_catalog *fenced)
{
	struct ledger *ledger = rebuilder->settings.ledger;
	size_t begun = 0;

	for (size_t i = 0; i < rebuilder->count; i++) {
		struct sale *sale = NULL;
		int r;

		if (!is_fenced(rebuilder, rebuilder->numbers[i]) || !is_shown(rebuilder, rebuilder->numbers[i]))
			continue;
		r = ledger->ops->sale_get(ledger, rebuilder->numbers[i], SLICE_NULL, &sale);
		if (r < 0)
			return r;
		if (r > 0 || !sale_in_stock(sale)) {
			free(sale);
			continue;
		}
		r = rebuild_begin(ledger, rebuilder->settings.stock, sale);
		if (r < 0) {
			free(sale);
			return r;
		}
		log_warn("rebuild", "the stock of a sale is gone or old: it is fenced and rebuilt from the ledger",
			 LOG_TEXT("sale", sale->id), LOG_INT("epoch", sale->epoch));
		begun++;
		r = sale_catalog_put(fenced, sale);
		if (r < 0)
			return r;
	}
	atomic_store(&rebuilder->progress.sales, (int64_t)begun);
	return 0;
}

static int put_barriers(struct rebuilder *rebuilder, const struct sale_table *table)
{
	struct journal *journal = rebuilder->settings.journal;
	int r = 0;

	for (size_t i = 0; i < sale_table_count(table); i++) {
		const struct sale *sale = sale_table_at(table, i)->sale;

		while ((r = journal->ops->barrier(journal, sale->number, sale->epoch)) < 0)
			if (!rest(rebuilder, rebuilder->settings.pace.pause_ns))
				return -ECANCELED;
	}
	return r;
}

/* Whether the ledger has seen the barrier of every sale of the table. 1, 0, or negative. */
static int is_drained(struct rebuilder *rebuilder, const struct sale_table *table)
{
	struct ledger *ledger = rebuilder->settings.ledger;

	for (size_t i = 0; i < sale_table_count(table); i++) {
		const struct sale *wanted = sale_table_at(table, i)->sale;
		struct sale *sale = NULL;
		int r = ledger->ops->sale_get(ledger, wanted->number, SLICE_NULL, &sale);
		uint32_t barrier = r == 0 ? sale->barrier : 0;

		free(sale);
		if (r)
			return r < 0 ? r : error_origin(-ESTALE);
		if (barrier > wanted->epoch) /* another has begun anew, or the ledger was restored from a backup: what we would grant is void */
			return error_origin(-ESTALE);
		if (barrier < wanted->epoch)
			return 0;
	}
	return 1;
}

/* Whether the ledger has what the journal had when it was marked. 1, 0, or negative. */
static int is_caught_up(struct rebuilder *rebuilder, const struct sale_table *table)
{
	(void)table;
	return catch_up_reached(&rebuilder->mark, rebuilder->settings.ledger);
}

/* Until `ask` says 1; -ESTALE where it says so, -ECANCELED where it is time to stop. */
static int await_drain(struct rebuilder *rebuilder, int (*ask)(struct rebuilder *, const struct sale_table *),
		       const struct sale_table *table)
{
	int64_t say_ns = clock_mono_ns() + SAY_AGAIN_NS;
	int drained;

	/* A ledger that is away comes back: what was begun stays begun. */
	while ((drained = ask(rebuilder, table)) != 1) {
		if (drained == -ESTALE)
			return drained;
		if (!rest(rebuilder, rebuilder->settings.pace.poll_ns))
			return -ECANCELED;
		if (clock_mono_ns() < say_ns)
			continue;
		say_ns = clock_mono_ns() + SAY_AGAIN_NS;
		log_warn("rebuild", "still waiting for the drain: is it running?",
			 LOG_TEXT("phase", rebuild_phase_name(atomic_load(&rebuilder->progress.phase))));
	}
	return 0;
}

/*
 * A ledger that is behind the journal may give a sale an epoch that the journal knows already, whose old barrier would be taken for the new one: it was restored
 * from a backup.
 */
static int catch_up(struct rebuilder *rebuilder)
{
	set_phase(rebuilder, REBUILD_CATCHING_UP);
	while (catch_up_mark(&rebuilder->mark, rebuilder->settings.journal, rebuilder->numbers, rebuilder->count) < 0)
		if (!rest(rebuilder, rebuilder->settings.pace.poll_ns))
			return -ECANCELED;
	return await_drain(rebuilder, is_caught_up, NULL);
}

/* Rule 4 for a journal that is not in the ledger. */
static int wait_out(struct rebuilder *rebuilder, const struct sale_table *table)
{
	const struct rebuilder_settings *settings = &rebuilder->settings;
	int r;

	set_phase(rebuilder, REBUILD_BEGUN);
	if (!rest(rebuilder, settings->ack_deadline_ns + settings->pace.margin_ns + settings->stock->quiesce_ns))
		return -ECANCELED;
	set_phase(rebuilder, REBUILD_BARRIER);
	r = put_barriers(rebuilder, table);
	if (r < 0)
		return r;
	set_phase(rebuilder, REBUILD_DRAINING);
	return await_drain(rebuilder, is_drained, table);
}

/* The sales as the ledger has them by now: units may have been added or withdrawn since they were begun. */
static int read_again(struct rebuilder *rebuilder, const struct sale_table *table, struct sale_catalog *ready)
{
	struct ledger *ledger = rebuilder->settings.ledger;
	int r = 0;

	for (size_t i = 0; i < sale_table_count(table) && r == 0; i++) {
		struct sale *sale = NULL;

		r = ledger->ops->sale_get(ledger, sale_table_at(table, i)->sale->number, SLICE_NULL, &sale);
		if (r == 0)
			r = sale_catalog_put(ready, sale);
	}
	return r > 0 ? error_origin(-ESTALE) : r;
}

static int load(struct rebuilder *rebuilder, const struct sale_table *table)
{
	struct sale_catalog *ready = NULL;
	const struct sale_table *fresh;
	struct rebuild_result result = {0};
	int r = sale_catalog_new(&ready);

	if (r < 0)
		return r;
	set_phase(rebuilder, REBUILD_LOADING);
	r = read_again(rebuilder, table, ready);
	if (r == 0) {
		fresh = sale_catalog_ref(ready);
		r = rebuild_load(rebuilder->settings.ledger, rebuilder->settings.stock, fresh, &result);
		sale_table_unref(fresh);
	}
	sale_catalog_free(ready);
	atomic_fetch_add(&rebuilder->progress.rebuilt_total, (int64_t)result.sales);
	if (result.sales)
		log_info("rebuild", "stock rebuilt from the ledger", LOG_INT("sales", result.sales), LOG_INT("orders", result.orders));
	return r;
}

/* --- The round --- */

static int rebuild(struct rebuilder *rebuilder)
{
	/* The failpoint breaks rule 4 on purpose. */
	bool waits = !rebuilder->settings.journal->ops->in_ledger && !FAILPOINT("rebuild.no_barrier");
	struct sale_catalog *fenced = NULL;
	const struct sale_table *table;
	int r = sale_catalog_new(&fenced);

	if (r < 0)
		return r;
	atomic_store(&rebuilder->progress.sales, (int64_t)rebuilder->count);
	if (waits)
		r = catch_up(rebuilder);
	if (r == 0)
		r = begin(rebuilder, fenced);
	table = sale_catalog_ref(fenced);
	if (r == 0 && sale_table_count(table) && waits)
		r = wait_out(rebuilder, table);
	if (r == 0 && sale_table_count(table))
		r = load(rebuilder, table);
	sale_table_unref(table);
	sale_catalog_free(fenced);
	return r;
}

static void gather(struct rebuilder *rebuilder, size_t popped)
{
	for (size_t i = 0; i < popped && rebuilder->count < SALES_MAX; i++) {
		uint32_t number = (uint32_t)(uintptr_t)rebuilder->popped[i];
		size_t known = 0;

		while (known < rebuilder->count && rebuilder->numbers[known] != number)
			known++;
		if (known == rebuilder->count)
			rebuilder->numbers[rebuilder->count++] = number;
	}
}

/* What the housekeeper told before the round's end may be mended by now; what is not it tells again. */
static void forget_old_news(struct rebuilder *rebuilder)
{
	while (lane_pop(rebuilder->settings.fenced, rebuilder->popped, SALES_MAX, 0))
		continue;
}

static void work(struct rebuilder *rebuilder)
{
	struct ledger *ledger = rebuilder->settings.ledger;
	int r = ledger->ops->elect(ledger, true); /* who hears of a fence reaches the stock; where the journal is not reached the keeper lets it go */

	if (r == LEDGER_DONE)
		r = rebuild(rebuilder);
	set_phase(rebuilder, REBUILD_IDLE);
	atomic_store(&rebuilder->progress.sales, 0);
	if (r < 0 && r != -ECANCELED) {
		atomic_fetch_add(&rebuilder->progress.failed_total, 1);
		log_warn("rebuild", "the stock cannot be rebuilt now; it is tried again", LOG_TEXT("error", error_text(r)));
	}
	if (r)
		(void)rest(rebuilder, rebuilder->settings.pace.pause_ns);
	forget_old_news(rebuilder);
}

static void run(void *argument)
{
	struct rebuilder *rebuilder = argument;
	struct lane *fenced = rebuilder->settings.fenced;
	int64_t gather_ns = rebuilder->settings.pace.gather_ns;

	while (!lane_closed(rebuilder->rest)) {
		size_t popped = lane_pop(fenced, rebuilder->popped, SALES_MAX, gather_ns);

		rebuilder->count = 0;
		if (popped == 0)
			continue;
		gather(rebuilder, popped);
		if (!rest(rebuilder, gather_ns))
			break;
		gather(rebuilder, lane_pop(fenced, rebuilder->popped, SALES_MAX, 0));
		work(rebuilder);
	}
}

int rebuilder_start(struct rebuilder *rebuilder)
{
	return thread_start(&rebuilder->thread, "rebuild", run, rebuilder);
}

void rebuilder_stop(struct rebuilder *rebuilder)
{
	lane_close(rebuilder->rest);
	lane_close(rebuilder->settings.fenced);
	thread_join(&rebuilder->thread);
	forget_old_news(rebuilder); /* here, for a thread that was never started */
}

void rebuilder_free(struct rebuilder *rebuilder)
{
	if (!rebuilder)
		return;
	rebuilder_stop(rebuilder);
	lane_free(rebuilder->rest);
	free(rebuilder);
}

const struct rebuild_progress *rebuilder_progress(const struct rebuilder *rebuilder)
{
	return &rebuilder->progress;
}
