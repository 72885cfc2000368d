/*
 * How commands reach a Redis and its replies come back: over a socket, as hiredis does it; or,
 * where a test or the simulation has its Redis in the process, from memory to memory. What stands
 * in between is the same for both: commands in the context's output buffer, replies from its
 * reader.
 */
#pragma once

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stdint.h>
#include "stock/redis/url.h"

struct redis_timeouts {
	int64_t connect_ns, call_ns;
};

struct redis_link {
	const struct redis_transport *transport;
	redisContext *context; /* NULL: there was no memory for one */
	void *peer;            /* the transport's */
};

/*
 * All of them block for the timeouts at most; REDIS_OK, or REDIS_ERR, which ends the link but for
 * close().
 */
struct redis_transport {
	/* Fills the context in; where it fails, that may be there and tell why (errstr). */
	int (*open)(struct redis_link *link, const struct redis_address *address, const struct redis_timeouts *timeouts);
	/* Some of the output buffer leaves it. *done: all has. */
	int (*write)(struct redis_link *link, int *done);
	/* The next reply, behind what is still to be written. It is the caller's. */
	int (*reply)(struct redis_link *link, void **reply);
	/* Nothing has come that nobody asked for, nor the end. */
	bool (*is_quiet)(const struct redis_link *link);
	void (*close)(struct redis_link *link); /* also of a link that did not open */
};

extern const struct redis_transport redis_sockets;
