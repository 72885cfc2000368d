/* Between the files of metrics/ alone. */
#pragma once

#include "metrics/metrics.h"

/* What metrics_process() found out once; lives as long as the metrics. */
struct process_facts {
	char build_labels[160];
	double start_seconds;
};
struct process_facts *metrics_process_facts(struct metrics *metrics);
