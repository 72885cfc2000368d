#include "gate/buyer/purchase_pool.h"

#include <stdlib.h>
#include "base/clock.h"
#include "base/failpoint.h"
#include "gate/readiness.h"
#include "gate/stock_round.h"
#include "port/ack_margin.h"

struct purchase_pool {
	struct gate_thread *thread;
	struct pending_purchase *slots, *free_list;
	struct pending_purchase *oldest, *newest; /* in flight */
	size_t in_flight, in_flight_max;
};

int purchase_pool_new(struct purchase_pool **out, struct gate_thread *thread, size_t in_flight_max)
{
	struct purchase_pool *pool = calloc(1, sizeof(*pool));

	if (!pool)
		return error_origin(-ENOMEM);
	pool->thread = thread;
	pool->in_flight_max = in_flight_max;
	pool->slots = calloc(in_flight_max, sizeof(*pool->slots));
	*out = pool;
	return pool->slots ? 0 : error_origin(-ENOMEM);
}

void purchase_pool_free(struct purchase_pool *pool)
{
	if (!pool)
		return;
	ASSERT(pool->in_flight == 0);
	free(pool->slots);
	free(pool);
}

/*
 * A used one, or the first that was never touched (an idle server keeps the pool's pages unmapped).
 */
struct pending_purchase *purchase_pool_take(struct purchase_pool *pool)
{
	struct pending_purchase *pending = pool->free_list;

	if (pending)
		pool->free_list = pending->next;
	else if (pool->in_flight < pool->in_flight_max)
		pending = &pool->slots[pool->in_flight]; /* all before it are in use */
	else
		return NULL;
	pool->in_flight++;
	return pending;
}

static void give_back(struct purchase_pool *pool, struct pending_purchase *pending)
{
	pending->next = pool->free_list;
	pool->free_list = pending;
	pool->in_flight--;
}

static void link_newest(struct purchase_pool *pool, struct pending_purchase *pending)
{
	pending->next = NULL;
	pending->previous = pool->newest;
	if (pool->newest)
		pool->newest->next = pending;
	else
		pool->oldest = pending;
	pool->newest = pending;
}

static void unlink_pending(struct purchase_pool *pool, struct pending_purchase *pending)
{
	if (pending->previous)
		pending->previous->next = pending->next;
	else
		pool->oldest = pending->next;
	if (pending->next)
		pending->next->previous = pending->previous;
	else
		pool->newest = pending->previous;
}

/* --- Answers --- */

static void count(struct gate_thread *thread, uint32_t sale, size_t outcome)
{
	metrics_add(thread->cells, thread->gate->metrics.purchases[outcome], 1);
	sale_tally_count(thread->tally, sale, outcome);
}

void purchase_pool_count(struct gate_thread *thread, uint32_t sale, size_t outcome)
{
	count(thread, sale, outcome);
	readiness_note(thread, (int)outcome);
}

void purchase_pool_count_late(struct gate_thread *thread, uint32_t sale)
{
	count(thread, sale, PROBLEM_OVERLOADED);
	metrics_add(thread->cells, thread->gate->metrics.turned_away, 1);
}

static void count_attempt(struct gate_thread *thread, const struct pending_purchase *pending)
{
	const struct event *event = &pending->decision.purchase.event;
	const struct attempt_rate rate = {event->sale, pending->terms.rate_requests, pending->terms.rate_seconds};

	if (thread->gate->attempt_limit)
		attempt_limit_count(thread->gate->attempt_limit, &rate, event->buyer, clock_mono_ms());
}

static void answer(struct gate_thread *thread, struct pending_purchase *pending, enum verdict verdict)
{
	struct reply *reply = &thread->reply;
	uint32_t sale = pending->decision.purchase.event.sale;

	if (verdict == VERDICT_REPLAYED && pending->counted_ms)
		address_limit_give_back(thread->gate->address_limit, &pending->client, pending->counted_ms);
	if (purchase_is_attempt(verdict))
		count_attempt(thread, pending);
	reply_clear(reply);
	purchase_say(&pending->decision.purchase, &pending->terms, verdict, reply);
	if (reply->problem == PROBLEM_OVERLOADED && pending->decision.purchase.refusal == VERDICT_OVERLOADED)
		purchase_pool_count_late(thread, sale);
	else if (reply->problem != PROBLEM_COUNT)
		purchase_pool_count(thread, sale, reply->problem);
	else
		purchase_pool_count(thread, sale, verdict == VERDICT_REPLAYED ? OUTCOME_REPLAYED : OUTCOME_ACCEPTED);
	gate_answer_handle(thread, &pending->handle, reply);
}

static void on_complete(struct message *message, void *receiver)
{
	struct pending_purchase *pending = (struct pending_purchase *)message;
	struct gate_thread *thread = receiver;
	const struct job *job = &pending->decision.job;
	enum verdict verdict = pending->decision.purchase.verdict;

	if (verdict == VERDICT_NONE)
		verdict = admission_finish(thread->gate->settings.admission, job->end, job->proof, job->started_ns, clock_mono_ns());
	admission_let_go(&pending->decision.purchase);
	if (!pending->answered) {
		unlink_pending(thread->purchases, pending);
		answer(thread, pending, verdict);
	}
	give_back(thread->purchases, pending);
}

void purchase_pool_send(struct purchase_pool *pool, struct pending_purchase *pending)
{
	struct job *job = &pending->decision.job;

	job->message.reply = pool->thread->replies;
	job->message.on_complete = on_complete;
	pending->answered = false;
	link_newest(pool, pending);
	stock_round_add(pool->thread->stock, job);
}

int64_t purchase_pool_tick(struct purchase_pool *pool, int64_t now_ns)
{
	int64_t patience_ns = pool->thread->gate->settings.admission->ack_deadline_ns + ACK_ANSWER_MARGIN_NS;

	if (FAILPOINT("ack.clock_stands_still") > 0)
		patience_ns *= 10;
	while (pool->oldest && now_ns - pool->oldest->decision.job.started_ns >= patience_ns) {
		struct pending_purchase *pending = pool->oldest;

		unlink_pending(pool, pending);
		answer(pool->thread, pending, VERDICT_OUTCOME_UNKNOWN);
		pending->answered = true;
	}
	return pool->oldest ? pool->oldest->decision.job.started_ns + patience_ns : INT64_MAX;
}
