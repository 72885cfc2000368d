#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/thread.h"
#include "metrics/metrics.h"

static struct metrics *metrics;
static struct buffer out;

static int make(void **state)
{
	(void)state;
	buffer_init(&out, 1 << 20);
	return metrics_new(&metrics);
}

static int drop(void **state)
{
	(void)state;
	metrics_free(metrics);
	buffer_deinit(&out);
	return 0;
}

static const char *render_as(enum metrics_format format)
{
	buffer_clear(&out);
	metrics_render(metrics, format, &out);
	buffer_append(&out, "", 1);
	assert_false(out.failed);
	return out.data;
}

static const char *render(void)
{
	return render_as(METRICS_TEXT);
}

static void test_counters_of_one_name_make_one_family(void **state)
{
	metric_id accepted = metrics_counter(metrics, "penstock_purchases_total", "Purchases by outcome.", "outcome=\"accepted\"");
	metric_id sold_out = metrics_counter(metrics, "penstock_purchases_total", "Purchases by outcome.", "outcome=\"sold-out\"");
	metric_id plain = metrics_counter(metrics, "penstock_other_total", "Something else.", NULL);
	struct metrics_cells *cells = metrics_cells_new(metrics);

	(void)state;
	metrics_add(cells, accepted, 3);
	metrics_add(cells, sold_out, 40);
	metrics_add(cells, sold_out, 2);
	metrics_add(cells, plain, 1);
	assert_string_equal(render(), "# HELP penstock_purchases_total Purchases by outcome.\n"
				      "# TYPE penstock_purchases_total counter\n"
				      "penstock_purchases_total{outcome=\"accepted\"} 3\n"
				      "penstock_purchases_total{outcome=\"sold-out\"} 42\n"
				      "# HELP penstock_other_total Something else.\n"
				      "# TYPE penstock_other_total counter\n"
				      "penstock_other_total 1\n");
	assert_int_equal(metrics_counter_value(metrics, sold_out), 42);
}

static void test_metrics_that_nobody_counted_are_zero(void **state)
{
	static const double bounds[] = {1};

	(void)state;
	metrics_counter(metrics, "penstock_a_total", "A.", NULL);
	metrics_histogram(metrics, "penstock_b", "B.", NULL, 1, bounds, 1);
	assert_non_null(strstr(render(), "penstock_a_total 0\n"));
	assert_non_null(strstr(out.data, "penstock_b_bucket{le=\"1\"} 0\npenstock_b_bucket{le=\"+Inf\"} 0\npenstock_b_sum 0\n"
					 "penstock_b_count 0\n"));
}

static void test_histogram_has_cumulative_buckets_sum_and_count(void **state)
{
	static const double bounds[] = {0.001, 0.01, 2.5};
	metric_id id = metrics_histogram(metrics, "penstock_answer_seconds", "Time.", "route=\"orders\"", 1e-9, bounds, 3);
	struct metrics_cells *one = metrics_cells_new(metrics), *two = metrics_cells_new(metrics);

	(void)state;
	metrics_observe(one, id, 500000);     /* 0.5 ms */
	metrics_observe(one, id, 5000000);    /* 5 ms */
	metrics_observe(two, id, 6000000);    /* 6 ms */
	metrics_observe(two, id, 3000000000); /* 3 s */
	assert_string_equal(render(), "# HELP penstock_answer_seconds Time.\n"
				      "# TYPE penstock_answer_seconds histogram\n"
				      "penstock_answer_seconds_bucket{route=\"orders\",le=\"0.001\"} 1\n"
				      "penstock_answer_seconds_bucket{route=\"orders\",le=\"0.01\"} 3\n"
				      "penstock_answer_seconds_bucket{route=\"orders\",le=\"2.5\"} 3\n"
				      "penstock_answer_seconds_bucket{route=\"orders\",le=\"+Inf\"} 4\n"
				      "penstock_answer_seconds_sum{route=\"orders\"} 3.0115\n"
				      "penstock_answer_seconds_count{route=\"orders\"} 4\n");
}

static void test_size_that_equals_a_bound_counts_below_it(void **state)
{
	metric_id id = metrics_histogram(metrics, "penstock_batch_events", "Events.", NULL, 1, metrics_size_bounds,
					 metrics_size_bound_count);
	struct metrics_cells *cells = metrics_cells_new(metrics);

	(void)state;
	metrics_observe(cells, id, 4096);
	assert_non_null(strstr(render(), "_bucket{le=\"2048\"} 0\n"));
	assert_non_null(strstr(out.data, "_bucket{le=\"4096\"} 1\n"));
}

static void test_standard_bounds_rise(void **state)
{
	(void)state;
	for (size_t i = 1; i < metrics_latency_bound_count; i++)
		assert_true(metrics_latency_bounds[i] > metrics_latency_bounds[i - 1]);
	for (size_t i = 1; i < metrics_size_bound_count; i++)
		assert_true(metrics_size_bounds[i] > metrics_size_bounds[i - 1]);
	assert_true(metrics_latency_bounds[0] == 50e-6);
	assert_true(metrics_latency_bounds[metrics_latency_bound_count - 1] == 10);
	assert_true(metrics_size_bounds[metrics_size_bound_count - 1] == 4096);
}

static double read_context(void *context)
{
	return *(double *)context;
}

static void test_readers_are_asked_at_the_scrape(void **state)
{
	double value = 1.5;

	(void)state;
	metrics_reader(metrics, "gauge", "penstock_level", "A level.", NULL, read_context, &value);
	assert_non_null(strstr(render(), "# TYPE penstock_level gauge\npenstock_level 1.5\n"));
	value = -2;
	assert_non_null(strstr(render(), "\npenstock_level -2\n"));
	value = 1e18;
	assert_non_null(strstr(render(), "\npenstock_level 1e+18\n"));
	value = NAN;
	assert_non_null(strstr(render(), "\npenstock_level NaN\n"));
	value = INFINITY;
	assert_non_null(strstr(render(), "\npenstock_level +Inf\n"));
	value = -INFINITY;
	assert_non_null(strstr(render(), "\npenstock_level -Inf\n"));
}

static void test_help_is_escaped(void **state)
{
	(void)state;
	metrics_counter(metrics, "penstock_a_total", "Two\nlines and a \\.", NULL);
	assert_non_null(strstr(render(), "# HELP penstock_a_total Two\\nlines and a \\\\.\n"));
}

/* --- OpenMetrics --- */

static void test_openmetrics_names_families_escapes_quotes_and_ends(void **state)
{
	static const double bounds[] = {0.5, 1};
	double value = 2;

	(void)state;
	metrics_counter(metrics, "penstock_a_total", "The \"a\".", NULL);
	metrics_histogram(metrics, "penstock_b", "B.", NULL, 1, bounds, 2);
	metrics_reader(metrics, "counter", "penstock_c_total", "C.", "x=\"y\"", read_context, &value);
	metrics_reader(metrics, "gauge", "penstock_d", "D.", NULL, read_context, &value);
	assert_string_equal(render_as(METRICS_OPENMETRICS), "# HELP penstock_a The \\\"a\\\".\n"
							    "# TYPE penstock_a counter\n"
							    "penstock_a_total 0\n"
							    "# HELP penstock_b B.\n"
							    "# TYPE penstock_b histogram\n"
							    "penstock_b_bucket{le=\"0.5\"} 0\n"
							    "penstock_b_bucket{le=\"1.0\"} 0\n"
							    "penstock_b_bucket{le=\"+Inf\"} 0\n"
							    "penstock_b_sum 0\n"
							    "penstock_b_count 0\n"
							    "# HELP penstock_c C.\n"
							    "# TYPE penstock_c counter\n"
							    "penstock_c_total{x=\"y\"} 2\n"
							    "# HELP penstock_d D.\n"
							    "# TYPE penstock_d gauge\n"
							    "penstock_d 2\n"
							    "# EOF\n");
}

#define TRACE_A "0af7651916cd43dd8448eb211c80319c"
#define TRACE_B "b9c7c989f97918e1b9c7c989f97918e1"
#define TRACE_C "11112222333344445555666677778888"
static const int64_t SECOND_NS = 1000000000;

static metric_id traced(void)
{
	static const double bounds[] = {0.001, 0.01};
	metric_id id = metrics_histogram(metrics, "penstock_answer_seconds", "Time.", NULL, 1e-9, bounds, 2);

	metrics_keep_exemplars(metrics, id);
	return id;
}

static void test_each_bucket_shows_the_trace_of_a_value_that_is_in_it(void **state)
{
	metric_id id = traced();
	struct metrics_cells *one = metrics_cells_new(metrics), *two = metrics_cells_new(metrics);

	(void)state;
	metrics_observe_traced(one, id, 500000, SECOND_NS, TRACE_A);     /* 0.5 ms */
	metrics_observe_traced(two, id, 3000000000, SECOND_NS, TRACE_B); /* 3 s */
	render_as(METRICS_OPENMETRICS);
	assert_non_null(strstr(out.data, "_bucket{le=\"0.001\"} 1 # {trace_id=\"" TRACE_A "\"} 0.0005 1"));
	assert_non_null(strstr(out.data, "_bucket{le=\"0.01\"} 1\n"));
	assert_non_null(strstr(out.data, "_bucket{le=\"+Inf\"} 2 # {trace_id=\"" TRACE_B "\"} 3 1"));
	assert_null(strstr(render(), "trace_id"));
}

static void test_an_exemplar_stands_for_a_second(void **state)
{
	metric_id id = traced();
	struct metrics_cells *cells = metrics_cells_new(metrics);

	(void)state;
	metrics_observe_traced(cells, id, 500000, SECOND_NS, TRACE_A);
	metrics_observe_traced(cells, id, 500001, 2 * SECOND_NS - 1, TRACE_B);
	render_as(METRICS_OPENMETRICS);
	assert_non_null(strstr(out.data, TRACE_A));
	assert_null(strstr(out.data, TRACE_B));
	/* Another power of two has a place of its own. */
	metrics_observe_traced(cells, id, 5000000, 2 * SECOND_NS - 1, TRACE_C);
	metrics_observe_traced(cells, id, 500001, 2 * SECOND_NS, TRACE_B);
	render_as(METRICS_OPENMETRICS);
	assert_null(strstr(out.data, TRACE_A));
	assert_non_null(strstr(out.data, TRACE_B));
	assert_non_null(strstr(out.data, TRACE_C));
}

static void test_values_without_bound_have_exemplars(void **state)
{
	metric_id id = traced();
	struct metrics_cells *cells = metrics_cells_new(metrics);

	(void)state;
	metrics_observe_traced(cells, id, UINT64_MAX, SECOND_NS, TRACE_A);
	metrics_observe_traced(cells, id, 0, SECOND_NS, TRACE_B);
	assert_non_null(strstr(render_as(METRICS_OPENMETRICS), "_bucket{le=\"+Inf\"} 2 # {trace_id=\"" TRACE_A "\"}"));
	assert_non_null(strstr(out.data, "_bucket{le=\"0.001\"} 1\n")); /* nothing took no time: of that none is kept */
}

static void test_openmetrics_only_where_it_is_asked_for(void **state)
{
	static const struct {
		const char *accept;
		enum metrics_format format;
	} cases[] = {
		{"", METRICS_TEXT},
		{"*/*", METRICS_TEXT},
		{"text/plain", METRICS_TEXT},
		{"application/openmetrics-text", METRICS_OPENMETRICS},
		{"Application/OpenMetrics-Text; Version=\"1.0.0\"; charset=utf-8", METRICS_OPENMETRICS},
		{"application/openmetrics-text; version=0.0.1", METRICS_TEXT},
		{"application/openmetrics-text;version=2.0.0", METRICS_TEXT},
		{"application/openmetrics-text;q=0", METRICS_TEXT},
		{"application/openmetrics-text;q=0.0001", METRICS_TEXT},
		{"application/openmetrics-text;q=1.5", METRICS_TEXT},
		{"application/openmetrics-text;q=x", METRICS_TEXT},
		{"application/openmetrics-text;q=0.5,text/plain;version=0.0.4;q=0.75", METRICS_TEXT},
		{"application/openmetrics-text;q=0.75 , text/plain;version=0.0.4;q=0.5", METRICS_OPENMETRICS},
		{"text/plain;q=0.3,application/openmetrics-text;q=0.300", METRICS_OPENMETRICS},
		/* Prometheus 2.42 and 3.5 */
		{"application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
		 METRICS_OPENMETRICS},
		{"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,"
		 "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
		 METRICS_OPENMETRICS},
		{",;,=;q=,;;", METRICS_TEXT},
	};

	(void)state;
	assert_int_equal(metrics_format_asked(SLICE_NULL), METRICS_TEXT);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(metrics_format_asked(slice_of(cases[i].accept)), cases[i].format);
}

static double sample(const char *name)
{
	char start[128];
	const char *found;

	snprintf(start, sizeof(start), "\n%s ", name);
	found = strstr(out.data, start);
	assert_non_null(found);
	return strtod(found + strlen(start), NULL);
}

static void test_process_tells_of_itself(void **state)
{
	(void)state;
	metrics_process(metrics, "1.2.3", "abcdef");
	assert_non_null(strstr(render(), "\npenstock_build_info{version=\"1.2.3\",revision=\"abcdef\"} 1\n"));
	assert_true(sample("process_resident_memory_bytes") > 100000);
	assert_true(sample("process_virtual_memory_bytes") >= sample("process_resident_memory_bytes"));
	assert_true(sample("process_open_fds") >= 1);
	assert_true(sample("process_max_fds") >= sample("process_open_fds"));
	assert_true(sample("process_cpu_seconds_total") >= 0);
	/* This process began within the last ten minutes. */
	assert_true(fabs(sample("process_start_time_seconds") - (double)clock_wall_ms() * 1e-3) < 600);
}

/* --- Threads --- */

enum { THREADS = 4, COUNTS = 100000 };

struct counting {
	struct thread thread;
	struct metrics_cells *cells;
	metric_id counter, histogram, traced;
};

static void count(void *argument)
{
	struct counting *counting = argument;

	for (uint64_t i = 0; i < COUNTS; i++) {
		metrics_add(counting->cells, counting->counter, 1);
		metrics_observe(counting->cells, counting->histogram, i % 64);
		metrics_observe_traced(counting->cells, counting->traced, 1 + i % 2 * 500000, (int64_t)i * SECOND_NS,
				       i % 2 ? TRACE_A : TRACE_B);
	}
}

static void test_threads_count_without_loss_while_it_is_rendered(void **state)
{
	static const double bounds[] = {31, 63};
	struct counting countings[THREADS] = {0};
	metric_id counter = metrics_counter(metrics, "penstock_a_total", "A.", NULL);
	metric_id histogram = metrics_histogram(metrics, "penstock_b", "B.", NULL, 1, bounds, 2);
	metric_id exemplars = traced();
	uint64_t before = 0;

	(void)state;
	for (int i = 0; i < THREADS; i++) {
		countings[i].cells = metrics_cells_new(metrics);
		countings[i].counter = counter;
		countings[i].histogram = histogram;
		countings[i].traced = exemplars;
		assert_int_equal(thread_start(&countings[i].thread, "count", count, &countings[i]), 0);
	}
	for (int i = 0; i < 20; i++) {
		uint64_t now;

		/* Whole ones, or none. */
		for (const char *at = render_as(METRICS_OPENMETRICS); (at = strstr(at, "{trace_id=")) != NULL; at++)
			assert_true(strncmp(at, "{trace_id=\"" TRACE_A "\"} 0.000500001 ", 58) == 0 ||
				    strncmp(at, "{trace_id=\"" TRACE_B "\"} 1e-09 ", 52) == 0);
		now = metrics_counter_value(metrics, counter);
		assert_true(now >= before);
		before = now;
	}
	for (int i = 0; i < THREADS; i++)
		thread_join(&countings[i].thread);
	assert_int_equal(metrics_counter_value(metrics, counter), THREADS * COUNTS);
	assert_non_null(strstr(render(), "penstock_b_bucket{le=\"63\"} 400000\n"));
	assert_non_null(strstr(out.data, "penstock_b_count 400000\n"));
}

static void test_many_metrics_fit(void **state)
{
	static char names[300][32];
	struct metrics_cells *cells;

	(void)state;
	for (int i = 0; i < 300; i++) {
		snprintf(names[i], sizeof(names[i]), "penstock_%d_total", i);
		metrics_counter(metrics, names[i], "One of many.", NULL);
	}
	cells = metrics_cells_new(metrics);
	metrics_add(cells, 299, 5);
	assert_non_null(strstr(render(), "penstock_299_total 5\n"));
}

int main(void)
{
#define WITH_METRICS(test) cmocka_unit_test_setup_teardown(test, make, drop)
	const struct CMUnitTest tests[] = {
		WITH_METRICS(test_counters_of_one_name_make_one_family),
		WITH_METRICS(test_metrics_that_nobody_counted_are_zero),
		WITH_METRICS(test_histogram_has_cumulative_buckets_sum_and_count),
		WITH_METRICS(test_size_that_equals_a_bound_counts_below_it),
		WITH_METRICS(test_standard_bounds_rise),
		WITH_METRICS(test_readers_are_asked_at_the_scrape),
		WITH_METRICS(test_help_is_escaped),
		WITH_METRICS(test_openmetrics_names_families_escapes_quotes_and_ends),
		WITH_METRICS(test_each_bucket_shows_the_trace_of_a_value_that_is_in_it),
		WITH_METRICS(test_an_exemplar_stands_for_a_second),
		WITH_METRICS(test_values_without_bound_have_exemplars),
		WITH_METRICS(test_openmetrics_only_where_it_is_asked_for),
		WITH_METRICS(test_process_tells_of_itself),
		WITH_METRICS(test_threads_count_without_loss_while_it_is_rendered),
		WITH_METRICS(test_many_metrics_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
