#include "gate/ledger_task.h"

#include <stdlib.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/sha256.h"
#include "core/order_control.h"
#include "gate/body.h"
#include "gate/render.h"

void ledger_task_free(struct ledger_task *task)
{
	if (!task)
		return;
	json_decref(task->body);
	reply_deinit(&task->reply);
	free(task);
}

static void ledger_task_run(struct blocking_task *blocking)
{
	struct ledger_task *task = (struct ledger_task *)blocking;

	/* What is read after is no older than this. */
	if (task->thread->gate->settings.ledger_age)
		task->age = ledger_age_look(task->thread->gate->settings.ledger_age);
	task->work(task);
}

/* True: another worker has it now. */
static bool send_further(struct ledger_task *task)
{
	task->class = TASK_CHANGE;
	task->work = task->further;
	task->further = NULL;
	reply_clear(&task->reply);
	task->pending.handle.deadline_ns = 0; /* a stop by way of the ledger may have waited for a stock that hangs */
	if (ledger_task_send_deferred(task))
		return true;
	reply_problem(&task->reply, PROBLEM_OVERLOADED, NULL);
	return false;
}

static void on_complete(struct message *message, void *receiver)
{
	struct ledger_task *task = (struct ledger_task *)message;
	struct gate_thread *thread = receiver;
	bool waits = pending_reply_end(thread, &task->pending);

	if (waits && task->further && send_further(task))
		return;
	if (waits && task->then)
		task->then(thread, task);
	else if (waits)
		gate_answer_handle(thread, &task->pending.handle, &task->reply);
	ledger_task_free(task);
}

struct ledger_task *ledger_task_new_deferred(struct gate_thread *thread, const struct reply_handle *handle, enum task_class class,
					     void (*work)(struct ledger_task *))
{
	struct ledger_task *task = pending_reply_has_room(thread) ? calloc(1, sizeof(*task)) : NULL;

	if (!task)
		return NULL;
	task->blocking.message = (struct message){.reply = thread->replies, .on_complete = on_complete};
	task->blocking.run = ledger_task_run;
	task->class = class;
	task->thread = thread;
	task->pending.handle = *handle;
	task->work = work;
	reply_init(&task->reply);
	return task;
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

bool ledger_task_key_fits(struct gate_request *request)
{
	struct slice key = request->http->known[HTTP_IDEMPOTENCY_KEY];

	if (!key.data || sale_key_valid(key))
		return true;
	reply_bad_field(&request->thread->reply, PROBLEM_INVALID_VALUE, "Idempotency-Key",
			"Idempotency-Key must be 1 to %d printable ASCII characters.", KEY_MAX);
	gate_answer(request, &request->thread->reply);
	return false;
}

/* A '\n' is in none of the key's parts. */
bool ledger_task_key(struct gate_request *request, struct ledger_request *out, bool *has_key)
{
	const struct http_request *http = request->http;
	struct slice key = http->known[HTTP_IDEMPOTENCY_KEY];
	struct buffer text;

	*has_key = false;
	if (!request->actor || http->method != HTTP_POST || !key.data)
		return true;
	if (!ledger_task_key_fits(request))
		return false;
	buffer_init(&text, HTTP_HEAD_MAX);
	buffer_append_text(&text, request->actor);
	buffer_append_literal(&text, "\n");
	buffer_append_slice(&text, http->path);
	buffer_append_literal(&text, "\n");
	buffer_append_slice(&text, key);
	*has_key = !text.failed;
	*out = (struct ledger_request){.id = hash_of(&text)};
	buffer_clear(&text);
	out->body = hash_of(&text);
	buffer_deinit(&text);
	if (!*has_key)
		gate_refuse(request, PROBLEM_OVERLOADED, NULL);
	return *has_key;
}

void ledger_task_own_request(struct ledger_task *task)
{
	struct buffer nothing;

	if (task->has_key)
		return;
	buffer_init(&nothing, 0);
	task->request = (struct ledger_request){.id = ledger_task_movement(task), .body = hash_of(&nothing)};
	buffer_deinit(&nothing);
}

/* The same for the same members, however they are laid out. */
static void hash_body(struct ledger_task *task)
{
	char *text = task->has_key ? json_dumps(task->body, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	uint8_t hash[SHA256_SIZE];

	if (!text)
		return;
	sha256(slice_of(text), hash);
	task->request.body = uuid_of_hash(hash);
	free(text);
}

struct ledger_task *ledger_task_new(struct gate_request *request, void (*work)(struct ledger_task *))
{
	const struct reply_handle handle = gate_reply_handle(request);
	struct ledger_task *task;

	for (int i = 0; i < HTTP_PARAMETERS_MAX; i++)
		if (request->parameters[i].size > LEDGER_TASK_NAME_MAX) {
			gate_refuse(request, PROBLEM_NOT_FOUND, &(struct problem_options){.detail = "No name is so long."});
			return NULL;
		}
	task = ledger_task_new_deferred(request->thread, &handle, class_of(request), work);
	if (!task) {
		gate_refuse(request, PROBLEM_OVERLOADED, NULL);
		return NULL;
	}
	for (int i = 0; i < HTTP_PARAMETERS_MAX; i++)
		if (request->parameters[i].size)
			memcpy(task->names[i], request->parameters[i].data, request->parameters[i].size);
	task->argument = request->argument;
	if (request->actor)
		strncpy(task->actor, request->actor, sizeof(task->actor) - 1);
	if (ledger_task_key(request, &task->request, &task->has_key))
		return task;
	ledger_task_free(task);
	return NULL;
}

struct ledger_task *ledger_task_new_with_body(struct gate_request *request, void (*work)(struct ledger_task *))
{
	struct reply *reply = &request->thread->reply;
	json_t *body = body_parse(request->http, reply);
	struct ledger_task *task;

	if (!body) {
		gate_answer(request, reply);
		return NULL;
	}
	task = ledger_task_new(request, work);
	if (!task) {
		json_decref(body);
		return NULL;
	}
	task->body = body;
	hash_body(task);
	return task;
}

static enum reply_retry retry_of(const struct ledger_task *task)
{
	if ((task->class == TASK_STOP || task->class == TASK_RELEASE) && !task->has_key)
		return RETRY_STATES;
	if (task->action)
		return reply_retry_of(task->action, task->order.extend_to_ms != 0 || task->has_key);
	return task->has_key ? RETRY_WITH_KEY : RETRY_AFTER_LOOK;
}

bool ledger_task_send_deferred(struct ledger_task *task)
{
	struct gate_thread *thread = task->thread;
	const struct reply_handle handle = task->pending.handle;
	const bool reads = task->class == TASK_LIST || task->class == TASK_LOOKUP || task->class == TASK_FEED;

	/* Once it is sent it is the worker's. */
	task->pending.retry = retry_of(task);
	pending_reply_begin(thread, &task->pending, &handle, reads ? PENDING_READ : PENDING_CHANGE);
	if (ledger_workers_send(thread->gate->settings.ledger_workers, task->class, &task->blocking))
		return true;
	(void)!pending_reply_end(thread, &task->pending);
	return false;
}

void ledger_task_send(struct gate_request *request, struct ledger_task *task)
{
	if (ledger_task_send_deferred(task)) {
		http_defer(request->exchange);
		return;
	}
	ledger_task_free(task);
	gate_refuse(request, PROBLEM_OVERLOADED, NULL);
}

void ledger_task_start(struct gate_request *request, const struct route *route)
{
	struct ledger_task *task;
	char after[LEDGER_TASK_NAME_MAX + 1] = "";
	int64_t limit = 0;

	if (route->input == INPUT_PAGE && !gate_page(request, after, sizeof(after), &limit))
		return;
	task = route->input == INPUT_BODY ? ledger_task_new_with_body(request, route->on_ledger)
					  : ledger_task_new(request, route->on_ledger);
	if (!task)
		return;
	memcpy(task->after, after, sizeof(after));
	task->limit = limit;
	ledger_task_send(request, task);
}

void ledger_task_say_age(struct ledger_task *task)
{
	struct buffer *out = &task->reply.body;

	if (!task->thread->gate->settings.ledger_age)
		return;
	buffer_append_literal(out, ",\"as_of\":");
	render_time(task->age.as_of_ms ? task->age.as_of_ms : SALE_NO_TIME, out);
	buffer_append_literal(out, ",\"lag_records\":");
	buffer_append_int(out, task->age.lag_records);
}

void ledger_task_end_list(struct ledger_task *task, size_t count, struct slice last)
{
	struct buffer *out = &task->reply.body;

	buffer_append_literal(out, "],\"next\":");
	if (count == (size_t)task->limit)
		buffer_append_json_string(out, last);
	else
		buffer_append_literal(out, "null");
	ledger_task_say_age(task);
	buffer_append_literal(out, "}");
}

/*
 * What the stock has told stands: its row may be behind, or not be there yet. The rest is the
 * row's.
 */
static void merge_known(const struct ledger_order *known, int *r, struct ledger_order *order)
{
	if (*r != LEDGER_DONE) {
		*r = LEDGER_DONE;
		*order = *known;
		return;
	}
	if (order->state != known->state || order->hold_expires_at_ms != known->hold_expires_at_ms)
		order_control_forget_change(order);
	order->state = known->state;
	order->hold_expires_at_ms = known->hold_expires_at_ms;
	if (!order->payment.reference[0])
		order->payment = known->payment;
}

void ledger_task_work_order(struct ledger_task *task)
{
	struct ledger *ledger = ledger_task_ledger(task);
	struct ledger_order order;
	int r = ledger->ops->order_get(ledger, &task->order.id, &order);

	if (task->order.known.buyer[0])
		merge_known(&task->order.known, &r, &order);
	if (r < 0)
		ledger_task_refuse_fatal(task, r);
	else if (r == LEDGER_NOT_FOUND)
		reply_refuse(&task->reply, PROBLEM_UNKNOWN_ORDER, "There is no order of this id.");
	else
		render_ledger_order(&order, &task->reply.body);
}

struct ledger_actor ledger_task_actor(struct ledger_task *task)
{
	return (struct ledger_actor){
		.kind = ACTOR_OPERATOR,
		.name = slice_of(task->actor),
		.trace = trace_slice(&task->pending.handle.trace),
		.reason = task->action ? slice_of(task->order.reason) : SLICE_NULL,
		.now_ms = clock_wall_ms(),
		.request = uuid_is_null(&task->request.id) ? NULL : &task->request,
		.until_ns = task->pending.handle.deadline_ns,
	};
}

struct uuid ledger_task_movement(const struct ledger_task *task)
{
	struct uuid_generator ids = {0};

	return task->has_key ? task->request.id : uuid_make(&ids, clock_wall_ms(), 0);
}

bool ledger_task_repeats(struct ledger_task *task, int *r)
{
	/*
	 * The movement is there, its request's row is not: it was written down by who finished it.
	 */
	bool repeats = *r == LEDGER_REPEATED || (*r == LEDGER_ALREADY && task->has_key);

	if (!repeats)
		return false;
	*r = 0;
	if (task->has_key) /* else it has met its own first half */
		reply_header(&task->reply, "Idempotent-Replayed", SLICE("true"));
	return true;
}

void ledger_task_say_unknown(struct ledger_task *task)
{
	reply_change_unknown(&task->reply, task->pending.retry);
}

void ledger_task_refuse_fatal(struct ledger_task *task, int code)
{
	log_warn("gate", "the ledger could not be used", LOG_TEXT("error", error_text(code)), LOG_INT("code", code),
		 LOG_SLICE("trace", trace_slice(&task->pending.handle.trace)));
	if (code == -EINPROGRESS)
		ledger_task_say_unknown(task);
	else
		reply_refuse(&task->reply, PROBLEM_LEDGER_UNAVAILABLE,
			     "The ledger cannot be used now: /health and the log say why. Nothing was done.");
}

bool ledger_task_refuses(struct ledger_task *task, int r)
{
	if (r < 0)
		ledger_task_refuse_fatal(task, r);
	else if (r == LEDGER_KEY_REUSED)
		reply_problem(&task->reply, PROBLEM_KEY_REUSED, NULL);
	return r < 0 || r == LEDGER_KEY_REUSED;
}

struct ledger *ledger_task_ledger(const struct ledger_task *task)
{
	return task->thread->gate->settings.ledger;
}
