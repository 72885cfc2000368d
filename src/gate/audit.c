/*
 * Proof of P1 to P4 now. An audit reads every row of the ledger: milliseconds in a small one, minutes in a large one. So one runs at a
 * time, on a thread and connection of its own, and whoever asks while it runs shares its result. Nobody waits for it longer than for
 * any other request: who has waited so long is told to ask again, and a result that nobody was left to take is kept for the next.
 */
#include <stdlib.h>
#include "base/clock.h"
#include "base/failpoint.h"
#include "gate/errand.h"
#include "gate/render.h"

enum { WAITERS_MAX = 64 };                  /* so that askers leave room for all else that is away */
static const int64_t keep_ns = 60000000000; /* a result that nobody has taken */

struct waiter {
	struct waiter *next;
	struct away away;
};

/* Everything here belongs to the operators' thread. */
struct audit_desk {
	struct gate_thread *thread;
	struct gate_errand *running;
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
	render_int_member(out, "movements", audit->movements);
	render_int_member(out, "dead_letters", audit->dead_letters);
	buffer_append_literal(out, "}");
}

static void count_broken(struct promises *promises, const struct ledger_audit *audit)
{
	promises_break(promises, PROMISE_NEVER_OVERSOLD, (uint64_t)audit->p1_broken);
	promises_break(promises, PROMISE_NEVER_LOST, (uint64_t)(audit->p2_broken - audit->dead_purchases));
	(void)promises_set_dead_purchases(promises, (uint64_t)audit->dead_purchases); /* these can be mended */
	promises_break(promises, PROMISE_NEVER_TWICE, (uint64_t)audit->p3_broken);
	promises_break(promises, PROMISE_NEVER_LEAKED, (uint64_t)audit->p4_broken);
}

static void work_audit(struct gate_errand *errand)
{
	struct ledger *ledger = errand_ledger(errand);
	struct buffer *out = &errand->reply.body;
	struct ledger_audit audit;
	int r;

	(void)FAILPOINT("audit.begun");
	r = ledger->ops->audit(ledger, &audit);
	if (r < 0) {
		errand_refuse_fatal(errand, r);
		return;
	}
	count_broken(errand->thread->gate->settings.promises, &audit);
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
	errand_say_age(errand);
	buffer_append_literal(out, "}");
}

static void tell(struct audit_desk *desk, const struct ticket *ticket, struct reply *reply)
{
	size_t size = reply->headers.size;

	gate_answer_ticket(desk->thread, ticket, reply);
	reply->headers.size = size; /* the next has a trace of its own */
}

static void keep(struct audit_desk *desk, const struct reply *reply)
{
	reply_clear(&desk->kept);
	desk->kept.status = reply->status;
	desk->kept.problem = reply->problem;
	desk->kept.content_type = reply->content_type;
	buffer_append_slice(&desk->kept.headers, buffer_slice(&reply->headers));
	buffer_append_slice(&desk->kept.body, buffer_slice(&reply->body));
	desk->kept_until_ns = clock_mono_ns() + keep_ns;
}

static size_t tell_all(struct audit_desk *desk, struct reply *reply)
{
	struct waiter *waiter;
	size_t told = 0;

	while ((waiter = desk->waiters)) {
		desk->waiters = waiter->next;
		if (away_end(desk->thread, &waiter->away)) {
			tell(desk, &waiter->away.ticket, reply);
			told++;
		}
		free(waiter);
	}
	return told;
}

static void come_home(struct message *message, void *receiver)
{
	struct gate_errand *errand = (struct gate_errand *)message;
	struct audit_desk *desk = ((struct gate_thread *)receiver)->audits;

	desk->running = NULL;
	if (tell_all(desk, &errand->reply) == 0 && errand->reply.status == 200)
		keep(desk, &errand->reply);
	errand_free(errand);
}

/* False: there is no room. */
static bool start(struct audit_desk *desk, const struct ticket *ticket)
{
	struct gate_errand *errand = errand_new_deferred(desk->thread, ticket, TASK_AUDIT, work_audit);

	if (!errand)
		return false;
	errand->task.message.deliver = come_home;
	if (!ledger_workers_send(desk->thread->gate->settings.ledger_workers, TASK_AUDIT, &errand->task)) {
		errand_free(errand);
		return false;
	}
	desk->running = errand;
	return true;
}

/* Those who were given up make room. Returns how many are left. */
static size_t forget_given_up(struct audit_desk *desk)
{
	struct waiter **link = &desk->waiters;
	size_t left = 0;

	while (*link) {
		struct waiter *waiter = *link;

		if (!waiter->away.told) {
			link = &waiter->next;
			left++;
			continue;
		}
		*link = waiter->next;
		(void)!away_end(desk->thread, &waiter->away);
		free(waiter);
	}
	return left;
}

static struct waiter *new_waiter(struct audit_desk *desk)
{
	if (forget_given_up(desk) >= WAITERS_MAX || !away_has_room(desk->thread))
		return NULL;
	return calloc(1, sizeof(struct waiter));
}

void operator_audit(struct gate_request *request)
{
	struct audit_desk *desk = request->thread->audits;
	const struct ticket ticket = gate_ticket(request);
	bool kept = clock_mono_ns() < desk->kept_until_ns;
	struct waiter *waiter;

	desk->kept_until_ns = 0;
	if (kept) {
		gate_answer(request, &desk->kept);
		return;
	}
	waiter = new_waiter(desk);
	if (!waiter || (!desk->running && !start(desk, &ticket))) {
		free(waiter);
		gate_refuse(request, PROBLEM_OVERLOADED, NULL);
		return;
	}
	http_defer(request->exchange);
	away_begin(desk->thread, &waiter->away, &ticket, AWAY_AUDIT, away_patience_ns(desk->thread));
	waiter->next = desk->waiters;
	desk->waiters = waiter;
}

int audit_desk_new(struct audit_desk **out, struct gate_thread *thread)
{
	struct audit_desk *desk = calloc(1, sizeof(*desk));

	if (!desk)
		return error_origin(-ENOMEM);
	desk->thread = thread;
	reply_init(&desk->kept);
	*out = desk;
	return 0;
}

void audit_desk_free(struct audit_desk *desk)
{
	if (!desk)
		return;
	ASSERT(!desk->running);
	reply_deinit(&desk->kept);
	free(desk);
}
