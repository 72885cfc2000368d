/*
 * The feed of what happened. Who is at its end may wait for more (`wait`): the request is parked on
 * its loop, and asked again ASK_NS later, until there is something, or its time is up. So a reader
 * that waits costs a look at the ledger each ASK_NS, on a worker of its own class, and no thread.
 * Turned down: to wake it with each commit; what commits is another process behind a drain.
 */
#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/failpoint.h"
#include "gate/ledger_task.h"
#include "gate/operator/routes.h"
#include "gate/render.h"

enum {
	PARKED_MAX = 64,
	ASK_NS = 200000000,
	CURSOR_FORM = 1,
};

/* Readers that wait, on the operators' thread. */
struct change_queue {
	struct gate_thread *thread;
	struct parked {
		struct reply_handle handle;
		struct ledger_task_changes asked;
		int64_t limit, due_ns;
	} parked[PARKED_MAX];
	size_t count;
};

int change_queue_new(struct change_queue **out, struct gate_thread *thread)
{
	struct change_queue *queue = calloc(1, sizeof(*queue));

	if (!queue)
		return error_origin(-ENOMEM);
	queue->thread = thread;
	*out = queue;
	return 0;
}

void change_queue_free(struct change_queue *queue)
{
	free(queue);
}

/* --- What is told --- */

/* What the event has made of its order; NULL: it has none. */
static const char *state_after(const struct ledger_change *change)
{
	const struct event *event = &change->event;

	switch (event->kind) {
	case EVENT_RESERVED:
		return order_state_name(event->hold_expires_at_ms ? ORDER_HELD : ORDER_CONFIRMED);
	case EVENT_EXTENDED:
		return order_state_name(ORDER_HELD);
	case EVENT_CONFIRMED:
	case EVENT_PAID:
		return order_state_name(ORDER_CONFIRMED);
	case EVENT_CANCELLED:
	case EVENT_REFUNDED:
		return order_state_name(ORDER_CANCELLED);
	case EVENT_EXPIRED:
		return order_state_name(ORDER_EXPIRED);
	case EVENT_REDUCED:
		return order_state_name(change->state);
	case EVENT_WITHDRAWN:
	case EVENT_BARRIER:
		break;
	}
	return NULL;
}

static void append_cursor(const struct ledger_cursor *at, struct buffer *out)
{
	buffer_printf(out, "\"%d.%lld.%016llx\"", CURSOR_FORM, (long long)at->number, (unsigned long long)at->mark);
}

static void render_change(const struct ledger_change *change, struct buffer *out)
{
	const struct event *event = &change->event;
	const char *state = state_after(change);

	buffer_append_literal(out, "{\"id\":\"");
	event_name(event, out);
	buffer_printf(out, "\",\"type\":\"penstock.%s.v1\"", event_kind_name(event->kind));
	render_name(out, "timestamp");
	render_time(event->at_ms, out);
	render_name(out, "cursor");
	append_cursor(&change->at, out);
	buffer_append_literal(out, ",\"data\":{");
	render_text_member(out, "sale", slice_of(change->order.sale_id));
	render_text_member(out, "sku", slice_of(change->order.sku));
	render_name(out, "event");
	event_encode(event, out);
	render_name(out, "state");
	if (state)
		buffer_append_json_string(out, slice_of(state));
	else
		buffer_append_literal(out, "null");
	render_name(out, "order");
	if (state)
		render_ledger_order(&change->order, out);
	else
		buffer_append_literal(out, "null");
	buffer_append_literal(out, "}}");
}

static void render_page(struct ledger_task *task, const struct ledger_change *changes, size_t count, const struct ledger_cursor *next)
{
	struct buffer *out = &task->reply.body;

	buffer_append_literal(out, "{\"changes\":[");
	for (size_t i = 0; i < count; i++) {
		if (i)
			buffer_append_literal(out, ",");
		render_change(&changes[i], out);
	}
	buffer_append_literal(out, "],\"next\":");
	if (next->number)
		append_cursor(next, out);
	else
		buffer_append_literal(out, "null");
	ledger_task_say_age(task);
	buffer_append_literal(out, "}");
}

static void park(struct gate_thread *thread, struct ledger_task *task);

static void work_changes(struct ledger_task *task)
{
	struct ledger *ledger = ledger_task_ledger(task);
	struct ledger_change *changes = calloc((size_t)task->limit, sizeof(*changes));
	struct ledger_cursor next = {0};
	size_t count = 0, max = (size_t)task->limit;
	int r = changes ? ledger->ops->changes(ledger, &task->changes.filter, changes, max, &count, &next) : -ENOMEM;

	if (r < 0)
		ledger_task_refuse_fatal(task, r);
	else if (r == LEDGER_NOT_FOUND)
		reply_problem(&task->reply, PROBLEM_CURSOR_UNKNOWN, NULL);
	else if (count > 0 && FAILPOINT("feed.skip") > 0) /* breaks the feed on purpose */
		render_page(task, changes + 1, count - 1, &next);
	else
		render_page(task, changes, count, &next);
	if (r == LEDGER_DONE && count == 0 && task->changes.until_ns) {
		task->changes.filter.after = next;
		task->then = park;
	}
	free(changes);
}

/* --- Waiting --- */

/* Nothing is there yet: it waits on, or its time is up. */
static void park(struct gate_thread *thread, struct ledger_task *task)
{
	struct change_queue *queue = thread->changes;
	int64_t now_ns = clock_mono_ns();

	if (now_ns >= task->changes.until_ns || queue->count == PARKED_MAX) {
		gate_answer_handle(thread, &task->pending.handle, &task->reply);
		return;
	}
	task->pending.handle.deadline_ns = 0; /* from now on it waits for something to tell alone */
	queue->parked[queue->count++] = (struct parked){
		.handle = task->pending.handle,
		.asked = task->changes,
		.limit = task->limit,
		.due_ns = now_ns + ASK_NS < task->changes.until_ns ? now_ns + ASK_NS : task->changes.until_ns,
	};
}

/* True: the ledger is asked again. */
static bool ask(struct change_queue *queue, const struct parked *parked)
{
	struct ledger_task *task = ledger_task_new_deferred(queue->thread, &parked->handle, TASK_FEED, work_changes);

	if (!task)
		return false;
	task->changes = parked->asked;
	task->limit = parked->limit;
	if (http_loop_stopping(queue->thread->loop))
		task->changes.until_ns = 0;
	if (ledger_task_send_deferred(task))
		return true;
	ledger_task_free(task);
	return false;
}

/* Whether it has an end: the client is gone, or may not read any more, or it was asked again. */
static bool look_at(struct change_queue *queue, const struct parked *parked)
{
	struct gate_thread *thread = queue->thread;

	if (!http_find(thread->loop, parked->handle.handle))
		return true;
	if (thread->access != parked->asked.access &&
	    !operators_keep(thread->access->operators, parked->asked.access->operators, parked->asked.actor, OPERATOR_READ)) {
		reply_clear(&thread->reply);
		reply_problem(&thread->reply, PROBLEM_UNAUTHORIZED, NULL);
		gate_answer_handle(thread, &parked->handle, &thread->reply);
		return true;
	}
	return ask(queue, parked);
}

int64_t change_queue_tick(struct change_queue *queue, int64_t now_ns)
{
	int64_t first_ns = INT64_MAX;
	bool stopping = http_loop_stopping(queue->thread->loop);

	for (size_t i = queue->count; i-- > 0;) {
		struct parked *parked = &queue->parked[i];

		if (now_ns < parked->due_ns && !stopping) {
			first_ns = parked->due_ns < first_ns ? parked->due_ns : first_ns;
			continue;
		}
		if (look_at(queue, parked))
			*parked = queue->parked[--queue->count];
		else
			parked->due_ns = now_ns + ASK_NS; /* there was no room to ask */
	}
	return first_ns;
}

/* --- The request --- */

static void refuse_query(struct gate_request *request, const char *field, const char *rule)
{
	reply_bad_field(&request->thread->reply, PROBLEM_INVALID_VALUE, field, "%s must be %s.", field, rule);
	gate_answer(request, &request->thread->reply);
}

/* Empty: the beginning. */
static bool parse_cursor(const char *text, struct ledger_cursor *at)
{
	unsigned long long mark;
	long long number;
	int form, end = 0;

	*at = (struct ledger_cursor){0};
	if (*text == '\0')
		return true;
	if (strspn(text, "0123456789abcdef.") != strlen(text) ||
	    sscanf(text, "%2d.%18lld.%16llx%n", &form, &number, &mark, &end) != 3 || text[end] != '\0' || form != CURSOR_FORM ||
	    number <= 0)
		return false;
	*at = (struct ledger_cursor){number, mark};
	return true;
}

static bool read_query(struct gate_request *request, const char *after, struct ledger_task_changes *asked)
{
	char text[64];
	int64_t wait_ns;
	int r;

	*asked = (struct ledger_task_changes){.access = request->thread->access, .actor = request->actor};
	if (!parse_cursor(after, &asked->filter.after)) {
		refuse_query(request, "after", "the `next` of the page before, or a `cursor`");
		return false;
	}
	r = http_request_query(request->http, SLICE("since"), text, sizeof(text));
	if (r < 0 || (r == 0 && clock_parse(text, strlen(text), &asked->filter.since_ms) < 0)) {
		refuse_query(request, "since", "a time like 2027-01-01T10:00:00Z");
		return false;
	}
	if (!gate_wait(request, &wait_ns))
		return false;
	if (wait_ns)
		asked->until_ns = clock_mono_ns() + wait_ns;
	return true;
}

void operator_changes(struct gate_request *request)
{
	struct ledger_task_changes asked;
	char after[LEDGER_TASK_NAME_MAX + 1];
	struct ledger_task *task;
	int64_t limit;

	if (!gate_page(request, after, sizeof(after), &limit) || !read_query(request, after, &asked))
		return;
	if (asked.until_ns && request->thread->changes->count == PARKED_MAX) {
		gate_refuse(request, PROBLEM_OVERLOADED, &(struct problem_options){.detail = "So many readers wait already as may."});
		return;
	}
	task = ledger_task_new(request, work_changes);
	if (!task)
		return;
	task->class = TASK_FEED;
	task->changes = asked;
	task->limit = limit;
	ledger_task_send(request, task);
}
