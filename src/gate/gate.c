#include "gate/gate.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/lines.h"
#include "base/log.h"
#include "gate/gate_metrics.h"
#include "gate/sale_history.h"
#include "gate/slow_refusal.h"
#include "gate/stock_round.h"
#include "gate/thread.h"

enum {
	READ_RATE_MIN = 1024, /* bytes a second that a client must read of an answer, on average: a modem of 1995 reads three times as many */
	STREAM_BACKLOG_MAX = 256 * 1024, /* bytes waiting for the reader of a feed */
	DESCRIPTORS_BESIDE = 64,         /* open files beside connections: the ledger, lanes, listeners, loops */
	CONNECTIONS_LEAST = 16,          /* of buyers, however few descriptors there are */
	OPERATOR_CONNECTIONS_MAX = 256,  /* of their own: whoever fills the public listener does not shut the operators out */
};

/* The whole answer for a connection beyond the quota. */
static void make_refusal(struct buffer *out)
{
	struct buffer body;

	buffer_init(&body, 1024);
	problem_render(PROBLEM_OVERLOADED, "This server has as many connections as it may have.", SLICE_NULL, &body);
	buffer_init(out, 2048);
	buffer_printf(out,
		      "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\nRetry-After: 1\r\n"
		      "Connection: close\r\nContent-Length: %zu\r\n\r\n",
		      body.size);
	buffer_append_slice(out, buffer_slice(&body));
	buffer_deinit(&body);
}

static int listen_all(struct gate_thread *thread, struct listen_list *places, bool first, uint16_t *first_port)
{
	char text[ADDRESS_TEXT_SIZE];

	for (size_t i = 0; i < places->count; i++) {
		struct listen_place *place = &places->items[i];
		uint16_t port;
		int r = http_loop_listen(thread->loop, place, first, &port);

		if (r < 0) {
			address_format(&place->address, text);
			log_error("gate",
				  r == -EADDRINUSE ? "cannot listen: another process does there (process.share_ports lets it, where that is meant)"
						   : "cannot listen",
				  LOG_TEXT("address", text), LOG_INT("port", place->port), LOG_TEXT("error", error_text(r)));
			return r;
		}
		place->port = port; /* the other threads share it */
		if (i == 0)
			*first_port = port;
	}
	return 0;
}

static int thread_new(struct gate *gate, struct gate_thread *thread, bool for_operators)
{
	const struct settings *settings = gate->settings.settings;
	const struct http_loop_settings loop = {
		.handler = &thread->handler,
		.quota = for_operators ? &gate->operator_quota : &gate->quota,
		.limits =
			{
				.header_ns = settings->gate.header_timeout_ns,
				.body_ns = settings->gate.body_timeout_ns,
				.idle_ns = settings->gate.idle_timeout_ns,
				.write_ns = settings->gate.write_timeout_ns,
				.read_rate_min = READ_RATE_MIN,
				.stream_backlog_max = STREAM_BACKLOG_MAX,
			},
		.bounds =
			{
				.head_bytes = (uint32_t)settings->gate.header_bytes_max,
				.header_fields = (uint32_t)settings->gate.header_fields_max,
				.body_bytes = for_operators ? HTTP_LARGE_BODY_MAX : HTTP_BODY_MAX,
			},
		.refusal = buffer_slice(&gate->refusal),
		.wire = for_operators ? gate->settings.operators_wire : gate->settings.buyers_wire,
	};
	size_t in_flight_max = for_operators ? 1 : (size_t)settings->gate.in_flight_max;
	int r;

	thread->handler = gate_handler;
	thread->gate = gate;
	thread->for_operators = for_operators;
	thread->access_every = (uint32_t)settings->gate.access_log;
	thread->table = for_operators ? &operator_routes : &public_routes;
	thread->latency = for_operators ? gate->metrics.operator_latency : gate->metrics.public_latency;
	reply_init(&thread->reply);
	r = http_loop_new(&thread->loop, &loop);
	if (r == 0)
		r = http_router_new(&thread->router, thread->table->routes, thread->table->count, sizeof(thread->table->routes[0]));
	if (r == 0)
		r = lane_new(&thread->replies, in_flight_max + GATE_PENDING_MAX + 2 /* an audit, a note for the operator log */);
	if (r == 0)
		r = http_loop_watch(thread->loop, thread->replies);
	if (r == 0)
		r = stock_round_new(&thread->stock, thread, in_flight_max);
	if (r == 0)
		r = purchase_pool_new(&thread->purchases, thread, in_flight_max);
	if (r == 0 && !for_operators)
		r = sale_tally_new(&thread->tally);
	if (r == 0 && for_operators)
		r = sale_history_new(&thread->history, thread);
	if (r == 0)
		r = feed_new(&thread->feed, thread);
	if (r == 0)
		r = slow_refusals_new(&thread->slow_refusals);
	if (r == 0)
		r = audit_queue_new(&thread->audits, thread);
	if (r == 0)
		r = change_queue_new(&thread->changes, thread);
	if (r == 0)
		r = lookup_queue_new(&thread->lookups, thread);
	return r;
}

static void thread_free(struct gate_thread *thread)
{
	http_loop_free(thread->loop);
	http_router_free(thread->router);
	purchase_pool_free(thread->purchases);
	stock_round_free(thread->stock);
	sale_tally_free(thread->tally);
	sale_history_free(thread->history);
	feed_free(thread->feed);
	slow_refusals_free(thread->slow_refusals);
	audit_queue_free(thread->audits);
	change_queue_free(thread->changes);
	lookup_queue_free(thread->lookups);
	lane_free(thread->replies);
	identity_cache_free(thread->identities);
	sale_table_unref(thread->sales);
	reply_deinit(&thread->reply);
}

size_t gate_public_threads(const struct settings *settings)
{
	long cores;

	if (settings->gate.threads > 0)
		return (size_t)settings->gate.threads;
	cores = sysconf(_SC_NPROCESSORS_ONLN); /* it reads a file of the kernel's */
	return cores > 2 ? (size_t)cores - 1 : 1;
}

/* --- Who is believed --- */

static void access_free(const struct gate *gate, struct gate_access *access)
{
	for (size_t i = 0; i < gate->thread_count; i++)
		identity_cache_free(access->caches[i]);
	if (access->owned) {
		identity_free((struct identity *)access->identity);
		operators_free((struct operators *)access->operators);
	}
	free(access);
}

static int access_new(struct gate *gate, const struct gate_access *contents)
{
	struct gate_access *access = calloc(1, sizeof(*access) + gate->thread_count * sizeof(access->caches[0]));
	int r = 0;

	if (!access)
		return error_origin(-ENOMEM);
	*access = *contents;
	access->owned = false; /* until it is sure */
	for (size_t i = 0; i < gate->thread_count && r == 0 && access->identity; i++)
		r = identity_cache_new(&access->caches[i], access->identity);
	if (r < 0) {
		access_free(gate, access);
		return r;
	}
	access->owned = contents->owned;
	access->older = atomic_load(&gate->access);
	atomic_store(&gate->access, access);
	return 0;
}

int gate_reload(struct gate *gate, struct identity *identity, struct operators *operators, const struct network_list *proxies)
{
	const struct gate_access contents = {.identity = identity, .operators = operators, .proxies = *proxies, .owned = true};

	return access_new(gate, &contents);
}

void gate_renew_access(struct gate_thread *thread)
{
	struct gate_access *access = atomic_load_explicit(&thread->gate->access, memory_order_acquire);
	const struct gate_access *old = thread->access;
	size_t place = (size_t)(thread - thread->gate->threads);

	if (access == old)
		return;
	thread->access = access;
	identity_cache_free(thread->identities);
	thread->identities = access->caches[place];
	access->caches[place] = NULL;
	http_loop_set_proxies(thread->loop, &access->proxies);
	if (old)
		feed_review(thread->feed, access->operators, old->operators);
}

/* --- Threads --- */

static int first_access(struct gate *gate)
{
	const struct gate_access contents = {
		.identity = gate->settings.identity,
		.operators = gate->settings.operators,
		.proxies = gate->settings.settings->gate.trusted_proxies,
	};
	int r = access_new(gate, &contents);

	for (size_t i = 0; i < gate->thread_count && r == 0; i++)
		gate_renew_access(&gate->threads[i]);
	return r;
}

static int open_threads(struct gate *gate)
{
	struct listen_list public_places = gate->settings.settings->gate.listen;
	struct listen_list operator_places = gate->settings.settings->operator.listen;
	size_t count = gate_public_threads(gate->settings.settings) + 1;
	bool shared = gate->settings.settings->process.share_ports == SHARE_PORTS_ON;
	int r = 0;

	gate->threads = lines_new(count * sizeof(*gate->threads));
	if (!gate->threads)
		return error_origin(-ENOMEM);
	for (size_t i = 0; i < count && r == 0; i++) {
		bool for_operators = i == count - 1;
		/* The first at its place: the other gate threads share it with the first. */
		bool first = !shared && (i == 0 || for_operators);

		gate->thread_count++;
		r = thread_new(gate, &gate->threads[i], for_operators);
		if (r == 0 && !gate->settings.buyers_wire)
			r = listen_all(&gate->threads[i], for_operators ? &operator_places : &public_places, first,
				       for_operators ? &gate->operator_port : &gate->public_port);
	}
	return r < 0 ? r : first_access(gate);
}

bool gate_alive(const struct gate *gate, int64_t within_ns)
{
	int64_t since_ns = clock_mono_ns() - within_ns;

	for (size_t i = 0; i < gate->thread_count; i++)
		if (atomic_load_explicit(&gate->threads[i].ticked_ns, memory_order_relaxed) < since_ns)
			return false;
	return true;
}

/*
 * Each connection is a descriptor. Returns how many buyers may have: what is left when operators,
 * probes and files have theirs, so that whoever fills the public listener takes nothing from them;
 * with a word where that is less than is asked for.
 */
static int64_t divide_descriptors(int64_t connections_max, size_t threads)
{
	struct rlimit limit;
	int64_t kept = OPERATOR_CONNECTIONS_MAX + DESCRIPTORS_BESIDE + (int64_t)(threads + 1) * HTTP_RESERVE, left;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return connections_max;
	if (limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
	if (limit.rlim_cur >= (rlim_t)(connections_max + kept))
		return connections_max;
	left = (int64_t)limit.rlim_cur - kept;
	if (left < CONNECTIONS_LEAST)
		left = connections_max < CONNECTIONS_LEAST ? connections_max : CONNECTIONS_LEAST;
	log_warn("gate", "the limit of open files is too low for gate.connections_max: buyers get what operators and files leave",
		 LOG_INT("limit", limit.rlim_cur), LOG_INT("connections_max", connections_max), LOG_INT("connections", left));
	return left;
}

int gate_new(struct gate **out, const struct gate_settings *settings)
{
	const struct settings_rate *rate = &settings->settings->gate.address_rate,
				   *failures = &settings->settings->gate.address_failures;
	struct gate *gate = lines_new(sizeof(*gate));
	int r = 0;

	if (!gate)
		return error_origin(-ENOMEM);
	gate->settings = *settings;
	gate->quota.connections_max =
		divide_descriptors(settings->settings->gate.connections_max, gate_public_threads(settings->settings));
	gate->operator_quota.connections_max = OPERATOR_CONNECTIONS_MAX;
	make_refusal(&gate->refusal);
	gate_register_metrics(gate);
	gate_register_loop_metrics(gate);
	if (rate->requests)
		r = address_limit_new(&gate->address_limit, rate->requests, rate->seconds, ADDRESS_LIMIT_CLIENTS);
	if (r == 0 && failures->requests)
		r = identity_budget_new(&gate->identity_budget, failures->requests, failures->seconds);
	if (r == 0 && settings->settings->rate.attempts)
		r = attempt_limit_new(&gate->attempt_limit, (uint32_t)settings->settings->rate.attempts);
	if (r == 0)
		r = open_threads(gate);
	if (r < 0) {
		gate_free(gate);
		return r;
	}
	*out = gate;
	return 0;
}

static void gate_run(void *argument)
{
	http_loop_run(((struct gate_thread *)argument)->loop);
}

int gate_start(struct gate *gate)
{
	char name[16];
	int r = 0;

	for (size_t i = 0; i < gate->thread_count; i++)
		gate->threads[i].cells = metrics_cells_new(gate->settings.metrics);
	for (size_t i = 0; i < gate->thread_count && r == 0; i++) {
		snprintf(name, sizeof(name), gate->threads[i].for_operators ? "operator" : "gate-%u", (unsigned)i);
		r = thread_start(&gate->threads[i].thread, name, gate_run, &gate->threads[i]);
	}
	return r;
}

void gate_set_ready(struct gate *gate, bool ready)
{
	atomic_store(&gate->ready, ready);
}

void gate_stop(struct gate *gate, int64_t deadline_ns)
{
	atomic_store(&gate->stopping, true);
	for (size_t i = 0; i < gate->thread_count; i++)
		http_loop_stop(gate->threads[i].loop, deadline_ns);
}

void gate_join(struct gate *gate)
{
	for (size_t i = 0; i < gate->thread_count; i++)
		thread_join(&gate->threads[i].thread);
}

void gate_take_home(struct gate *gate)
{
	for (size_t i = 0; i < gate->thread_count; i++) {
		struct http_handler *handler = &gate->threads[i].handler;

		handler->wake(handler);
		handler->round_end(handler); /* what was gathered after the last round is refused: the journal takes nothing any more */
	}
}

void gate_free(struct gate *gate)
{
	if (!gate)
		return;
	for (size_t i = 0; i < gate->thread_count; i++)
		thread_free(&gate->threads[i]);
	for (struct gate_access *access = atomic_load(&gate->access), *older; access; access = older) {
		older = access->older;
		access_free(gate, access);
	}
	for (size_t i = 0; i < gate->label_count; i++)
		free(gate->labels[i]);
	free(gate->labels);
	free(gate->metrics.public_latency);
	free(gate->metrics.operator_latency);
	free(gate->threads);
	address_limit_free(gate->address_limit);
	attempt_limit_free(gate->attempt_limit);
	identity_budget_free(gate->identity_budget);
	buffer_deinit(&gate->refusal);
	free(gate);
}

uint16_t gate_public_port(const struct gate *gate)
{
	return gate->public_port;
}

uint16_t gate_operator_port(const struct gate *gate)
{
	return gate->operator_port;
}
