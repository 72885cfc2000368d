#include "gate/errand.h"

#include <stdlib.h>
#include "base/clock.h"
#include "base/log.h"
#include "gate/body.h"
#include "gate/render.h"

void errand_free(struct gate_errand *errand)
{
	if (!errand)
		return;
	json_decref(errand->body);
	reply_deinit(&errand->reply);
	free(errand);
}

static void run(struct blocking_task *task)
{
	struct gate_errand *errand = (struct gate_errand *)task;

	errand->work(errand);
}

/* True: another worker has it now. */
static bool send_further(struct gate_errand *errand)
{
	errand->class = TASK_CHANGE;
	errand->work = errand->further;
	errand->further = NULL;
	reply_clear(&errand->reply);
	if (errand_send_deferred(errand))
		return true;
	reply_problem(&errand->reply, PROBLEM_OVERLOADED, NULL);
	return false;
}

static void come_home(struct message *message, void *receiver)
{
	struct gate_errand *errand = (struct gate_errand *)message;
	struct gate_thread *thread = receiver;
	bool waits = away_end(thread, &errand->away);

	if (waits && errand->further && send_further(errand))
		return;
	if (waits)
		gate_answer_ticket(thread, &errand->away.ticket, &errand->reply);
	errand_free(errand);
}

struct gate_errand *errand_new_deferred(struct gate_thread *thread, const struct ticket *ticket, enum task_class class,
					void (*work)(struct gate_errand *))
{
	struct gate_errand *errand = away_has_room(thread) ? calloc(1, sizeof(*errand)) : NULL;

	if (!errand)
		return NULL;
	errand->task.message = (struct message){.reply = thread->replies, .deliver = come_home};
	errand->task.run = run;
	errand->class = class;
	errand->thread = thread;
	errand->away.ticket = *ticket;
	errand->work = work;
	reply_init(&errand->reply);
	return errand;
}

static enum task_class class_of(const struct gate_request *request)
{
	if (request->http->method != HTTP_GET)
		return TASK_CHANGE;
	return request->parameters[0].size ? TASK_LOOKUP : TASK_LIST;
}

struct gate_errand *errand_new(struct gate_request *request, void (*work)(struct gate_errand *))
{
	const struct ticket ticket = gate_ticket(request);
	struct gate_errand *errand;

	for (int i = 0; i < HTTP_PARAMETERS_MAX; i++)
		if (request->parameters[i].size > ERRAND_NAME_MAX) {
			gate_refuse(request, PROBLEM_NOT_FOUND, &(struct problem_options){.detail = "No name is so long."});
			return NULL;
		}
	errand = errand_new_deferred(request->thread, &ticket, class_of(request), work);
	if (!errand) {
		gate_refuse(request, PROBLEM_OVERLOADED, NULL);
		return NULL;
	}
	for (int i = 0; i < HTTP_PARAMETERS_MAX; i++)
		if (request->parameters[i].size)
			memcpy(errand->names[i], request->parameters[i].data, request->parameters[i].size);
	if (request->actor)
		strncpy(errand->actor, request->actor, sizeof(errand->actor) - 1);
	return errand;
}

struct gate_errand *errand_new_with_body(struct gate_request *request, void (*work)(struct gate_errand *))
{
	struct reply *reply = &request->thread->reply;
	json_t *body = body_parse(request->http, reply);
	struct gate_errand *errand;

	if (!body) {
		gate_answer(request, reply);
		return NULL;
	}
	errand = errand_new(request, work);
	if (errand)
		errand->body = body;
	else
		json_decref(body);
	return errand;
}

bool errand_send_deferred(struct gate_errand *errand)
{
	struct gate_thread *thread = errand->thread;
	const struct ticket ticket = errand->away.ticket;
	const bool reads = errand->class == TASK_LIST || errand->class == TASK_LOOKUP;

	/* Once it is sent it is the worker's. */
	away_begin(thread, &errand->away, &ticket, reads ? AWAY_READ : AWAY_CHANGE, away_patience_ns(thread));
	if (ledger_workers_send(thread->gate->settings.ledger_workers, errand->class, &errand->task))
		return true;
	(void)!away_end(thread, &errand->away);
	return false;
}

void errand_send(struct gate_request *request, struct gate_errand *errand)
{
	if (errand_send_deferred(errand)) {
		http_defer(request->exchange);
		return;
	}
	errand_free(errand);
	gate_refuse(request, PROBLEM_OVERLOADED, NULL);
}

void errand_start(struct gate_request *request, void (*work)(struct gate_errand *))
{
	struct gate_errand *errand = errand_new(request, work);

	if (errand)
		errand_send(request, errand);
}

void errand_start_with_body(struct gate_request *request, void (*work)(struct gate_errand *))
{
	struct gate_errand *errand = errand_new_with_body(request, work);

	if (errand)
		errand_send(request, errand);
}

void errand_start_list(struct gate_request *request, void (*work)(struct gate_errand *))
{
	struct gate_errand *errand;
	char after[ERRAND_NAME_MAX + 1];
	int64_t limit;

	if (!gate_page(request, after, sizeof(after), &limit))
		return;
	errand = errand_new(request, work);
	if (!errand)
		return;
	memcpy(errand->after, after, sizeof(after));
	errand->limit = limit;
	errand_send(request, errand);
}

void errand_end_list(struct gate_errand *errand, size_t count, struct slice last)
{
	struct buffer *out = &errand->reply.body;

	buffer_append_literal(out, "],\"next\":");
	if (count == (size_t)errand->limit)
		buffer_append_json_string(out, last);
	else
		buffer_append_literal(out, "null");
	buffer_append_literal(out, "}");
}

void errand_work_order(struct gate_errand *errand)
{
	struct ledger *ledger = errand_ledger(errand);
	struct ledger_order order;
	int r = ledger->ops->order_get(ledger, &errand->order, &order);

	if (r < 0)
		errand_refuse_fatal(errand, r);
	else if (r == LEDGER_NOT_FOUND)
		reply_refuse(&errand->reply, PROBLEM_UNKNOWN_ORDER, "There is no order of this id.");
	else
		render_ledger_order(&order, &errand->reply.body);
}

struct ledger_actor errand_actor(const struct gate_errand *errand)
{
	return (struct ledger_actor){
		.name = slice_of(errand->actor),
		.trace = trace_slice(&errand->away.ticket.trace),
		.now_ms = clock_wall_ms(),
	};
}

void errand_refuse_fatal(struct gate_errand *errand, int code)
{
	log_warn("gate", "the ledger could not be used", LOG_TEXT("error", error_text(code)), LOG_INT("code", code),
		 LOG_SLICE("trace", trace_slice(&errand->away.ticket.trace)));
	if (code == -EINPROGRESS)
		reply_problem(&errand->reply, PROBLEM_OUTCOME_UNKNOWN,
			      &(struct problem_options){
				      .detail = "It cannot be said yet whether this was done. Read it again shortly."});
	else
		reply_refuse(&errand->reply, PROBLEM_LEDGER_UNAVAILABLE, "The ledger cannot be used now: %s. Nothing was done.",
			     error_text(code));
}

struct ledger *errand_ledger(const struct gate_errand *errand)
{
	return errand->thread->gate->settings.ledger;
}
