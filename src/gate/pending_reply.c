#include "gate/pending_reply.h"

#include "base/clock.h"
#include "base/failpoint.h"
#include "port/ack_margin.h"

static int64_t patience_ns_of(const struct gate_thread *thread)
{
	int64_t patience_ns = thread->gate->settings.admission->ack_deadline_ns + ACK_ANSWER_MARGIN_NS;

	return FAILPOINT("ack.clock_stands_still") > 0 ? 10 * patience_ns : patience_ns;
}

bool pending_reply_has_room(const struct gate_thread *thread)
{
	return thread->pending_count < GATE_PENDING_MAX;
}

void pending_reply_begin(struct gate_thread *thread, struct pending_reply *pending, const struct reply_handle *handle,
			 enum pending_reply_kind kind)
{
	ASSERT(pending_reply_has_room(thread));
	pending->handle = *handle;
	if (pending->handle.deadline_ns == 0)
		pending->handle.deadline_ns = clock_mono_ns() + patience_ns_of(thread);
	pending->kind = kind;
	pending->answered = false;
	pending->previous = NULL;
	pending->next = thread->pending;
	if (thread->pending)
		thread->pending->previous = pending;
	thread->pending = pending;
	thread->pending_count++;
}

static void unlink_pending(struct gate_thread *thread, struct pending_reply *pending)
{
	if (pending->previous)
		pending->previous->next = pending->next;
	else
		thread->pending = pending->next;
	if (pending->next)
		pending->next->previous = pending->previous;
}

bool pending_reply_end(struct gate_thread *thread, struct pending_reply *pending)
{
	thread->pending_count--;
	if (pending->answered)
		return false;
	unlink_pending(thread, pending);
	return true;
}

static void expire(struct reply *reply, const struct pending_reply *pending)
{
	reply_clear(reply);
	switch (pending->kind) {
	case PENDING_CHANGE:
		reply_change_unknown(reply, pending->retry);
		return;
	case PENDING_FIND:
		reply_refuse(reply, PROBLEM_STOCK_UNAVAILABLE, "The stock did not answer in time.");
		return;
	case PENDING_READ:
		reply_refuse(reply, PROBLEM_LEDGER_UNAVAILABLE, "The ledger did not answer in time.");
		return;
	case PENDING_AUDIT:
		reply_refuse(reply, PROBLEM_OVERLOADED, "The audit goes on. Ask again: whoever does when it is done gets its result.");
		return;
	}
	assertion_failed("a known kind", __FILE__, __LINE__, __func__);
}

/* All are looked at: they are few. */
int64_t pending_reply_tick(struct gate_thread *thread, int64_t now_ns)
{
	int64_t first_ns = INT64_MAX;
	struct pending_reply *next;

	for (struct pending_reply *pending = thread->pending; pending; pending = next) {
		const int64_t deadline_ns = pending->handle.deadline_ns;

		next = pending->next;
		if (now_ns < deadline_ns) {
			first_ns = deadline_ns < first_ns ? deadline_ns : first_ns;
			continue;
		}
		unlink_pending(thread, pending);
		pending->answered = true;
		expire(&thread->reply, pending);
		gate_answer_handle(thread, &pending->handle, &thread->reply);
	}
	return first_ns;
}
