/*
 * A round trip: some FCALLs, one a sale, written together and answered in their order.
 *
 *   redis_trip_begin()   a connection
 *   redis_trip_call(), redis_trip_argument()…   for each call
 *   redis_trip_send()
 *   redis_trip_next()    for each call: its end, and on REDIS_ANSWERED the answer, which is valid until the next
 *   redis_trip_end()
 *
 * A call has five ends. Only REDIS_LOST leaves open whether it was done.
 */
#pragma once

#include "stock/redis/connection.h"
#include "stock/redis/library.h"
#include "stock/redis/sales.h"
#include "stock/redis/wire.h"

struct stock_redis;

enum redis_end {
	REDIS_ANSWERED,
	REDIS_REFUSED,   /* definitely not done: it never left, or the server refused it whole */
	REDIS_FORGOTTEN, /* definitely not done: the functions were not there (they are loaded again by redis_trip_end()) */
	REDIS_NO_ROOM,   /* definitely not done: the server's memory is full */
	REDIS_LOST,      /* it was sent, and its answer did not come */
};

struct redis_trip {
	struct stock_redis *redis;
	struct redis_connection *connection; /* NULL: there is none; every call is refused */
	redisReply *reply;
	int64_t sent_ms; /* monotonic */
	unsigned called, answered;
	bool changes;     /* something of it changes what is there */
	bool unconfirmed; /* its answers count without the lease (attend.c): nobody is told anything by them alone */
};

void redis_trip_begin(struct redis_trip *trip, struct stock_redis *redis);
/* `look` as the sale was found in the cache. */
void redis_trip_call(struct redis_trip *trip, enum redis_function function, uint32_t sale, const struct redis_look *look);
/* What every call begins with; for the bench too. */
void redis_trip_write_head(struct buffer *out, const struct redis_connection *connection, const struct redis_look *look,
			   size_t outbox_max);
/* Where to write the next argument of the call. */
struct buffer *redis_trip_argument(struct redis_trip *trip);
void redis_trip_send(struct redis_trip *trip);
enum redis_end redis_trip_next(struct redis_trip *trip, struct redis_reader *answer);
void redis_trip_end(struct redis_trip *trip);
