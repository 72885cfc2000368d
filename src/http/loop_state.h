/* What the files of the loop share; nobody else includes it. */
#pragma once

#include "http/connection.h"
#include "http/listener.h"
#include "http/loop.h"
#include "http/peers.h"
#include "http/queue_age.h"
#include "http/timers.h"

enum {
	INPUT_SIZE = 16384,     /* one read; more than one request of any usual client */
	OUTPUT_SIZE = 65536,    /* answers of one connection in one round */
	LARGE_SIZE = 16384,     /* a body from here on is sent from where it is */
	REQUESTS_PER_TURN = 64, /* of one connection, before others have theirs */
	EVENTS_PER_ROUND = 256,
	CHUNK_CONNECTIONS = 64,   /* connections are made in chunks, and never given back before the loop ends */
	DROPPED_PER_ROUND = 1024, /* more than there are accepts in a round: who was asked to go has a slot until its end */
	DATE_LINE_SIZE = 37,      /* "Date: Tue, 24 Nov 2026 02:07:41 GMT\r\n" */
};

/* Where an event of epoll belongs; with the slot or index in the lower half of epoll_data.u64. */
enum source { SOURCE_CONNECTION, SOURCE_LISTENER, SOURCE_WATCH, SOURCE_STOP };

struct http_loop {
	struct http_loop_settings settings;
	struct http_handler *handler;
	struct http_stats stats;
	int epoll_fd, stop_fd, spare_fd; /* -1 where it has a wire */
	struct lane *watched;            /* NULL: none */
	struct wire_port *port;          /* NULL: it has sockets */
	_Atomic bool stop_asked;
	_Atomic int64_t stop_deadline_ns;

	bool stopping; /* this thread has seen stop_asked */
	int64_t now_ns;
	int64_t tick_ns;   /* when the handler wants its tick */
	int64_t accept_ns; /* when accepting goes on; INT64_MAX: it is not paused */
	int64_t date_ns;   /* when the Date line is made anew */
	char date_line[DATE_LINE_SIZE + 1];
	struct queue_age queue;
	bool unaccepted; /* somebody was left in a listener's backlog */
	struct timers timers;

	struct listener listeners[LISTEN_MAX];
	size_t listener_count;

	struct connection **chunks;
	size_t chunk_count, chunk_max;
	struct connection *free, *closed; /* closed ones are free from the next round on: this round's events may still name them */
	struct connection *ready, **ready_end;
	size_t live, reserved; /* connections that there are; those of them in the reserve */
	struct peers peers;

	struct connection *serving; /* whose bytes are being read; its answers leave when that is done */
	unsigned requests_left;     /* of its turn */
	struct http_request request;
	char *input, *output;
	struct connection *output_owner;
	size_t output_size;
};

static inline void loop_count(_Atomic uint64_t *counter, uint64_t by)
{
	/* One writer: no locked instruction is needed. */
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + by, memory_order_relaxed);
}

static inline void loop_count_level(_Atomic int64_t *level, int64_t by)
{
	atomic_store_explicit(level, atomic_load_explicit(level, memory_order_relaxed) + by, memory_order_relaxed);
}

static inline struct connection *loop_connection(const struct http_loop *loop, uint32_t slot)
{
	return &loop->chunks[slot / CHUNK_CONNECTIONS][slot % CHUNK_CONNECTIONS];
}
