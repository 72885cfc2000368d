#include "stock/redis/pool.h"

#include "base/log.h"

enum { IDLE_MAX = 64 };

static const struct backoff_range RETRY = {.first_ns = 20000000, .most_ns = 1000000000};

void redis_pool_init(struct redis_pool *pool, const struct redis_transport *transport, const struct redis_url *url,
		     const struct redis_timeouts *timeouts)
{
	*pool = (struct redis_pool){.transport = transport, .url = *url, .timeouts = *timeouts};
	lock_init(&pool->lock);
}

void redis_pool_deinit(struct redis_pool *pool)
{
	while (pool->idle) {
		struct redis_connection *connection = pool->idle;

		pool->idle = connection->next;
		redis_connection_free(connection);
	}
	lock_deinit(&pool->lock);
}

void redis_pool_set_fault(struct redis_pool *pool, const char *fault)
{
	if (atomic_load_explicit(&pool->fault, memory_order_relaxed) != fault)
		atomic_store(&pool->fault, fault);
}

static struct redis_connection *pop(struct redis_pool *pool, bool *current)
{
	struct redis_connection *connection;

	lock_take(&pool->lock);
	connection = pool->idle;
	if (connection) {
		pool->idle = connection->next;
		pool->idle_count--;
		*current = connection->generation == pool->generation;
	}
	lock_release(&pool->lock);
	return connection;
}

/* Whether it is time to try. */
static bool may_open(struct redis_pool *pool)
{
	bool may;

	lock_take(&pool->lock);
	may = backoff_check(&pool->backoff) == 0;
	lock_release(&pool->lock);
	return may;
}

static void note_failure(struct redis_pool *pool)
{
	lock_take(&pool->lock);
	(void)backoff_fail(&pool->backoff, &RETRY, -ENOTCONN);
	lock_release(&pool->lock);
}

/*
 * What the server does when its memory is full, where that has changed. At the start
 * redis_check_server() judges.
 */
static void tell_policy(const struct redis_server *server)
{
	if (redis_server_keeps_all(server))
		log_info("stock", "this Redis keeps all that it has when its memory is full",
			 LOG_TEXT("maxmemory_policy", server->policy));
	else
		log_error("stock",
			  "this Redis was set to throw keys away when its memory is full, orders among them: set maxmemory-policy noeviction",
			  LOG_TEXT("maxmemory_policy", server->policy));
}

void redis_pool_compare(struct redis_pool *pool, struct redis_connection *connection)
{
	const struct redis_server *server = &connection->server;
	bool other, other_policy;

	lock_take(&pool->lock);
	other_policy = pool->server.policy[0] && strcmp(pool->server.policy, server->policy) != 0;
	other = strcmp(pool->server.run_id, server->run_id) != 0 || strcmp(pool->server.replid, server->replid) != 0;
	if (other)
		pool->generation++;
	pool->server = *server;
	if (server->replicas > pool->replicas)
		pool->replicas = server->replicas;
	backoff_reset(&pool->backoff);
	connection->generation = pool->generation;
	lock_release(&pool->lock);
	atomic_store(&pool->evicts, !redis_server_keeps_all(server));
	if (other_policy)
		tell_policy(server);
	if (other)
		log_info("stock", "a Redis that was not met before", LOG_TEXT("run_id", server->run_id),
			 LOG_TEXT("replid", server->replid), LOG_TEXT("version", server->version));
}

struct redis_connection *redis_pool_take(struct redis_pool *pool)
{
	struct redis_connection *connection;
	bool current = false;
	const char *fault;

	while ((connection = pop(pool, &current))) {
		if (current && redis_connection_is_quiet(connection))
			return connection;
		redis_connection_free(connection);
	}
	if (!may_open(pool))
		return NULL;
	connection = redis_connection_open(pool->transport, &pool->url, &pool->timeouts, &fault);
	if (!connection) {
		redis_pool_set_fault(pool, fault);
		note_failure(pool);
		return NULL;
	}
	redis_pool_compare(pool, connection);
	return connection;
}

void redis_pool_give(struct redis_pool *pool, struct redis_connection *connection)
{
	bool keep;

	lock_take(&pool->lock);
	if (connection->moved)
		pool->generation++;
	keep = !connection->broken && !connection->moved && connection->generation == pool->generation && pool->idle_count < IDLE_MAX;
	if (keep) {
		connection->next = pool->idle;
		pool->idle = connection;
		pool->idle_count++;
	}
	lock_release(&pool->lock);
	if (!keep)
		redis_connection_free(connection);
}

int64_t redis_pool_replicas(struct redis_pool *pool)
{
	int64_t replicas;

	lock_take(&pool->lock);
	replicas = pool->replicas;
	lock_release(&pool->lock);
	return replicas;
}

struct redis_server redis_pool_server(struct redis_pool *pool)
{
	struct redis_server server;

	lock_take(&pool->lock);
	server = pool->server;
	lock_release(&pool->lock);
	return server;
}
