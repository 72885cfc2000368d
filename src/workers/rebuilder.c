#include "workers/rebuilder.h"

#include <stdlib.h>
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/pause.h"
#include "base/thread.h"
#include "port/ack_margin.h"
#include "recovery/round.h"

enum {
	SALES_MAX = 4096, /* in one round; more wait for the next */
	HELD_MAX = 4096,
};

const struct rebuilder_pace rebuilder_pace_usual = {
	.gather_ns = 50000000,
	.margin_ns = ACK_REBUILD_MARGIN_NS,
	.pause_ns = 1000000000,
	.held_ns = 15000000000,
};

struct held_sale {
	uint32_t number;
	int64_t not_before_ns;
	const char *why;
};

/*
 * A sale that nobody could buy from if it were there: an operator may be making it a draft again
 * (recovery/unsold.h), who is given the time for it.
 */
struct waiting_sale {
	uint32_t number;
	int64_t since_ns, told_ns; /* when it was first met, and last */
};

struct rebuilder {
	struct rebuilder_settings settings;
	struct thread thread;
	struct rebuild_progress progress;
	int first_error; /* of the round's sales */
	struct held_sale held[HELD_MAX];
	size_t held_count;
	struct waiting_sale waiting[HELD_MAX];
	size_t waiting_count;
	uint32_t numbers[SALES_MAX];
	size_t count;
	void *popped[SALES_MAX];
	struct pause rest;
};

const char *rebuilder_phase_name(enum rebuild_phase phase)
{
	static const char *const names[] = {
		[REBUILD_IDLE] = "idle",
		[REBUILD_LEARNING] = "reading the journal's tail",
		[REBUILD_BEGUN] = "beginning a new epoch",
		[REBUILD_BARRIER] = "waiting for the journal to take the barrier",
		[REBUILD_LOADING] = "loading orders, and the journal's tail over them",
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

	if (!rebuilder)
		return error_origin(-ENOMEM);
	rebuilder->settings = *settings;
	pause_init(&rebuilder->rest);
	metrics_reader(metrics, "gauge", "penstock_rebuild_running_sales", "Sales whose stock this process is rebuilding now.",
		       NULL, read_figure, &rebuilder->progress.sales);
	metrics_reader(metrics, "counter", "penstock_rebuild_sales_total", "Sales whose stock was rebuilt from the ledger.", NULL,
		       read_figure, &rebuilder->progress.rebuilt_total);
	metrics_reader(metrics, "counter", "penstock_rebuild_failures_total", "Rebuilds that were broken off and begun again.",
		       NULL, read_figure, &rebuilder->progress.failed_total);
	metrics_reader(metrics, "gauge", "penstock_rebuild_held_sales",
		       "Sales that this process cannot rebuild until somebody helps: they stay fenced.", NULL, read_figure,
		       &rebuilder->progress.held);
	*out = rebuilder;
	return 0;
}

static void set_phase(struct rebuilder *rebuilder, enum rebuild_phase phase)
{
	atomic_store(&rebuilder->progress.phase, phase);
}

/* --- What is held --- */

/*
 * A sale that stays fenced for a reason that time alone does not mend: it is looked at again, but
 * not with every turn.
 */
static struct held_sale *find_held(struct rebuilder *rebuilder, uint32_t number)
{
	for (size_t i = 0; i < rebuilder->held_count; i++)
		if (rebuilder->held[i].number == number)
			return &rebuilder->held[i];
	return NULL;
}

static void forget_held(struct rebuilder *rebuilder, uint32_t number)
{
	struct held_sale *held = find_held(rebuilder, number);

	if (held)
		*held = rebuilder->held[--rebuilder->held_count];
	atomic_store(&rebuilder->progress.held, (int64_t)rebuilder->held_count);
}

static void hold(struct rebuilder *rebuilder, const struct round_sale *sale)
{
	struct held_sale *held = find_held(rebuilder, sale->tail.number);
	const char *before = held ? held->why : NULL;

	if (!held && rebuilder->held_count < HELD_MAX)
		held = &rebuilder->held[rebuilder->held_count++];
	if (held)
		*held = (struct held_sale){sale->tail.number, clock_mono_ns() + rebuilder->settings.pace.held_ns, sale->held};
	if (before != sale->held)
		log_error("rebuild", "A SALE STAYS FENCED: its stock cannot be rebuilt", LOG_TEXT("sale", sale->sale->id),
			  LOG_TEXT("reason", sale->held), LOG_TEXT("error", error_text(sale->error)));
	atomic_store(&rebuilder->progress.held, (int64_t)rebuilder->held_count);
}

/* What was dropped from the catalog, or mended by another process, is not told any more. */
static void let_go_of_held(struct rebuilder *rebuilder)
{
	int64_t old_ns = clock_mono_ns() - 2 * rebuilder->settings.pace.held_ns;

	for (size_t i = rebuilder->held_count; i > 0; i--)
		if (rebuilder->held[i - 1].not_before_ns < old_ns)
			forget_held(rebuilder, rebuilder->held[i - 1].number);
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

/* Whether it opens soon, or was open: then every moment counts. */
static bool is_urgent(const struct sale *sale, int64_t within_ns)
{
	if (sale->opened || (sale->state != SALE_ARMED && sale->state != SALE_PAUSED))
		return true;
	return sale->opens_at_ms != SALE_NO_TIME && sale->opens_at_ms - clock_wall_ms() < 2 * within_ns / 1000000;
}

/* Since when it is met as fenced, again and again. */
static int64_t waits_since_ns(struct rebuilder *rebuilder, uint32_t number, int64_t now_ns)
{
	struct waiting_sale *waiting = rebuilder->waiting;
	size_t place = 0;

	while (place < rebuilder->waiting_count && waiting[place].number != number)
		place++;
	if (place == HELD_MAX)
		return INT64_MIN;
	if (place == rebuilder->waiting_count || now_ns - waiting[place].told_ns > rebuilder->settings.ack_deadline_ns)
		waiting[place] = (struct waiting_sale){.number = number, .since_ns = now_ns};
	if (place == rebuilder->waiting_count)
		rebuilder->waiting_count++;
	waiting[place].told_ns = now_ns;
	return waiting[place].since_ns;
}

static bool may_wait(struct rebuilder *rebuilder, const struct sale *sale)
{
	int64_t wait_ns = rebuilder->settings.ack_deadline_ns + rebuilder->settings.pace.margin_ns, now_ns = clock_mono_ns();

	if (rebuilder->settings.journal->ops->in_ledger || is_urgent(sale, wait_ns))
		return false;
	return now_ns - waits_since_ns(rebuilder, sale->number, now_ns) < wait_ns;
}

/* The sales that are to be rebuilt, as the ledger has them. 0 or negative. */
static int gather_sales(struct rebuilder *rebuilder, struct round *round)
{
	struct ledger *ledger = rebuilder->settings.ledger;

	for (size_t i = 0; i < rebuilder->count; i++) {
		uint32_t number = rebuilder->numbers[i];
		struct sale *sale = NULL;
		int r;

		if (!is_fenced(rebuilder, number) || !is_shown(rebuilder, number))
			continue;
		r = ledger->ops->sale_get(ledger, number, SLICE_NULL, &sale);
		if (r < 0)
			return r;
		if (r > 0 || !sale_in_stock(sale) || may_wait(rebuilder, sale)) {
			free(sale);
			continue;
		}
		r = round_add(round, sale);
		if (r < 0)
			return r;
	}
	atomic_store(&rebuilder->progress.sales, (int64_t)round->count);
	return 0;
}

static void say_begun(const struct round *round)
{
	for (size_t i = 0; i < round->count; i++)
		if (round->sales[i].tail.epoch)
			log_warn("rebuild",
				 "the stock of a sale is gone or old: it is fenced and rebuilt from the ledger and the journal",
				 LOG_TEXT("sale", round->sales[i].sale->id), LOG_INT("epoch", round->sales[i].tail.epoch));
}

static bool wait_out(struct rebuilder *rebuilder, const struct round *round)
{
	const struct rebuilder_settings *settings = &rebuilder->settings;
	int64_t wait_ns = round_wait_ns(round, settings->ack_deadline_ns + settings->pace.margin_ns);

	return wait_ns <= 0 || pause_rest(&rebuilder->rest, wait_ns);
}

/* A service that is away comes back: what was begun stays begun. */
static int put_barriers(struct rebuilder *rebuilder, struct round *round)
{
	int r;

	while ((r = round_barriers(round)) < 0)
		if (!pause_rest(&rebuilder->rest, rebuilder->settings.pace.pause_ns))
			return -ECANCELED;
	return r;
}

static void on_sale_end(void *context, const struct round_sale *sale)
{
	struct rebuilder *rebuilder = context;

	atomic_fetch_sub(&rebuilder->progress.sales, 1);
	if (sale->armed) {
		atomic_fetch_add(&rebuilder->progress.rebuilt_total, 1);
		forget_held(rebuilder, sale->tail.number);
		log_info("rebuild", "a sale's stock was rebuilt", LOG_TEXT("sale", sale->sale->id),
			 LOG_INT("epoch", sale->tail.epoch), LOG_INT("orders", sale->orders),
			 LOG_INT("events_of_the_journal", sale->tail.applied));
	} else if (sale->held) {
		hold(rebuilder, sale);
	} else {
		rebuilder->first_error = rebuilder->first_error ? rebuilder->first_error : sale->error;
	}
}

static bool is_stopping(void *context)
{
	return pause_ended(&((struct rebuilder *)context)->rest);
}

/* --- The round --- */

static int go_round(struct rebuilder *rebuilder, struct round *round)
{
	int r = gather_sales(rebuilder, round);

	if (r < 0 || round->count == 0)
		return r;
	set_phase(rebuilder, REBUILD_LEARNING);
	r = round_learn(round);
	if (r < 0)
		return r;
	set_phase(rebuilder, REBUILD_BEGUN);
	r = round_begin(round);
	say_begun(round);
	if (r < 0)
		return r;
	(void)FAILPOINT("rebuild.begun"); /* the stock is empty, and nothing of it is in the journal */
	if (!wait_out(rebuilder, round))
		return -ECANCELED;
	set_phase(rebuilder, REBUILD_BARRIER);
	r = put_barriers(rebuilder, round);
	if (r < 0)
		return r;
	set_phase(rebuilder, REBUILD_LOADING);
	rebuilder->first_error = 0;
	r = round_load(round, on_sale_end, is_stopping, rebuilder);
	return r < 0 ? r : rebuilder->first_error;
}

static int rebuild(struct rebuilder *rebuilder)
{
	const struct rebuilder_settings *settings = &rebuilder->settings;
	struct round round;
	int r = round_init(&round, settings->ledger, settings->stock, settings->journal);

	if (r < 0)
		return r;
	r = go_round(rebuilder, &round);
	round_deinit(&round);
	return r;
}

static void gather(struct rebuilder *rebuilder, size_t popped)
{
	for (size_t i = 0; i < popped && rebuilder->count < SALES_MAX; i++) {
		uint32_t number = (uint32_t)(uintptr_t)rebuilder->popped[i];
		const struct held_sale *held = find_held(rebuilder, number);
		size_t known = 0;

		if (held && clock_mono_ns() < held->not_before_ns)
			continue;
		while (known < rebuilder->count && rebuilder->numbers[known] != number)
			known++;
		if (known == rebuilder->count)
			rebuilder->numbers[rebuilder->count++] = number;
	}
}

/*
 * What the housekeeper told before the round's end may be mended by now; what is not it tells
 * again.
 */
static void forget_old_news(struct rebuilder *rebuilder)
{
	while (lane_pop(rebuilder->settings.fenced, rebuilder->popped, SALES_MAX, 0))
		continue;
}

static void work(struct rebuilder *rebuilder)
{
	int r = leadership_claim(rebuilder->settings.leadership);

	if (r == LEDGER_DONE)
		r = rebuild(rebuilder);
	set_phase(rebuilder, REBUILD_IDLE);
	atomic_store(&rebuilder->progress.sales, 0);
	if (r < 0 && r != -ECANCELED) {
		atomic_fetch_add(&rebuilder->progress.failed_total, 1);
		log_warn("rebuild", "the stock cannot be rebuilt now; it is tried again", LOG_TEXT("error", error_text(r)));
	}
	if (r)
		(void)pause_rest(&rebuilder->rest, rebuilder->settings.pace.pause_ns);
	forget_old_news(rebuilder);
}

static void rebuilder_run(void *argument)
{
	struct rebuilder *rebuilder = argument;
	struct lane *fenced = rebuilder->settings.fenced;
	int64_t gather_ns = rebuilder->settings.pace.gather_ns;

	while (!pause_ended(&rebuilder->rest)) {
		size_t popped = lane_pop(fenced, rebuilder->popped, SALES_MAX, gather_ns);

		rebuilder->count = 0;
		let_go_of_held(rebuilder);
		if (popped == 0)
			continue;
		gather(rebuilder, popped);
		if (!pause_rest(&rebuilder->rest, gather_ns))
			break;
		gather(rebuilder, lane_pop(fenced, rebuilder->popped, SALES_MAX, 0));
		if (rebuilder->count)
			work(rebuilder);
	}
}

int rebuilder_start(struct rebuilder *rebuilder)
{
	return thread_start(&rebuilder->thread, "rebuild", rebuilder_run, rebuilder);
}

void rebuilder_stop(struct rebuilder *rebuilder)
{
	pause_end(&rebuilder->rest);
	lane_close(rebuilder->settings.fenced);
	thread_join(&rebuilder->thread);
	forget_old_news(rebuilder); /* here, for a thread that was never started */
}

void rebuilder_free(struct rebuilder *rebuilder)
{
	if (!rebuilder)
		return;
	rebuilder_stop(rebuilder);
	pause_deinit(&rebuilder->rest);
	free(rebuilder);
}

const struct rebuild_progress *rebuilder_progress(const struct rebuilder *rebuilder)
{
	return &rebuilder->progress;
}
