/*
 * The usual way to sell from Redis: three_trips PORT CONNECTIONS MILLISECONDS. One thread for each client in flight, each with a connection of its own and blocking
 * calls, as a pool of them has it; a purchase is three round trips, one after the other:
 *
 *   1. INCR and EXPIRE of the buyer's rate limit (one trip: pipelined)
 *   2. SET NX EX of the buyer, the lock that keeps him from buying twice
 *   3. DECR of the stock
 *
 * That is all that it does: no HTTP, no order, no idempotency key, nothing durable, nothing given back after a crash. Every buyer is new, and there is always
 * stock. Prints a JSON object: purchases, nanoseconds.
 */
#include <hiredis/hiredis.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { CONNECTIONS_MAX = 1024 };

static int port;
static atomic_bool stop;

struct client {
	pthread_t thread;
	int number;
	long purchases;
};

_Noreturn static void die(const char *what)
{
	fprintf(stderr, "three_trips: %s\n", what);
	exit(1);
}

static long long now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static redisContext *connect_to_redis(void)
{
	redisContext *redis = redisConnect("127.0.0.1", port);

	if (!redis || redis->err)
		die("cannot connect");
	return redis;
}

/* One answer, which must be a number, or OK where none is asked for. */
static long long answer(redisContext *redis, int type)
{
	redisReply *reply;
	long long number;

	if (redisGetReply(redis, (void **)&reply) != REDIS_OK || reply->type != type)
		die("an answer that was not expected");
	number = reply->integer;
	freeReplyObject(reply);
	return number;
}

static void buy(redisContext *redis, int client, long purchase)
{
	redisAppendCommand(redis, "INCR limit:%d-%ld", client, purchase);
	redisAppendCommand(redis, "EXPIRE limit:%d-%ld 60", client, purchase);
	if (answer(redis, REDIS_REPLY_INTEGER) > 3)
		die("a new buyer is over the limit");
	answer(redis, REDIS_REPLY_INTEGER);
	redisAppendCommand(redis, "SET bought:%d-%ld 1 NX EX 3600", client, purchase);
	answer(redis, REDIS_REPLY_STATUS);
	redisAppendCommand(redis, "DECR stock");
	if (answer(redis, REDIS_REPLY_INTEGER) < 0)
		die("sold out");
}

static void *run(void *argument)
{
	struct client *client = argument;
	redisContext *redis = connect_to_redis();

	while (!atomic_load(&stop))
		buy(redis, client->number, client->purchases++);
	redisFree(redis);
	return NULL;
}

int main(int argc, char **argv)
{
	static struct client clients[CONNECTIONS_MAX];
	struct timespec time;
	long long start_ns;
	long purchases = 0, ms;
	redisContext *redis;
	int count;

	if (argc != 4)
		die("usage: three_trips PORT CONNECTIONS MILLISECONDS");
	port = atoi(argv[1]);
	count = atoi(argv[2]);
	ms = atol(argv[3]);
	if (count < 1 || count > CONNECTIONS_MAX || ms < 1)
		die("numbers that do not fit");
	redis = connect_to_redis();
	freeReplyObject(redisCommand(redis, "SET stock 1000000000"));
	redisFree(redis);
	start_ns = now_ns();
	for (int i = 0; i < count; i++) {
		clients[i].number = i;
		if (pthread_create(&clients[i].thread, NULL, run, &clients[i]) != 0)
			die("no thread");
	}
	time = (struct timespec){ms / 1000, ms % 1000 * 1000000};
	nanosleep(&time, NULL);
	atomic_store(&stop, true);
	for (int i = 0; i < count; i++) {
		pthread_join(clients[i].thread, NULL);
		purchases += clients[i].purchases;
	}
	printf("{\"purchases\":%ld,\"ns\":%lld}\n", purchases, now_ns() - start_ns);
	return 0;
}
