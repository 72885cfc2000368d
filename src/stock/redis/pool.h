/*
 * The connections that are not in use. A caller takes one for a round trip or some and gives it
 * back; where none is there a new one is opened, so there are at most as many as callers at once.
 * After a failure to open one, nobody tries again for a while (backoff with jitter), and callers
 * are told so without waiting.
 */
#pragma once

#include <stdatomic.h>
#include "base/backoff.h"
#include "base/lock.h"
#include "stock/redis/connection.h"

struct redis_pool {
	const struct redis_transport *transport;
	struct redis_url url;
	struct redis_timeouts timeouts;
	struct lock lock; /* all below; held for a look, never across I/O; innermost */
	struct redis_connection *idle;
	unsigned idle_count;
	uint64_t generation;
	struct redis_server server;  /* the last that was met */
	int64_t replicas;            /* the most that one was seen with */
	struct backoff backoff;      /* of opening one */
	_Atomic(const char *) fault; /* static text; NULL: none */
	atomic_bool evicts;          /* the server throws keys away when its memory is full */
};

void redis_pool_init(struct redis_pool *pool, const struct redis_transport *transport, const struct redis_url *url,
		     const struct redis_timeouts *timeouts);
void redis_pool_deinit(struct redis_pool *pool); /* all connections are given back */
/* NULL where there is none to be had now; pool->fault says why. Blocks while one is opened. */
struct redis_connection *redis_pool_take(struct redis_pool *pool);
void redis_pool_give(struct redis_pool *pool, struct redis_connection *connection);
/*
 * The connection has looked at its server again: where it is not who it was, the others are not
 * used again.
 */
void redis_pool_compare(struct redis_pool *pool, struct redis_connection *connection);
void redis_pool_set_fault(struct redis_pool *pool, const char *fault);
/* The most replicas that a server was ever seen with. */
int64_t redis_pool_replicas(struct redis_pool *pool);
/* As the server was when it was last looked at. */
struct redis_server redis_pool_server(struct redis_pool *pool);
