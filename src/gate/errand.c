#include "gate/errand.h"

#include <stdlib.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/sha256.h"
#include "gate/body.h"
#include "gate/render.h"
#include "gate/settlement.h"

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

	/* What is read after is no older than this. */
	if (errand->thread->gate->settings.ledger_age)
		errand->age = ledger_age_look(errand->thread->gate->settings.ledger_age);
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

static struct uuid hash_of(const struct buffer *text)
{
	uint8_t hash[SHA256_SIZE];

	sha256(buffer_slice(text), hash);
	return uuid_of_hash(hash);
}

bool errand_key_fits(struct gate_request *request)
{
	struct slice key = request->http->known[HTTP_IDEMPOTENCY_KEY];

	if (!key.data || key_valid(key))
		return true;
	reply_bad_field(&request->thread->reply, PROBLEM_INVALID_VALUE, "Idempotency-Key",
			"Idempotency-Key must be 1 to %d printable ASCII characters.", KEY_MAX);
	gate_answer(request, &request->thread->reply);
	return false;
}

/* What an operator's request with a key is known by. A '\n' is in none of its parts. False: it has answered. */
static bool take_key(struct gate_request *request, struct gate_errand *errand)
{
	const struct http_request *http = request->http;
	struct slice key = http->known[HTTP_IDEMPOTENCY_KEY];
	struct buffer text;

	if (!request->actor || http->method != HTTP_POST || !key.data)
		return true;
	if (!errand_key_fits(request))
		return false;
	buffer_init(&text, HTTP_HEAD_MAX);
	buffer_append_text(&text, request->actor);
	buffer_append_literal(&text, "\n");
	buffer_append_slice(&text, http->path);
	buffer_append_literal(&text, "\n");
	buffer_append_slice(&text, key);
	errand->has_key = !text.failed;
	errand->request = (struct ledger_request){.id = hash_of(&text)};
	buffer_clear(&text);
	errand->request.body = hash_of(&text);
	buffer_deinit(&text);
	if (!errand->has_key)
		gate_refuse(request, PROBLEM_OVERLOADED, NULL);
	return errand->has_key;
}

/* The same for the same members, however they are laid out. */
static void hash_body(struct gate_errand *errand)
{
	char *text = errand->has_key ? json_dumps(errand->body, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	uint8_t hash[SHA256_SIZE];

	if (!text)
		return;
	sha256(slice_of(text), hash);
	errand->request.body = uuid_of_hash(hash);
	free(text);
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
	if (take_key(request, errand))
		return errand;
	errand_free(errand);
	return NULL;
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
	if (!errand) {
		json_decref(body);
		return NULL;
	}
	errand->body = body;
	hash_body(errand);
	return errand;
}

static enum reply_retry retry_of(const struct gate_errand *errand)
{
	if (errand->class == TASK_BRAKE)
		return RETRY_STATES; /* the stock keeps no keys */
	if (errand->action)
		return settlement_retry(errand->action);
	return errand->has_key ? RETRY_WITH_KEY : RETRY_AFTER_LOOK;
}

bool errand_send_deferred(struct gate_errand *errand)
{
	struct gate_thread *thread = errand->thread;
	const struct ticket ticket = errand->away.ticket;
	const bool reads = errand->class == TASK_LIST || errand->class == TASK_LOOKUP;

	/* Once it is sent it is the worker's. */
	errand->away.retry = retry_of(errand);
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

void errand_say_age(struct gate_errand *errand)
{
	struct buffer *out = &errand->reply.body;

	if (!errand->thread->gate->settings.ledger_age)
		return;
	buffer_append_literal(out, ",\"as_of\":");
	render_time(errand->age.as_of_ms ? errand->age.as_of_ms : SALE_NO_TIME, out);
	buffer_append_literal(out, ",\"lag_records\":");
	buffer_append_int(out, errand->age.lag_records);
}

void errand_end_list(struct gate_errand *errand, size_t count, struct slice last)
{
	struct buffer *out = &errand->reply.body;

	buffer_append_literal(out, "],\"next\":");
	if (count == (size_t)errand->limit)
		buffer_append_json_string(out, last);
	else
		buffer_append_literal(out, "null");
	errand_say_age(errand);
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

struct ledger_actor errand_actor(struct gate_errand *errand)
{
	return (struct ledger_actor){
		.kind = ACTOR_OPERATOR,
		.name = slice_of(errand->actor),
		.trace = trace_slice(&errand->away.ticket.trace),
		.now_ms = clock_wall_ms(),
		.request = errand->has_key ? &errand->request : NULL,
	};
}

struct uuid errand_movement(const struct gate_errand *errand)
{
	struct uuid_generator ids = {0};

	return errand->has_key ? errand->request.id : uuid_make(&ids, clock_wall_ms(), 0);
}

bool errand_repeats(struct gate_errand *errand, int *r)
{
	/* The movement is there, its request's row is not: it was written down by who finished it. */
	bool repeats = *r == LEDGER_REPEATED || (*r == LEDGER_ALREADY && errand->has_key);

	if (!repeats)
		return false;
	*r = 0;
	reply_header(&errand->reply, "Idempotent-Replayed", SLICE("true"));
	return true;
}

void errand_say_unknown(struct gate_errand *errand)
{
	reply_change_unknown(&errand->reply, errand->away.retry);
}

void errand_refuse_fatal(struct gate_errand *errand, int code)
{
	log_warn("gate", "the ledger could not be used", LOG_TEXT("error", error_text(code)), LOG_INT("code", code),
		 LOG_SLICE("trace", trace_slice(&errand->away.ticket.trace)));
	if (code == -EINPROGRESS)
		errand_say_unknown(errand);
	else
		reply_refuse(&errand->reply, PROBLEM_LEDGER_UNAVAILABLE,
			     "The ledger cannot be used now: /health and the log say why. Nothing was done.");
}

struct ledger *errand_ledger(const struct gate_errand *errand)
{
	return errand->thread->gate->settings.ledger;
}
