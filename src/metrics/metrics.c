#include "metrics/metrics.h"

#include <math.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/array.h"
#include "base/lock.h"
#include "metrics/exemplar.h"
#include "metrics/process.h"

/*
 * A metric's id is its place in the table, and also the place of its cell in every thread's cells.
 * So counting is one index and one store, without a lock or a shared cache line; all the work is
 * left to the scrape, a few times a minute. Cells are only ever added, at the head of a list: who
 * holds the head may walk on without the lock.
 */
enum metric_kind { METRIC_COUNTER, METRIC_HISTOGRAM, METRIC_READER, METRIC_FAMILY };

struct metric {
	enum metric_kind kind;
	const char *type, *name, *help, *labels;
	double scale;
	const double *bounds;
	size_t bound_count;
	size_t exemplars; /* its place among those that have some, from 1 on; 0: it has none */
	double (*read)(void *context);
	void (*render)(void *context, struct metrics_samples *samples);
	void *context;
};

/* Where a scrape goes. */
struct metrics_samples {
	const char *name; /* of a METRIC_FAMILY */
	enum metrics_format format;
	struct buffer *out;
};

union cell {
	_Atomic uint64_t count;
	struct histogram *histogram;
};

struct metrics_cells {
	struct metrics_cells *next;
	const struct metrics *metrics;
	/*
	 * All of them in one piece, which is so large that it comes from the kernel as it is: what
	 * this thread never records takes no memory.
	 */
	struct histogram *histograms;
	struct exemplars *exemplars; /* likewise */
	union cell cells[];          /* one a metric */
};

struct metrics {
	struct lock mutex; /* guards the head of the list */
	struct metrics_cells *cells;
	struct metric *table;
	size_t count, capacity, exemplars;
	bool closed; /* cells exist: no more registration */
	struct process_facts process;
};

const double metrics_latency_bounds[] = {
	50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
};
const size_t metrics_latency_bound_count = sizeof(metrics_latency_bounds) / sizeof(metrics_latency_bounds[0]);
const double metrics_size_bounds[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096};
const size_t metrics_size_bound_count = sizeof(metrics_size_bounds) / sizeof(metrics_size_bounds[0]);

int metrics_new(struct metrics **out)
{
	struct metrics *metrics = calloc(1, sizeof(*metrics));

	if (!metrics)
		return error_origin(-ENOMEM);
	lock_init(&metrics->mutex);
	*out = metrics;
	return 0;
}

static void cells_free(struct metrics_cells *cells)
{
	free(cells->histograms);
	free(cells->exemplars);
	free(cells);
}

static size_t count_histograms(const struct metrics *metrics)
{
	size_t count = 0;

	for (size_t i = 0; i < metrics->count; i++)
		count += metrics->table[i].kind == METRIC_HISTOGRAM;
	return count;
}

void metrics_free(struct metrics *metrics)
{
	if (!metrics)
		return;
	while (metrics->cells) {
		struct metrics_cells *cells = metrics->cells;

		metrics->cells = cells->next;
		cells_free(cells);
	}
	lock_deinit(&metrics->mutex);
	free(metrics->table);
	free(metrics);
}

struct process_facts *metrics_process_facts(struct metrics *metrics)
{
	return &metrics->process;
}

/* --- Registration --- */

/*
 * Without _total, which OpenMetrics leaves out of a counter's name: there a gauge may not have that
 * name either.
 */
static struct slice stem_of(const char *name)
{
	struct slice stem = slice_of(name), suffix = SLICE("_total");

	if (stem.size > suffix.size && memcmp(stem.data + stem.size - suffix.size, suffix.data, suffix.size) == 0)
		stem.size -= suffix.size;
	return stem;
}

/* Both formats want a family's samples together. */
static void check_family(const struct metrics *metrics, const struct metric *metric)
{
	const struct metric *last;

	ASSERT((stem_of(metric->name).size < strlen(metric->name)) == (strcmp(metric->type, "counter") == 0));
	if (metrics->count == 0)
		return;
	last = &metrics->table[metrics->count - 1];
	if (strcmp(last->name, metric->name) == 0) {
		ASSERT(strcmp(last->type, metric->type) == 0);
		return;
	}
	for (size_t i = 0; i < metrics->count; i++)
		ASSERT(!slice_equal(stem_of(metrics->table[i].name), stem_of(metric->name)));
}

static metric_id add_metric(struct metrics *metrics, struct metric metric)
{
	int r = array_fit(&metrics->table, &metrics->capacity, metrics->count + 1, sizeof(*metrics->table));

	ASSERT(r == 0);
	ASSERT(!metrics->closed);
	check_family(metrics, &metric);
	metrics->table[metrics->count] = metric;
	return (metric_id)metrics->count++;
}

metric_id metrics_counter(struct metrics *metrics, const char *name, const char *help, const char *labels)
{
	return add_metric(metrics,
			  (struct metric){.kind = METRIC_COUNTER, .type = "counter", .name = name, .help = help, .labels = labels});
}

metric_id metrics_histogram(struct metrics *metrics, const char *name, const char *help, const char *labels, double scale,
			    const double *bounds, size_t bound_count)
{
	ASSERT(scale > 0);
	return add_metric(metrics, (struct metric){.kind = METRIC_HISTOGRAM,
						   .type = "histogram",
						   .name = name,
						   .help = help,
						   .labels = labels,
						   .scale = scale,
						   .bounds = bounds,
						   .bound_count = bound_count});
}

void metrics_keep_exemplars(struct metrics *metrics, metric_id histogram)
{
	ASSERT(!metrics->closed);
	ASSERT(histogram < metrics->count);
	ASSERT(metrics->table[histogram].kind == METRIC_HISTOGRAM);
	metrics->table[histogram].exemplars = ++metrics->exemplars;
}

void metrics_reader(struct metrics *metrics, const char *type, const char *name, const char *help, const char *labels,
		    double (*read)(void *context), void *context)
{
	add_metric(metrics, (struct metric){.kind = METRIC_READER,
					    .type = type,
					    .name = name,
					    .help = help,
					    .labels = labels,
					    .read = read,
					    .context = context});
}

void metrics_family(struct metrics *metrics, const char *type, const char *name, const char *help,
		    void (*render)(void *context, struct metrics_samples *samples), void *context)
{
	add_metric(metrics,
		   (struct metric){
			   .kind = METRIC_FAMILY, .type = type, .name = name, .help = help, .render = render, .context = context});
}

/* --- Counting --- */

struct metrics_cells *metrics_cells_new(struct metrics *metrics)
{
	/* Whole cache lines of its own: two threads' cells never share one. */
	size_t size = (sizeof(struct metrics_cells) + metrics->count * sizeof(union cell) + 63) / 64 * 64;
	struct metrics_cells *cells = aligned_alloc(64, size);
	size_t histogram_count = count_histograms(metrics), next = 0;

	ASSERT(cells);
	memset(cells, 0, size);
	cells->metrics = metrics;
	cells->histograms = calloc(histogram_count + 1, sizeof(struct histogram)); /* one more: there may be none */
	ASSERT(cells->histograms);
	cells->exemplars = calloc(metrics->exemplars + 1, sizeof(struct exemplars));
	ASSERT(cells->exemplars);
	for (size_t i = 0; i < metrics->count; i++)
		if (metrics->table[i].kind == METRIC_HISTOGRAM)
			cells->cells[i].histogram = &cells->histograms[next++];
	lock_take(&metrics->mutex);
	metrics->closed = true;
	cells->next = metrics->cells;
	metrics->cells = cells;
	lock_release(&metrics->mutex);
	return cells;
}

void metrics_add(struct metrics_cells *cells, metric_id id, uint64_t count)
{
	_Atomic uint64_t *cell = &cells->cells[id].count;

	ASSERT(id < cells->metrics->count);
	ASSERT(cells->metrics->table[id].kind == METRIC_COUNTER);
	atomic_store_explicit(cell, atomic_load_explicit(cell, memory_order_relaxed) + count, memory_order_relaxed);
}

void metrics_observe(struct metrics_cells *cells, metric_id id, uint64_t value)
{
	ASSERT(id < cells->metrics->count);
	ASSERT(cells->metrics->table[id].kind == METRIC_HISTOGRAM);
	histogram_record(cells->cells[id].histogram, value);
}

void metrics_observe_traced(struct metrics_cells *cells, metric_id id, uint64_t value, int64_t now_ns, const char *trace_id)
{
	const struct metric *metric = &cells->metrics->table[id];

	metrics_observe(cells, id, value);
	ASSERT(metric->exemplars > 0);
	exemplars_offer(&cells->exemplars[metric->exemplars], value, now_ns, trace_id);
}

/* --- Scrape --- */

static const struct metrics_cells *first_cells(const struct metrics *metrics)
{
	struct lock *mutex = (struct lock *)&metrics->mutex; /* a lock is no part of what const promises */
	const struct metrics_cells *cells;

	lock_take(mutex);
	cells = metrics->cells;
	lock_release(mutex);
	return cells;
}

uint64_t metrics_counter_value(const struct metrics *metrics, metric_id id)
{
	uint64_t sum = 0;

	ASSERT(id < metrics->count);
	ASSERT(metrics->table[id].kind == METRIC_COUNTER);
	for (const struct metrics_cells *cells = first_cells(metrics); cells; cells = cells->next)
		sum += atomic_load_explicit(&cells->cells[id].count, memory_order_relaxed);
	return sum;
}

static void put_number(struct buffer *out, double value)
{
	if (isnan(value))
		buffer_append_literal(out, "NaN");
	else if (isinf(value))
		buffer_append_text(out, value > 0 ? "+Inf" : "-Inf");
	else if (value == floor(value) && fabs(value) < 9007199254740992.0) /* 2^53: a whole number, exactly */
		buffer_append_int(out, (int64_t)value);
	else
		buffer_printf(out, "%.15g", value);
}

static void put_line(struct buffer *out, const char *name, const char *suffix, const char *labels, double value)
{
	buffer_append_text(out, name);
	buffer_append_text(out, suffix);
	if (labels) {
		buffer_append_literal(out, "{");
		buffer_append_text(out, labels);
		buffer_append_literal(out, "}");
	}
	buffer_append_literal(out, " ");
	put_number(out, value);
	buffer_append_literal(out, "\n");
}

static void put_sample(struct buffer *out, const struct metric *metric, const char *suffix, double value)
{
	put_line(out, metric->name, suffix, metric->labels, value);
}

void metrics_sample(struct metrics_samples *samples, const char *labels, double value)
{
	put_line(samples->out, samples->name, "", labels, value);
}

/* OpenMetrics has one form of each bound, with a point in it. */
static void put_bound(const struct metrics_samples *to, double bound)
{
	put_number(to->out, bound);
	if (to->format == METRICS_OPENMETRICS && bound == floor(bound) && !isinf(bound))
		buffer_append_literal(to->out, ".0");
}

static void put_exemplar(struct buffer *out, const struct exemplar *exemplar, double scale)
{
	buffer_append_literal(out, " # {trace_id=\"");
	buffer_append(out, exemplar->trace, sizeof(exemplar->trace));
	buffer_append_literal(out, "\"} ");
	put_number(out, (double)exemplar->value * scale);
	buffer_printf(out, " %lld.%03d", (long long)(exemplar->wall_ms / 1000), (int)(exemplar->wall_ms % 1000));
}

/* exemplar: of the values in this bucket, or NULL. */
static void put_bucket(const struct metrics_samples *to, const struct metric *metric, double bound, uint64_t count,
		       const struct exemplar *exemplar)
{
	buffer_append_text(to->out, metric->name);
	buffer_append_literal(to->out, "_bucket{");
	if (metric->labels) {
		buffer_append_text(to->out, metric->labels);
		buffer_append_literal(to->out, ",");
	}
	buffer_append_literal(to->out, "le=\"");
	put_bound(to, bound);
	buffer_append_literal(to->out, "\"} ");
	buffer_append_int(to->out, (int64_t)count);
	if (exemplar)
		put_exemplar(to->out, exemplar, metric->scale);
	buffer_append_literal(to->out, "\n");
}

/* The newest of all threads' above one bound and up to the next. */
static bool find_exemplar(const struct metrics *metrics, const struct metric *metric, uint64_t above, uint64_t up_to,
			  struct exemplar *newest)
{
	struct exemplar seen;
	bool found = false;

	for (const struct metrics_cells *cells = first_cells(metrics); cells && metric->exemplars > 0; cells = cells->next)
		if (exemplars_find(&cells->exemplars[metric->exemplars], above, up_to, &seen) &&
		    (!found || seen.wall_ms > newest->wall_ms)) {
			*newest = seen;
			found = true;
		}
	return found;
}

static void render_histogram(const struct metrics *metrics, metric_id id, const struct metrics_samples *to)
{
	const struct metric *metric = &metrics->table[id];
	struct histogram sum = {0};
	uint64_t below = 0; /* the bound before */

	for (const struct metrics_cells *cells = first_cells(metrics); cells; cells = cells->next)
		histogram_merge(&sum, cells->cells[id].histogram);
	for (size_t i = 0; i <= metric->bound_count; i++) {
		double shown = i < metric->bound_count ? metric->bounds[i] : INFINITY;
		uint64_t bound = i < metric->bound_count ? (uint64_t)llround(shown / metric->scale) : UINT64_MAX;
		uint64_t count = i < metric->bound_count ? histogram_count_below(&sum, bound) : atomic_load(&sum.total);
		struct exemplar exemplar;
		bool found = to->format == METRICS_OPENMETRICS && find_exemplar(metrics, metric, below, bound, &exemplar);

		put_bucket(to, metric, shown, count, found ? &exemplar : NULL);
		below = bound;
	}
	put_sample(to->out, metric, "_sum", (double)atomic_load(&sum.sum) * metric->scale);
	put_sample(to->out, metric, "_count", (double)atomic_load(&sum.total));
}

/* A family's name: OpenMetrics' counters have _total behind it in their samples alone. */
static struct slice family_name(const struct metric *metric, enum metrics_format format)
{
	return format == METRICS_OPENMETRICS ? stem_of(metric->name) : slice_of(metric->name);
}

static void put_head(const struct metrics_samples *to, const struct metric *metric)
{
	struct slice name = family_name(metric, to->format);

	buffer_append_literal(to->out, "# HELP ");
	buffer_append_slice(to->out, name);
	buffer_append_literal(to->out, " ");
	for (const char *at = metric->help; *at; at++) {
		if (*at == '\\')
			buffer_append_literal(to->out, "\\\\");
		else if (*at == '\n')
			buffer_append_literal(to->out, "\\n");
		else if (*at == '"' && to->format == METRICS_OPENMETRICS)
			buffer_append_literal(to->out, "\\\"");
		else
			buffer_append(to->out, at, 1);
	}
	buffer_append_literal(to->out, "\n# TYPE ");
	buffer_append_slice(to->out, name);
	buffer_append_literal(to->out, " ");
	buffer_append_text(to->out, metric->type);
	buffer_append_literal(to->out, "\n");
}

void metrics_render(const struct metrics *metrics, enum metrics_format format, struct buffer *out)
{
	for (metric_id id = 0; id < metrics->count; id++) {
		const struct metric *metric = &metrics->table[id];
		struct metrics_samples to = {metric->name, format, out};

		if (id == 0 || strcmp(metrics->table[id - 1].name, metric->name) != 0)
			put_head(&to, metric);
		switch (metric->kind) {
		case METRIC_COUNTER:
			put_sample(out, metric, "", (double)metrics_counter_value(metrics, id));
			break;
		case METRIC_HISTOGRAM:
			render_histogram(metrics, id, &to);
			break;
		case METRIC_READER:
			put_sample(out, metric, "", metric->read(metric->context));
			break;
		case METRIC_FAMILY:
			metric->render(metric->context, &to);
			break;
		}
	}
	if (format == METRICS_OPENMETRICS)
		buffer_append_literal(out, "# EOF\n");
}
