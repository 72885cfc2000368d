#include "drain/pace.h"

#include "base/assertion.h"

enum {
	BATCH_START = 64, /* a commit of so many takes hardly longer than a commit of one */
	BATCH_LEAST = 16, /* below it a commit is all fsync and round trip: a smaller one would be no faster */
	BATCH_STEP = 32,  /* from the start to 2,048 in 62 commits: a third of a second of 5 ms each, 6 s at a target of 100 ms */
};
static const int64_t RECORD = 1000000000;   /* what a record costs: time earns `rate` a nanosecond */
static const int64_t QUANTUM_NS = 20000000; /* at most 50 commits a second for the rate's sake */
static const int64_t BUSY_NS = 250000000; /* a commit that stalls for longer is a fault of the ledger, not something to make up for */
static const int64_t REST_MAX_NS = 1000000000; /* a ledger that came back after a long stall is not left alone for as long again */

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/*
 * Time earns, but no further than `window_ns` would from nothing, or `records` where that is more.
 */
static void earn(struct pace *pace, int64_t now_ns, int64_t window_ns, int64_t records)
{
	int64_t rate = pace->settings.rate, most = window_ns * rate, elapsed_ns = now_ns - pace->at_ns;

	pace->at_ns = now_ns;
	if (most < records * RECORD)
		most = records * RECORD;
	if (elapsed_ns <= 0 || pace->credit >= most)
		return;
	if (elapsed_ns > (most - pace->credit) / rate)
		pace->credit = most;
	else
		pace->credit += elapsed_ns * rate;
}

void pace_init(struct pace *pace, const struct pace_settings *settings, int64_t now_ns)
{
	ASSERT(settings->rate >= 0);
	ASSERT(settings->rate <= PACE_RATE_MAX);
	ASSERT(settings->batch_max > 0);
	*pace = (struct pace){
		.settings = *settings, .at_ns = now_ns, .rest_until_ns = now_ns, .batch = least(BATCH_START, settings->batch_max)};
}

size_t pace_ask(struct pace *pace, int64_t now_ns, int64_t *wait_ns)
{
	int64_t rate = pace->settings.rate, quantum = QUANTUM_NS * rate / RECORD, need;

	*wait_ns = 0;
	if (rate > 0 && pace->idle)
		earn(pace, now_ns, QUANTUM_NS, 1);
	else if (rate > 0)
		earn(pace, now_ns, BUSY_NS, 2); /* two: a wait that ends late must not cost a rate of a few a second its remainder */
	pace->idle = false;
	if (now_ns < pace->rest_until_ns) {
		*wait_ns = pace->rest_until_ns - now_ns;
		return 0;
	}
	if (rate == 0)
		return pace->batch;
	need = (int64_t)least(quantum > 1 ? (size_t)quantum : 1, pace->batch) * RECORD;
	if (pace->credit < need) {
		*wait_ns = (need - pace->credit + rate - 1) / rate;
		return 0;
	}
	return least((size_t)(pace->credit / RECORD), pace->batch);
}

void pace_took(struct pace *pace, int64_t now_ns, size_t count, bool dry)
{
	int64_t most = QUANTUM_NS * pace->settings.rate;

	if (pace->settings.rate == 0)
		return;
	pace->credit -= (int64_t)count * RECORD;
	ASSERT(pace->credit >= 0);
	/* A read that took longer has waited, and waiting earns no more than that. */
	if (now_ns - pace->at_ns > QUANTUM_NS)
		pace->at_ns = now_ns - QUANTUM_NS;
	if (!dry)
		return;
	earn(pace, now_ns, QUANTUM_NS, 1);
	if (most < RECORD)
		most = RECORD;
	if (pace->credit > most)
		pace->credit = most;
}

static void shrink(struct pace *pace, size_t count)
{
	size_t half = least(count, pace->batch) / 2;

	pace->batch = half < BATCH_LEAST ? least(BATCH_LEAST, pace->settings.batch_max) : half;
}

void pace_committed(struct pace *pace, int64_t now_ns, size_t count, int64_t commit_ns)
{
	int64_t over_ns = commit_ns - pace->settings.target_ns;

	if (over_ns > 0) {
		shrink(pace, count);
		pace->rest_until_ns = now_ns + (over_ns < REST_MAX_NS ? over_ns : REST_MAX_NS);
	} else if (count >= pace->batch) {
		pace->batch = least(pace->batch + BATCH_STEP, pace->settings.batch_max);
	}
}

void pace_failed(struct pace *pace, int64_t now_ns, size_t count)
{
	if (count > 0)
		shrink(pace, count);
	pace->credit = 0;
	pace->at_ns = now_ns;
	pace->idle = true; /* what follows is waiting */
}
