/*
 * What sales that nobody buys from cost Redis: idle_sales URL SALES SECONDS. Arms so many open
 * sales by the adapter, then keeps them fresh as a gate does, a refresh each 20 ms for so many
 * seconds. The database must be empty and this program's own. Prints a JSON object: Redis' CPU as a
 * share of a core while they were kept fresh, by its own count, and the calls that it was asked.
 */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/pause.h"
#include "stock/redis/redis.h"
#include "stock/redis/redis_stock.h"

enum { SALES_MAX = 16384, TURN_NS = 20000000 };

static struct stock_refresh sales[SALES_MAX];

static void die(const char *what)
{
	fprintf(stderr, "idle_sales: %s\n", what);
	exit(1);
}

static void sell(struct stock *stock, uint32_t number)
{
	struct stock_rules rules = {
		.sale = number, .epoch = 1, .limit_per_buyer = 1, .rate_requests = 3, .rate_seconds = 60, .lot_count = 1};
	int64_t units = 1000, withdrawn = 0;

	if (stock->ops->preheat_begin(stock, &rules) < 0 || stock->ops->arm(stock, number, &units, &withdrawn) < 0)
		die("no sale");
}

static void refresh(struct stock *stock, size_t count)
{
	stock->ops->refresh(stock, sales, count);
	for (size_t i = 0; i < count; i++)
		if (sales[i].outcome != STOCK_DONE)
			die("a sale that is not known");
}

/* A number of INFO. */
static double info(struct stock *stock, const char *section, const char *name)
{
	struct redis_pool *pool = &((struct stock_redis *)stock)->pool;
	struct redis_connection *connection = redis_pool_take(pool);
	redisReply *reply = connection ? redis_connection_command(connection, "INFO %s", section) : NULL;
	const char *line = reply && reply->str ? strstr(reply->str, name) : NULL;
	double value = line ? strtod(line + strlen(name), NULL) : -1;

	if (value < 0)
		die("no INFO");
	freeReplyObject(reply);
	redis_pool_give(pool, connection);
	return value;
}

static double cpu(struct stock *stock)
{
	return info(stock, "cpu", "used_cpu_user:") + info(stock, "cpu", "used_cpu_sys:");
}

int main(int argc, char **argv)
{
	struct stock_redis_settings settings = {.outbox_max = 1 << 20, .call_timeout_ns = INT64_C(10000000000)};
	size_t count = argc == 4 ? strtoul(argv[2], NULL, 10) : 0;
	double seconds = argc == 4 ? strtod(argv[3], NULL) : 0, spent, calls;
	int64_t begin_ns, next_ns;
	struct stock *stock;

	if (count < 1 || count > SALES_MAX || seconds <= 0)
		die("usage: idle_sales URL SALES SECONDS");
	log_set_level(LOG_WARN);
	settings.url = argv[1];
	if (stock_redis_open(&stock, &settings) < 0)
		die("no stock");
	for (uint32_t i = 0; i < count; i++) {
		sell(stock, i + 1);
		sales[i] = (struct stock_refresh){.sale = i + 1, .epoch = 1, .lot_count = 1};
	}
	refresh(stock, count);
	refresh(stock, count);
	spent = cpu(stock);
	calls = info(stock, "stats", "total_commands_processed:");
	begin_ns = next_ns = clock_mono_ns();
	while (next_ns < begin_ns + (int64_t)(seconds * 1e9)) {
		refresh(stock, count);
		next_ns += TURN_NS;
		pause_sleep(next_ns > clock_mono_ns() ? next_ns - clock_mono_ns() : 0);
	}
	seconds = (double)(clock_mono_ns() - begin_ns) / 1e9;
	printf("{\"cpu\":%.5f,\"calls\":%.1f}\n", (cpu(stock) - spent) / seconds,
	       (info(stock, "stats", "total_commands_processed:") - calls) / seconds);
	for (uint32_t i = 0; i < count; i++)
		stock->ops->drop(stock, i + 1, UINT32_MAX);
	stock->ops->free(stock);
	return 0;
}
