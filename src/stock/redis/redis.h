/*
 * The stock in a Redis that several gates share (Redis 7.0 or newer, or Valkey; one server or one
 * master with replicas, no cluster). Calls block, for the timeouts at most, and are made by threads
 * that may. Redis must keep its memory (maxmemory-policy noeviction); what it forgets all the same
 * is noticed, and fenced until it is built again.
 */
#pragma once

#include "port/stock.h"

struct redis_transport; /* transport.h */

struct stock_redis_settings {
	const char *url;                         /* see url.h; copied */
	size_t outbox_max;                       /* entries in flight at once, of one sale; beyond it reserve() says STOCK_FULL */
	int64_t connect_timeout_ns;              /* 0: one second */
	int64_t call_timeout_ns;                 /* 0: one second; below journal.ack_deadline, or nobody is told in time */
	bool force;                              /* go on where maxmemory-policy lets Redis throw orders away */
	const struct redis_transport *transport; /* NULL: sockets. It outlives the stock */
#ifdef PENSTOCK_TESTING
	uint32_t library_version; /* as a program of another version would; 0: this one's */
#endif
};

/*
 * Connects, checks the server, loads the functions. 0, or negative with why in the log: -EINVAL
 * (the URL), -ENOTCONN (not reached), -ENOTSUP (too old a server), -EACCES (the user may not),
 * -EPERM (maxmemory-policy), -EIO, -ENOMEM.
 */
int stock_redis_open(struct stock **stock, const struct stock_redis_settings *settings) MUST_CHECK;
/* For the check of the settings: 0, or -EINVAL with what is wrong and what would be right. */
int stock_redis_check_url(const char *url, const char **reason) MUST_CHECK;
#ifdef PENSTOCK_TESTING
/* The clock of this Redis stands at this wall time from now on, until it is set again. */
void stock_redis_set_clock(struct stock *stock, int64_t now_ms);
#endif
