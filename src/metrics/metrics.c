#include "metrics/metrics.h"

#include <math.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/lock.h"
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
	double (*read)(void *context);
	void (*render)(void *context, struct metrics_samples *samples);
	void *context;
};

struct metrics_samples {
	const char *name;
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
	union cell cells[]; /* one a metric */
};

struct metrics {
	struct lock mutex; /* guards the head of the list */
	struct metrics_cells *cells;
	struct metric *table;
	size_t count, capacity;
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

/* The text format wants a family's samples together. */
static void check_family(const struct metrics *metrics, const struct metric *metric)
{
	const struct metric *last;

	if (metrics->count == 0)
		return;
	last = &metrics->table[metrics->count - 1];
	if (strcmp(last->name, metric->name) == 0) {
		ASSERT(strcmp(last->type, metric->type) == 0);
		return;
	}
	for (size_t i = 0; i < metrics->count; i++)
		ASSERT(strcmp(metrics->table[i].name, metric->name) != 0);
}

static metric_id add_metric(struct metrics *metrics, struct metric metric)
{
	ASSERT(!metrics->closed);
	check_family(metrics, &metric);
	if (metrics->count == metrics->capacity) {
		metrics->capacity = metrics->capacity ? metrics->capacity * 2 : 64;
		metrics->table = realloc(metrics->table, metrics->capacity * sizeof(*metrics->table));
		ASSERT(metrics->table);
	}
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

static void put_bucket(struct buffer *out, const struct metric *metric, double bound, uint64_t count)
{
	buffer_append_text(out, metric->name);
	buffer_append_literal(out, "_bucket{");
	if (metric->labels) {
		buffer_append_text(out, metric->labels);
		buffer_append_literal(out, ",");
	}
	buffer_append_literal(out, "le=\"");
	put_number(out, bound);
	buffer_append_literal(out, "\"} ");
	buffer_append_int(out, (int64_t)count);
	buffer_append_literal(out, "\n");
}

static void render_histogram(const struct metrics *metrics, metric_id id, struct buffer *out)
{
	const struct metric *metric = &metrics->table[id];
	struct histogram sum = {0};

	for (const struct metrics_cells *cells = first_cells(metrics); cells; cells = cells->next)
		histogram_merge(&sum, cells->cells[id].histogram);
	for (size_t i = 0; i < metric->bound_count; i++) {
		uint64_t bound = (uint64_t)llround(metric->bounds[i] / metric->scale);

		put_bucket(out, metric, metric->bounds[i], histogram_count_below(&sum, bound));
	}
	put_bucket(out, metric, INFINITY, atomic_load(&sum.total));
	put_sample(out, metric, "_sum", (double)atomic_load(&sum.sum) * metric->scale);
	put_sample(out, metric, "_count", (double)atomic_load(&sum.total));
}

static void put_head(struct buffer *out, const struct metric *metric)
{
	buffer_append_literal(out, "# HELP ");
	buffer_append_text(out, metric->name);
	buffer_append_literal(out, " ");
	for (const char *at = metric->help; *at; at++) {
		if (*at == '\\')
			buffer_append_literal(out, "\\\\");
		else if (*at == '\n')
			buffer_append_literal(out, "\\n");
		else
			buffer_append(out, at, 1);
	}
	buffer_append_literal(out, "\n# TYPE ");
	buffer_append_text(out, metric->name);
	buffer_append_literal(out, " ");
	buffer_append_text(out, metric->type);
	buffer_append_literal(out, "\n");
}

void metrics_render(const struct metrics *metrics, struct buffer *out)
{
	for (metric_id id = 0; id < metrics->count; id++) {
		const struct metric *metric = &metrics->table[id];

		if (id == 0 || strcmp(metrics->table[id - 1].name, metric->name) != 0)
			put_head(out, metric);
		switch (metric->kind) {
		case METRIC_COUNTER:
			put_sample(out, metric, "", (double)metrics_counter_value(metrics, id));
			break;
		case METRIC_HISTOGRAM:
			render_histogram(metrics, id, out);
			break;
		case METRIC_READER:
			put_sample(out, metric, "", metric->read(metric->context));
			break;
		case METRIC_FAMILY:
			metric->render(metric->context, &(struct metrics_samples){metric->name, out});
			break;
		}
	}
}
