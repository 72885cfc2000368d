/*
 * Connections without sockets, for a client in the same process: a test, or a simulation. A wire is
 * what a listening address is to sockets. Loops that listen on it wait by base/lock.h in place of
 * epoll, so a scheduler of their node decides when they run; all else is the loop as it always is:
 * its reader, its timers, deferred answers and hang-ups.
 *
 * Any thread, but for the loop's half, which is its thread's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/address.h"
#include "base/error.h"

struct http_wire;
struct http_wire_end; /* a connection, as both of its ends see it */

int http_wire_new(struct http_wire **wire) MUST_CHECK;
void http_wire_free(struct http_wire *wire); /* NULL is fine; after its loops and its clients' connections */

/* --- The client's half --- */

/*
 * To one of the loops that listen: the one at `pick`, modulo their number. 0, -ECONNREFUSED (nobody
 * listens) or -ENOMEM.
 */
int http_wire_connect(struct http_wire *wire, const struct address *peer, unsigned pick, struct http_wire_end **end) MUST_CHECK;
/* All of it. 0, -EPIPE (the other end is closed) or -ENOMEM. */
int http_wire_send(struct http_wire_end *end, const void *data, size_t size) MUST_CHECK;
/*
 * Waits for bytes until clock_mono_ns() has reached `deadline_ns`. How many; 0: the other end sends
 * no more; or -ETIMEDOUT. Bytes that are not taken hold the other end back.
 */
ssize_t http_wire_receive(struct http_wire_end *end, char *data, size_t max, int64_t deadline_ns) MUST_CHECK;
/* The client sends no more, and still reads. */
void http_wire_finish(struct http_wire_end *end);
/* The client is gone; `end` is too. */
void http_wire_close(struct http_wire_end *end);

/* --- The loop's half --- */

struct wire_port; /* one loop on a wire */
enum wire_source { WIRE_CONNECTION, WIRE_ARRIVAL, WIRE_RUNG, WIRE_WOKEN };
struct wire_event {
	enum wire_source source;
	uint32_t slot, events; /* WIRE_CONNECTION: as epoll says them, edge-triggered */
};

int wire_port_new(struct wire_port **port, struct http_wire *wire) MUST_CHECK;
void wire_port_free(struct wire_port *port); /* NULL is fine */
/*
 * Waits for events until the deadline (INT64_MAX: for ever; 0: not at all). How many; the rest
 * comes with the next call.
 */
size_t wire_port_wait(struct wire_port *port, struct wire_event *events, size_t max, int64_t deadline_ns);
void wire_port_ring(void *port);             /* WIRE_RUNG, for a lane that is listened to; any thread */
void wire_port_wake(struct wire_port *port); /* WIRE_WOKEN; any thread */
/* The next client that has connected, or NULL. */
struct http_wire_end *wire_port_accept(struct wire_port *port, struct address *peer);
void wire_port_close(struct wire_port *port); /* nobody connects any more */

void wire_end_watch(struct http_wire_end *end, uint32_t slot); /* its events from here on */
/* As recv() and send() of a socket that does not block; negative errno. */
ssize_t wire_end_receive(struct http_wire_end *end, char *data, size_t max, bool peek);
ssize_t wire_end_send(struct http_wire_end *end, const char *data, size_t size);
/* For how long the client's last bytes have been here. */
int64_t wire_end_waited_ns(struct http_wire_end *end);
int wire_end_shutdown(struct http_wire_end *end);
void wire_end_close(struct http_wire_end *end);
