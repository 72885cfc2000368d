#include "monitor/monitor.h"

#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "http/loop.h"
#include "http/router.h"
#include "text/json_write.h"

enum {
	CONNECTIONS_MAX = 64,
	BODY_MAX = 8 << 20,
	ALLOW_LINE_SIZE = HTTP_ALLOW_SIZE + 16,
	HEAD_BYTES_MAX = 8192,
	HEADER_FIELDS_MAX = 64
};
static const int64_t PATIENCE_NS = 10000000000; /* for a request, and for taking an answer */
static const int64_t LOOK_NS = 1000000000;
static const int64_t IDLE_NS = 75000000000; /* longer than a scraper's usual minute between two requests */

struct monitor {
	struct http_handler handler; /* first */
	struct monitor_source source;
	const struct metrics *metrics;
	struct http_quota quota;
	struct http_loop *loop;
	struct http_router *router;
	struct thread thread;
	struct buffer body;
	uint16_t port;
	_Atomic int64_t ticked_ns;
};

struct answer {
	int status;
	struct slice content_type, headers;
};

struct route {
	struct http_route http; /* first: the router reads it */
	void (*handle)(struct monitor *monitor, const struct http_request *request, struct answer *answer);
};

static const struct answer plain = {200, {"text/plain; charset=utf-8", 25}, {NULL, 0}};

/* --- Routes --- */

static void show_metrics(struct monitor *monitor, const struct http_request *request, struct answer *answer)
{
	enum metrics_format format = metrics_format_asked(http_request_header(request, SLICE("Accept")));

	answer->content_type = metrics_content_type(format);
	answer->headers = SLICE("Vary: Accept\r\n");
	metrics_render(monitor->metrics, format, &monitor->body);
}

static void show_live(struct monitor *monitor, const struct http_request *request, struct answer *answer)
{
	(void)request;
	(void)answer;
	buffer_append_literal(&monitor->body, "ok\n");
}

static void show_ready(struct monitor *monitor, const struct http_request *request, struct answer *answer)
{
	struct health_check checks[HEALTH_CHECKS_MAX];
	size_t count = monitor->source.checks(monitor->source.context, checks);
	char none[2];
	bool verbose = http_request_query(request, SLICE("verbose"), none, sizeof(none)) != 1;

	answer->status = health_is_ready(checks, count) ? 200 : 503;
	health_render_ready(checks, count, verbose, &monitor->body);
}

static void show_health(struct monitor *monitor, const struct http_request *request, struct answer *answer)
{
	struct buffer components;
	bool up;

	(void)request;
	buffer_init(&components, BODY_MAX);
	buffer_append_literal(&components, "{");
	up = monitor->source.components(monitor->source.context, &components);
	buffer_append_literal(&components, "}");
	answer->status = up ? 200 : 503;
	answer->content_type = SLICE("application/json");
	health_render(up ? "UP" : "DOWN", buffer_slice(&components), &monitor->body);
	buffer_deinit(&components);
}

/* The probes last: see first_route(). */
static const struct route routes[] = {
	{{HTTP_GET, "/metrics"}, show_metrics},
	{{HTTP_GET, "/health"}, show_health},
	{{HTTP_GET, "/readyz"}, show_ready},
	{{HTTP_GET, "/livez"}, show_live},
};

enum { ROUTES = sizeof(routes) / sizeof(routes[0]), PROBES = 2 };

static size_t first_route(const struct monitor *monitor)
{
	return monitor->source.probes_only ? ROUTES - PROBES : 0;
}

/* --- Requests --- */

static void respond(struct monitor *monitor, struct http_exchange *exchange, const struct answer *answer)
{
	const struct http_response response = {
		.status = monitor->body.failed ? 503 : answer->status,
		.content_type = answer->content_type,
		.headers = answer->headers,
		.body = buffer_slice(&monitor->body),
	};

	http_respond(exchange, &response);
}

/* As the gate's problem documents (RFC 9457). */
static void refuse(struct monitor *monitor, int status, const char *code, const char *detail, struct answer *answer)
{
	char type[96];

	snprintf(type, sizeof(type), "urn:penstock:problem:%s", code);
	answer->status = status;
	answer->content_type = SLICE("application/problem+json");
	buffer_append_literal(&monitor->body, "{");
	json_write_text(&monitor->body, "type", slice_of(type));
	json_write_int(&monitor->body, "status", status);
	json_write_text(&monitor->body, "code", slice_of(code));
	json_write_text(&monitor->body, "detail", slice_of(detail));
	buffer_append_literal(&monitor->body, "}");
}

static void handle_request(struct http_handler *handler, struct http_exchange *exchange)
{
	struct monitor *monitor = (struct monitor *)handler;
	const struct http_request *request = http_exchange_request(exchange);
	char allow[HTTP_ALLOW_SIZE], line[ALLOW_LINE_SIZE], path[HTTP_PATH_MAX];
	struct answer answer = plain;
	struct http_match match;

	buffer_clear(&monitor->body);
	switch (http_router_find(monitor->router, request->method, http_path_normal(request->path, path, sizeof(path)), &match, allow)) {
	case HTTP_ROUTE_FOUND:
		routes[first_route(monitor) + match.route].handle(monitor, request, &answer);
		break;
	case HTTP_ROUTE_METHOD:
		snprintf(line, sizeof(line), "Allow: %s\r\n", allow);
		answer.headers = slice_of(line);
		if (request->method == HTTP_OPTIONS)
			answer = (struct answer){.status = 204, .headers = answer.headers};
		else
			refuse(monitor, 405, "method-not-allowed", "Only what is to be seen is here.", &answer);
		break;
	default:
		if (monitor->source.away) {
			answer.headers = SLICE("Retry-After: 1\r\n");
			refuse(monitor, 503, monitor->source.away(monitor->source.context),
			       "This server has just started, and waits for a service that it needs. Nothing was done.", &answer);
			break;
		}
		refuse(monitor, 404, "not-found", "There is /metrics, /health, /readyz and /livez.", &answer);
	}
	respond(monitor, exchange, &answer);
}

static void handle_fault(struct http_handler *handler, struct http_exchange *exchange, enum http_fault fault)
{
	struct monitor *monitor = (struct monitor *)handler;
	const struct http_fault_info *info = http_fault_info(fault);
	struct answer answer = plain;

	buffer_clear(&monitor->body);
	refuse(monitor, info->status, info->code, info->detail, &answer);
	respond(monitor, exchange, &answer);
}

static bool handle_head(struct http_handler *handler, struct http_exchange *exchange)
{
	(void)handler;
	(void)exchange;
	return true;
}

static void handle_nothing(struct http_handler *handler)
{
	(void)handler;
}

static int64_t handle_tick(struct http_handler *handler, int64_t now_ns)
{
	atomic_store(&((struct monitor *)handler)->ticked_ns, now_ns);
	return now_ns + LOOK_NS;
}

static void handle_gone(struct http_handler *handler, struct http_handle handle)
{
	(void)handler;
	(void)handle;
}

/* --- Life --- */

static int listen_all(struct monitor *monitor, const struct listen_list *places)
{
	char text[ADDRESS_TEXT_SIZE];

	for (size_t i = 0; i < places->count; i++) {
		const struct listen_place *place = &places->items[i];
		uint16_t port;
		int r = http_loop_listen(monitor->loop, place, true, &port);

		if (r < 0) {
			address_format(&place->address, text);
			log_error("monitor", "cannot listen", LOG_TEXT("address", text), LOG_INT("port", place->port),
				  LOG_TEXT("error", error_text(r)));
			return r;
		}
		if (i == 0)
			monitor->port = port;
	}
	return 0;
}

bool monitor_alive(const struct monitor *monitor, int64_t within_ns)
{
	return clock_mono_ns() - atomic_load(&monitor->ticked_ns) <= within_ns;
}

int monitor_new(struct monitor **out, const struct listen_list *places, const struct metrics *metrics,
		const struct monitor_source *source)
{
	struct monitor *monitor = calloc(1, sizeof(*monitor));
	int r;

	if (!monitor)
		return error_origin(-ENOMEM);
	monitor->handler = (struct http_handler){
		.request = handle_request,
		.fault = handle_fault,
		.head = handle_head,
		.round_end = handle_nothing,
		.wake = handle_nothing,
		.tick = handle_tick,
		.gone = handle_gone,
	};
	monitor->source = *source;
	monitor->metrics = metrics;
	monitor->quota.connections_max = CONNECTIONS_MAX;
	buffer_init(&monitor->body, BODY_MAX);
	r = http_loop_new(
		&monitor->loop,
		&(struct http_loop_settings){
			.handler = &monitor->handler,
			.quota = &monitor->quota,
			.wire = source->wire,
			.limits = {.header_ns = PATIENCE_NS, .body_ns = PATIENCE_NS, .idle_ns = IDLE_NS, .write_ns = PATIENCE_NS},
			.bounds = {HEAD_BYTES_MAX, HEADER_FIELDS_MAX, HTTP_BODY_MAX},
			.refusal = SLICE("HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\n"
					 "Content-Length: 0\r\n\r\n"),
		});
	if (r == 0)
		r = http_router_new(&monitor->router, routes + first_route(monitor), ROUTES - first_route(monitor),
				    sizeof(routes[0]));
	if (r == 0 && !source->wire)
		r = listen_all(monitor, places);
	if (r < 0) {
		monitor_free(monitor);
		return r;
	}
	*out = monitor;
	return 0;
}

static void monitor_run(void *argument)
{
	http_loop_run(((struct monitor *)argument)->loop);
}

int monitor_start(struct monitor *monitor)
{
	return thread_start(&monitor->thread, "monitor", monitor_run, monitor);
}

void monitor_stop(struct monitor *monitor, int64_t deadline_ns)
{
	if (!monitor->thread.started)
		return;
	http_loop_stop(monitor->loop, deadline_ns);
	thread_join(&monitor->thread);
}

void monitor_free(struct monitor *monitor)
{
	if (!monitor)
		return;
	monitor_stop(monitor, 0);
	http_loop_free(monitor->loop);
	http_router_free(monitor->router);
	buffer_deinit(&monitor->body);
	free(monitor);
}

uint16_t monitor_port(const struct monitor *monitor)
{
	return monitor->port;
}
