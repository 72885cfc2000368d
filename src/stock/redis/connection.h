/*
 * One connection to a Redis: opened (by way of the Sentinels where there are), logged in, and
 * known: which server it is, and whether it may be sold from.
 */
#pragma once

#include <stdint.h>
#include <string.h>
#include "stock/redis/transport.h"
#include "text/buffer.h"

enum { REDIS_ID_SIZE = 40, REDIS_ARGUMENTS_MAX = 320 };

/* What INFO says of a server. */
struct redis_server {
	char run_id[REDIS_ID_SIZE + 1], replid[REDIS_ID_SIZE + 1];
	char version[24], policy[32]; /* maxmemory_policy */
	bool master, aof;
	int64_t memory_bytes, maxmemory_bytes;
	int64_t replicas; /* connected now */
};

struct redis_connection {
	struct redis_connection *next; /* the pool's */
	struct redis_link link;
	struct redis_server server;
	uint64_t generation; /* the pool's: older ones are not used again */
	/* The arguments of the command in the making, in one buffer; see trip.h. */
	struct buffer scratch;
	const char *arguments[REDIS_ARGUMENTS_MAX];
	size_t starts[REDIS_ARGUMENTS_MAX], sizes[REDIS_ARGUMENTS_MAX];
	int argument_count;
	/* The trip under way. */
	bool broken;    /* of no more use */
	bool sent;      /* something of the trip may have reached the server */
	bool moved;     /* the server is no master any more, or not yet */
	bool forgotten; /* the library was missing */
};

/*
 * With any other policy it throws keys away when its memory is full, orders and buyers among them.
 */
static inline bool redis_server_keeps_all(const struct redis_server *server)
{
	return strcmp(server->policy, "noeviction") == 0;
}

/*
 * A new connection, or NULL and why (static text). Blocks for the timeouts at most, for each
 * address.
 */
struct redis_connection *redis_connection_open(const struct redis_transport *transport, const struct redis_url *url,
					       const struct redis_timeouts *timeouts, const char **reason);
/* Whether this reason is one that no waiting mends: the server is there and does not want us. */
bool redis_reason_is_refusal(const char *reason);
void redis_connection_free(struct redis_connection *connection); /* NULL is fine */
/*
 * Nothing has come that nobody asked for: the other end is still there, as far as this one can
 * know.
 */
bool redis_connection_is_quiet(const struct redis_connection *connection);

/*
 * A plain command, printf-like as in hiredis. NULL where it failed, and the connection is broken;
 * an error reply is a reply.
 */
redisReply *redis_connection_command(struct redis_connection *connection, const char *format, ...);
/* Reads INFO again. 0, -EACCES where the server does not want us, or -ENOTCONN. */
int redis_connection_look(struct redis_connection *connection) MUST_CHECK;
