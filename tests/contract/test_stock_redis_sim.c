/* The stock's behaviour suite over the Redis in the process: the shipped functions, no server. */
#include "contract/stock_shop.h"

#include <stdlib.h>
#include "simulation/redis/redis_sim.h"
#include "stock/redis/redis.h"

static struct redis_sim *sim;

static void end_sim(void)
{
	redis_sim_free(sim);
}

static int make(struct stock **stock, size_t outbox_max)
{
	const struct stock_redis_settings settings = {
		.url = "redis://in.process", .outbox_max = outbox_max, .transport = redis_sim_transport(sim)};

	redis_sim_restart(sim, REDIS_SIM_NOTHING);
	return stock_redis_open(stock, &settings);
}

int main(void)
{
	static const struct stock_factory factory = {
		.name = "stock: redis in the process", .make = make, .set_clock = stock_redis_set_clock};

	sim = redis_sim_new(NULL);
	atexit(end_sim);
	return stock_suite_run(&factory);
}
