#include "gate/slow_refusal.h"

#include <stdlib.h>
#include "base/log.h"

enum {
	WAITING_MAX = 512, /* as many as the listener has connections and reserve, and those whose connections have gone */
	DELAY_NS = 300000000,
};

struct waiting {
	struct reply_handle handle;
	int64_t due_ns;
};

struct slow_refusals {
	struct waiting items[WAITING_MAX]; /* a ring, the first due first */
	size_t first, count;
};

int slow_refusals_new(struct slow_refusals **out)
{
	*out = calloc(1, sizeof(**out));
	return *out ? 0 : error_origin(-ENOMEM);
}

void slow_refusals_free(struct slow_refusals *refusals)
{
	free(refusals);
}

static void say(struct reply *reply)
{
	reply_header(reply, "WWW-Authenticate", SLICE("Bearer realm=\"penstock operator\", error=\"invalid_token\""));
	reply_problem(reply, PROBLEM_UNAUTHORIZED, &(struct problem_options){.detail = "No operator has this token."});
}

static void warn(struct gate_request *request)
{
	static struct log_limiter limiter;
	struct address client = gate_client(request);
	char text[ADDRESS_TEXT_SIZE];
	uint64_t suppressed;

	if (!log_limiter_pass(&limiter, &suppressed))
		return;
	address_format(&client, text);
	log_warn("gate", "a wrong operator's token", LOG_TEXT("address", text),
		 LOG_TEXT("route", request->thread->table->routes[request->route].name), LOG_INT("suppressed", suppressed));
}

void slow_refusals_add(struct slow_refusals *refusals, struct gate_request *request)
{
	struct gate_thread *thread = request->thread;

	metrics_add(thread->cells, thread->gate->metrics.identity_failures[1], 1);
	warn(request);
	operator_log_wrong_token(request);
	if (refusals->count == WAITING_MAX || http_loop_stopping(thread->loop)) {
		say(&thread->reply);
		gate_answer(request, &thread->reply);
		return;
	}
	refusals->items[(refusals->first + refusals->count++) % WAITING_MAX] =
		(struct waiting){gate_reply_handle(request), http_loop_now(thread->loop) + DELAY_NS};
	http_defer_expendable(request->exchange);
}

int64_t slow_refusals_tick(struct slow_refusals *refusals, struct gate_thread *thread, int64_t now_ns)
{
	while (refusals->count) {
		struct waiting *waiting = &refusals->items[refusals->first];

		if (waiting->due_ns > now_ns && !http_loop_stopping(thread->loop))
			return waiting->due_ns;
		reply_clear(&thread->reply);
		say(&thread->reply);
		gate_answer_handle(thread, &waiting->handle, &thread->reply);
		refusals->first = (refusals->first + 1) % WAITING_MAX;
		refusals->count--;
	}
	return INT64_MAX;
}
