/*
 * What a purchase costs in the Redis stock: micro_redis URL [ROUNDS [BATCH COUNT]]. The database
 * must be empty and this program's own. Prints, for batches of 1, 16, 64 and 256: purchases a
 * second through the adapter (reserve alone, and with its acknowledgement), the same by a bare
 * hiredis loop that sends the very same calls and reads nothing of their answers, and the ratio;
 * then sold-out refusals, and what a server keeps of a buyer. Each figure is the best of ROUNDS
 * (5): what else the machine did only ever slows.
 *
 * With BATCH and COUNT, for bench/run: adapter and bare loop take turns, ROUNDS times COUNT
 * purchases in batches of BATCH. Prints a JSON object: the medians of the rounds (purchases a
 * second), the median of a bare call in nanoseconds, and the median of what a purchase with its
 * acknowledgement costs Redis, in microseconds of its CPU, by its own count.
 */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/pause.h"
#include "stock/redis/redis.h"
#include "stock/redis/redis_stock.h"

enum { SALE = 1, BATCH_MAX = 256, PURCHASES = 40960, ROUNDS_MAX = 100, TEXT = 40 };

static struct uuid_generator ids;
static struct stock_reserve items[BATCH_MAX];
static const struct event *events[BATCH_MAX];
static char texts[BATCH_MAX][2][TEXT];
static size_t purchases = PURCHASES; /* in one measurement */
static int64_t call_ns[PURCHASES];   /* of the bare loop, each */
static size_t calls;
static uint64_t names;
static uint32_t epoch;

static void die(const char *what)
{
	fprintf(stderr, "micro_redis: %s\n", what);
	exit(1);
}

static void sell(struct stock *stock, int64_t units)
{
	struct stock_rules rules = {
		.sale = SALE, .epoch = ++epoch, .limit_per_buyer = 1, .rate_requests = 3, .rate_seconds = 60, .lot_count = 1};
	int64_t withdrawn = 0;

	if (stock->ops->preheat_begin(stock, &rules) < 0 || stock->ops->arm(stock, SALE, &units, &withdrawn) < 0)
		die("no sale");
}

static void fill(size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int buyer = snprintf(texts[i][0], TEXT, "buyer-%012llu", (unsigned long long)++names);
		int key = snprintf(texts[i][1], TEXT, "key-%020llx", (unsigned long long)names * 0x9e3779b97f4a7c15u);

		items[i] = (struct stock_reserve){
			.event = {.sale = SALE,
				  .quantity = 1,
				  .id = uuid_make(&ids, clock_wall_ms(), SALE),
				  .at_ms = clock_wall_ms(),
				  .buyer = {texts[i][0], (size_t)buyer},
				  .key = {texts[i][1], (size_t)key},
				  .actor_kind = ACTOR_BUYER,
				  .actor = {texts[i][0], (size_t)buyer},
				  .trace = SLICE("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")},
			.hold_ns = INT64_C(120000000000),
		};
		events[i] = &items[i].event;
	}
}

static double per_second(size_t count, int64_t spent_ns)
{
	return (double)count * 1e9 / (double)spent_ns;
}

static double adapter(struct stock *stock, size_t batch, bool acknowledge, enum stock_outcome expected)
{
	int64_t spent_ns = 0;
	size_t done;

	for (done = 0; done < purchases; done += batch) {
		int64_t start_ns;

		fill(batch);
		start_ns = clock_mono_ns();
		stock->ops->reserve(stock, items, batch);
		if (acknowledge)
			stock_acknowledge(stock, events, batch);
		spent_ns += clock_mono_ns() - start_ns;
		for (size_t i = 0; i < batch; i++)
			if (items[i].outcome != expected)
				die("an outcome that was not expected");
	}
	return per_second(done, spent_ns);
}

/* The same calls, made before the clock runs: what Redis, the socket and hiredis alone take. */
static double bare(struct stock *stock, size_t batch)
{
	struct stock_redis *redis = (struct stock_redis *)stock;
	struct redis_connection *connection = redis_pool_take(&redis->pool);
	struct buffer packed, head;
	const char *function = redis->library.functions[REDIS_RESERVE];
	const char *arguments[] = {"FCALL", function, "1", "{ps:1}", NULL, NULL};
	size_t sizes[] = {5, strlen(function), 1, 6, 0, 0}, done;
	struct redis_look look = redis_sales_look(&redis->sales, SALE);
	int64_t spent_ns = 0;

	if (!connection)
		die("no connection");
	buffer_init(&head, 4096);
	redis_trip_write_head(&head, connection, &look, 1 << 20);
	arguments[4] = head.data;
	sizes[4] = head.size;
	buffer_init(&packed, BATCH_MAX * 4096);
	calls = 0;
	for (done = 0; done < purchases; done += batch) {
		int64_t start_ns;
		redisReply *reply;

		fill(batch);
		buffer_clear(&packed);
		for (size_t i = 0; i < batch; i++) {
			const size_t start = redis_write_unsized(&packed);

			redis_reserve_pack(&packed, &items[i]);
			redis_write_size(&packed, start);
		}
		arguments[5] = packed.data;
		sizes[5] = packed.size;
		start_ns = clock_mono_ns();
		reply = redisCommandArgv(connection->link.context, 6, arguments, sizes);
		call_ns[calls] = clock_mono_ns() - start_ns;
		spent_ns += call_ns[calls++];
		if (!reply || reply->type != REDIS_REPLY_STRING || reply->str[0] != 0)
			die("a call failed");
		freeReplyObject(reply);
	}
	buffer_deinit(&packed);
	buffer_deinit(&head);
	redis_pool_give(&redis->pool, connection);
	return per_second(done, spent_ns);
}

static double best(double former, double now)
{
	return now > former ? now : former;
}

static void report(struct stock *stock, size_t batch, int rounds)
{
	double alone = 0, ended = 0, loop = 0;

	for (int i = 0; i < rounds; i++) {
		sell(stock, UNITS_MAX);
		loop = best(loop, bare(stock, batch));
		sell(stock, UNITS_MAX);
		alone = best(alone, adapter(stock, batch, false, STOCK_DONE));
		sell(stock, UNITS_MAX);
		ended = best(ended, adapter(stock, batch, true, STOCK_DONE));
	}
	printf("batches of %3zu: %9.0f/s reserved  %9.0f/s with their acknowledgement  %9.0f/s bare loop  ratio %.2f\n", batch,
	       alone, ended, loop, alone / loop);
}

/* A number of INFO. */
static double info_number(struct stock *stock, const char *section, const char *name)
{
	struct redis_pool *pool = &((struct stock_redis *)stock)->pool;
	struct redis_connection *connection = redis_pool_take(pool);
	redisReply *reply = connection ? redis_connection_command(connection, "INFO %s", section) : NULL;
	const char *line = reply && reply->str ? strstr(reply->str, name) : NULL;
	double number;

	if (!line)
		die("no INFO");
	number = strtod(line + strlen(name), NULL);
	freeReplyObject(reply);
	redis_pool_give(pool, connection);
	return number;
}

/* Seconds of CPU, as Redis counts them. */
static double redis_cpu(struct stock *stock)
{
	return info_number(stock, "cpu", "used_cpu_user:") + info_number(stock, "cpu", "used_cpu_sys:");
}

static double cpu_us(struct stock *stock, size_t batch)
{
	double before;

	sell(stock, UNITS_MAX);
	while (info_number(stock, "memory", "lazyfree_pending_objects:") > 0)
		pause_sleep(1000000); /* what the sale before has left is not this one's */
	before = redis_cpu(stock);
	adapter(stock, batch, true, STOCK_DONE);
	return (redis_cpu(stock) - before) / (double)purchases * 1e6;
}

static int by_number(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, size_t count)
{
	qsort(values, count, sizeof(*values), by_number);
	return values[count / 2];
}

static void compare(struct stock *stock, size_t batch, size_t rounds)
{
	static double times[PURCHASES];
	double ours[ROUNDS_MAX], theirs[ROUNDS_MAX], spent_us[ROUNDS_MAX];

	for (size_t i = 0; i < rounds; i++) {
		sell(stock, UNITS_MAX);
		theirs[i] = bare(stock, batch);
		sell(stock, UNITS_MAX);
		ours[i] = adapter(stock, batch, false, STOCK_DONE);
		spent_us[i] = cpu_us(stock, batch);
	}
	for (size_t i = 0; i < calls; i++)
		times[i] = (double)call_ns[i];
	printf("{\"adapter\":%.1f,\"bare\":%.1f,\"call_ns\":%.0f,\"cpu_us\":%.2f}\n", median(ours, rounds),
	       median(theirs, rounds), median(times, calls), median(spent_us, rounds));
}

static int64_t used_memory(struct stock *stock)
{
	struct redis_connection *connection = redis_pool_take(&((struct stock_redis *)stock)->pool);
	int64_t bytes;

	if (!connection || redis_connection_look(connection) < 0)
		die("no INFO");
	bytes = connection->server.memory_bytes;
	redis_pool_give(&((struct stock_redis *)stock)->pool, connection);
	return bytes;
}

/* All that is known of a purchase in Redis. */
static void report_all(struct stock *stock, int rounds)
{
	static const size_t batches[] = {1, 16, 64, 256};
	int64_t before;

	for (size_t i = 0; i < sizeof(batches) / sizeof(batches[0]); i++)
		report(stock, batches[i], rounds);
	sell(stock, 0);
	printf("sold out, batches of 64: %9.0f/s\n", adapter(stock, 64, false, STOCK_SOLD_OUT));
	sell(stock, UNITS_MAX);
	before = used_memory(stock);
	for (int i = 0; i < 5; i++)
		adapter(stock, 256, true, STOCK_DONE);
	printf("an order of a buyer with a key and a hold: %.0f bytes of Redis\n",
	       (double)(used_memory(stock) - before) / (5.0 * PURCHASES));
}

int main(int argc, char **argv)
{
	struct stock_redis_settings settings = {.outbox_max = 1 << 20, .call_timeout_ns = INT64_C(10000000000)};
	int rounds = argc > 2 ? atoi(argv[2]) : 5;
	size_t batch = argc > 4 ? strtoul(argv[3], NULL, 10) : 0;
	struct stock *stock;

	if (argc < 2 || argc == 4 || argc > 5 || rounds < 1 || rounds > ROUNDS_MAX)
		die("usage: micro_redis URL [ROUNDS [BATCH COUNT]]");
	if (argc > 4)
		purchases = strtoul(argv[4], NULL, 10);
	if (batch > BATCH_MAX || purchases > PURCHASES || (argc > 4 && (batch < 1 || purchases < batch)))
		die("numbers that do not fit");
	log_set_level(LOG_WARN);
	settings.url = argv[1];
	if (stock_redis_open(&stock, &settings) < 0)
		die("no stock");
	if (batch)
		compare(stock, batch, (size_t)rounds);
	else
		report_all(stock, rounds);
	stock->ops->drop(stock, SALE, UINT32_MAX);
	stock->ops->free(stock);
	return 0;
}
