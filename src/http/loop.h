/*
 * An event loop with its listeners and connections: one thread owns it and calls everything here,
 * but where "any thread" is said. It knows no sales: what a request means is the handler's.
 *
 * One request of a connection is with the handler at a time; what is pipelined behind it waits in
 * the connection's buffer, so answers leave in order. A round is: wait; read every ready connection
 * and hand over the requests that are whole; handler.round_end(). So a handler can gather what came
 * in one round and decide it as a batch. A connection with several pipelined requests gets them
 * handed over one after the other in the same round where each is answered at once (up to a bound,
 * for the others' sake), and these answers leave in one write as soon as the last is given. What is
 * answered later is written when it is answered.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/address.h"
#include "base/error.h"
#include "base/lane.h"
#include "http/reader.h"
#include "http/request.h"

struct http_loop;
struct http_wire;
struct http_exchange; /* one request waiting for its answer; owned by the loop */

/*
 * Names an exchange or stream across time; it may be gone when it is looked up again (the client
 * hung up). A value, never dangling.
 */
struct http_handle {
	uint32_t slot, generation;
};

struct http_response {
	int status;
	struct slice content_type; /* size 0: none */
	struct slice headers;      /* further header lines, each with its CRLF; may be empty */
	struct slice body;         /* copied, unless: */
	bool body_stays;           /* the body outlives the loop (a page in the program itself): it is not copied */
	bool close;                /* end the connection after it */
};

struct http_handler {
	/*
	 * A whole request. The handler answers (http_respond), or defers (http_defer) and answers
	 * later, or starts a stream. The request's slices are valid until it returns.
	 */
	void (*request)(struct http_handler *handler, struct http_exchange *exchange);
	/*
	 * The head of a request is whole and its body is not. True: the body is read, and request()
	 * gets both. False: it has answered or deferred; no body is read, and the connection ends
	 * with the answer.
	 */
	bool (*head)(struct http_handler *handler, struct http_exchange *exchange);
	/* The reader refused it; must http_respond(). The loop closes the connection afterwards. */
	void (*fault)(struct http_handler *handler, struct http_exchange *exchange, enum http_fault fault);
	/* After each round of reading; where deferred exchanges are decided as a batch. */
	void (*round_end)(struct http_handler *handler);
	/* The watched lane has items, or had (http_loop_watch). */
	void (*wake)(struct http_handler *handler);
	/*
	 * Called at least at the time it returned last (monotonic ns); returns when it wants to be
	 * called next (INT64_MAX: not).
	 */
	int64_t (*tick)(struct http_handler *handler, int64_t now_ns);
	/*
	 * A deferred exchange or a stream is gone: the client hung up, was too slow or the loop
	 * ended. Not called for those that ended in order.
	 */
	void (*gone)(struct http_handler *handler, struct http_handle handle);
};

/*
 * Shared by all loops of a process: how many connections there may be. When there are as many, the
 * longest idle one of whoever has most is ended for the one that comes (http/peers.h). Where nobody
 * is idle, each loop has a reserve: HTTP_RESERVE connections more, each for one request, which is
 * for the handler to answer or to refuse (http_exchange_reserved).
 */
enum { HTTP_RESERVE = 64 };
struct http_quota {
	_Atomic int64_t connections;
	int64_t connections_max;
};

struct http_limits {               /* of 0: none */
	int64_t header_ns;         /* from the first byte (or accept) to whole headers */
	int64_t body_ns;           /* from whole headers to the whole body */
	int64_t idle_ns;           /* between requests of a kept connection */
	int64_t write_ns;          /* a client that takes no byte for so long is cut off */
	int64_t read_rate_min;     /* and one that, after this time, has not taken so many bytes a second of what waits for it */
	size_t stream_backlog_max; /* bytes waiting for a stream's reader; beyond it is cut off */
};

/* Counted by the loop's thread with relaxed stores; any thread may read. */
struct http_stats {
	_Atomic uint64_t accepted, refused, evicted, requests, faults, timeouts, bytes_in, bytes_out, hangups, accept_errors;
	_Atomic int64_t open, streams;
};

struct http_loop_settings {
	struct http_handler *handler; /* borrowed */
	struct http_quota *quota;     /* borrowed */
	struct http_limits limits;
	struct http_bounds bounds;
	const struct network_list *proxies; /* who may send PROXY headers; borrowed */
	struct slice refusal;   /* a whole response (status line to body) for a connection beyond quota and reserve; borrowed */
	struct http_wire *wire; /* NULL, or where its connections come from in place of sockets (http/wire.h); borrowed */
};

int http_loop_new(struct http_loop **loop, const struct http_loop_settings *settings) MUST_CHECK;
void http_loop_free(struct http_loop *loop); /* NULL is fine; closes what is left */

/*
 * Opens a listening socket and adds it; not of a loop that has a wire. place->port 0 takes a free
 * one, and *port tells it. 0 or negative errno; with `first` -EADDRINUSE also where somebody of the
 * same user shares that place (SO_REUSEPORT). Several loops listening at the same place share its
 * connections.
 */
int http_loop_listen(struct http_loop *loop, const struct listen_place *place, bool first, uint16_t *port) MUST_CHECK;
/* handler.wake() when the lane has items, which it takes out with a time-out of 0; one only. */
int http_loop_watch(struct http_loop *loop, struct lane *lane) MUST_CHECK;

/* Runs until it was stopped and every connection has ended. */
void http_loop_run(struct http_loop *loop);
/*
 * Any thread (async-signal-safe): closes the listeners after their backlog was accepted and
 * answered, closes idle connections, answers what is in flight with "Connection: close";
 * connections still there at `deadline_ns` (monotonic) are cut.
 */
void http_loop_stop(struct http_loop *loop, int64_t deadline_ns);
bool http_loop_stopping(const struct http_loop *loop);
const struct http_stats *http_loop_stats(const struct http_loop *loop);
/*
 * Another list of those who may send PROXY headers; the loop's thread, or before it runs. Borrowed.
 */
void http_loop_set_proxies(struct http_loop *loop, const struct network_list *proxies);
/*
 * How long who last asked for it (http_exchange_overdue) had waited to be read; 0: there is no
 * queue. Any thread.
 */
int64_t http_loop_queue_age(const struct http_loop *loop);
/* Monotonic time at the start of this round: a stamp that costs nothing. */
int64_t http_loop_now(const struct http_loop *loop);

const struct http_request *http_exchange_request(const struct http_exchange *exchange);
/* The TCP peer, or what the PROXY header said. */
const struct address *http_exchange_peer(const struct http_exchange *exchange);
/* The TCP peer, whatever a PROXY header said. */
const struct address *http_exchange_transport(const struct http_exchange *exchange);
/*
 * The address of this machine that the connection was made to; all zeros where the kernel does not
 * say.
 */
struct address http_exchange_local(const struct http_exchange *exchange);
/* When its last byte was read (the round's stamp). */
int64_t http_exchange_started(const struct http_exchange *exchange);
/*
 * Whether it had waited for longer than so long to be read, in a queue that stands
 * (http/queue_age.h): what came while the loop was held up for a moment, and is read now, is not
 * overdue. While its handler runs.
 */
bool http_exchange_overdue(const struct http_exchange *exchange, int64_t target_ns);
/* A byte of the handler's own, which stays with it until its answer; 0 at first. */
void http_exchange_set_mark(struct http_exchange *exchange, uint8_t mark);
uint8_t http_exchange_mark(const struct http_exchange *exchange);
struct http_handle http_exchange_handle(const struct http_exchange *exchange);

/*
 * Answers; ends the exchange. Adds Date, Content-Length, Connection. For HEAD, 204 and 304 the body
 * is left out (its length is still said for HEAD).
 */
void http_respond(struct http_exchange *exchange, const struct http_response *response);
/*
 * It has a place of the reserve: the connection ends with its answer. Who is not meant by the
 * reserve is refused (http_refuse).
 */
bool http_exchange_reserved(const struct http_exchange *exchange);
/* Answers with settings.refusal, and ends the connection. */
void http_refuse(struct http_exchange *exchange);
/* The answer comes later: the exchange stays, its request does not. */
void http_defer(struct http_exchange *exchange);
/* The same, and its place may be given to another meanwhile: then it is gone. */
void http_defer_expendable(struct http_exchange *exchange);
/* The exchange (or stream) of this handle, or NULL when it is gone. */
struct http_exchange *http_find(struct http_loop *loop, struct http_handle handle);

/*
 * Server-Sent Events: 200 with text/event-stream, no length; it ends with the connection. Then
 * writes; the loop cuts off a reader that is too slow, and ends the stream of a HEAD request after
 * its head and every stream when it stops (gone() is called, never inside these).
 */
void http_stream_start(struct http_exchange *exchange, struct slice headers);
void http_stream_write(struct http_exchange *exchange, struct slice data);
void http_stream_end(struct http_exchange *exchange);
