/*
 * One connection: its phases, its two buffers (which it has only while it needs them) and its slot.
 *
 *   PROXY ──> IDLE ──> HEAD ──> BODY          waiting for bytes: nothing yet, a part of the headers, a part of the body
 *              ^ │       │        │
 *              │ v       v        v
 *              │ CALLED <─────────┘           the handler's callback runs; of a head alone, and then BODY again or an answer
 *              │   │ ├──> DEFERRED            the answer comes later; nothing is read meanwhile
 *              │   │ └──> STREAM              events go out until an end
 *              └───┴──> CLOSING ──> LINGER    the last answer leaves; then the client is waited for, briefly
 *
 * Whether output is still waiting for the client is beside the phase: nothing is read while it is.
 * connection_enter() is the one place that changes the phase. A callback of the handler never
 * closes a connection under its feet: it marks it (connection_doom), and the loop drops it in its
 * next round.
 *
 * The loop's thread only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/address.h"
#include "http/endpoint.h"
#include "http/peers.h"
#include "http/reader.h"
#include "http/timers.h"

struct http_loop;

enum phase {
	PHASE_FREE,
	PHASE_PROXY,
	PHASE_IDLE,
	PHASE_HEAD,
	PHASE_BODY,
	PHASE_CALLED,
	PHASE_DEFERRED,
	PHASE_STREAM,
	PHASE_CLOSING,
	PHASE_LINGER,
};

/* One request and its answer; a new generation with each. */
struct http_exchange {
	int64_t started_ns;
	uint32_t generation;
	uint8_t mark;         /* what its handler remembers of its request */
	bool head_only;       /* a HEAD request: no body in the answer */
	bool keep_alive;      /* the client would like to go on */
	bool says_keep_alive; /* and as it speaks HTTP/1.0 must be told so */
};

struct connection {
	struct http_exchange exchange; /* first: one is found from the other */
	struct http_loop *loop;
	struct timer timer;
	struct peer_seat seat;
	struct address peer;      /* what is counted as the client: the other end, or whom its PROXY header names */
	struct address transport; /* the other end */
	struct endpoint at;
	uint32_t slot;
	enum phase phase;
	bool counted;     /* holds a place of the quota; else one of the reserve */
	bool expendable;  /* may be asked to go although it is deferred */
	bool fresh;       /* has not had a request yet */
	bool readable;    /* the kernel may have bytes: edge-triggered, so this remembers it */
	bool half_closed; /* FIN is there, perhaps behind bytes that are to be read */
	bool peer_done;   /* the client will send nothing more, and everything it sent was read */
	bool starved;     /* what is in `in` is not enough: more must be read first */
	bool continued;   /* 100 Continue was sent for this request */
	bool doomed;      /* to be dropped in the next round */
	bool in_ready;

	char *in; /* a part of a request, or what is pipelined behind one that is deferred; else NULL */
	size_t in_size, in_capacity, in_need; /* in_need: bytes that the whole request will have, once its head is known */

	char *out; /* what the kernel did not take; else NULL */
	size_t out_start, out_size, out_capacity;
	int64_t out_since_ns; /* since when something waits for the client; 0: nothing does */
	uint64_t out_taken;   /* bytes that it has taken since */
	struct slice tail;    /* goes behind `out`; the handler's own memory, which outlives the loop */

	size_t drained; /* bytes thrown away while lingering */
	struct connection *next_ready, *next_free;
};

/*
 * A connection in phase IDLE (PROXY where `proxy`) that owns `at` and waits for its events, or NULL
 * (it is still the caller's).
 */
struct connection *connection_new(struct http_loop *loop, const struct endpoint *at, const struct address *peer, bool proxy,
				  bool counted);
/*
 * It is known who its client is: it is counted among that one's connections, unless it is an HTTP
 * proxy's, which mix many clients'.
 */
void connection_join(struct connection *connection);
/* For peers_victim(). */
int64_t connection_idle_since(const struct peer_seat *seat);
struct connection *connection_of_seat(struct peer_seat *seat);
/*
 * Closes it at once; tells the handler where an exchange or stream was alive. Not from within a
 * callback of the handler.
 */
void connection_drop(struct connection *connection);
/* Drops it in the next round. Anywhere. */
void connection_doom(struct connection *connection);
/* The loop looks after it in its next round. Anywhere. */
void connection_queue(struct connection *connection);
void connection_enter(struct connection *connection, enum phase phase);
/*
 * Does whatever can be done now: writes, reads, hands over requests, closes. Not from within a
 * callback.
 */
void connection_progress(struct connection *connection);
/* What epoll says. */
void connection_event(struct connection *connection, uint32_t events);
/* Its deadline has passed. */
/* Answers what is not a whole request with `fault`, and closes. */
void connection_break_off(struct connection *connection, enum http_fault fault);
void connection_expired(struct connection *connection);
/* Drops what was read and not handed over. */
void connection_free_input(struct connection *connection);
/* Sends FIN after what was written; waits for the client's, briefly. Not from within a callback. */
void connection_linger(struct connection *connection);
/*
 * The loop ends a stream: the handler is told, what was written still leaves. Not from within a
 * callback.
 */
void connection_end_stream(struct connection *connection);
/* Starts the time again that the phase and its waiting output allow. */
void connection_set_deadline(struct connection *connection);

/* Waits for bytes of a request. */
static inline bool connection_is_reading(const struct connection *connection)
{
	return connection->phase >= PHASE_PROXY && connection->phase <= PHASE_BODY;
}

static inline bool connection_has_output(const struct connection *connection)
{
	return connection->out_size > 0 || connection->tail.size > 0;
}
