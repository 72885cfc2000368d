#include "stock/redis/transport.h"

#include <poll.h>

static struct timeval to_timeval(int64_t ns)
{
	return (struct timeval){.tv_sec = ns / 1000000000, .tv_usec = ns % 1000000000 / 1000};
}

static int open_socket(struct redis_link *link, const struct redis_address *address, const struct redis_timeouts *timeouts)
{
	redisContext *context = redisConnectWithTimeout(address->host, address->port, to_timeval(timeouts->connect_ns));

	link->context = context;
	if (!context || context->err || redisSetTimeout(context, to_timeval(timeouts->call_ns)) != REDIS_OK)
		return REDIS_ERR;
	return redisEnableKeepAlive(context);
}

static int write_socket(struct redis_link *link, int *done)
{
	return redisBufferWrite(link->context, done);
}

static int reply_of_socket(struct redis_link *link, void **reply)
{
	return redisGetReply(link->context, reply);
}

static bool socket_is_quiet(const struct redis_link *link)
{
	struct pollfd socket = {.fd = link->context->fd, .events = POLLIN};

	return poll(&socket, 1, 0) == 0;
}

static void close_socket(struct redis_link *link)
{
	if (link->context)
		redisFree(link->context);
}

const struct redis_transport redis_sockets = {
	.open = open_socket,
	.write = write_socket,
	.reply = reply_of_socket,
	.is_quiet = socket_is_quiet,
	.close = close_socket,
};
