#include "workers/journal_worker.h"

#include <stdatomic.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/thread.h"
#include "port/ack_margin.h"
#include "workers/queue_wait.h"
#include "workers/return_batch.h"

enum {
	IDLE_NS = 100000000,     /* how often an idle worker looks at the outbox and an unhealthy journal */
	SILENCE_NS = 1000000000, /* a journal that has had nothing to say for so long is asked whether it is well */
	CLAIMS_MAX = 256,
	FEW = 64,                /* an append of so many costs the journal little more for each than a larger one */
	LINGER_NS_MAX = 5000000, /* an append that took longer than twice this is no measure */
};

struct journal_worker {
	struct journal_worker_settings settings;
	struct thread thread;
	size_t expected;               /* of the last append, and those who were waiting when it ended: so many may come soon */
	int64_t append_ns;             /* what the last one took */
	struct message **messages;     /* batch_max */
	struct job **jobs;             /* batch_max: those that are sent */
	struct journal_entry *entries; /* batch_max */
	const struct event **events;   /* batch_max */
	size_t *durable;               /* batch_max: which of the jobs that are sent the stock is told of */
	enum stock_ack *answers;       /* batch_max: what it says to each of those */
	struct job **refused;          /* batch_max */
	bool *undone;                  /* batch_max */
	void **returned;               /* batch_max */
	struct stock_claim claims[CLAIMS_MAX];
	struct metrics_cells *cells;
	metric_id batch_events, append_seconds, ends[JOURNAL_UNKNOWN + 1], late, unproven, driven, forbidden;
	_Atomic int64_t undelivered;
	struct queue_wait queue;
	int64_t next_care_ns, spoken_ns; /* spoken: when the journal last had something to say */
};

static void register_metrics(struct journal_worker *worker)
{
	struct metrics *metrics = worker->settings.metrics;
	static const char name[] = "penstock_journal_events_total";
	static const char help[] = "Events given to the journal, by what became of them.";

	worker->ends[JOURNAL_DURABLE] = metrics_counter(metrics, name, help, "end=\"durable\"");
	worker->ends[JOURNAL_REFUSED] = metrics_counter(metrics, name, help, "end=\"refused\"");
	worker->ends[JOURNAL_UNKNOWN] = metrics_counter(metrics, name, help, "end=\"unknown\"");
	worker->late = metrics_counter(metrics, "penstock_journal_late_total",
				       "Events refused unsent because they had waited past the acknowledgement deadline.", NULL);
	worker->unproven = metrics_counter(
		metrics, "penstock_journal_unproven_total",
		"Events that the journal has and the stock did not acknowledge under their epoch: not told as done.", NULL);
	worker->driven = metrics_counter(metrics, "penstock_journal_driven_again_total",
					 "Outbox entries of unknown end that were given to the journal again.", NULL);
	worker->forbidden = metrics_counter(metrics, "penstock_journal_forbidden_total",
					    "Events that would have broken a promise, kept out by the last line; must stay 0.", NULL);
	worker->batch_events = metrics_histogram(metrics, "penstock_journal_batch_events", "Events in one append.", NULL, 1,
						 metrics_size_bounds, metrics_size_bound_count);
	worker->append_seconds = metrics_histogram(metrics, "penstock_journal_append_seconds",
						   "Time of one append: with the direct journal, the ledger's commit.", NULL,
						   1e-9, metrics_latency_bounds, metrics_latency_bound_count);
}

int journal_worker_new(struct journal_worker **out, const struct journal_worker_settings *settings)
{
	struct journal_worker *worker = calloc(1, sizeof(*worker));
	size_t max = settings->batch_max < CLAIMS_MAX ? CLAIMS_MAX : settings->batch_max;

	if (!worker)
		return error_origin(-ENOMEM);
	worker->settings = *settings;
	worker->messages = calloc(max, sizeof(*worker->messages));
	worker->jobs = calloc(max, sizeof(*worker->jobs));
	worker->entries = calloc(max, sizeof(*worker->entries));
	worker->events = calloc(max, sizeof(*worker->events));
	worker->returned = calloc(max, sizeof(*worker->returned));
	worker->durable = calloc(max, sizeof(*worker->durable));
	worker->answers = calloc(max, sizeof(*worker->answers));
	worker->refused = calloc(max, sizeof(*worker->refused));
	worker->undone = calloc(max, sizeof(*worker->undone));
	if (!worker->messages || !worker->jobs || !worker->entries || !worker->events || !worker->returned || !worker->refused ||
	    !worker->undone || !worker->durable || !worker->answers) {
		journal_worker_free(worker);
		return error_origin(-ENOMEM);
	}
	register_metrics(worker);
	*out = worker;
	return 0;
}

void journal_worker_free(struct journal_worker *worker)
{
	if (!worker)
		return;
	journal_worker_stop(worker);
	free(worker->messages);
	free(worker->jobs);
	free(worker->entries);
	free(worker->events);
	free(worker->durable);
	free(worker->answers);
	free(worker->returned);
	free(worker->refused);
	free(worker->undone);
	free(worker);
}

int64_t journal_worker_undelivered(const struct journal_worker *worker)
{
	return atomic_load_explicit(&worker->undelivered, memory_order_relaxed);
}

int64_t journal_worker_wait_ns(const struct journal_worker *worker)
{
	return queue_wait_ns(&worker->queue);
}

/* Appends the first `count` entries, measured. */
static void append(struct journal_worker *worker, size_t count)
{
	struct journal *journal = worker->settings.journal;
	int64_t start_ns = clock_mono_ns();

	(void)FAILPOINT("journal.before_append");
	journal->ops->append(journal, worker->entries, count);
	worker->spoken_ns = clock_mono_ns();
	worker->append_ns = worker->spoken_ns - start_ns;
	worker->expected = count + lane_depth(worker->settings.lane);
	queue_wait_served(&worker->queue, count, worker->append_ns, worker->expected > count);
	(void)FAILPOINT("journal.after_append");
	if (FAILPOINT("journal.unknown_is_refused") > 0) /* breaks rule 2 on purpose */
		for (size_t i = 0; i < count; i++)
			if (worker->entries[i].end == JOURNAL_UNKNOWN)
				worker->entries[i].end = JOURNAL_REFUSED;
	metrics_observe(worker->cells, worker->append_seconds, (uint64_t)(clock_mono_ns() - start_ns));
	metrics_observe(worker->cells, worker->batch_events, count);
	for (size_t i = 0; i < count; i++) {
		metrics_add(worker->cells, worker->ends[worker->entries[i].end], 1);
		if (worker->entries[i].forbidden)
			metrics_add(worker->cells, worker->forbidden, 1);
	}
}

/* The events among the first `count` entries that are durable, and where they stand. */
static size_t select_durable(struct journal_worker *worker, size_t count)
{
	size_t selected = 0;

	for (size_t i = 0; i < count; i++)
		if (worker->entries[i].end == JOURNAL_DURABLE) {
			worker->durable[selected] = i;
			worker->events[selected++] = worker->entries[i].event;
		}
	return selected;
}

static void log_failures(const struct journal_worker *worker, size_t count)
{
	static struct log_limiter limiter;
	uint64_t suppressed;

	for (size_t i = 0; i < count; i++) {
		const struct journal_entry *entry = &worker->entries[i];

		if (entry->end == JOURNAL_DURABLE || !log_limiter_pass(&limiter, &suppressed))
			continue;
		log_error("journal", entry->end == JOURNAL_REFUSED ? "events were refused" : "events are of unknown end",
			  LOG_TEXT("reason", entry->reason ? entry->reason : ""),
			  LOG_TEXT("kind", event_kind_name(entry->event->kind)), LOG_INT("sale", entry->event->sale),
			  LOG_INT("batch", count), LOG_INT("suppressed", suppressed));
	}
}

/*
 * Undoes what was refused. What cannot be undone may still become true: nobody can say what its end
 * is.
 */
static void compensate(struct journal_worker *worker, size_t count)
{
	struct stock *stock = worker->settings.stock;

	for (size_t i = 0; i < count; i++)
		worker->events[i] = worker->refused[i]->event;
	if (count)
		stock->ops->compensate(stock, worker->events, count, worker->undone);
	for (size_t i = 0; i < count; i++)
		if (!worker->undone[i])
			worker->refused[i]->end = JOURNAL_UNKNOWN;
}

/* Jobs that are too old to be told of are refused unsent; the rest become entries. */
static size_t sort_out(struct journal_worker *worker, size_t count, int64_t now_ns)
{
	size_t sent = 0, late = 0;

	for (size_t i = 0; i < count; i++) {
		struct job *job = (struct job *)worker->messages[i];

		if (now_ns - job->started_ns > worker->settings.ack_deadline_ns) {
			job->end = JOURNAL_REFUSED;
			job->reason = "waited too long";
			worker->refused[late++] = job;
			continue;
		}
		worker->jobs[sent] = job;
		worker->entries[sent++] = (struct journal_entry){.event = job->event, .end = JOURNAL_UNKNOWN};
	}
	compensate(worker, late);
	if (late)
		metrics_add(worker->cells, worker->late, late);
	return sent;
}

/* Purchases to the front. How many. */
static size_t purchases_first(struct message **messages, size_t count)
{
	size_t purchases = 0;

	for (size_t i = 0; i < count; i++) {
		struct message *message = messages[i];

		if (((struct job *)message)->kind != JOB_PURCHASE)
			continue;
		messages[i] = messages[purchases];
		messages[purchases++] = message;
	}
	return purchases;
}

/*
 * The commit has held each event's epoch against its sale's. A buyer is told while the stock is
 * being told: nothing that he can ask of it comes before that. Whoever has settled an order waits,
 * for he may look at the units next.
 */
static void answer_by_commit(struct journal_worker *worker, size_t count, size_t durable)
{
	size_t purchases = purchases_first(worker->messages, count);

	for (size_t i = 0; i < durable; i++)
		worker->jobs[worker->durable[i]]->proof = EPOCH_PROVEN;
	return_batch(worker->messages, worker->returned, purchases);
	worker->settings.stock->ops->acknowledge_wait(worker->settings.stock);
	return_batch(worker->messages + purchases, worker->returned, count - purchases);
}

/* Nobody is told before the stock has said under which epoch it was told. */
static void answer_by_stock(struct journal_worker *worker, size_t count, size_t durable)
{
	worker->settings.stock->ops->acknowledge_wait(worker->settings.stock);
	for (size_t i = 0; i < durable; i++) {
		worker->jobs[worker->durable[i]]->proof = ack_deadline_proof_of(worker->answers[i]);
		if (worker->answers[i] != STOCK_ACK_DONE && worker->answers[i] != STOCK_ACK_ALREADY)
			metrics_add(worker->cells, worker->unproven, 1);
	}
	return_batch(worker->messages, worker->returned, count);
}

static void process(struct journal_worker *worker, size_t count)
{
	struct stock *stock = worker->settings.stock;
	int64_t now_ns = clock_mono_ns();
	size_t sent = sort_out(worker, count, now_ns), durable = 0, refused = 0;

	queue_wait_note(&worker->queue, worker->messages, count, count == worker->settings.batch_max, now_ns);
	if (sent) {
		append(worker, sent);
		for (size_t i = 0; i < sent; i++) {
			worker->jobs[i]->end = worker->entries[i].end;
			worker->jobs[i]->reason = worker->entries[i].reason;
			if (worker->jobs[i]->end == JOURNAL_REFUSED)
				worker->refused[refused++] = worker->jobs[i];
		}
		log_failures(worker, sent);
		durable = select_durable(worker, sent);
		stock->ops->acknowledge_send(stock, worker->events, durable, worker->answers);
		(void)FAILPOINT("journal.acknowledged"); /* the stock is told of it, the buyer is not */
		compensate(worker, refused);
	}
	if (worker->settings.journal->ops->in_ledger)
		answer_by_commit(worker, count, durable);
	else
		answer_by_stock(worker, count, durable);
}

/*
 * Drives the outbox entries whose end nobody knows. What is refused here is not compensated: the
 * entry was claimed, so an earlier try of it may have got through; it is driven again later.
 */
static void drive_claims(struct journal_worker *worker)
{
	struct stock *stock = worker->settings.stock;
	int64_t now_ns = clock_mono_ns();
	int64_t before_ns = now_ns - worker->settings.ack_deadline_ns - ACK_CLAIM_MARGIN_NS;
	size_t count = stock->ops->claim(stock, before_ns, now_ns, worker->claims, CLAIMS_MAX), durable;

	if (count) {
		for (size_t i = 0; i < count; i++)
			worker->entries[i] = (struct journal_entry){.event = &worker->claims[i].event, .end = JOURNAL_UNKNOWN};
		append(worker, count);
		metrics_add(worker->cells, worker->driven, count);
		log_failures(worker, count);
		durable = select_durable(worker, count);
		stock_acknowledge(stock, worker->events, durable);
		count -= durable;
	}
	atomic_store_explicit(&worker->undelivered, (int64_t)count, memory_order_relaxed);
}

/* What has to be done now and then, busy or not. */
static void care(struct journal_worker *worker)
{
	struct journal *journal = worker->settings.journal;
	int64_t now_ns = clock_mono_ns();
	const char *reason;

	if (now_ns < worker->next_care_ns)
		return;
	worker->next_care_ns = now_ns + IDLE_NS;
	if (journal->ops->health(journal, &reason) < 0 || now_ns - worker->spoken_ns >= SILENCE_NS) {
		journal->ops->append(journal, NULL, 0);
		worker->spoken_ns = now_ns;
	}
	drive_claims(worker);
}

/*
 * A few events wait for company where more were there a moment ago: whoever has just been answered
 * asks again, and an append of a few would keep him waiting for its whole time. Half of an append's
 * time at most; a lone buyer never waits, and nobody does for a ledger that is the journal, where
 * more come together while it commits.
 */
static size_t wait_for_company(struct journal_worker *worker, size_t count)
{
	const struct journal_worker_settings *settings = &worker->settings;
	size_t enough = worker->expected < FEW ? worker->expected : FEW;
	int64_t linger_ns = worker->append_ns / 2 < LINGER_NS_MAX ? worker->append_ns / 2 : LINGER_NS_MAX;

	if (settings->journal->ops->in_ledger)
		return count;
	enough = enough < settings->batch_max ? enough : settings->batch_max;
	if (count >= enough)
		return count;
	return count + lane_gather(settings->lane, (void **)worker->messages + count, enough - count, settings->batch_max - count,
				   linger_ns);
}

static void journal_worker_run(void *argument)
{
	struct journal_worker *worker = argument;
	struct lane *lane = worker->settings.lane;

	for (;;) {
		size_t count = lane_pop(lane, (void **)worker->messages, worker->settings.batch_max, IDLE_NS);

		if (count)
			process(worker, wait_for_company(worker, count));
		else if (lane_closed(lane))
			break;
		worker->settings.journal->ops->tidy(worker->settings.journal); /* everybody is answered */
		care(worker);
	}
}

int journal_worker_start(struct journal_worker *worker)
{
	worker->cells = metrics_cells_new(worker->settings.metrics);
	return thread_start(&worker->thread, "journal", journal_worker_run, worker);
}

void journal_worker_stop(struct journal_worker *worker)
{
	lane_close(worker->settings.lane);
	thread_join(&worker->thread);
}
