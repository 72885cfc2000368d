/*
 * Private to the gate: requests that wait for a ledger worker or the journal. Each is answered when
 * its message is complete, or at its deadline with "it cannot be said yet", whichever is first: a
 * disk that hangs does not leave a client without an answer (P5). Who waits for one after the other
 * has one deadline: it goes with the handle.
 */
#pragma once

#include "gate/thread.h"

/* What a request that expires is answered. */
enum pending_reply_kind {
	PENDING_CHANGE, /* outcome-unknown: it may be done or not */
	PENDING_FIND,   /* stock-unavailable: nothing was to be done */
	PENDING_READ,   /* ledger-unavailable: likewise */
	PENDING_AUDIT,  /* overloaded: it goes on, and the next who asks gets its result */
};

struct pending_reply {
	struct pending_reply *previous, *next;
	struct reply_handle handle;
	enum pending_reply_kind kind;
	enum reply_retry retry; /* PENDING_CHANGE; set before pending_reply_begin() */
	bool answered;          /* it has expired */
};

/* Whether one more may go; then pending_reply_begin() must follow. */
bool pending_reply_has_room(const struct gate_thread *thread);
/*
 * `pending` lies in the message that is sent and stays until pending_reply_end(). A handle that has
 * a deadline keeps it. Without one it has T_ack from now on, and a margin for the journal worker to
 * refuse by itself what waited too long.
 */
void pending_reply_begin(struct gate_thread *thread, struct pending_reply *pending, const struct reply_handle *handle,
			 enum pending_reply_kind kind);
/* It is complete. True where the handle is still to be answered. */
bool pending_reply_end(struct gate_thread *thread, struct pending_reply *pending) MUST_CHECK;
/* Expires what is overdue. Returns when it wants to be called next. */
int64_t pending_reply_tick(struct gate_thread *thread, int64_t now_ns);
