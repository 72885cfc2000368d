/*
 * Proof of P1 to P4 now. An audit reads every row of the ledger: milliseconds in a small one,
 * minutes in a large one. So one runs at a time, on a thread and connection of its own, and whoever
 * asks while it runs shares its result. Nobody waits for it longer than for any other request: who
 * has waited so long is told to ask again, and a result that nobody was left to take is kept for
 * the next.
 */
#include <stdlib.h>
#include "base/clock.h"
#include "base/failpoint.h"
#include "gate/ledger_task.h"
#include "gate/operator/routes.h"
#include "gate/render.h"

enum { WAITERS_MAX = 64 };                  /* so that askers leave room for all else that is away */
static const int64_t keep_ns = 60000000000; /* a result that nobody has taken */

struct waiter {
	struct waiter *next;
	struct pending_reply pending;
};

/* Everything here belongs to the operators' thread. */
struct audit_queue {
	struct gate_thread *thread;
	struct ledger_task *running;
	struct waiter *waiters; /* those who were given up too, until the audit has ended */
	struct reply kept;
	int64_t kept_until_ns; /* 0: nothing is kept */
};

static void render_promise(struct buffer *out, const char *name, int64_t broken)
{
	render_name(out, name);
	buffer_append_literal(out, "{");
	render_int_member(out, "broken", broken);
	buffer_append_literal(out, "}");
}

static void render_totals(const struct ledger_audit *audit, struct buffer *out)
{
	render_name(out, "totals");
	buffer_append_literal(out, "{");
	render_int_member(out, "sales", audit->sales);
	render_int_member(out, "lots", audit->lots);
	render_int_member(out, "orders", audit->orders);
	render_int_member(out, "held", audit->held);
	render_int_member(out, "confirmed", audit->confirmed);
	render_int_member(out, "cancelled", audit->cancelled);
	render_int_member(out, "expired", audit->expired);
	render_int_member(out, "units_allocated", audit->units_allocated);
	render_int_member(out, "units_available", audit->units_available);
	render_int_member(out, "units_held", audit->units_held);
	render_int_member(out, "units_confirmed", audit->units_confirmed);
	render_int_member(out, "units_withdrawn", audit->units_withdrawn);
	render_int_member(out, "units_gone", audit->units_gone);
	render_int_member(out, "movements", audit->movements);
	render_int_member(out, "dead_letters", audit->dead_letters);
	render_int_member(out, "shared_payments", audit->shared_payments);
	buffer_append_literal(out, "}");
}

static void count_broken(struct promises *promises, const struct ledger_audit *audit)
{
	promises_break(promises, PROMISE_NEVER_OVERSOLD, (uint64_t)(audit->p1_broken - audit->unequal_p1));
	promises_break(promises, PROMISE_NEVER_LOST, (uint64_t)(audit->p2_broken - audit->dead_purchases));
	(void)promises_set_dead_purchases(promises, (uint64_t)audit->dead_purchases); /* these can be mended */
	promises_break(promises, PROMISE_NEVER_TWICE, (uint64_t)audit->p3_broken);
	promises_break(promises, PROMISE_NEVER_LEAKED, (uint64_t)(audit->p4_broken - audit->unequal_p4));
	(void)promises_set_shared_payments(promises, (uint64_t)audit->shared_payments);
	promises_set_unequal_lots(promises, (uint64_t)audit->unequal_p1, (uint64_t)audit->unequal_p4);
}

static void work_audit(struct ledger_task *task)
{
	struct ledger *ledger = ledger_task_ledger(task);
	struct buffer *out = &task->reply.body;
	struct ledger_audit audit;
	int r;

	(void)FAILPOINT("audit.begun");
	r = ledger->ops->audit(ledger, &audit);
	if (r < 0) {
		ledger_task_refuse_fatal(task, r);
		return;
	}
	count_broken(task->thread->gate->settings.promises, &audit);
	buffer_append_literal(out, "{");
	render_name(out, "ok");
	buffer_append_text(out, audit.p1_broken + audit.p2_broken + audit.p3_broken + audit.p4_broken + audit.log_broken ? "false"
															 : "true");
	render_name(out, "promises");
	buffer_append_literal(out, "{");
	render_promise(out, "p1", audit.p1_broken);
	render_promise(out, "p2", audit.p2_broken);
	render_promise(out, "p3", audit.p3_broken);
	render_promise(out, "p4", audit.p4_broken);
	buffer_append_literal(out, "}");
	render_name(out, "operator_log");
	buffer_append_literal(out, "{");
	render_int_member(out, "rows", audit.log_rows);
	render_int_member(out, "broken", audit.log_broken);
	buffer_append_literal(out, "}");
	render_totals(&audit, out);
	render_name(out, "first");
	if (audit.first[0])
		buffer_append_json_string(out, slice_of(audit.first));
	else
		buffer_append_literal(out, "null");
	ledger_task_say_age(task);
	buffer_append_literal(out, "}");
}

static void answer_waiter(struct audit_queue *queue, const struct reply_handle *handle, struct reply *reply)
{
	size_t size = reply->headers.size;

	gate_answer_handle(queue->thread, handle, reply);
	reply->headers.size = size; /* the next has a trace of its own */
}

static void keep(struct audit_queue *queue, const struct reply *reply)
{
	reply_clear(&queue->kept);
	queue->kept.status = reply->status;
	queue->kept.problem = reply->problem;
	queue->kept.content_type = reply->content_type;
	buffer_append_slice(&queue->kept.headers, buffer_slice(&reply->headers));
	buffer_append_slice(&queue->kept.body, buffer_slice(&reply->body));
	queue->kept_until_ns = clock_mono_ns() + keep_ns;
}

static size_t answer_all(struct audit_queue *queue, struct reply *reply)
{
	struct waiter *waiter;
	size_t answered = 0;

	while ((waiter = queue->waiters)) {
		queue->waiters = waiter->next;
		if (pending_reply_end(queue->thread, &waiter->pending)) {
			answer_waiter(queue, &waiter->pending.handle, reply);
			answered++;
		}
		free(waiter);
	}
	return answered;
}

static void on_complete(struct message *message, void *receiver)
{
	struct ledger_task *task = (struct ledger_task *)message;
	struct audit_queue *queue = ((struct gate_thread *)receiver)->audits;

	queue->running = NULL;
	if (answer_all(queue, &task->reply) == 0 && task->reply.status == 200)
		keep(queue, &task->reply);
	ledger_task_free(task);
}

/* False: there is no room. */
static bool start(struct audit_queue *queue, const struct reply_handle *handle)
{
	struct ledger_task *task = ledger_task_new_deferred(queue->thread, handle, TASK_AUDIT, work_audit);

	if (!task)
		return false;
	task->blocking.message.on_complete = on_complete;
	if (!ledger_workers_send(queue->thread->gate->settings.ledger_workers, TASK_AUDIT, &task->blocking)) {
		ledger_task_free(task);
		return false;
	}
	queue->running = task;
	return true;
}

/* Those who were given up make room. Returns how many are left. */
static size_t forget_expired(struct audit_queue *queue)
{
	struct waiter **link = &queue->waiters;
	size_t left = 0;

	while (*link) {
		struct waiter *waiter = *link;

		if (!waiter->pending.answered) {
			link = &waiter->next;
			left++;
			continue;
		}
		*link = waiter->next;
		(void)!pending_reply_end(queue->thread, &waiter->pending);
		free(waiter);
	}
	return left;
}

static struct waiter *new_waiter(struct audit_queue *queue)
{
	if (forget_expired(queue) >= WAITERS_MAX || !pending_reply_has_room(queue->thread))
		return NULL;
	return calloc(1, sizeof(struct waiter));
}

void operator_audit(struct gate_request *request)
{
	struct audit_queue *queue = request->thread->audits;
	const struct reply_handle handle = gate_reply_handle(request);
	bool kept = clock_mono_ns() < queue->kept_until_ns;
	struct waiter *waiter;

	queue->kept_until_ns = 0;
	if (kept) {
		gate_answer(request, &queue->kept);
		return;
	}
	waiter = new_waiter(queue);
	if (!waiter || (!queue->running && !start(queue, &handle))) {
		free(waiter);
		gate_refuse(request, PROBLEM_OVERLOADED, NULL);
		return;
	}
	http_defer(request->exchange);
	pending_reply_begin(queue->thread, &waiter->pending, &handle, PENDING_AUDIT);
	waiter->next = queue->waiters;
	queue->waiters = waiter;
}

int audit_queue_new(struct audit_queue **out, struct gate_thread *thread)
{
	struct audit_queue *queue = calloc(1, sizeof(*queue));

	if (!queue)
		return error_origin(-ENOMEM);
	queue->thread = thread;
	reply_init(&queue->kept);
	*out = queue;
	return 0;
}

void audit_queue_free(struct audit_queue *queue)
{
	if (!queue)
		return;
	ASSERT(!queue->running);
	reply_deinit(&queue->kept);
	free(queue);
}
