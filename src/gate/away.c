#include "gate/away.h"

#include "base/clock.h"
#include "base/failpoint.h"

enum { MARGIN_NS = 500000000 };

int64_t away_patience_ns(const struct gate_thread *thread)
{
	int64_t patience_ns = thread->gate->settings.admission->ack_deadline_ns + MARGIN_NS;

	return FAILPOINT("telling.clock_stands_still") > 0 ? 10 * patience_ns : patience_ns;
}

bool away_has_room(const struct gate_thread *thread)
{
	return thread->away_count < GATE_AWAY_MAX;
}

void away_begin(struct gate_thread *thread, struct away *away, const struct ticket *ticket, enum away_kind kind, int64_t patience_ns)
{
	ASSERT(away_has_room(thread));
	away->ticket = *ticket;
	away->give_up_ns = clock_mono_ns() + patience_ns;
	away->kind = kind;
	away->told = false;
	away->previous = NULL;
	away->next = thread->away;
	if (thread->away)
		thread->away->previous = away;
	thread->away = away;
	thread->away_count++;
}

static void unlink_away(struct gate_thread *thread, struct away *away)
{
	if (away->previous)
		away->previous->next = away->next;
	else
		thread->away = away->next;
	if (away->next)
		away->next->previous = away->previous;
}

bool away_end(struct gate_thread *thread, struct away *away)
{
	thread->away_count--;
	if (away->told)
		return false;
	unlink_away(thread, away);
	return true;
}

static void give_up(struct reply *reply, const struct away *away)
{
	reply_clear(reply);
	switch (away->kind) {
	case AWAY_CHANGE:
		reply_change_unknown(reply, away->retry);
		return;
	case AWAY_READ:
		reply_refuse(reply, PROBLEM_LEDGER_UNAVAILABLE, "The ledger did not answer in time.");
		return;
	case AWAY_AUDIT:
		reply_refuse(reply, PROBLEM_OVERLOADED, "The audit goes on. Ask again: whoever does when it is done gets its result.");
		return;
	}
	assertion_failed("a known kind", __FILE__, __LINE__, __func__);
}

/* All are looked at: they are few. */
int64_t away_tick(struct gate_thread *thread, int64_t now_ns)
{
	int64_t first_ns = INT64_MAX;
	struct away *next;

	for (struct away *away = thread->away; away; away = next) {
		next = away->next;
		if (now_ns < away->give_up_ns) {
			first_ns = away->give_up_ns < first_ns ? away->give_up_ns : first_ns;
			continue;
		}
		unlink_away(thread, away);
		away->told = true;
		give_up(&thread->reply, away);
		gate_answer_ticket(thread, &away->ticket, &thread->reply);
	}
	return first_ns;
}
