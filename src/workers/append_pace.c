#include "workers/append_pace.h"

#include "base/clock.h"

enum {
	IDLE_NS = 100000000,     /* of a lane in which nothing is */
	FEW = 64,                /* an append of so many costs the journal little more for each than a larger one */
	LINGER_NS_MAX = 5000000, /* an append that took longer than twice this is no measure */
};

void append_pace_init(struct append_pace *pace, const struct append_pace_settings *settings)
{
	*pace = (struct append_pace){.settings = *settings};
	lock_init(&pace->taking);
	lock_init(&pace->lock);
	lock_condition_init(&pace->crowded);
}

void append_pace_deinit(struct append_pace *pace)
{
	lock_condition_deinit(&pace->crowded);
	lock_deinit(&pace->lock);
	lock_deinit(&pace->taking);
}

static size_t few(const struct append_pace *pace)
{
	return pace->settings.batch_max < FEW ? pace->settings.batch_max : FEW;
}

/* Under the lock: of twice a few, half are under way, and the others would fill an append. */
static bool is_crowded(const struct append_pace *pace)
{
	return pace->settings.journal->ops->appends > 1 && pace->under_way == 1 && pace->expected >= 2 * few(pace);
}

void append_pace_begin(struct append_pace *pace)
{
	lock_take(&pace->lock);
	pace->under_way++;
	if (is_crowded(pace))
		lock_condition_signal(&pace->crowded);
	lock_release(&pace->lock);
}

void append_pace_end(struct append_pace *pace, size_t count, int64_t took_ns)
{
	size_t waiting = lane_depth(pace->settings.lane);
	bool behind;

	lock_take(&pace->lock);
	pace->under_way--;
	pace->append_ns = took_ns;
	pace->expected = count + waiting;
	queue_wait_served(&pace->queue, count, took_ns, waiting > 0);
	behind = pace->behind;
	lock_release(&pace->lock);
	if (behind)
		lane_wake(pace->settings.lane);
}

bool append_pace_wait_for_crowd(struct append_pace *pace)
{
	bool stopping;

	lock_take(&pace->lock);
	while (!pace->stopping && !is_crowded(pace))
		lock_condition_wait(&pace->crowded, &pace->lock);
	stopping = pace->stopping;
	lock_release(&pace->lock);
	return !stopping;
}

void append_pace_stop(struct append_pace *pace)
{
	lock_take(&pace->lock);
	pace->stopping = true;
	lock_condition_broadcast(&pace->crowded);
	lock_release(&pace->lock);
	lane_close(pace->settings.lane);
}

/* How many have to be there before any is taken. */
static size_t begin_to_take(struct append_pace *pace)
{
	size_t enough;

	lock_take(&pace->lock);
	pace->behind = pace->under_way > 0;
	enough = pace->behind ? few(pace) : 1;
	lock_release(&pace->lock);
	return enough;
}

/*
 * A few events wait for company where more were there a moment ago: whoever has just been answered
 * asks again, and an append of a few would keep him waiting for its whole time. Half of an append's
 * time at most; a lone buyer never waits, and nobody does for a ledger that is the journal, where
 * more come together while it commits.
 */
static size_t wait_for_company(struct append_pace *pace, struct message **messages, size_t count)
{
	size_t enough, max = pace->settings.batch_max;
	int64_t linger_ns;

	lock_take(&pace->lock);
	enough = pace->expected < few(pace) ? pace->expected : few(pace);
	linger_ns = pace->append_ns / 2 < LINGER_NS_MAX ? pace->append_ns / 2 : LINGER_NS_MAX;
	lock_release(&pace->lock);
	if (pace->settings.journal->ops->in_ledger || count >= enough)
		return count;
	return count + lane_gather(pace->settings.lane, (void **)messages + count, enough - count, max - count, linger_ns);
}

static void note_taken(struct append_pace *pace, struct message *const *messages, size_t count)
{
	int64_t now_ns = clock_mono_ns();

	lock_take(&pace->lock);
	pace->behind = false;
	if (count)
		queue_wait_note(&pace->queue, messages, count, count == pace->settings.batch_max, now_ns);
	lock_release(&pace->lock);
}

size_t append_pace_take(struct append_pace *pace, struct message **messages)
{
	size_t count;

	lock_take(&pace->taking);
	count = lane_gather(pace->settings.lane, (void **)messages, begin_to_take(pace), pace->settings.batch_max, IDLE_NS);
	if (count)
		count = wait_for_company(pace, messages, count);
	note_taken(pace, messages, count);
	lock_release(&pace->taking);
	return count;
}
