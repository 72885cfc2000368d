/*
 * Private to the gate: requests that are away, with a ledger worker or the journal. Each is answered when its message comes home, or at its deadline with
 * "it cannot be said yet", whichever is first: a disk that hangs does not leave a client without an answer (P5).
 */
#pragma once

#include "gate/thread.h"

/* What a request that is given up is told. */
enum away_kind {
	AWAY_CHANGE, /* outcome-unknown: it may be done or not */
	AWAY_READ,   /* ledger-unavailable: nothing was to be done */
	AWAY_AUDIT,  /* overloaded: it goes on, and the next who asks gets its result */
};

struct away {
	struct away *previous, *next;
	struct ticket ticket;
	int64_t give_up_ns; /* monotonic */
	enum away_kind kind;
	enum reply_retry retry; /* AWAY_CHANGE; set before away_begin() */
	bool told;              /* it was given up */
};

/* Whether one more may go; then away_begin() must follow. */
bool away_has_room(const struct gate_thread *thread);
/* `away` lies in the message that is sent and stays until away_end(). */
void away_begin(struct gate_thread *thread, struct away *away, const struct ticket *ticket, enum away_kind kind, int64_t patience_ns);
/* It came home. True where the ticket is still to be answered. */
bool away_end(struct gate_thread *thread, struct away *away) MUST_CHECK;
/* How long an operator's request may be away: T_ack, and a margin for the journal worker to refuse by itself what waited too long. */
int64_t away_patience_ns(const struct gate_thread *thread);
/* Gives up what is overdue. Returns when it wants to be called next. */
int64_t away_tick(struct gate_thread *thread, int64_t now_ns);
