/*
 * Metrics in the Prometheus text format (exposition format 0.0.4) or as OpenMetrics 1.0. Everything
 * is registered before the threads start; each thread then counts in cells of its own (one relaxed
 * add, no sharing), and a scrape adds the cells up. Gauges are read at scrape through a function.
 *
 * Names, units and labels follow Prometheus' conventions: penstock_…_total, seconds, bytes. No
 * label has unbounded values.
 */
#pragma once

#include <stdint.h>
#include "base/error.h"
#include "base/histogram.h"
#include "metrics/format.h"
#include "text/buffer.h"

struct metrics;
struct metrics_cells;
typedef uint32_t metric_id;

int metrics_new(struct metrics **metrics) MUST_CHECK;
void metrics_free(struct metrics *metrics); /* and all cells */

/*
 * Registration; before the first metrics_cells_new(). `name`, `help` and `labels` are static texts;
 * labels like `outcome="accepted"`, or NULL. Several registrations of one name (with other labels)
 * make one family; they must follow each other. Out of memory aborts: it is start-up.
 */
metric_id metrics_counter(struct metrics *metrics, const char *name, const char *help, const char *labels);
/*
 * Values are recorded as integers (nanoseconds, counts) and shown times `scale` (1e-9: seconds).
 * bounds: upper bounds as shown, rising, without +Inf.
 */
metric_id metrics_histogram(struct metrics *metrics, const char *name, const char *help, const char *labels, double scale,
			    const double *bounds, size_t bound_count);
/* This histogram has exemplars: what is observed with a trace may be shown beside its bucket. */
void metrics_keep_exemplars(struct metrics *metrics, metric_id histogram);
/*
 * type "gauge" or "counter" (for something counted elsewhere). `read` is called by the scraping
 * thread.
 */
void metrics_reader(struct metrics *metrics, const char *type, const char *name, const char *help, const char *labels,
		    double (*read)(void *context), void *context);
/*
 * A family whose samples come and go: `render` says each with metrics_sample(), at each scrape, on
 * its thread. How many there may be is bounded by who renders.
 */
struct metrics_samples;
void metrics_family(struct metrics *metrics, const char *type, const char *name, const char *help,
		    void (*render)(void *context, struct metrics_samples *samples), void *context);
void metrics_sample(struct metrics_samples *samples, const char *labels, double value);
/*
 * process_cpu_seconds_total, process_resident_memory_bytes, process_open_fds, process_max_fds,
 * process_start_time_seconds, …, penstock_build_info and penstock_log_dropped_total.
 */
void metrics_process(struct metrics *metrics, const char *version, const char *revision);

/* Standard bucket bounds: latency from 50 us to 10 s; sizes in powers of two to 4,096. */
extern const double metrics_latency_bounds[];
extern const size_t metrics_latency_bound_count;
extern const double metrics_size_bounds[];
extern const size_t metrics_size_bound_count;

/* A thread's own cells; live as long as the metrics. Registration is closed by the first. */
struct metrics_cells *metrics_cells_new(struct metrics *metrics);
void metrics_add(struct metrics_cells *cells, metric_id id, uint64_t count); /* owner thread only */
void metrics_observe(struct metrics_cells *cells, metric_id id, uint64_t value);
/*
 * The same of a histogram with exemplars. now_ns: by the monotonic clock; trace_id: 32 hex digits
 * of W3C's trace context.
 */
void metrics_observe_traced(struct metrics_cells *cells, metric_id id, uint64_t value, int64_t now_ns, const char *trace_id);
/* Sum over all cells. Any thread. */
uint64_t metrics_counter_value(const struct metrics *metrics, metric_id id);
void metrics_render(const struct metrics *metrics, enum metrics_format format, struct buffer *out); /* any thread */
