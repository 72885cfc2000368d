#include "gate/away.h"

#include "base/clock.h"

bool away_has_room(const struct gate_thread *thread)
{
	return thread->away_count < GATE_AWAY_MAX;
}

void away_begin(struct gate_thread *thread, struct away *away, const struct ticket *ticket, int64_t patience_ns)
{
	ASSERT(away_has_room(thread));
	away->ticket = *ticket;
	away->give_up_ns = clock_mono_ns() + patience_ns;
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

/* All are looked at: they are few, and of two kinds of patience. */
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
		reply_clear(&thread->reply);
		reply_problem(
			&thread->reply, PROBLEM_OUTCOME_UNKNOWN,
			&(struct problem_options){
				.detail = "The ledger did not answer in time. It cannot be said yet whether this was done: read it again shortly."});
		gate_answer_ticket(thread, &away->ticket, &thread->reply);
	}
	return first_ns;
}
