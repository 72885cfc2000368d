/*
 * The crowd's connections to a server, or to several that are one to their clients: a bounded
 * number of non-blocking sockets, kept alive and used again, each from one source address. One
 * request at a time on each. When all are taken and one of another address lies idle, the longest
 * idle one is closed for it. Several servers take turns, as behind a load balancer; one that
 * refuses connections is left out for a moment.
 *
 * The pool moves bytes; what they mean is its owner's. One thread.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include "base/error.h"
#include "crowd/answer.h"
#include "crowd/plan.h"
#include "crowd/tls.h"
#include "text/buffer.h"

enum { POOL_HOST_SIZE = 128, POOL_SERVERS_MAX = 16 };
/* Where a server listens, from "http://HOST:PORT" or "https://HOST:PORT". */
struct pool_server {
	struct sockaddr_storage address;
	socklen_t size;
	char host[POOL_HOST_SIZE]; /* for the Host header: "127.0.0.1:8080" */
	char name[POOL_HOST_SIZE]; /* whom its certificate is of: "127.0.0.1", "::1" */
	bool secure;               /* https:// */
	struct tls *tls;           /* borrowed; whoever uses a secure one sets it */
};
/*
 * A name with several addresses is asked at each for a moment, whether somebody listens there. 0,
 * -EINVAL (no such URL), -EHOSTUNREACH (the name is unknown).
 */
int pool_server_parse(const char *url, struct pool_server *server) MUST_CHECK;
bool pool_server_is_loopback4(const struct pool_server *server);

enum pool_connection_state { POOL_CLOSED, POOL_CONNECTING, POOL_BUSY, POOL_IDLE };
struct pool_connection {
	enum pool_connection_state state;
	int socket;
	uint32_t source, server;
	struct shot shot; /* what it carries, while busy */
	int64_t sent_ns;
	bool after_accept, written;
	struct tls_stream *tls; /* to a secure server */
	struct buffer in, out;
	int32_t older, newer;               /* idle ones, by age */
	int32_t source_older, source_newer; /* … of one source, to one server */
};

struct pool {
	const struct pool_server *servers; /* borrowed */
	uint32_t server_count, turn;
	int64_t down_until_ns[POOL_SERVERS_MAX]; /* the server there refused a connection: none is tried before */
	int epoll;
	uint32_t tag;     /* in the upper half of epoll's data, the connection's index in the lower */
	uint32_t sources; /* 0: no source address is chosen */
	struct pool_connection *connections;
	uint32_t count, used, idle; /* used: connections that are not closed */
	int32_t *free;
	uint32_t free_count;
	int32_t oldest, newest;
	int32_t *by_source; /* newest idle connection of each, to each server */
	uint64_t opened, refused;
};
/*
 * `count` connections to `server_count` servers, at most POOL_SERVERS_MAX (0: never used).
 * `sources`: requests come from that many addresses in 127.1.0.0 and on; 0: whichever the system
 * takes. 0 or -ENOMEM.
 */
int pool_init(struct pool *pool, const struct pool_server *servers, size_t server_count, int epoll, uint32_t tag, uint32_t count,
	      uint32_t sources) MUST_CHECK;
void pool_deinit(struct pool *pool);         /* may be repeated */
uint32_t pool_busy(const struct pool *pool); /* connections that are opening or wait for an answer */
bool pool_has_room(const struct pool *pool); /* pool_take() would find one */
/* When a server may be tried: the past where one is up, INT64_MAX where there is none. */
int64_t pool_up_at(const struct pool *pool);
/*
 * A connection for a request from `source`, its buffers empty, to one of the servers that are up
 * (there is one). NULL: none is free, or (negative *error) none could be opened to that server,
 * which is down from now on.
 */
struct pool_connection *pool_take(struct pool *pool, uint32_t source, int64_t now_ns, int *error);
/* The server that a connection leads to has refused it. */
void pool_refused(struct pool *pool, const struct pool_connection *connection, int64_t now_ns);
/*
 * Sends what is in `out`, as far as it goes. 0 or negative: close it; -EPROTO: there will be no TLS
 * with this server (tls_reason()).
 */
int pool_send(struct pool *pool, struct pool_connection *connection) MUST_CHECK;
/* Reads what is there into `in`. 0; -ECONNRESET and the like; -EPIPE: the end of the stream. */
int pool_receive(struct pool_connection *connection) MUST_CHECK;
void pool_release(struct pool *pool, struct pool_connection *connection); /* busy -> idle */
void pool_close(struct pool *pool, struct pool_connection *connection);
