#include "gate/stock_round.h"

#include <stdlib.h>
#include "workers/stock_executor.h"

enum { BATCH_MAX = 256 }; /* jobs asked for in one call: what a busy round has */

struct stock_round {
	struct gate_thread *thread;
	struct stock_executor *executor;
	void **normal, **urgent; /* of purchases; of the others, at most GATE_PENDING_MAX */
	size_t normal_count, urgent_count;
};

int stock_round_new(struct stock_round **out, struct gate_thread *thread, size_t purchases_max)
{
	const struct gate_settings *settings = &thread->gate->settings;
	const struct stock_executor_settings executor = {
		.admission = settings->admission,
		.journal_lane = settings->journal_lane,
		.lane = settings->stock_lane,
		.batch_max = BATCH_MAX,
	};
	struct stock_round *round = calloc(1, sizeof(*round));

	if (!round)
		return error_origin(-ENOMEM);
	round->thread = thread;
	round->normal = calloc(purchases_max, sizeof(*round->normal));
	round->urgent = calloc(GATE_PENDING_MAX, sizeof(*round->urgent));
	*out = round;
	return round->normal && round->urgent ? stock_executor_new(&round->executor, &executor) : error_origin(-ENOMEM);
}

void stock_round_free(struct stock_round *round)
{
	if (!round)
		return;
	ASSERT(round->normal_count == 0);
	ASSERT(round->urgent_count == 0);
	stock_executor_free(round->executor);
	free(round->normal);
	free(round->urgent);
	free(round);
}

void stock_round_add(struct stock_round *round, struct job *job)
{
	if (job->kind == JOB_PURCHASE) {
		round->thread->gathering = true;
		round->normal[round->normal_count++] = job;
		return;
	}
	ASSERT(round->urgent_count < GATE_PENDING_MAX);
	round->urgent[round->urgent_count++] = job;
}

static void ask(struct stock_round *round, enum lane_class class, void **jobs, size_t *count)
{
	size_t complete = stock_executor_run(round->executor, class, jobs, *count);

	*count = 0;
	for (size_t i = 0; i < complete; i++) {
		struct message *message = jobs[i];

		message->on_complete(message, round->thread);
	}
}

void stock_round_end(struct stock_round *round)
{
	struct gate_thread *thread = round->thread;

	if (round->urgent_count)
		ask(round, LANE_URGENT, round->urgent, &round->urgent_count);
	if (round->normal_count) {
		metrics_observe(thread->cells, thread->gate->metrics.round_purchases, round->normal_count);
		ask(round, LANE_NORMAL, round->normal, &round->normal_count);
		thread->gathering = false;
	}
}
