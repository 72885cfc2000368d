/* What a gate shows at /metrics. */
#include "gate/gate_metrics.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include "gate/sale_metrics.h"

static double read_gauge(void *context)
{
	return (double)atomic_load_explicit((_Atomic int64_t *)context, memory_order_relaxed);
}

static double read_ledger_lanes(void *context)
{
	const struct ledger_workers *workers = context;
	size_t depth = 0;

	for (int i = 0; i < TASK_CLASSES; i++)
		depth += ledger_workers_depth(workers, (enum task_class)i);
	return (double)depth;
}

static double read_lane(void *context)
{
	return (double)lane_depth(context);
}

static double read_journal_wait(void *context)
{
	return (double)journal_worker_wait_ns(context) / 1e9;
}

static double read_stock_wait(void *context)
{
	return (double)stock_worker_wait_ns(context) / 1e9;
}

/* Of the thread where it is longest. */
static double read_loops_wait(void *context)
{
	const struct gate *gate = context;
	int64_t longest_ns = 0;

	for (size_t i = 0; i < gate->thread_count; i++) {
		int64_t age_ns = http_loop_queue_age(gate->threads[i].loop);

		longest_ns = age_ns > longest_ns ? age_ns : longest_ns;
	}
	return (double)longest_ns / 1e9;
}

/* A label that lives as long as the gate. */
static const char *label(struct gate *gate, const char *name, const char *value)
{
	char **grown = realloc(gate->labels, (gate->label_count + 1) * sizeof(*grown));
	size_t size = strlen(name) + strlen(value) + 4;
	char *text = malloc(size);

	ASSERT(grown != NULL);
	ASSERT(text != NULL);
	snprintf(text, size, "%s=\"%s\"", name, value);
	gate->labels = grown;
	gate->labels[gate->label_count++] = text;
	return text;
}

static metric_id *latency_metrics(struct gate *gate, const struct route_table *table, const char *name, const char *help)
{
	metric_id *ids = calloc(table->count, sizeof(*ids));

	ASSERT(ids != NULL);
	for (size_t i = 0; i < table->count; i++) {
		ids[i] = metrics_histogram(gate->settings.metrics, name, help, label(gate, "route", table->routes[i].name), 1e-9,
					   metrics_latency_bounds, metrics_latency_bound_count);
		metrics_keep_exemplars(gate->settings.metrics, ids[i]);
	}
	return ids;
}

const enum problem gate_payment_problems[GATE_PAYMENT_PROBLEMS] = {PROBLEM_PAID_ALREADY, PROBLEM_WRONG_AMOUNT, PROBLEM_REFERENCE_USED};

void gate_register_metrics(struct gate *gate)
{
	struct metrics *metrics = gate->settings.metrics;
	struct gate_metrics *ids = &gate->metrics;
	static const char purchases[] = "penstock_purchases_total",
			  purchases_help[] = "Answers to POST /v1/sales/{sale}/orders, by outcome.";
	static const char statuses[] = "penstock_http_responses_total", statuses_help[] = "Answers by class of status.";
	static const char waits[] = "penstock_queue_wait_seconds",
			  waits_help[] = "How long purchases wait where there is a queue, to be read or in a lane; 0: there is none.";
	static const char lanes[] = "penstock_lane_depth", lanes_help[] = "Items waiting in a lane.";

	ids->purchases[OUTCOME_ACCEPTED] = metrics_counter(metrics, purchases, purchases_help, "outcome=\"accepted\"");
	ids->purchases[OUTCOME_REPLAYED] = metrics_counter(metrics, purchases, purchases_help, "outcome=\"replayed\"");
	for (int i = 0; i < PROBLEM_COUNT; i++)
		ids->purchases[i] =
			metrics_counter(metrics, purchases, purchases_help, label(gate, "outcome", problem_code((enum problem)i)));
	ids->statuses[0] = metrics_counter(metrics, statuses, statuses_help, "class=\"2xx\"");
	ids->statuses[1] = metrics_counter(metrics, statuses, statuses_help, "class=\"3xx\"");
	ids->statuses[2] = metrics_counter(metrics, statuses, statuses_help, "class=\"4xx\"");
	ids->statuses[3] = metrics_counter(metrics, statuses, statuses_help, "class=\"5xx\"");
	for (int i = 0; i < GATE_PAYMENT_PROBLEMS; i++)
		ids->payments[i] =
			metrics_counter(metrics, "penstock_payments_refused_total",
					"Confirms whose payment moved nothing, by why: somebody's money is to be given back.",
					label(gate, "reason", problem_code(gate_payment_problems[i])));
	ids->public_latency = latency_metrics(gate, &public_routes, "penstock_http_request_duration_seconds",
					      "From the last byte of a request to its answer, on the public listener.");
	ids->operator_latency = latency_metrics(gate, &operator_routes, "penstock_operator_request_duration_seconds",
						"From the last byte of a request to its answer, on the operator listener.");
	for (int i = 0; i < 2; i++)
		ids->identity_failures[i] = metrics_counter(metrics, "penstock_identity_failures_total",
							    "Requests whose token or header named nobody.",
							    i ? "listener=\"operator\"" : "listener=\"public\"");
	ids->round_purchases = metrics_histogram(metrics, "penstock_round_purchases", "Purchases decided in one step.", NULL, 1,
						 metrics_size_bounds, metrics_size_bound_count);
	metrics_reader(metrics, "gauge", lanes, lanes_help, "lane=\"journal\"", read_lane, gate->settings.journal_lane);
	metrics_reader(metrics, "gauge", lanes, lanes_help, "lane=\"ledger\"", read_ledger_lanes, gate->settings.ledger_workers);
	if (gate->settings.stock_lane)
		metrics_reader(metrics, "gauge", lanes, lanes_help, "lane=\"stock\"", read_lane, gate->settings.stock_lane);
	ids->turned_away = metrics_counter(
		metrics, "penstock_turned_away_total",
		"Purchases answered 503 because they, or those before them, had waited longer than gate.queue_target.", NULL);
	metrics_reader(metrics, "gauge", waits, waits_help, "queue=\"gate\"", read_loops_wait, gate);
	metrics_reader(metrics, "gauge", waits, waits_help, "queue=\"journal\"", read_journal_wait,
		       (void *)gate->settings.journal_worker);
	if (gate->settings.stock_worker)
		metrics_reader(metrics, "gauge", waits, waits_help, "queue=\"stock\"", read_stock_wait,
			       (void *)gate->settings.stock_worker);
	sale_metrics_register(gate);
	metrics_reader(metrics, "gauge", "penstock_connections", "Open connections on the public listener.", NULL, read_gauge,
		       &gate->quota.connections);
}

/* One figure that the loops count themselves, summed over them. */
static double read_loops(void *context)
{
	const struct loop_figure *figure = context;
	uint64_t sum = 0;

	for (size_t i = 0; i < figure->gate->thread_count; i++) {
		const char *stats = (const char *)http_loop_stats(figure->gate->threads[i].loop);

		sum += atomic_load_explicit((const _Atomic uint64_t *)(stats + figure->offset), memory_order_relaxed);
	}
	return (double)sum;
}

void gate_register_loop_metrics(struct gate *gate)
{
	static const struct {
		const char *name, *help;
		size_t offset;
	} figures[GATE_LOOP_FIGURES] = {
		{"penstock_connections_accepted_total", "Connections accepted.", offsetof(struct http_stats, accepted)},
		{"penstock_connections_evicted_total",
		 "Idle connections of whoever had most, ended for others when there were as many as there may be.",
		 offsetof(struct http_stats, evicted)},
		{"penstock_connections_refused_total", "Connections answered 503 because there was no place and nobody idle.",
		 offsetof(struct http_stats, refused)},
		{"penstock_http_requests_total", "Whole requests read.", offsetof(struct http_stats, requests)},
		{"penstock_http_faults_total", "Requests that the reader refused.", offsetof(struct http_stats, faults)},
		{"penstock_http_timeouts_total", "Connections closed at a deadline.", offsetof(struct http_stats, timeouts)},
		{"penstock_http_hangups_total", "Clients that hung up before their answer.", offsetof(struct http_stats, hangups)},
		{"penstock_accept_errors_total", "Times a connection could not be accepted.",
		 offsetof(struct http_stats, accept_errors)},
		{"penstock_http_received_bytes_total", "Bytes received.", offsetof(struct http_stats, bytes_in)},
		{"penstock_http_sent_bytes_total", "Bytes sent.", offsetof(struct http_stats, bytes_out)},
	};

	for (size_t i = 0; i < GATE_LOOP_FIGURES; i++) {
		gate->figures[i] = (struct loop_figure){gate, figures[i].offset};
		metrics_reader(gate->settings.metrics, "counter", figures[i].name, figures[i].help, NULL, read_loops,
			       &gate->figures[i]);
	}
}
