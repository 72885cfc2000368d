/* What a drain counts and shows. */
#pragma once

#include "metrics/metrics.h"

struct drain;

enum drain_event_outcome {
	DRAIN_EVENT_DONE,
	DRAIN_EVENT_ALREADY,
	DRAIN_EVENT_VOID,
	DRAIN_EVENT_ABSORBED,
	DRAIN_EVENT_DEAD,
	DRAIN_EVENT_OUTCOMES
};
enum drain_dead_reason { DRAIN_DEAD_NOT_FOUND, DRAIN_DEAD_CONSTRAINT, DRAIN_DEAD_UNREADABLE, DRAIN_DEAD_REASONS };
enum drain_step {
	DRAIN_STEP_IDENTIFY,
	DRAIN_STEP_POSITION,
	DRAIN_STEP_READ,
	DRAIN_STEP_DEAD_LETTER,
	DRAIN_STEP_COMMIT,
	DRAIN_STEPS
};

struct drain_metrics {
	metric_id batches, unknown, stale, commit_seconds, batch_records;
	metric_id events[DRAIN_EVENT_OUTCOMES], dead_letters[DRAIN_DEAD_REASONS], failures[DRAIN_STEPS];
};
const char *drain_step_name(enum drain_step step);
/* The gauges read `drain`, which must live as long as the metrics are rendered. */
void drain_metrics_register(struct drain_metrics *ids, struct metrics *metrics, struct drain *drain);
