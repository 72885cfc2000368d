#include "stock/redis/trip.h"

#include <stdlib.h>
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "stock/redis/library.h"
#include "stock/redis/redis_stock.h"

enum { FIXED_ARGUMENTS = 4 };

/* Rules that a test breaks on purpose. */
static uint8_t broken_rules(void)
{
	return (uint8_t)((FAILPOINT("stock.forget_buyer") > 0 ? REDIS_FORGET_BUYER : 0) |
			 (FAILPOINT("stock.return_early") > 0 ? REDIS_RETURN_EARLY : 0) |
			 (FAILPOINT("stock.compensate_claimed") > 0 ? REDIS_UNDO_CLAIMED : 0) |
			 (FAILPOINT("stock.ignore_fence") > 0 ? REDIS_IGNORE_FENCE : 0));
}

void redis_trip_begin(struct redis_trip *trip, struct stock_redis *redis)
{
	*trip = (struct redis_trip){.redis = redis, .connection = redis_pool_take(&redis->pool)};
	if (trip->connection) {
		trip->connection->sent = trip->connection->moved = trip->connection->forgotten = false;
		trip->connection->argument_count = 0;
	}
}

/* Hands the call in the making to hiredis. */
static void flush(struct redis_trip *trip)
{
	struct redis_connection *connection = trip->connection;
	int count = connection->argument_count;

	if (count == 0)
		return;
	if (connection->scratch.failed) {
		connection->broken = true;
		return;
	}
	for (int i = FIXED_ARGUMENTS - 1; i < count; i++) {
		size_t end = i + 1 < count ? connection->starts[i + 1] : connection->scratch.size;

		connection->arguments[i] = connection->scratch.data + connection->starts[i];
		connection->sizes[i] = end - connection->starts[i];
	}
	if (redisAppendCommandArgv(connection->link.context, count, connection->arguments, connection->sizes) != REDIS_OK)
		connection->broken = true;
	connection->argument_count = 0;
}

static void add_fixed(struct redis_connection *connection, const char *text)
{
	connection->arguments[connection->argument_count] = text;
	connection->sizes[connection->argument_count++] = strlen(text);
}

void redis_trip_write_head(struct buffer *out, const struct redis_connection *connection, const struct redis_look *look,
			   size_t outbox_max)
{
	int64_t now_ms = clock_mono_ms();

	redis_write(out, look->known, 4);
	redis_write(out, look->timed ? (uint64_t)(look->least_ms + now_ms) : 0, 8);
	redis_write(out, look->timed ? (uint64_t)(look->most_ms + now_ms) : 0, 8);
	redis_write(out, look->names_epoch, 4);
	redis_write(out, look->names_from, 8);
	redis_write(out, outbox_max, 4);
	redis_write(out, broken_rules(), 1);
	buffer_append(out, connection->server.run_id, REDIS_ID_SIZE);
	buffer_append(out, connection->server.replid, REDIS_ID_SIZE);
}

void redis_trip_call(struct redis_trip *trip, enum redis_function function, uint32_t sale, const struct redis_look *look)
{
	struct redis_connection *connection = trip->connection;
	struct buffer *head;
	char key[32];
	int size;

	trip->called++;
	if (!connection)
		return;
	flush(trip);
	buffer_clear(&connection->scratch);
	add_fixed(connection, "FCALL");
	add_fixed(connection, trip->redis->library.functions[function]);
	add_fixed(connection, "1");
	size = snprintf(key, sizeof(key), "{ps:%u}", sale);
	head = redis_trip_argument(trip);
	buffer_append(head, key, (size_t)size);
	redis_trip_write_head(redis_trip_argument(trip), connection, look, trip->redis->outbox_max);
}

struct buffer *redis_trip_argument(struct redis_trip *trip)
{
	static _Thread_local struct buffer nowhere; /* a limit of 0: it takes nothing */
	struct redis_connection *connection = trip->connection;

	if (!connection)
		return &nowhere;
	ASSERT(connection->argument_count < REDIS_ARGUMENTS_MAX);
	connection->starts[connection->argument_count++] = connection->scratch.size;
	return &connection->scratch;
}

/* Nothing has left yet. */
static void refuse_unconfirmed(struct redis_trip *trip)
{
	redis_pool_set_fault(&trip->redis->pool, "no replica of this Redis has confirmed to follow it: another may be the master");
	trip->connection->argument_count = 0;
	trip->connection->broken |= sdslen(trip->connection->link.context->obuf) > 0;
	redis_pool_give(&trip->redis->pool, trip->connection);
	trip->connection = NULL;
}

void redis_trip_send(struct redis_trip *trip)
{
	struct redis_connection *connection;
	size_t size;
	int done = 0;

	trip->sent_ms = clock_mono_ms();
	if (trip->connection && !trip->unconfirmed && !redis_lease_holds(trip->redis, trip->connection))
		refuse_unconfirmed(trip);
	connection = trip->connection;
	if (!connection)
		return;
	flush(trip);
	while (!connection->broken && !done) {
		size = sdslen(connection->link.context->obuf);
		if (connection->link.transport->write(&connection->link, &done) != REDIS_OK)
			connection->broken = true;
		connection->sent |= done || sdslen(connection->link.context->obuf) < size;
	}
}

static bool starts_with(const redisReply *reply, const char *start)
{
	return strncmp(reply->str, start, strlen(start)) == 0;
}

static void complain(const char *text)
{
	static struct log_limiter limiter;
	uint64_t suppressed;

	if (log_limiter_pass(&limiter, &suppressed))
		log_error("stock", "Redis refused a call", LOG_TEXT("redis", text), LOG_INT("suppressed", suppressed));
}

/* What the server refuses before a function runs. */
static enum redis_end translate(struct redis_trip *trip, const redisReply *reply)
{
	static const struct {
		const char *start, *fault;
		bool moved;
	} refusals[] = {
		{"READONLY", "this Redis is a replica: its master is needed", true},
		{"MASTERDOWN", "this Redis is a replica without a master", true},
		{"LOADING", "Redis is loading its data", true},
		{"MISCONF", "Redis cannot write to its disk (MISCONF)", false},
		{"NOREPLICAS", "Redis has fewer good replicas than min-replicas-to-write", false},
		{"NOPERM", "Redis does not allow its user what the functions need", false},
		{"NOAUTH", "Redis wants a password", true},
		{"BUSY", "Redis is busy with a script", false},
		{"CLUSTERDOWN", "the Redis cluster is down", false},
		{"MOVED", "this is a Redis cluster, which is not supported: name a server of its own", false},
	};

	if (starts_with(reply, "OOM"))
		return REDIS_NO_ROOM;
	complain(reply->str);
	if (starts_with(reply, "ERR Function not found")) {
		trip->connection->forgotten = true;
		return REDIS_FORGOTTEN;
	}
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		if (!starts_with(reply, refusals[i].start))
			continue;
		trip->connection->moved |= refusals[i].moved;
		redis_pool_set_fault(&trip->redis->pool, refusals[i].fault);
		return REDIS_REFUSED;
	}
	redis_pool_set_fault(&trip->redis->pool, "Redis failed in a function");
	return REDIS_LOST;
}

static enum redis_end lose(struct redis_trip *trip)
{
	struct redis_connection *connection = trip->connection;

	connection->broken = true;
	redis_pool_set_fault(&trip->redis->pool, "Redis did not answer in time, or closed the connection");
	return connection->sent ? REDIS_LOST : REDIS_REFUSED;
}

enum redis_end redis_trip_next(struct redis_trip *trip, struct redis_reader *answer)
{
	struct redis_connection *connection = trip->connection;
	void *reply = NULL;

	*answer = (struct redis_reader){0};
	ASSERT(trip->answered < trip->called);
	trip->answered++;
	if (trip->reply)
		freeReplyObject(trip->reply);
	trip->reply = NULL;
	if (!connection)
		return REDIS_REFUSED;
	if (connection->broken || connection->link.transport->reply(&connection->link, &reply) != REDIS_OK)
		return lose(trip);
	trip->reply = reply;
	if (trip->changes && FAILPOINT("redis.reply_lost")) /* it was done, and nobody heard of it */
		return lose(trip);
	if (!trip->unconfirmed && !redis_lease_holds(trip->redis, connection)) /* whatever it says, another server may know better */
		return lose(trip);
	if (trip->reply->type == REDIS_REPLY_ERROR)
		return translate(trip, trip->reply);
	if (trip->reply->type != REDIS_REPLY_STRING)
		return lose(trip);
	if (!trip->unconfirmed)
		redis_pool_set_fault(&trip->redis->pool, NULL);
	*answer = (struct redis_reader){
		.data = (const unsigned char *)trip->reply->str, .size = trip->reply->len, .sent_ms = trip->sent_ms};
	return REDIS_ANSWERED;
}

void redis_trip_end(struct redis_trip *trip)
{
	struct redis_connection *connection = trip->connection;

	if (trip->reply)
		freeReplyObject(trip->reply);
	trip->reply = NULL;
	if (!connection)
		return;
	if (trip->answered < trip->called)
		connection->broken = true; /* answers that nobody will read */
	if (connection->forgotten && !connection->broken && redis_library_restore(connection, &trip->redis->library) < 0)
		connection->broken = true;
	redis_pool_give(&trip->redis->pool, connection);
	trip->connection = NULL;
}
