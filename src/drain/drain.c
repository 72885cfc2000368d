#include "drain/drain.h"

#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/log.h"
#include "drain/drain_private.h"

static const int64_t READ_NS = 100000000;     /* a read waits so long: how late a stop is heard, and a partition that is new */
static const int64_t BUSINESS_NS = 500000000; /* the reader's group hears from it at least so often, whatever it waits for */
static const int64_t REFUSED_NS = 15000000000;
static const int64_t LEAVE_NS = 10000000000; /* as long as the group waits for a reader that is silent */

const struct backoff_range drain_retry = {.first_ns = 100000000, .most_ns = 5000000000};

/* --- Life --- */

static int make_room(struct drain *drain, size_t max)
{
	drain->records = calloc(max, sizeof(*drain->records));
	drain->entries = calloc(max, sizeof(*drain->entries));
	drain->entry_records = calloc(max, sizeof(*drain->entry_records));
	drain->bad = calloc(max, sizeof(*drain->bad));
	drain->dead_letters = calloc(max, sizeof(*drain->dead_letters));
	drain->progress = calloc(max, sizeof(*drain->progress));
	drain->progress_at_ms = calloc(max, sizeof(*drain->progress_at_ms));
	drain->waiting = calloc(JOURNAL_PARTITIONS_MAX, sizeof(*drain->waiting));
	if (!drain->records || !drain->entries || !drain->entry_records || !drain->bad || !drain->dead_letters ||
	    !drain->progress || !drain->progress_at_ms || !drain->waiting)
		return error_origin(-ENOMEM);
	return 0;
}

int drain_new(struct drain **out, const struct drain_settings *settings)
{
	struct drain *drain = calloc(1, sizeof(*drain));
	int r;

	if (!drain)
		return error_origin(-ENOMEM);
	lock_init(&drain->lock);
	pause_init(&drain->pause);
	drain->settings = *settings;
	pace_init(&drain->pace, &settings->pace, clock_mono_ns());
	drain->shown = (struct drain_state){.lag_records = -1, .rate = settings->pace.rate, .batch = (int64_t)drain->pace.batch};
	snprintf(drain->shown.reason, sizeof(drain->shown.reason), "starting: the journal and the ledger are being compared");
	r = make_room(drain, settings->pace.batch_max);
	if (r < 0) {
		drain_free(drain);
		return r;
	}
	drain_metrics_register(&drain->metrics, settings->metrics, drain);
	*out = drain;
	return 0;
}

void drain_free(struct drain *drain)
{
	if (!drain)
		return;
	drain_stop(drain);
	drain_forget_dead_letters(drain);
	pause_deinit(&drain->pause);
	lock_deinit(&drain->lock);
	free(drain->partitions);
	free(drain->waiting);
	free(drain->records);
	free(drain->entries);
	free(drain->entry_records);
	free(drain->bad);
	free(drain->dead_letters);
	free(drain->progress);
	free(drain->progress_at_ms);
	free(drain);
}

void drain_look(struct drain *drain, struct drain_state *state)
{
	lock_take(&drain->lock);
	*state = drain->shown;
	lock_release(&drain->lock);
}

/* --- Being well --- */

/* A stalled partition's reason stands: it is the one that needs somebody's hand. */
static void show_reason(struct drain *drain, const char *reason)
{
	lock_take(&drain->lock);
	if (drain->shown.stalled == 0)
		snprintf(drain->shown.reason, sizeof(drain->shown.reason), "%s", reason);
	lock_release(&drain->lock);
}

void drain_fail(struct drain *drain, enum drain_step step, int code, bool everything)
{
	char reason[DRAIN_REASON_SIZE];
	int64_t wait_ns = backoff_fail(&drain->backoff, &drain_retry, code);

	metrics_add(drain->cells, drain->metrics.failures[step], 1);
	drain->not_before_ns = clock_mono_ns() + wait_ns;
	drain->failed = step;
	pace_failed(&drain->pace, clock_mono_ns(), 0);
	if (everything)
		drain_revoke_all(drain);
	if (step == DRAIN_STEP_COMMIT || step == DRAIN_STEP_POSITION || step == DRAIN_STEP_IDENTIFY)
		drain->ledger_unhealthy = true;
	snprintf(reason, sizeof(reason), "it cannot %s now: %s", drain_step_name(step), error_text(code));
	show_reason(drain, reason);
	log_warn("drain", "a step failed: it is tried again", LOG_TEXT("step", drain_step_name(step)),
		 LOG_TEXT("error", error_text(code)), LOG_INT("code", code), LOG_INT("milliseconds", wait_ns / 1000000));
}

/*
 * After a failure: the ledger may want to be opened again, and may be another one that answers at
 * its address now.
 */
static int recover_ledger(struct drain *drain)
{
	struct ledger *ledger = drain->settings.ledger;
	const char *reason;
	int r;

	if (drain->ledger_unhealthy && ledger->ops->health(ledger, &reason) < 0) {
		r = ledger->ops->recover(ledger);
		if (r < 0)
			return r;
		log_info("drain", "the ledger has recovered");
	}
	if (drain->ledger_unhealthy)
		drain->identified = false;
	drain->ledger_unhealthy = false;
	return 0;
}

int drain_identify(struct drain *drain)
{
	struct journal_reader *reader = drain->settings.reader;
	struct ledger *ledger = drain->settings.ledger;
	const char *cluster, *topic;
	uint32_t has = 0, fixed;
	char *known = NULL;
	int r = recover_ledger(drain);

	if (r == 0)
		r = reader->ops->identity(reader, &cluster, &topic, &has);
	if (r < 0)
		return r;
	fixed = has;
	r = ledger->ops->journal_identify(ledger, slice_of(cluster), slice_of(topic), &fixed, &known);
	drain->ledger_unhealthy = r < 0;
	if (r == LEDGER_OTHER_LOG) {
		log_error("drain",
			  "the ledger is filled from another journal: its positions mean nothing in this one. Set journal.url and ledger.url to those that belong together",
			  LOG_TEXT("cluster", cluster), LOG_TEXT("topic", topic), LOG_TEXT("known", known ? known : "?"));
		show_reason(drain, "the ledger is filled from another journal");
	}
	free(known);
	if (r < 0 || r == LEDGER_OTHER_LOG)
		return r < 0 ? r : DRAIN_OTHER_LOG;
	if (fixed != has)
		log_warn("drain",
			 "the topic has another number of partitions than when it was first read: that one stays, and added partitions stay unused",
			 LOG_TEXT("topic", topic), LOG_INT("partitions", fixed), LOG_INT("topic_has", has));
	drain->identified = true;
	show_reason(drain, "");
	return DRAIN_DONE;
}

/* A drain that does not reach its ledger for long leaves the partitions to those that may. */
static void share(struct drain *drain, bool shares)
{
	struct journal_reader *reader = drain->settings.reader;

	if (drain->resigned != shares || reader->ops->share(reader, shares) < 0)
		return;
	drain->resigned = !shares;
	if (shares)
		log_info("drain", "it has a share in the partitions again");
	else
		log_warn("drain", "the partitions are left to other drains until the ledger is there");
}

/* True: the log is the ledger's. */
static bool identified(struct drain *drain)
{
	int r = drain->identified && !drain->ledger_unhealthy ? 0 : drain_identify(drain);

	if (r == 0)
		drain->unreachable_ns = 0;
	else if (drain->unreachable_ns == 0)
		drain->unreachable_ns = clock_mono_ns();
	share(drain, r == 0 || clock_mono_ns() - drain->unreachable_ns < LEAVE_NS);
	if (r < 0)
		drain_fail(drain, DRAIN_STEP_IDENTIFY, r, true);
	else if (r == DRAIN_OTHER_LOG) {
		drain_revoke_all(drain);
		drain->not_before_ns = clock_mono_ns() + backoff_jitter(REFUSED_NS);
	}
	return r == 0;
}

/*
 * Whatever failed before is over once a batch was committed. Where there is none to commit, a
 * commit that failed may fail again: only an empty log says more.
 */
static void recovered(struct drain *drain, size_t count)
{
	struct journal_reader *reader = drain->settings.reader;

	if (!backoff_failed(&drain->backoff))
		return;
	if (count == 0 && drain->failed == DRAIN_STEP_COMMIT && reader->ops->lag(reader) != 0)
		return;
	backoff_reset(&drain->backoff);
	show_reason(drain, "");
	log_info("drain", "it goes on");
}

/* --- A turn --- */

/*
 * `in_hand`: records that were read and are not committed. While something fails, what the reader
 * says is too little: it has read on, or waits to be positioned. Then the lag is what it was at the
 * least, and never none.
 */
static void show(struct drain *drain, size_t in_hand)
{
	struct journal_reader *reader = drain->settings.reader;
	int64_t lag = reader->ops->lag(reader), partitions = (int64_t)reader->ops->given(reader);

	if (lag >= 0)
		lag += (int64_t)in_hand;
	lock_take(&drain->lock);
	if (!backoff_failed(&drain->backoff) || lag > drain->shown.lag_records)
		drain->shown.lag_records = lag;
	else if (drain->shown.lag_records == 0)
		drain->shown.lag_records = -1;
	drain->shown.batch = (int64_t)drain->pace.batch;
	drain->shown.partitions = partitions;
	lock_release(&drain->lock);
}

static void read_failed(struct drain *drain, int code)
{
	/*
	 * Which partition has lost its next record is what positioning it says; of the others
	 * nothing was lost.
	 */
	drain_fail(drain, DRAIN_STEP_READ, code, code == -ENODATA);
}

/* The group hears from this reader while nothing is to be read. */
static int64_t wait_turn(struct drain *drain, int64_t wait_ns)
{
	struct journal_reader *reader = drain->settings.reader;
	size_t none = 0;
	int r = reader->ops->read(reader, drain->records, 0, 0, &none);

	if (r == -ENODATA)
		drain_revoke_all(drain);
	show(drain, 0);
	return wait_ns < BUSINESS_NS ? wait_ns : BUSINESS_NS;
}

static int64_t read_batch(struct drain *drain)
{
	struct journal_reader *reader = drain->settings.reader;
	int64_t wait_ns;
	size_t max = pace_ask(&drain->pace, clock_mono_ns(), &wait_ns), count = 0;
	int r;

	if (max == 0)
		return wait_turn(drain, wait_ns);
	r = reader->ops->read(reader, drain->records, max, READ_NS, &count);
	if (r < 0) {
		read_failed(drain, r);
		return 0;
	}
	ASSERT(count <= max);
	pace_took(&drain->pace, clock_mono_ns(), count, count < max && reader->ops->lag(reader) <= 0);
	if (count > 0) {
		show(drain, count);
		drain_apply(drain, count);
	}
	if (clock_mono_ns() >= drain->not_before_ns && (count > 0 || drain_check(drain) == 0))
		recovered(drain, count);
	show(drain, 0);
	return 0;
}

int64_t drain_turn(struct drain *drain)
{
	int64_t now_ns = clock_mono_ns();
	int r;

	if (!drain->cells)
		drain->cells = metrics_cells_new(drain->settings.metrics);
	if (now_ns < drain->not_before_ns)
		return wait_turn(drain, drain->not_before_ns - now_ns);
	r = drain_copy_dead_letters(drain);
	if (r < 0)
		drain_fail(drain, DRAIN_STEP_DEAD_LETTER, r, false);
	else if (identified(drain) && drain_position(drain) == 0)
		return read_batch(drain);
	return 0;
}

static void drain_run(void *argument)
{
	struct drain *drain = argument;
	size_t lost;

	while (!pause_ended(&drain->pause)) {
		int64_t wait_ns = drain_turn(drain);

		if (wait_ns > 0)
			(void)pause_rest(&drain->pause, wait_ns);
	}
	(void)drain_copy_dead_letters(drain);
	lost = drain_forget_dead_letters(drain);
	if (lost > 0)
		log_warn("drain", "dead letters are in the ledger, but not in the dead-letter log", LOG_INT("count", lost));
}

int drain_start(struct drain *drain)
{
	return thread_start(&drain->thread, "drain", drain_run, drain);
}

void drain_stop(struct drain *drain)
{
	pause_end(&drain->pause);
	thread_join(&drain->thread);
}
