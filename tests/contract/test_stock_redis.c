/* The stock's behaviour suite over a private Redis, whose clock is the shop's. */
#include "contract/stock_shop.h"

#include <stdlib.h>
#include "contract/redis_place.h"
#include "stock/redis/redis.h"

static struct redis_place *place;

static void end_place(void)
{
	redis_place_free(place);
}

static int make(struct stock **stock, size_t outbox_max)
{
	const struct stock_redis_settings settings = {.url = place->url, .outbox_max = outbox_max};

	redis_place_run(place, "FLUSHALL");
	redis_place_run(place, "FUNCTION FLUSH"); /* the time of the last test's sales too */
	return stock_redis_open(stock, &settings);
}

int main(void)
{
	static const struct stock_factory factory = {.name = "stock: redis", .make = make, .set_clock = stock_redis_set_clock};

	place = redis_place_new(NULL);
	atexit(end_place);
	return stock_suite_run(&factory);
}
