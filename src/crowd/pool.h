/*
 * The crowd's connections to one server: a bounded number of non-blocking sockets, kept alive and used again, each from one source address.
 * One request at a time on each. When all are taken and one of another address lies idle, the longest idle one is closed for it.
 *
 * The pool moves bytes; what they mean is its owner's. One thread.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include "base/buffer.h"
#include "base/error.h"
#include "crowd/answer.h"
#include "crowd/plan.h"

enum { POOL_HOST_SIZE = 128 };
/* Where a server listens, from "http://HOST:PORT". */
struct place {
	struct sockaddr_storage address;
	socklen_t size;
	char host[POOL_HOST_SIZE]; /* for the Host header: "127.0.0.1:8080" */
};
/* 0, -EINVAL (no such URL), -EHOSTUNREACH (the name is unknown). */
int place_parse(const char *url, struct place *place) MUST_CHECK;
bool place_is_loopback4(const struct place *place);

enum connection_state { CONNECTION_CLOSED, CONNECTION_CONNECTING, CONNECTION_BUSY, CONNECTION_IDLE };
struct connection {
	enum connection_state state;
	int socket;
	uint32_t source;
	struct shot shot; /* what it carries, while busy */
	int64_t sent_ns;
	bool after_accept, written;
	struct buffer in, out;
	int32_t older, newer;               /* idle ones, by age */
	int32_t source_older, source_newer; /* … of one source */
};

struct pool {
	const struct place *place;
	int epoll;
	uint32_t tag;     /* in the upper half of epoll's data, the connection's index in the lower */
	uint32_t sources; /* 0: no source address is chosen */
	struct connection *connections;
	uint32_t count, used, idle; /* used: connections that are not closed */
	int32_t *free;
	uint32_t free_count;
	int32_t oldest, newest;
	int32_t *by_source;    /* newest idle connection of each */
	int64_t down_until_ns; /* the server refused a connection: none is tried before */
	uint64_t opened, refused;
};
/* `sources`: requests come from that many addresses in 127.1.0.0 and on; 0: whichever the system takes. 0 or -ENOMEM. */
int pool_init(struct pool *pool, const struct place *place, int epoll, uint32_t tag, uint32_t count, uint32_t sources) MUST_CHECK;
void pool_deinit(struct pool *pool);         /* may be repeated */
uint32_t pool_busy(const struct pool *pool); /* connections that are opening or wait for an answer */
bool pool_has_room(const struct pool *pool); /* pool_take() would find one */
/* A connection for a request from `source`, its buffers empty; NULL: none is free, or (negative *error) none could be opened. */
struct connection *pool_take(struct pool *pool, uint32_t source, int *error);
/* Sends what is in `out`, as far as it goes. 0 or negative: close it. */
int pool_send(struct pool *pool, struct connection *connection) MUST_CHECK;
/* Reads what is there into `in`. 0; -ECONNRESET and the like; -EPIPE: the end of the stream. */
int pool_receive(struct connection *connection) MUST_CHECK;
void pool_release(struct pool *pool, struct connection *connection); /* busy -> idle */
void pool_close(struct pool *pool, struct connection *connection);
