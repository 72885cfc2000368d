/*
 * What the loop hands over: requests to their routes, messages to those who wait for them, time to
 * those who count it.
 */
#include <stdio.h>
#include "gate/body.h"
#include "gate/cors.h"
#include "gate/host.h"
#include "gate/ledger_task.h"
#include "gate/slow_refusal.h"
#include "gate/stock_round.h"
#include "gate/pending_reply.h"
#include "gate/sale_history.h"
#include "gate/thread.h"

enum {
	LOOK_NS = 100000000, /* a thread looks at its purchases and feeds at least so often: both may begin between two looks */
	STOP_LOOK_NS = 20000000,
	WAKE_BATCH = 256,
};

static void answer_no_route(struct gate_request *request, int outcome, const char *allow)
{
	struct reply *reply = &request->thread->reply;
	bool preflight = http_request_header(request->http, SLICE("Access-Control-Request-Method")).data != NULL;

	if (outcome == HTTP_ROUTE_UNKNOWN) {
		reply_problem(reply, PROBLEM_NOT_FOUND, NULL);
	} else {
		reply_header(reply, "Allow", slice_of(allow));
		if (request->http->method == HTTP_OPTIONS) {
			reply->status = 204;
			reply->content_type = SLICE_NULL;
			if (preflight)
				cors_say_preflight(http_exchange_mark(request->exchange), allow, &reply->headers);
		} else {
			reply_problem(reply, PROBLEM_METHOD_NOT_ALLOWED, NULL);
		}
	}
	gate_send(request->thread, request->exchange, &request->trace, reply);
}

/* True when the operator may; else it has answered 401 or 403. */
static bool allowed(struct gate_request *request, unsigned scope)
{
	const struct operators *operators = request->thread->access->operators;
	struct reply *reply = &request->thread->reply;

	switch (operators_check(operators, request->http->known[HTTP_AUTHORIZATION], &request->actor, &request->scopes)) {
	case OPERATORS_KNOWN:
		break;
	case OPERATORS_MISSING:
		reply_header(reply, "WWW-Authenticate", SLICE("Bearer realm=\"penstock operator\""));
		gate_refuse(request, PROBLEM_UNAUTHORIZED,
			    &(struct problem_options){.detail = "Send an operator's token: Authorization: Bearer TOKEN."});
		return false;
	default:
		slow_refusals_add(request->thread->slow_refusals, request);
		return false;
	}
	if ((request->scopes & scope) == scope)
		return true;
	gate_refuse(request, PROBLEM_FORBIDDEN, NULL);
	return false;
}

/* The place of `name` among the names with a space between, behind it; NULL: it is none of them. */
static const char *find_name(const char *names, struct slice name)
{
	while (names && *names) {
		size_t size = strcspn(names, " ?");

		if (name.size == size && memcmp(names, name.data, size) == 0)
			return names + size;
		names = strchr(names, ' ');
		names = names ? names + 1 : NULL;
	}
	return NULL;
}

/*
 * What takes no body may be sent an empty object; what would be ignored is refused, as everywhere,
 * but for a GET, whose content means nothing (RFC 9110, section 9.3.1). Else it has answered.
 */
static bool body_says_nothing(struct gate_request *request)
{
	struct reply *reply = &request->thread->reply;
	json_t *body = body_parse(request->http, reply);
	bool fine = body && body_read(body, NULL, 0, "", reply) == 0;

	json_decref(body);
	if (!fine)
		gate_answer(request, reply);
	return fine;
}

/*
 * True where the route knows every parameter of the query and each has a value; else it has
 * answered 422. One that is misspelt must not count as left out: a list would show more than was
 * asked for.
 */
static bool query_fits(struct gate_request *request, const struct route *route)
{
	struct reply *reply = &request->thread->reply;
	struct slice name, value;
	size_t place = 0;
	char shown[100];

	while (http_request_next_query(request->http, &place, &name, &value)) {
		const char *known = find_name(route->query, name);

		if (known && (value.size || *known == '?'))
			continue;
		snprintf(shown, sizeof(shown), "%.*s", (int)(name.size < sizeof(shown) ? name.size : sizeof(shown) - 1), name.data);
		if (known)
			reply_bad_field(reply, PROBLEM_INVALID_VALUE, shown, "%s must have a value, or be left out.", shown);
		else
			reply_bad_field(reply, PROBLEM_UNKNOWN_FIELD, shown, "There is no parameter %s here. Known are: %s.",
					shown, route->query ? route->query : "none");
		gate_answer(request, reply);
		return false;
	}
	return true;
}

/* Whether an operators' request was sent to a name that is ours; else it has answered 421. */
static bool sent_to_us(struct gate_request *request)
{
	const char *hosts = request->thread->gate->settings.settings->operator.hosts;
	struct address local = http_exchange_local(request->exchange);

	if (host_allowed(request->http->known[HTTP_HOST], slice_of(hosts), &local))
		return true;
	reply_problem(&request->thread->reply, PROBLEM_WRONG_HOST, NULL);
	gate_send(request->thread, request->exchange, &request->trace, &request->thread->reply);
	return false;
}

/*
 * What the head alone decides: the route, and whether who asks may take it with these parameters.
 * NULL: no, and it has answered. `path`: the parameters lie in it.
 */
static const struct route *admit(struct gate_request *request, char path[static HTTP_PATH_MAX])
{
	struct gate_thread *thread = request->thread;
	char allow[HTTP_ALLOW_SIZE];
	struct http_match match = {0};
	const struct route *route;
	int outcome;

	reply_clear(&thread->reply);
	gate_renew_access(thread);
	trace_take(&request->trace, request->http->known[HTTP_TRACEPARENT]);
	if (thread->for_operators && !sent_to_us(request))
		return NULL;
	if (!thread->for_operators)
		http_exchange_set_mark(request->exchange, cors_mark(&thread->gate->settings.settings->gate.origins, request->http));
	outcome = http_router_find(thread->router, request->http->method,
				   http_path_normal(request->http->path, path, HTTP_PATH_MAX), &match, allow);
	if (outcome != HTTP_ROUTE_FOUND) {
		answer_no_route(request, outcome, allow);
		return NULL;
	}
	route = &thread->table->routes[match.route];
	if (http_exchange_reserved(request->exchange) && !thread->for_operators && !route->probe) {
		http_refuse(request->exchange);
		return NULL;
	}
	request->route = (uint32_t)match.route;
	request->argument = route->argument;
	memcpy(request->parameters, match.parameters, sizeof(request->parameters));
	if (route->scope && !allowed(request, route->scope))
		return NULL;
	if (request->http->query.size && !query_fits(request, route))
		return NULL;
	return route;
}

static struct gate_request request_of(struct http_handler *handler, struct http_exchange *exchange)
{
	return (struct gate_request){
		.thread = (struct gate_thread *)handler, .exchange = exchange, .http = http_exchange_request(exchange)};
}

/*
 * Of operators half a megabyte is taken, so nobody sends it who may not. Of buyers no more is than
 * comes with one read, and who they are costs a signature: they are asked with the body.
 */
static bool handle_head(struct http_handler *handler, struct http_exchange *exchange)
{
	struct gate_request request = request_of(handler, exchange);
	char path[HTTP_PATH_MAX];

	return !request.thread->for_operators || admit(&request, path) != NULL;
}

static void handle_request(struct http_handler *handler, struct http_exchange *exchange)
{
	struct gate_request request = request_of(handler, exchange);
	char path[HTTP_PATH_MAX];
	const struct route *route = admit(&request, path);

	if (!route)
		return;
	if (route->input == INPUT_BODY && !request.http->has_length) {
		gate_refuse(&request, PROBLEM_LENGTH_REQUIRED, NULL);
		return;
	}
	if (route->input == INPUT_NONE && request.http->method != HTTP_GET && request.http->body.size && !body_says_nothing(&request))
		return;
	if (route->on_ledger)
		ledger_task_start(&request, route);
	else
		route->on_loop(&request);
}

static enum problem fault_problem(enum http_fault fault)
{
	const char *code = http_fault_info(fault)->code;

	for (int i = 0; i < PROBLEM_COUNT; i++)
		if (strcmp(problem_code((enum problem)i), code) == 0)
			return (enum problem)i;
	return PROBLEM_MALFORMED_REQUEST;
}

static void handle_fault(struct http_handler *handler, struct http_exchange *exchange, enum http_fault fault)
{
	struct gate_thread *thread = (struct gate_thread *)handler;
	struct trace trace;

	reply_clear(&thread->reply);
	trace_take(&trace, SLICE_NULL);
	reply_problem(&thread->reply, fault_problem(fault), &(struct problem_options){.detail = http_fault_info(fault)->detail});
	gate_send(thread, exchange, &trace, &thread->reply);
}

static void handle_round_end(struct http_handler *handler)
{
	stock_round_end(((struct gate_thread *)handler)->stock);
}

static void handle_wake(struct http_handler *handler)
{
	struct gate_thread *thread = (struct gate_thread *)handler;
	void *items[WAKE_BATCH];
	size_t popped;

	while ((popped = lane_pop(thread->replies, items, WAKE_BATCH, 0)))
		for (size_t i = 0; i < popped; i++) {
			struct message *message = items[i];

			message->on_complete(message, thread);
		}
}

static int64_t handle_tick(struct http_handler *handler, int64_t now_ns)
{
	struct gate_thread *thread = (struct gate_thread *)handler;
	int64_t next_ns = now_ns + LOOK_NS, due_ns = purchase_pool_tick(thread->purchases, now_ns);

	gate_renew_access(thread);
	atomic_store_explicit(&thread->ticked_ns, now_ns, memory_order_relaxed);
	if (due_ns < next_ns)
		next_ns = due_ns;
	due_ns = pending_reply_tick(thread, now_ns);
	if (due_ns < next_ns)
		next_ns = due_ns;
	due_ns = change_queue_tick(thread->changes, now_ns);
	if (due_ns < next_ns)
		next_ns = due_ns;
	due_ns = lookup_queue_tick(thread->lookups, now_ns);
	if (due_ns < next_ns)
		next_ns = due_ns;
	due_ns = slow_refusals_tick(thread->slow_refusals, thread, now_ns);
	if (due_ns < next_ns)
		next_ns = due_ns;
	if (http_loop_stopping(thread->loop)) {
		feed_stop(thread->feed);
		return now_ns + STOP_LOOK_NS;
	}
	due_ns = thread->history ? sale_history_tick(thread->history, now_ns) : next_ns;
	if (due_ns < next_ns)
		next_ns = due_ns;
	due_ns = feed_tick(thread->feed, now_ns);
	return due_ns < next_ns ? due_ns : next_ns;
}

static void handle_gone(struct http_handler *handler, struct http_handle handle)
{
	feed_gone(((struct gate_thread *)handler)->feed, handle);
}

const struct http_handler gate_handler = {
	.request = handle_request,
	.fault = handle_fault,
	.head = handle_head,
	.round_end = handle_round_end,
	.wake = handle_wake,
	.tick = handle_tick,
	.gone = handle_gone,
};
