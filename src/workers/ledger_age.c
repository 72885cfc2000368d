#include "workers/ledger_age.h"

#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/pause.h"
#include "base/thread.h"

enum { MARKS_MAX = 128 };
static const int64_t TURN_NS = 1000000000;

/* Where the journal ended at one moment. */
struct mark {
	int64_t at_ms, ends[JOURNAL_PARTITIONS_MAX];
};

struct ledger_age {
	struct journal *journal;
	struct ledger *ledger;
	struct thread thread;
	struct pause rest;
	struct lock lock; /* guards `state` */
	struct ledger_age_state state;
	struct mark *marks; /* those that the ledger has not reached, oldest first; its thread's */
	size_t count;
	uint64_t looks, every;    /* every so many looks are remembered */
	int64_t taken, looked_ns; /* by the ledger at the last look; when that was */
};

int ledger_age_new(struct ledger_age **out, struct journal *journal, struct ledger *ledger)
{
	struct ledger_age *age = calloc(1, sizeof(*age));

	if (!age)
		return error_origin(-ENOMEM);
	age->journal = journal;
	age->ledger = ledger;
	age->taken = -1;
	age->every = 1;
	lock_init(&age->lock);
	pause_init(&age->rest);
	age->marks = calloc(MARKS_MAX, sizeof(*age->marks));
	if (!age->marks) {
		ledger_age_free(age);
		return error_origin(-ENOMEM);
	}
	*out = age;
	return 0;
}

/* How far the ledger has come in each partition; the sum, or negative. */
static int64_t read_positions(struct ledger_age *age, int64_t *positions, uint32_t count)
{
	int64_t sum = 0;

	for (uint32_t i = 0; i < count; i++) {
		uint64_t mark;
		int r = age->ledger->ops->journal_position(age->ledger, i, &positions[i], &mark);

		if (r < 0)
			return r;
		if (r == LEDGER_NOT_FOUND)
			positions[i] = 0;
		sum += positions[i];
	}
	return sum;
}

static bool has_reached(const int64_t *positions, const struct mark *mark, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (positions[i] < mark->ends[i])
			return false;
	return true;
}

/*
 * Where there is no more room every other one goes, and from then on every other look is
 * remembered: the longer the lag, the coarser what is said of it, and never younger than it is.
 */
static void remember(struct ledger_age *age, const struct mark *mark)
{
	if (age->looks++ % age->every != 0)
		return;
	if (age->count == MARKS_MAX) {
		age->count = MARKS_MAX / 2;
		age->every *= 2;
		for (size_t i = 0; i < age->count; i++)
			age->marks[i] = age->marks[2 * i];
	}
	age->marks[age->count++] = *mark;
}

/*
 * When the newest moment was whose records the ledger all has; 0: none that is remembered. Those up
 * to it are forgotten.
 */
static int64_t take_reached(struct ledger_age *age, const int64_t *positions, uint32_t count, const struct mark *now)
{
	int64_t at_ms = 0;
	size_t reached = 0;

	if (has_reached(positions, now, count)) {
		age->count = 0;
		age->every = 1;
		return now->at_ms;
	}
	remember(age, now);
	while (reached < age->count && has_reached(positions, &age->marks[reached], count))
		at_ms = age->marks[reached++].at_ms;
	age->count -= reached;
	memmove(age->marks, age->marks + reached, age->count * sizeof(*age->marks));
	return at_ms;
}

void ledger_age_turn(struct ledger_age *age)
{
	struct mark now = {.at_ms = clock_wall_ms()};
	int64_t positions[JOURNAL_PARTITIONS_MAX], taken, lag = 0, looked_ns, reached_ms, elapsed_ms;
	uint32_t count;

	if (age->journal->ops->ends(age->journal, now.ends, JOURNAL_PARTITIONS_MAX, &count) < 0)
		return;
	taken = read_positions(age, positions, count);
	if (taken < 0)
		return;
	looked_ns = clock_mono_ns();
	for (uint32_t i = 0; i < count; i++)
		lag += now.ends[i] > positions[i] ? now.ends[i] - positions[i] : 0;
	reached_ms = take_reached(age, positions, count, &now);
	elapsed_ms = (looked_ns - age->looked_ns) / 1000000;
	lock_take(&age->lock);
	age->state.lag_records = lag;
	if (reached_ms)
		age->state.as_of_ms = reached_ms;
	if (age->taken >= 0 && taken >= age->taken && elapsed_ms > 0)
		age->state.rate = (taken - age->taken) * 1000 / elapsed_ms;
	lock_release(&age->lock);
	age->taken = taken;
	age->looked_ns = looked_ns;
}

static void ledger_age_run(void *argument)
{
	struct ledger_age *age = argument;

	while (!pause_ended(&age->rest)) {
		ledger_age_turn(age);
		(void)pause_rest(&age->rest, TURN_NS);
	}
}

int ledger_age_start(struct ledger_age *age)
{
	return thread_start(&age->thread, "ledger-age", ledger_age_run, age);
}

struct ledger_age_state ledger_age_look(struct ledger_age *age)
{
	struct ledger_age_state state;

	lock_take(&age->lock);
	state = age->state;
	lock_release(&age->lock);
	return state;
}

void ledger_age_stop(struct ledger_age *age)
{
	pause_end(&age->rest);
	thread_join(&age->thread);
}

void ledger_age_free(struct ledger_age *age)
{
	if (!age)
		return;
	ledger_age_stop(age);
	pause_deinit(&age->rest);
	free(age->marks);
	lock_deinit(&age->lock);
	free(age);
}
