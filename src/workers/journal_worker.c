#include "workers/journal_worker.h"

#include <stdatomic.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/thread.h"
#include "port/ack_margin.h"
#include "workers/append_pace.h"
#include "workers/return_batch.h"

enum {
	CARE_NS = 100000000,     /* how often a worker looks at the outbox and an unhealthy journal */
	SILENCE_NS = 1000000000, /* a journal that has had nothing to say for so long is asked whether it is well */
	CLAIMS_MAX = 256,
};

/* One thread, with an append of its own under way. */
struct journal_hand {
	struct journal_worker *worker;
	struct thread thread;
	struct message **messages;     /* batch_max */
	struct job **jobs;             /* batch_max: those that are sent */
	struct journal_entry *entries; /* batch_max */
	const struct event **events;   /* batch_max */
	size_t *durable;               /* batch_max: which of the jobs that are sent the stock is told of */
	enum stock_ack *answers;       /* batch_max: what it says to each of those */
	struct job **refused;          /* batch_max */
	bool *undone;                  /* batch_max */
	void **returned;               /* batch_max */
	struct metrics_cells *cells;
};

struct journal_worker {
	struct journal_worker_settings settings;
	struct append_pace pace;
	struct lock acknowledging; /* of the hand that tells the stock what is durable */
	struct journal_hand hands[JOURNAL_APPENDS_MAX];
	unsigned hand_count;
	struct stock_claim claims[CLAIMS_MAX];
	metric_id batch_events, append_seconds, ends[JOURNAL_UNKNOWN + 1], late, unproven, driven, forbidden;
	_Atomic int64_t undelivered;
	/* The first hand's. */
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

static int make_hand(struct journal_worker *worker, size_t max)
{
	struct journal_hand *hand = &worker->hands[worker->hand_count++];

	hand->worker = worker;
	hand->messages = calloc(max, sizeof(*hand->messages));
	hand->jobs = calloc(max, sizeof(*hand->jobs));
	hand->entries = calloc(max, sizeof(*hand->entries));
	hand->events = calloc(max, sizeof(*hand->events));
	hand->returned = calloc(max, sizeof(*hand->returned));
	hand->durable = calloc(max, sizeof(*hand->durable));
	hand->answers = calloc(max, sizeof(*hand->answers));
	hand->refused = calloc(max, sizeof(*hand->refused));
	hand->undone = calloc(max, sizeof(*hand->undone));
	if (!hand->messages || !hand->jobs || !hand->entries || !hand->events || !hand->returned || !hand->refused ||
	    !hand->undone || !hand->durable || !hand->answers)
		return error_origin(-ENOMEM);
	return 0;
}

static void free_hand(struct journal_hand *hand)
{
	free(hand->messages);
	free(hand->jobs);
	free(hand->entries);
	free(hand->events);
	free(hand->durable);
	free(hand->answers);
	free(hand->returned);
	free(hand->refused);
	free(hand->undone);
}

int journal_worker_new(struct journal_worker **out, const struct journal_worker_settings *settings)
{
	struct journal_worker *worker = calloc(1, sizeof(*worker));
	size_t max = settings->batch_max < CLAIMS_MAX ? CLAIMS_MAX : settings->batch_max;
	int r;

	if (!worker)
		return error_origin(-ENOMEM);
	worker->settings = *settings;
	lock_init(&worker->acknowledging);
	append_pace_init(&worker->pace, &(struct append_pace_settings){settings->lane, settings->journal, settings->batch_max});
	do
		r = make_hand(worker, max);
	while (r == 0 && worker->hand_count < settings->journal->ops->appends);
	if (r < 0) {
		journal_worker_free(worker);
		return r;
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
	for (unsigned i = 0; i < worker->hand_count; i++)
		free_hand(&worker->hands[i]);
	append_pace_deinit(&worker->pace);
	lock_deinit(&worker->acknowledging);
	free(worker);
}

int64_t journal_worker_undelivered(const struct journal_worker *worker)
{
	return atomic_load_explicit(&worker->undelivered, memory_order_relaxed);
}

int64_t journal_worker_wait_ns(const struct journal_worker *worker)
{
	return queue_wait_ns(&worker->pace.queue);
}

/* Appends the first `count` entries, measured. */
static void append(struct journal_hand *hand, size_t count)
{
	struct journal_worker *worker = hand->worker;
	struct journal *journal = worker->settings.journal;
	int64_t start_ns = clock_mono_ns(), took_ns;

	(void)FAILPOINT("journal.before_append");
	append_pace_begin(&worker->pace);
	journal->ops->append(journal, hand->entries, count);
	took_ns = clock_mono_ns() - start_ns;
	append_pace_end(&worker->pace, count, took_ns);
	(void)FAILPOINT("journal.after_append");
	if (FAILPOINT("journal.unknown_is_refused") > 0) /* breaks rule 2 on purpose */
		for (size_t i = 0; i < count; i++)
			if (hand->entries[i].end == JOURNAL_UNKNOWN)
				hand->entries[i].end = JOURNAL_REFUSED;
	metrics_observe(hand->cells, worker->append_seconds, (uint64_t)took_ns);
	metrics_observe(hand->cells, worker->batch_events, count);
	for (size_t i = 0; i < count; i++) {
		metrics_add(hand->cells, worker->ends[hand->entries[i].end], 1);
		if (hand->entries[i].forbidden)
			metrics_add(hand->cells, worker->forbidden, 1);
	}
}

/* The events among the first `count` entries that are durable, and where they stand. */
static size_t select_durable(struct journal_hand *hand, size_t count)
{
	size_t selected = 0;

	for (size_t i = 0; i < count; i++)
		if (hand->entries[i].end == JOURNAL_DURABLE) {
			hand->durable[selected] = i;
			hand->events[selected++] = hand->entries[i].event;
		}
	return selected;
}

static void log_failures(const struct journal_hand *hand, size_t count)
{
	static struct log_limiter limiter;
	uint64_t suppressed;

	for (size_t i = 0; i < count; i++) {
		const struct journal_entry *entry = &hand->entries[i];

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
static void compensate(struct journal_hand *hand, size_t count)
{
	struct stock *stock = hand->worker->settings.stock;

	for (size_t i = 0; i < count; i++)
		hand->events[i] = hand->refused[i]->event;
	if (count)
		stock->ops->compensate(stock, hand->events, count, hand->undone);
	for (size_t i = 0; i < count; i++)
		if (!hand->undone[i])
			hand->refused[i]->end = JOURNAL_UNKNOWN;
}

/* Jobs that are too old to be told of are refused unsent; the rest become entries. */
static size_t sort_out(struct journal_hand *hand, size_t count, int64_t now_ns)
{
	size_t sent = 0, late = 0;

	for (size_t i = 0; i < count; i++) {
		struct job *job = (struct job *)hand->messages[i];

		if (now_ns - job->started_ns > hand->worker->settings.ack_deadline_ns) {
			job->end = JOURNAL_REFUSED;
			job->reason = "waited too long";
			hand->refused[late++] = job;
			continue;
		}
		hand->jobs[sent] = job;
		hand->entries[sent++] = (struct journal_entry){.event = job->event, .end = JOURNAL_UNKNOWN};
	}
	compensate(hand, late);
	if (late)
		metrics_add(hand->cells, hand->worker->late, late);
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
static void answer_by_commit(struct journal_hand *hand, size_t count, size_t durable)
{
	struct stock *stock = hand->worker->settings.stock;
	size_t purchases = purchases_first(hand->messages, count);

	for (size_t i = 0; i < durable; i++)
		hand->jobs[hand->durable[i]]->proof = EPOCH_PROVEN;
	return_batch(hand->messages, hand->returned, purchases);
	stock->ops->acknowledge_wait(stock);
	return_batch(hand->messages + purchases, hand->returned, count - purchases);
}

/* Nobody is told before the stock has said under which epoch it was told. */
static void answer_by_stock(struct journal_hand *hand, size_t count, size_t durable)
{
	struct stock *stock = hand->worker->settings.stock;

	stock->ops->acknowledge_wait(stock);
	for (size_t i = 0; i < durable; i++) {
		hand->jobs[hand->durable[i]]->proof = ack_deadline_proof_of(hand->answers[i]);
		if (hand->answers[i] != STOCK_ACK_DONE && hand->answers[i] != STOCK_ACK_ALREADY)
			metrics_add(hand->cells, hand->worker->unproven, 1);
	}
	return_batch(hand->messages, hand->returned, count);
}

static void answer(struct journal_hand *hand, size_t count, size_t durable)
{
	if (hand->worker->settings.journal->ops->in_ledger)
		answer_by_commit(hand, count, durable);
	else
		answer_by_stock(hand, count, durable);
}

/*
 * Sends what is not too late, and tells the stock what became of it. How many are durable: the
 * stock's word on them is waited for.
 */
static void process(struct journal_hand *hand, size_t count)
{
	struct journal_worker *worker = hand->worker;
	struct stock *stock = worker->settings.stock;
	size_t sent = sort_out(hand, count, clock_mono_ns()), durable = 0, refused = 0;

	if (sent)
		append(hand, sent);
	for (size_t i = 0; i < sent; i++) {
		hand->jobs[i]->end = hand->entries[i].end;
		hand->jobs[i]->reason = hand->entries[i].reason;
		if (hand->jobs[i]->end == JOURNAL_REFUSED)
			hand->refused[refused++] = hand->jobs[i];
	}
	log_failures(hand, sent);
	durable = select_durable(hand, sent);
	lock_take(&worker->acknowledging);
	stock->ops->acknowledge_send(stock, hand->events, durable, hand->answers);
	(void)FAILPOINT("journal.acknowledged"); /* the stock is told of it, the buyer is not */
	compensate(hand, refused);
	answer(hand, count, durable);
	lock_release(&worker->acknowledging);
}

/*
 * Drives the outbox entries whose end nobody knows. What is refused here is not compensated: the
 * entry was claimed, so an earlier try of it may have got through; it is driven again later.
 */
static void drive_claims(struct journal_hand *hand)
{
	struct journal_worker *worker = hand->worker;
	struct stock *stock = worker->settings.stock;
	int64_t now_ns = clock_mono_ns();
	int64_t before_ns = now_ns - worker->settings.ack_deadline_ns - ACK_CLAIM_MARGIN_NS;
	size_t count = stock->ops->claim(stock, before_ns, now_ns, worker->claims, CLAIMS_MAX), durable;

	if (count) {
		for (size_t i = 0; i < count; i++)
			hand->entries[i] = (struct journal_entry){.event = &worker->claims[i].event, .end = JOURNAL_UNKNOWN};
		append(hand, count);
		worker->spoken_ns = clock_mono_ns();
		metrics_add(hand->cells, worker->driven, count);
		log_failures(hand, count);
		durable = select_durable(hand, count);
		lock_take(&worker->acknowledging);
		stock_acknowledge(stock, hand->events, durable);
		lock_release(&worker->acknowledging);
		count -= durable;
	}
	atomic_store_explicit(&worker->undelivered, (int64_t)count, memory_order_relaxed);
}

/* What has to be done now and then, busy or not. */
static void care(struct journal_hand *hand)
{
	struct journal_worker *worker = hand->worker;
	struct journal *journal = worker->settings.journal;
	int64_t now_ns = clock_mono_ns();
	const char *reason;

	if (now_ns < worker->next_care_ns)
		return;
	worker->next_care_ns = now_ns + CARE_NS;
	if (journal->ops->health(journal, &reason) < 0 || now_ns - worker->spoken_ns >= SILENCE_NS) {
		journal->ops->append(journal, NULL, 0);
		worker->spoken_ns = now_ns;
	}
	drive_claims(hand);
}

static void first_hand_run(void *argument)
{
	struct journal_hand *hand = argument;
	struct journal_worker *worker = hand->worker;
	struct lane *lane = worker->settings.lane;

	for (;;) {
		size_t count = append_pace_take(&worker->pace, hand->messages);

		if (count) {
			process(hand, count);
			worker->spoken_ns = clock_mono_ns();
		} else if (lane_closed(lane) && lane_depth(lane) == 0) {
			break;
		}
		worker->settings.journal->ops->tidy(worker->settings.journal); /* everybody is answered */
		care(hand);
	}
}

/* Beside the first hand, while there are enough for both. */
static void second_hand_run(void *argument)
{
	struct journal_hand *hand = argument;
	struct journal_worker *worker = hand->worker;

	while (append_pace_wait_for_crowd(&worker->pace)) {
		size_t count = append_pace_take(&worker->pace, hand->messages);

		if (count)
			process(hand, count);
	}
}

int journal_worker_start(struct journal_worker *worker)
{
	int r = 0;

	for (unsigned i = 0; i < worker->hand_count && r == 0; i++) {
		worker->hands[i].cells = metrics_cells_new(worker->settings.metrics);
		r = thread_start(&worker->hands[i].thread, i == 0 ? "journal" : "journal-2",
				 i == 0 ? first_hand_run : second_hand_run, &worker->hands[i]);
	}
	return r;
}

void journal_worker_stop(struct journal_worker *worker)
{
	append_pace_stop(&worker->pace);
	for (unsigned i = 0; i < worker->hand_count; i++)
		thread_join(&worker->hands[i].thread);
}
