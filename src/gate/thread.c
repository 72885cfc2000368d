/* What the routes of one thread share: its sales, and the ways to answer. */
#include "gate/thread.h"

#include <stdlib.h>
#include "base/clock.h"
#include "base/log.h"
#include "gate/cors.h"

const struct sale_table *gate_sales(struct gate_thread *thread)
{
	struct sale_catalog *catalog = thread->gate->settings.catalog;

	if (thread->gathering)
		return thread->sales;
	if (!thread->sales || sale_table_generation(thread->sales) != sale_catalog_generation(catalog)) {
		sale_table_unref(thread->sales);
		thread->sales = sale_catalog_ref(catalog);
		if (thread->tally)
			sale_tally_follow(thread->tally, thread->sales);
	}
	return thread->sales;
}

enum problem gate_no_sale(const struct gate *gate)
{
	return sale_catalog_is_whole(gate->settings.catalog) ? PROBLEM_UNKNOWN_SALE : PROBLEM_LEDGER_UNAVAILABLE;
}

bool gate_lots(const struct gate *gate, const struct sale *sale, struct stock_lot_state lots[LOTS_MAX])
{
	struct stock *stock = gate->settings.admission->stock;
	uint32_t lot_count;

	return stock->ops->snapshot(stock, sale->number, lots, &lot_count) == 0 && lot_count == sale->lot_count;
}

/*
 * Whether answers are logged at all: who asks is looked for only then, as it is a list of networks
 * and a header that say it.
 */
static bool answers_are_logged(const struct gate_thread *thread)
{
	return thread->access_every > 0 || log_get_level() <= LOG_DEBUG;
}

struct reply_handle gate_reply_handle(const struct gate_request *request)
{
	return (struct reply_handle){
		.method = request->http->method,
		.client = answers_are_logged(request->thread) ? gate_client(request) : (struct address){{0}},
		.handle = http_exchange_handle(request->exchange),
		.trace = request->trace,
		.started_ns = http_exchange_started(request->exchange),
		.route = request->route,
	};
}

/* How long it took. */
static int64_t count(struct gate_thread *thread, uint32_t route, const struct trace *trace, const struct reply *reply,
		     int64_t started_ns)
{
	const struct gate_metrics *metrics = &thread->gate->metrics;
	int64_t now_ns = clock_mono_ns(), took_ns = now_ns - started_ns;
	int class = reply->status / 100 - 2;

	metrics_observe_traced(thread->cells, thread->latency[route], (uint64_t)took_ns, now_ns, trace_id(trace));
	if (class >= 0 && class < STATUS_CLASSES)
		metrics_add(thread->cells, metrics->statuses[class], 1);
	if (reply->status != 409)
		return took_ns;
	for (int i = 0; i < GATE_PAYMENT_PROBLEMS; i++)
		if (reply->problem == gate_payment_problems[i])
			metrics_add(thread->cells, metrics->payments[i], 1);
	return took_ns;
}

void gate_say_common(const struct gate_thread *thread, const struct http_exchange *exchange, const struct trace *trace,
		     struct reply *reply)
{
	reply_header(reply, "traceparent", trace_slice(trace));
	if (!thread->for_operators)
		cors_say(&thread->gate->settings.settings->gate.origins, http_exchange_mark(exchange), &reply->headers);
}

void gate_send(struct gate_thread *thread, struct http_exchange *exchange, const struct trace *trace, struct reply *reply)
{
	gate_say_common(thread, exchange, trace, reply);
	if (reply->body.failed || reply->headers.failed)
		reply_problem(reply, PROBLEM_OVERLOADED, NULL);
	http_respond(exchange, &(struct http_response){
				       .status = reply->status,
				       .content_type = reply->content_type,
				       .headers = buffer_slice(&reply->headers),
				       .body = reply->page.data ? reply->page : buffer_slice(&reply->body),
				       .body_stays = reply->page.data != NULL,
			       });
}

/* One in so many, and each that the server could not answer. */
static bool is_for_access_log(struct gate_thread *thread, const struct reply *reply)
{
	if (thread->access_every == 0)
		return false;
	if (++thread->access_count < thread->access_every)
		return reply->status >= 500;
	thread->access_count = 0;
	return true;
}

static void log_answer(enum log_level level, const struct gate_thread *thread, const struct reply_handle *handle,
		       const struct reply *reply, int64_t took_ns)
{
	char client[ADDRESS_TEXT_SIZE];

	address_format(&handle->client, client);
	LOG_AT(level, "gate", "answered", LOG_TEXT("listener", thread->for_operators ? "operator" : "public"),
	       LOG_TEXT("client", client), LOG_TEXT("method", http_method_name(handle->method)),
	       LOG_TEXT("route", thread->table->routes[handle->route].name), LOG_INT("status", reply->status),
	       LOG_TEXT("problem", reply->problem == PROBLEM_COUNT ? "" : problem_code(reply->problem)),
	       LOG_INT("microseconds", took_ns / 1000), LOG_SLICE("trace", trace_slice(&handle->trace)));
}

void gate_answer(struct gate_request *request, struct reply *reply)
{
	struct gate_thread *thread = request->thread;
	int64_t took_ns = count(thread, request->route, &request->trace, reply, http_exchange_started(request->exchange));
	enum log_level level = is_for_access_log(thread, reply) ? LOG_INFO : LOG_DEBUG;

	if (level >= log_get_level()) {
		const struct reply_handle handle = gate_reply_handle(request);

		log_answer(level, thread, &handle, reply, took_ns);
	}
	gate_send(thread, request->exchange, &request->trace, reply);
}

void gate_answer_handle(struct gate_thread *thread, const struct reply_handle *handle, struct reply *reply)
{
	struct http_exchange *exchange = http_find(thread->loop, handle->handle);
	int64_t took_ns = count(thread, handle->route, &handle->trace, reply, handle->started_ns);
	enum log_level level = is_for_access_log(thread, reply) ? LOG_INFO : LOG_DEBUG;

	if (level >= log_get_level())
		log_answer(level, thread, handle, reply, took_ns);
	if (exchange)
		gate_send(thread, exchange, &handle->trace, reply);
}

void gate_refuse(struct gate_request *request, enum problem problem, const struct problem_options *options)
{
	reply_problem(&request->thread->reply, problem, options);
	gate_answer(request, &request->thread->reply);
}

static void bad_after(struct reply *reply)
{
	reply_bad_field(reply, PROBLEM_INVALID_VALUE, "after", "after must be the `next` of the page before.");
}

bool gate_after_number(const char *after, int64_t max, int64_t *number, struct reply *reply)
{
	*number = 0;
	for (const char *c = after; *c; c++) {
		if (*c < '0' || *c > '9' || *number > (max - (*c - '0')) / 10) {
			bad_after(reply);
			return false;
		}
		*number = *number * 10 + (*c - '0');
	}
	return true;
}

bool gate_page(struct gate_request *request, char *after, size_t after_size, int64_t *limit)
{
	struct reply *reply = &request->thread->reply;
	char text[16];
	char *end;
	int r;

	*after = '\0';
	*limit = 100;
	if (http_request_query(request->http, SLICE("after"), after, after_size) < 0) {
		bad_after(reply);
		gate_answer(request, reply);
		return false;
	}
	r = http_request_query(request->http, SLICE("limit"), text, sizeof(text));
	if (r == 0) {
		*limit = strtoll(text, &end, 10);
		if (*end || end == text || *limit < 1 || *limit > 1000)
			r = -EINVAL;
	}
	if (r < 0) {
		reply_bad_field(reply, PROBLEM_INVALID_VALUE, "limit", "limit must be a whole number from 1 to 1000.");
		gate_answer(request, reply);
		return false;
	}
	return true;
}

bool gate_wait(struct gate_request *request, int64_t *wait_ns)
{
	enum { WAIT_MAX_S = 60 };
	struct reply *reply = &request->thread->reply;
	char text[16], *end;
	int r = http_request_query(request->http, SLICE("wait"), text, sizeof(text));

	*wait_ns = 0;
	if (r == 0) {
		long seconds = strtol(text, &end, 10);

		if (*text < '0' || *text > '9' || strcmp(end, "s") != 0 || seconds < 1 || seconds > WAIT_MAX_S)
			r = -EINVAL;
		*wait_ns = r == 0 ? seconds * INT64_C(1000000000) : 0;
	}
	if (r >= 0)
		return true;
	reply_bad_field(reply, PROBLEM_INVALID_VALUE, "wait", "wait must be a duration from 1s to 60s.");
	gate_answer(request, reply);
	return false;
}
