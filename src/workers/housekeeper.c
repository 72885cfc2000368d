#include "workers/housekeeper.h"

#include <stdatomic.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/thread.h"
#include "core/brake.h"
#include "recovery/catalog_load.h"
#include "workers/stock_executor.h"

enum {
	TURN_NS = 20000000, /* a turn at least this often: new holds and sales are seen within it; a shared stock is refreshed as often */
	PROMISES_NS = 1000000000,          /* how often the promises are looked at */
	EXPIRE_MAX = 2 * LANE_SLICE_ALONE, /* expiries in flight: while the journal has a slice, the next one is there */
	CLOCK_JUMP_US = 500000,            /* wall and monotonic time drifting apart by more in one turn is a jump, not slewing */
	RETRY_NS = 200000000,              /* after the journal refused an expiry */
	RECALL_NS = 100000000,             /* how often a fenced sale is looked for under another epoch */
	LOOKS = 3,                         /* counters are read while others change them: only what stays wrong is broken */
};

struct housekeeper {
	struct housekeeper_settings settings;
	struct thread thread;
	struct lane *reply; /* expiries come back here */
	struct event_job *jobs, **free_jobs;
	size_t free_count;
	struct event *events;
	struct metrics_cells *cells;
	metric_id expired, clock_jumps;
	struct stock_refresh *refreshes; /* of a shared stock */
	size_t refresh_room;
	int64_t next_expiry_ns, next_refresh_ns, next_recall_ns, next_promises_ns, expire_not_before_ns, clock_offset_us;
	atomic_bool stop;
};

int housekeeper_new(struct housekeeper **out, const struct housekeeper_settings *settings)
{
	struct housekeeper *keeper = calloc(1, sizeof(*keeper));
	struct metrics *metrics = settings->metrics;

	if (!keeper)
		return error_origin(-ENOMEM);
	keeper->settings = *settings;
	keeper->jobs = calloc(EXPIRE_MAX, sizeof(*keeper->jobs));
	keeper->free_jobs = calloc(EXPIRE_MAX, sizeof(*keeper->free_jobs));
	keeper->events = calloc(EXPIRE_MAX, sizeof(*keeper->events));
	if (!keeper->jobs || !keeper->free_jobs || !keeper->events || lane_new(&keeper->reply, EXPIRE_MAX) < 0) {
		housekeeper_free(keeper);
		return error_origin(-ENOMEM);
	}
	for (size_t i = 0; i < EXPIRE_MAX; i++)
		keeper->free_jobs[keeper->free_count++] = &keeper->jobs[i];
	keeper->expired = metrics_counter(metrics, "penstock_holds_expired_total", "Holds that ran out and were released.", NULL);
	keeper->clock_jumps = metrics_counter(metrics, "penstock_clock_jumps_total", "Times the wall clock jumped.", NULL);
	*out = keeper;
	return 0;
}

static void take_back(struct housekeeper *keeper, int64_t timeout_ns)
{
	void *items[EXPIRE_MAX];
	size_t count = lane_pop(keeper->reply, items, EXPIRE_MAX, timeout_ns);

	for (size_t i = 0; i < count; i++) {
		struct event_job *job = items[i];

		if (job->job.end == JOURNAL_DURABLE)
			metrics_add(keeper->cells, keeper->expired, 1);
		else
			keeper->expire_not_before_ns = clock_mono_ns() + RETRY_NS;
		keeper->free_jobs[keeper->free_count++] = job;
	}
}

/*
 * Sends the expiries of holds that have run out; what finds no room goes back to be held and is
 * seen again next turn. Nobody waits for them: however many are due, purchases wait for a slice of
 * them at most (base/lane.h). A hold that ends late keeps its units for as long, and harms nobody:
 * a confirm is refused from its end on all the same.
 */
static void expire(struct housekeeper *keeper)
{
	struct stock *stock = keeper->settings.stock;
	int64_t now_ns = clock_mono_ns();
	size_t count, sent;
	void *jobs[EXPIRE_MAX];
	const struct event *left[EXPIRE_MAX];
	bool undone[EXPIRE_MAX]; /* what is not is driven by whoever has claimed it */

	count = stock->ops->expire(stock, now_ns, clock_wall_ms(), keeper->settings.hold_grace_ns, keeper->events,
				   keeper->free_count, &keeper->next_expiry_ns);
	if (count)
		(void)FAILPOINT("expire.decided"); /* the holds are releasing, the journal does not know */
	for (size_t i = 0; i < count; i++) {
		struct event_job *job = keeper->free_jobs[--keeper->free_count];

		job->job = (struct job){.message = {.reply = keeper->reply}, .event = &job->event, .started_ns = now_ns};
		job->event = keeper->events[i];
		event_own(&job->event, &job->text);
		jobs[i] = job;
	}
	sent = stock_executor_send_events(stock, keeper->settings.journal_lane, LANE_BACKGROUND, jobs, count, left, undone);
	while (sent < count)
		keeper->free_jobs[keeper->free_count++] = jobs[sent++];
}

/* The promise that these counters break, or PROMISE_COUNT. */
static enum promise look_at(const struct stock_lot_state *lot)
{
	if (lot->available < 0 || lot->held + lot->confirmed > lot->allocated - lot->withdrawn)
		return PROMISE_NEVER_OVERSOLD;
	if (lot->allocated != lot->available + lot->held + lot->confirmed + lot->withdrawn)
		return PROMISE_NEVER_LEAKED;
	return PROMISE_COUNT;
}

static void check_sale(struct housekeeper *keeper, const struct sale *sale)
{
	struct stock *stock = keeper->settings.stock;
	struct stock_lot_state lots[LOTS_MAX];
	enum promise faults[LOTS_MAX] = {0}; /* a lot that is new at a later look has not been found fine */
	uint32_t lot_count = 0;

	for (int look = 0; look < LOOKS; look++) {
		bool clean = true;

		if (stock->ops->snapshot(stock, sale->number, lots, &lot_count))
			return;
		for (uint32_t i = 0; i < lot_count; i++) {
			faults[i] = look > 0 && faults[i] == PROMISE_COUNT ? PROMISE_COUNT : look_at(&lots[i]);
			clean = clean && faults[i] == PROMISE_COUNT;
		}
		if (clean)
			return;
	}
	for (uint32_t i = 0; i < lot_count; i++) {
		if (faults[i] == PROMISE_COUNT)
			continue;
		promises_break(keeper->settings.promises, faults[i], 1);
		log_error("housekeeper", "A PROMISE IS BROKEN: the counters of a lot do not add up",
			  LOG_TEXT("promise", promise_name(faults[i])), LOG_TEXT("sale", sale->id), LOG_INT("lot", i),
			  LOG_INT("allocated", lots[i].allocated), LOG_INT("available", lots[i].available),
			  LOG_INT("held", lots[i].held), LOG_INT("confirmed", lots[i].confirmed),
			  LOG_INT("withdrawn", lots[i].withdrawn));
	}
}

static void check_promises(struct housekeeper *keeper)
{
	const struct sale_table *table = sale_catalog_ref(keeper->settings.catalog);

	for (size_t i = 0; i < sale_table_count(table); i++)
		check_sale(keeper, sale_table_at(table, i)->sale);
	sale_table_unref(table);
}

static void watch_clock(struct housekeeper *keeper)
{
	int64_t offset_us = clock_wall_us() - clock_mono_ns() / 1000, drift_us = offset_us - keeper->clock_offset_us;

	if (keeper->clock_offset_us && (drift_us > CLOCK_JUMP_US || drift_us < -CLOCK_JUMP_US)) {
		metrics_add(keeper->cells, keeper->clock_jumps, 1);
		log_warn("housekeeper", "the wall clock jumped", LOG_INT("milliseconds", drift_us / 1000));
	}
	keeper->clock_offset_us = offset_us;
}

static bool make_room(struct housekeeper *keeper, size_t count)
{
	struct stock_refresh *grown;

	if (count <= keeper->refresh_room)
		return true;
	grown = realloc(keeper->refreshes, count * sizeof(*grown));
	if (!grown)
		return false;
	keeper->refreshes = grown;
	keeper->refresh_room = count;
	return true;
}

/*
 * Learns what others have done to the sales of a shared stock. What it has forgotten, or must not
 * be sold from, is told to the rebuilder. One that another process has rebuilt is learnt of from
 * the stock itself, for the ledger may be away. Of one that is not armed no refresh tells who has
 * stopped it or let it go on: that is asked for, so that its buyers hear how it is from the first
 * moment that it sells.
 */
static void refresh(struct housekeeper *keeper)
{
	struct stock *stock = keeper->settings.stock;
	const struct sale_table *table = sale_catalog_ref(keeper->settings.catalog);
	bool recalls = clock_mono_ns() >= keeper->next_recall_ns;
	size_t count = 0;

	for (size_t i = 0; make_room(keeper, sale_table_count(table)) && i < sale_table_count(table); i++) {
		const struct sale *sale = sale_table_at(table, i)->sale;

		if (sale->state != SALE_DRAFT)
			keeper->refreshes[count++] = (struct stock_refresh){.sale = sale->number,
									    .epoch = sale->epoch,
									    .lot_count = sale->lot_count,
									    .ended = sale->state == SALE_ENDED};
	}
	sale_table_unref(table);
	if (count || stock->ops->sellers) /* of none, too: whose processes sell is found out by it */
		stock->ops->refresh(stock, keeper->refreshes, count);
	if (recalls)
		keeper->next_recall_ns = clock_mono_ns() + RECALL_NS;
	for (size_t i = 0; i < count; i++) {
		void *number = (void *)(uintptr_t)keeper->refreshes[i].sale;
		const int outcome = keeper->refreshes[i].outcome;
		const bool fenced = outcome == STOCK_FENCED || outcome == STOCK_UNKNOWN_SALE;

		if (fenced && recalls)
			stock->ops->brake_hear(stock, keeper->refreshes[i].sale);
		if (brake_follow(stock, keeper->settings.catalog, keeper->refreshes[i].sale) < 0)
			continue; /* no memory: it is shown next turn */

		/* One that finds no room is told again next turn. */
		if (fenced)
			(void)!lane_push(keeper->settings.fenced_lane, LANE_NORMAL, &number, 1);
		if (outcome == STOCK_FENCED && recalls)
			(void)!catalog_recall(stock, keeper->settings.catalog, keeper->refreshes[i].sale);
	}
}

static void housekeeper_run(void *argument)
{
	struct housekeeper *keeper = argument;

	while (!atomic_load(&keeper->stop)) {
		int64_t now_ns = clock_mono_ns(), wait_ns = TURN_NS;

		watch_clock(keeper);
		if (keeper->free_count && now_ns >= keeper->expire_not_before_ns)
			expire(keeper);
		if (keeper->settings.fenced_lane && now_ns >= keeper->next_refresh_ns) {
			keeper->next_refresh_ns = now_ns + TURN_NS;
			refresh(keeper);
		}
		if (now_ns >= keeper->next_promises_ns) {
			keeper->next_promises_ns = now_ns + PROMISES_NS;
			check_promises(keeper);
		}
		now_ns = clock_mono_ns();
		/*
		 * What is due and is not sent waits for room in the outbox, in the journal's lane
		 * or among our jobs: it is no reason to hurry.
		 */
		if (keeper->next_expiry_ns > now_ns && keeper->next_expiry_ns - now_ns < wait_ns)
			wait_ns = keeper->next_expiry_ns - now_ns;
		take_back(keeper, wait_ns);
	}
	while (keeper->free_count < EXPIRE_MAX)
		take_back(keeper, -1);
}

int housekeeper_start(struct housekeeper *keeper)
{
	keeper->cells = metrics_cells_new(keeper->settings.metrics);
	return thread_start(&keeper->thread, "housekeeper", housekeeper_run, keeper);
}

void housekeeper_stop(struct housekeeper *keeper)
{
	atomic_store(&keeper->stop, true);
	lane_wake(keeper->reply);
	thread_join(&keeper->thread);
}

void housekeeper_free(struct housekeeper *keeper)
{
	if (!keeper)
		return;
	housekeeper_stop(keeper);
	lane_free(keeper->reply);
	free(keeper->jobs);
	free(keeper->free_jobs);
	free(keeper->events);
	free(keeper->refreshes);
	free(keeper);
}
