#include "drain/drain_metrics.h"

#include <math.h>
#include "base/clock.h"
#include "drain/drain.h"

static const char *const step_names[DRAIN_STEPS] = {"identify", "position", "read", "dead-letter", "commit"};

const char *drain_step_name(enum drain_step step)
{
	ASSERT(step < DRAIN_STEPS);
	return step_names[step];
}

static struct drain_state look(void *drain)
{
	struct drain_state state;

	drain_look(drain, &state);
	return state;
}

static double read_lag_records(void *drain)
{
	int64_t records = look(drain).lag_records;

	return records < 0 ? NAN : (double)records;
}

/* Nothing to read is no lag, however old the last event is. */
static double read_lag_seconds(void *drain)
{
	struct drain_state state = look(drain);

	if (state.lag_records == 0 && !state.reason[0])
		return 0;
	return state.last_at_ms ? fmax(0, (double)(clock_wall_ms() - state.last_at_ms) * 1e-3) : NAN;
}

static double read_rate(void *drain)
{
	int64_t rate = look(drain).rate;

	return rate > 0 ? (double)rate : INFINITY;
}

static double read_batch(void *drain)
{
	return (double)look(drain).batch;
}

static double read_partitions(void *drain)
{
	return (double)look(drain).partitions;
}

static double read_stalled(void *drain)
{
	return (double)look(drain).stalled;
}

static void register_counters(struct drain_metrics *ids, struct metrics *metrics)
{
	static const char events[] = "penstock_drain_events_total",
			  events_help[] = "Events read from the journal, by what became of them.";
	static const char *const event_labels[DRAIN_EVENT_OUTCOMES] = {"outcome=\"done\"", "outcome=\"already\"", "outcome=\"void\"",
								       "outcome=\"absorbed\"", "outcome=\"dead\""};
	static const char dead[] = "penstock_drain_dead_letters_total", dead_help[] = "Records that could not be applied, by reason.";
	static const char *const dead_labels[DRAIN_DEAD_REASONS] = {"reason=\"not_found\"", "reason=\"constraint\"",
								    "reason=\"unreadable\""};
	static const char failures[] = "penstock_drain_failures_total", failures_help[] = "Steps that failed and were tried again.";
	static const char *const failure_labels[DRAIN_STEPS] = {"step=\"identify\"", "step=\"position\"", "step=\"read\"",
								"step=\"dead-letter\"", "step=\"commit\""};

	for (int i = 0; i < DRAIN_EVENT_OUTCOMES; i++)
		ids->events[i] = metrics_counter(metrics, events, events_help, event_labels[i]);
	for (int i = 0; i < DRAIN_DEAD_REASONS; i++)
		ids->dead_letters[i] = metrics_counter(metrics, dead, dead_help, dead_labels[i]);
	for (int i = 0; i < DRAIN_STEPS; i++)
		ids->failures[i] = metrics_counter(metrics, failures, failures_help, failure_labels[i]);
	ids->batches = metrics_counter(metrics, "penstock_drain_batches_total", "Batches committed to the ledger.", NULL);
	ids->unknown = metrics_counter(metrics, "penstock_drain_unknown_total",
				       "Batches whose commit nobody could tell of; the position in the ledger told.", NULL);
	ids->stale = metrics_counter(metrics, "penstock_drain_stale_positions_total",
				     "Batches that changed nothing because another drain was ahead.", NULL);
}

void drain_metrics_register(struct drain_metrics *ids, struct metrics *metrics, struct drain *drain)
{
	register_counters(ids, metrics);
	ids->commit_seconds = metrics_histogram(metrics, "penstock_drain_commit_seconds", "Time of one commit of a batch.", NULL,
						1e-9, metrics_latency_bounds, metrics_latency_bound_count);
	ids->batch_records = metrics_histogram(metrics, "penstock_drain_batch_records", "Records in one commit.", NULL, 1,
					       metrics_size_bounds, metrics_size_bound_count);
	metrics_reader(metrics, "gauge", "penstock_drain_lag_records",
		       "Records in the journal that the ledger does not have yet.", NULL, read_lag_records, drain);
	metrics_reader(metrics, "gauge", "penstock_drain_lag_seconds",
		       "Age of the event that was applied last, while there are more; 0: nothing is waiting.", NULL,
		       read_lag_seconds, drain);
	metrics_reader(metrics, "gauge", "penstock_drain_rate_limit", "Records a second that may be written.", NULL, read_rate, drain);
	metrics_reader(metrics, "gauge", "penstock_drain_batch_limit", "Records that the next commit may have.", NULL, read_batch,
		       drain);
	metrics_reader(metrics, "gauge", "penstock_drain_partitions",
		       "Partitions that are this drain's; over all drains they are the topic's.", NULL, read_partitions, drain);
	metrics_reader(metrics, "gauge", "penstock_drain_partitions_stalled", "Partitions that cannot go on; must stay 0.", NULL,
		       read_stalled, drain);
}
