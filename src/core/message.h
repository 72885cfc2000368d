/*
 * What travels in lanes. A message owns its memory until it is delivered; whoever sends it says where the answer goes (`reply`) and what
 * is done with it there (`deliver`, on the receiving thread, with that thread's own context). A worker never looks behind it.
 */
#pragma once

#include <stdint.h>
#include "base/lane.h"
#include "model/event.h"
#include "port/journal.h"
#include "port/ledger.h"

struct message {
	struct lane *reply;
	void (*deliver)(struct message *message, void *receiver);
};

/* Sends the message back. The reply lanes have room for everything that can be in flight, so a full one is a fault. */
static inline void message_return(struct message *message)
{
	void *item = message;

	while (lane_push(message->reply, LANE_URGENT, &item, 1) == 0)
		ASSERT(!lane_closed(message->reply));
}

/* One event on its way to the journal. The journal worker sets `end`, after it has told the stock. */
struct job {
	struct message message;
	struct event event;
	struct event_text text;
	int64_t started_ns; /* monotonic; the deadline on telling counts from here */
	enum journal_end end;
	const char *reason; /* static text where it is not durable */
};

/* Blocking work on the ledger for a thread that must not block; run by the clerk. */
struct errand {
	struct message message;
	void (*run)(struct errand *errand);
};
