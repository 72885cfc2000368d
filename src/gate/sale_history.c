#include "gate/sale_history.h"

#include <stdlib.h>
#include <string.h>
#include "base/clock.h"

static const int64_t step_ns = 1000000000;

const char *const sale_history_classes[ANSWER_CLASSES] = {
	[ANSWER_ACCEPTED] = "accepted", [ANSWER_REPLAYED] = "replayed",       [ANSWER_GONE] = "gone",
	[ANSWER_REFUSED] = "refused",   [ANSWER_UNAVAILABLE] = "unavailable",
};

struct past {
	uint32_t sale; /* 0: nobody's */
	bool goes_on;
	int64_t last_ns; /* monotonic: when its newest point was made */
	uint64_t end;
	uint64_t counted[ANSWER_CLASSES]; /* at the newest point */
	struct history_now now;
	struct history_point points[HISTORY_POINTS]; /* of number n at n % HISTORY_POINTS */
};

struct sale_history {
	struct gate_thread *thread;
	int64_t next_ns;
	uint64_t chosen_of; /* the generation of the table that `choice` is of; 0: none yet */
	struct sale_choice choice;
	struct past *pasts[HISTORY_SALES]; /* NULL: not needed yet */
};

int sale_history_new(struct sale_history **out, struct gate_thread *thread)
{
	struct sale_history *history = calloc(1, sizeof(*history));

	if (!history)
		return error_origin(-ENOMEM);
	history->thread = thread;
	*out = history;
	return 0;
}

void sale_history_free(struct sale_history *history)
{
	if (!history)
		return;
	for (size_t i = 0; i < HISTORY_SALES; i++)
		free(history->pasts[i]);
	free(history);
}

static struct past *find(const struct sale_history *history, uint32_t sale)
{
	for (size_t i = 0; i < HISTORY_SALES; i++)
		if (history->pasts[i] && history->pasts[i]->sale == sale)
			return history->pasts[i];
	return NULL;
}

static bool still_counts(const struct sale_choice *choice, uint32_t sale)
{
	for (size_t i = 0; i < choice->count && i < HISTORY_SALES; i++)
		if (choice->entries[i]->sale->number == sale)
			return true;
	return false;
}

/*
 * Room for one sale more: what was never used, or what was over first. There is some, for no more
 * sales are counted than there is room for.
 */
static struct past *make_room(struct sale_history *history, const struct sale_choice *choice)
{
	struct past **oldest = NULL;

	for (size_t i = 0; i < HISTORY_SALES; i++) {
		struct past **past = &history->pasts[i];

		if (!*past) {
			*past = calloc(1, sizeof(**past)); /* what it has not filled yet takes no memory */
			return *past;
		}
		if (!still_counts(choice, (*past)->sale) && (!oldest || (*past)->last_ns < (*oldest)->last_ns))
			oldest = past;
	}
	ASSERT(oldest != NULL);
	memset(*oldest, 0, sizeof(**oldest));
	return *oldest;
}

static enum answer_class class_of(size_t outcome)
{
	int status;

	if (outcome == OUTCOME_ACCEPTED)
		return ANSWER_ACCEPTED;
	if (outcome == OUTCOME_REPLAYED)
		return ANSWER_REPLAYED;
	status = problem_status((enum problem)outcome);
	if (status == 410)
		return ANSWER_GONE;
	return status < 500 ? ANSWER_REFUSED : ANSWER_UNAVAILABLE;
}

static void count_purchases(const struct gate *gate, struct past *past, struct history_point *point)
{
	uint64_t counts[PURCHASE_OUTCOMES], sums[ANSWER_CLASSES] = {0};

	sale_metrics_purchases(gate, past->sale, counts);
	for (size_t i = 0; i < PURCHASE_OUTCOMES; i++)
		sums[class_of(i)] += counts[i];
	for (size_t i = 0; i < ANSWER_CLASSES; i++) {
		/* A row that was given anew begins at 0. */
		point->purchases[i] = (uint32_t)(sums[i] >= past->counted[i] ? sums[i] - past->counted[i] : sums[i]);
		past->counted[i] = sums[i];
	}
}

/* False: the stock says nothing of the sale now. */
static bool add_point(const struct gate *gate, struct past *past, const struct sale *sale, int64_t now_ms)
{
	struct history_point point = {.at_ms = now_ms};

	if (!gate_lots(gate, sale, past->now.lots))
		return false;
	past->now.lot_count = sale->lot_count;
	for (uint32_t i = 0; i < sale->lot_count; i++) {
		point.available += past->now.lots[i].available;
		point.held += past->now.lots[i].held;
		point.confirmed += past->now.lots[i].confirmed;
		point.withdrawn += past->now.lots[i].withdrawn;
	}
	count_purchases(gate, past, &point);
	past->points[past->end++ % HISTORY_POINTS] = point;
	return true;
}

/* A table of thousands of sales is looked through when it changes, not each second. */
static const struct sale_choice *choose(struct sale_history *history)
{
	const struct sale_table *table = gate_sales(history->thread);

	if (history->chosen_of != sale_table_generation(table)) {
		sale_tally_choose(table, &history->choice);
		history->chosen_of = sale_table_generation(table);
	}
	return &history->choice;
}

int64_t sale_history_tick(struct sale_history *history, int64_t now_ns)
{
	const struct sale_choice *choice;
	int64_t now_ms;

	if (now_ns < history->next_ns)
		return history->next_ns;
	/* In step, but for a thread that was late: two points lie apart. */
	history->next_ns = (now_ns - history->next_ns < step_ns / 2 ? history->next_ns : now_ns) + step_ns;
	now_ms = clock_wall_ms();
	choice = choose(history);
	for (size_t i = 0; i < HISTORY_SALES; i++)
		if (history->pasts[i])
			history->pasts[i]->goes_on = false;
	for (size_t i = 0; i < choice->count && i < HISTORY_SALES; i++) {
		const struct sale *sale = choice->entries[i]->sale;
		struct past *past = find(history, sale->number);

		if (!past) {
			past = make_room(history, choice);
			if (!past)
				continue;
			past->sale = sale->number;
		}
		past->last_ns = now_ns;
		past->goes_on = add_point(history->thread->gate, past, sale, now_ms);
	}
	return history->next_ns;
}

uint64_t sale_history_end(const struct sale_history *history, uint32_t sale)
{
	const struct past *past = find(history, sale);

	return past ? past->end : 0;
}

bool sale_history_goes_on(const struct sale_history *history, uint32_t sale)
{
	const struct past *past = find(history, sale);

	return past && past->goes_on;
}

uint64_t sale_history_first(const struct sale_history *history, uint32_t sale)
{
	uint64_t end = sale_history_end(history, sale);

	return end > HISTORY_POINTS ? end - HISTORY_POINTS : 0;
}

const struct history_point *sale_history_at(const struct sale_history *history, uint32_t sale, uint64_t number)
{
	const struct past *past = find(history, sale);

	ASSERT(past != NULL);
	ASSERT(number < past->end);
	ASSERT(number + HISTORY_POINTS >= past->end);
	return &past->points[number % HISTORY_POINTS];
}

const struct history_now *sale_history_now(const struct sale_history *history, uint32_t sale)
{
	const struct past *past = find(history, sale);

	ASSERT(past != NULL);
	return &past->now;
}
