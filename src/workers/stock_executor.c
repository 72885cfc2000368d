#include "workers/stock_executor.h"

#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/failpoint.h"

/* The jobs of a batch, by what is to be done with them. */
struct pile {
	void **jobs; /* batch_max */
	size_t count;
};

struct stock_executor {
	struct stock_executor_settings settings;
	struct pile purchases, settlements, lookups, orders;
	struct pile normal, urgent, complete; /* for the journal's lane; for who asked */
	struct purchase **asked;              /* batch_max, like all below */
	struct stock_settle *settles;
	struct stock_find *finds;
	const struct event **events;
	bool *undone;
	uint64_t late;
};

static bool make_piles(struct stock_executor *executor)
{
	size_t max = executor->settings.batch_max;
	struct pile *const piles[] = {&executor->purchases, &executor->settlements, &executor->lookups, &executor->orders,
				      &executor->normal,    &executor->urgent,      &executor->complete};
	bool fine = true;

	for (size_t i = 0; i < sizeof(piles) / sizeof(piles[0]); i++) {
		piles[i]->jobs = calloc(max, sizeof(*piles[i]->jobs));
		fine = fine && piles[i]->jobs;
	}
	executor->asked = calloc(max, sizeof(*executor->asked));
	executor->settles = calloc(max, sizeof(*executor->settles));
	executor->finds = calloc(max, sizeof(*executor->finds));
	executor->events = calloc(max, sizeof(*executor->events));
	executor->undone = calloc(max, sizeof(*executor->undone));
	return fine && executor->asked && executor->settles && executor->finds && executor->events && executor->undone;
}

int stock_executor_new(struct stock_executor **out, const struct stock_executor_settings *settings)
{
	struct stock_executor *executor = calloc(1, sizeof(*executor));

	if (!executor)
		return error_origin(-ENOMEM);
	executor->settings = *settings;
	if (!settings->lane && !make_piles(executor)) {
		stock_executor_free(executor);
		return error_origin(-ENOMEM);
	}
	*out = executor;
	return 0;
}

void stock_executor_free(struct stock_executor *executor)
{
	if (!executor)
		return;
	free(executor->purchases.jobs);
	free(executor->settlements.jobs);
	free(executor->lookups.jobs);
	free(executor->orders.jobs);
	free(executor->normal.jobs);
	free(executor->urgent.jobs);
	free(executor->complete.jobs);
	free(executor->asked);
	free(executor->settles);
	free(executor->finds);
	free(executor->events);
	free(executor->undone);
	free(executor);
}

uint64_t stock_executor_late(const struct stock_executor *executor)
{
	return executor->late;
}

static void put(struct pile *pile, void *job)
{
	pile->jobs[pile->count++] = job;
}

/* What found no room: overloaded where nothing of it is left, else unknown. */
static void refuse(struct job *job, bool undone)
{
	switch (job->kind) {
	case JOB_PURCHASE:
		((struct purchase_job *)job)->purchase.verdict = undone ? VERDICT_OVERLOADED : VERDICT_OUTCOME_UNKNOWN;
		return;
	case JOB_SETTLEMENT:
		((struct settle_job *)job)->settle.outcome = undone ? STOCK_FULL : STOCK_OUTCOME_UNKNOWN;
		return;
	case JOB_LOOKUP:
		((struct lookup_job *)job)->find.outcome = STOCK_FULL;
		return;
	case JOB_ORDERS:
		((struct orders_job *)job)->orders.outcome = STOCK_FULL;
		return;
	case JOB_EVENT:
		break;
	}
	assertion_failed("a job for the stock", __FILE__, __LINE__, __func__);
}

/* --- Asking --- */

static void sort_out(struct stock_executor *executor, void *const *jobs, size_t count)
{
	int64_t now_ns = clock_mono_ns();

	executor->purchases.count = executor->settlements.count = executor->lookups.count = executor->orders.count = 0;
	executor->normal.count = executor->urgent.count = executor->complete.count = 0;
	for (size_t i = 0; i < count; i++) {
		struct job *job = jobs[i];

		switch (job->kind) {
		case JOB_PURCHASE:
			if (now_ns - job->started_ns <= executor->settings.admission->ack_deadline_ns) {
				put(&executor->purchases, job);
				break;
			}
			((struct purchase_job *)job)->purchase.verdict = VERDICT_STOCK_UNAVAILABLE;
			executor->late++;
			put(&executor->complete, job);
			break;
		case JOB_SETTLEMENT:
			put(&executor->settlements, job);
			break;
		case JOB_LOOKUP:
			put(&executor->lookups, job);
			break;
		case JOB_ORDERS:
			put(&executor->orders, job);
			break;
		case JOB_EVENT:
			assertion_failed("a job for the stock", __FILE__, __LINE__, __func__);
		}
	}
}

/* Asks for the first so many settlements. */
static void ask_settlements(struct stock_executor *executor, size_t count)
{
	struct stock *stock = executor->settings.admission->stock;
	struct settle_job **jobs = (struct settle_job **)executor->settlements.jobs;

	for (size_t i = 0; i < count; i++)
		executor->settles[i] = jobs[i]->settle;
	if (count)
		stock->ops->settle(stock, executor->settles, count);
	for (size_t i = 0; i < count; i++)
		jobs[i]->settle = executor->settles[i];
}

/* An operator may cancel what is confirmed, too: then it is asked again as a refund. */
static bool becomes_refund(struct settle_job *job)
{
	struct stock_settle *settle = &job->settle;

	if (!job->may_refund || settle->outcome != STOCK_REFUSED || settle->action != ORDER_CANCEL ||
	    settle->order.state != ORDER_CONFIRMED)
		return false;
	settle->action = ORDER_REFUND;
	return true;
}

static void settle(struct stock_executor *executor)
{
	struct settle_job **jobs = (struct settle_job **)executor->settlements.jobs;
	size_t count = executor->settlements.count, again = 0;

	ask_settlements(executor, count);
	for (size_t i = 0; i < count; i++) {
		struct settle_job *job = jobs[i];

		if (becomes_refund(job)) { /* to the front, for the second time */
			jobs[i] = jobs[again];
			jobs[again++] = job;
		}
	}
	ask_settlements(executor, again);
	for (size_t i = 0; i < count; i++) {
		jobs[i]->job.event = &jobs[i]->settle.event;
		put(jobs[i]->settle.outcome == STOCK_DONE ? &executor->urgent : &executor->complete, jobs[i]);
	}
}

static void look_up(struct stock_executor *executor)
{
	struct stock *stock = executor->settings.admission->stock;
	size_t count = executor->lookups.count;

	for (size_t i = 0; i < count; i++)
		executor->finds[i] = ((struct lookup_job *)executor->lookups.jobs[i])->find;
	if (count)
		stock->ops->find(stock, executor->finds, count);
	for (size_t i = 0; i < count; i++) {
		struct lookup_job *job = executor->lookups.jobs[i];

		job->find = executor->finds[i];
		put(&executor->complete, job);
	}
}

/* One call each: few ask, and each for eight orders. */
static void look_up_orders(struct stock_executor *executor)
{
	struct stock *stock = executor->settings.admission->stock;

	for (size_t i = 0; i < executor->orders.count; i++) {
		struct orders_job *job = executor->orders.jobs[i];

		stock->ops->orders(stock, &job->orders);
		put(&executor->complete, job);
	}
}

static void reserve(struct stock_executor *executor)
{
	const struct pile *purchases = &executor->purchases;

	for (size_t i = 0; i < purchases->count; i++)
		executor->asked[i] = &((struct purchase_job *)purchases->jobs[i])->purchase;
	admission_reserve(executor->settings.admission, executor->asked, purchases->count);
	for (size_t i = 0; i < purchases->count; i++)
		put(executor->asked[i]->verdict == VERDICT_NONE ? &executor->normal : &executor->complete, purchases->jobs[i]);
}

/* --- Sending on --- */

size_t stock_executor_send_events(struct stock *stock, struct lane *journal_lane, enum lane_class class, void *const *jobs,
				  size_t count, const struct event **events, bool *undone)
{
	size_t sent = lane_push(journal_lane, class, jobs, count), left = 0;

	for (size_t i = sent; i < count; i++)
		events[left++] = ((struct job *)jobs[i])->event;
	if (left)
		stock->ops->compensate(stock, events, left, undone + sent);
	return sent;
}

static void send_on(struct stock_executor *executor, enum lane_class class, const struct pile *pile)
{
	const struct stock_executor_settings *settings = &executor->settings;
	size_t sent;

	if (pile->count == 0)
		return;
	sent = stock_executor_send_events(settings->admission->stock, settings->journal_lane, class, pile->jobs, pile->count,
					  executor->events, executor->undone);
	for (size_t i = sent; i < pile->count; i++) {
		refuse(pile->jobs[i], executor->undone[i]);
		put(&executor->complete, pile->jobs[i]);
	}
}

static void run_batch(struct stock_executor *executor, void *const *jobs, size_t count)
{
	sort_out(executor, jobs, count);
	settle(executor);
	look_up(executor);
	look_up_orders(executor);
	reserve(executor);
	if (executor->normal.count + executor->urgent.count)
		(void)FAILPOINT("stock.decided"); /* the stock has it, the journal does not */
	send_on(executor, LANE_URGENT, &executor->urgent);
	send_on(executor, LANE_NORMAL, &executor->normal);
}

/* To the thread that asks; a purchase may be complete before this returns. */
static size_t send_away(struct lane *lane, enum lane_class class, void **jobs, size_t count)
{
	size_t sent;

	for (size_t i = 0; i < count; i++)
		if (((struct job *)jobs[i])->kind == JOB_PURCHASE)
			admission_keep(&((struct purchase_job *)jobs[i])->purchase);
	sent = lane_push(lane, class, jobs, count);
	for (size_t i = sent; i < count; i++)
		refuse(jobs[i], true);
	memmove(jobs, jobs + sent, (count - sent) * sizeof(*jobs));
	return count - sent;
}

size_t stock_executor_run(struct stock_executor *executor, enum lane_class class, void **jobs, size_t count)
{
	size_t max = executor->settings.batch_max, complete = 0;

	if (executor->settings.lane)
		return send_away(executor->settings.lane, class, jobs, count);
	for (size_t start = 0; start < count; start += max) {
		run_batch(executor, jobs + start, count - start < max ? count - start : max);
		memcpy(jobs + complete, executor->complete.jobs, executor->complete.count * sizeof(*jobs));
		complete += executor->complete.count;
	}
	return complete;
}
