/* The stock in Redis, of a build without it: each way in refuses. */
#include "stock/redis/redis.h"

int stock_redis_open(struct stock **stock, const struct stock_redis_settings *settings)
{
	(void)stock, (void)settings;
	return -ENOSYS;
}

int stock_redis_check_url(const char *url, const char **reason)
{
	(void)url;
	*reason = "stock.url: this penstock is built without the feature redis (see `penstock version`); it has the stock memory:";
	return -EINVAL;
}
