/* The stock in a real Redis, shared by two gates, against the plain model of the port. */
#include "unit/stock/stock_model.h"

/* cmocka wants these first */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include "contract/redis_place.h"
#include "stock/redis/redis.h"

enum { STEPS = 6000 };

static struct redis_place *place;

static void end_place(void)
{
	redis_place_free(place);
}

static int join(struct stock **stock, size_t outbox_max)
{
	const struct stock_redis_settings settings = {
		.url = place->url, .outbox_max = outbox_max, .call_timeout_ns = INT64_C(10000000000)};

	return stock_redis_open(stock, &settings);
}

static void test_the_stock_in_redis_equals_a_plain_model(void **state)
{
	static const struct stock_factory factory = {.name = "redis", .make = join, .join = join, .set_clock = stock_redis_set_clock};

	(void)state;
	stock_model_run(&factory, STEPS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_stock_in_redis_equals_a_plain_model),
	};

	place = redis_place_new(NULL);
	atexit(end_place);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
