#include "ledger/reader_pool.h"

#include "base/error.h"

void reader_pool_init(struct reader_pool *pool, void (*close)(void *owner, size_t which, bool in_doubt), void *owner)
{
	lock_init(&pool->lock);
	lock_condition_init(&pool->returned);
	pool->close = close;
	pool->owner = owner;
}

void reader_pool_deinit(struct reader_pool *pool)
{
	for (size_t i = 0; i < LEDGER_READERS_MAX; i++) {
		ASSERT(!pool->readers[i].busy);
		pool->close(pool->owner, i, false);
	}
	lock_condition_deinit(&pool->returned);
	lock_deinit(&pool->lock);
}

/* LEDGER_READERS_MAX while all are out. */
static size_t find_idle(const struct reader_pool *pool)
{
	size_t idle = LEDGER_READERS_MAX;

	for (size_t i = 0; i < LEDGER_READERS_MAX; i++) {
		if (pool->readers[i].busy)
			continue;
		if (pool->readers[i].open)
			return i;
		if (idle == LEDGER_READERS_MAX)
			idle = i;
	}
	return idle;
}

size_t reader_pool_take(struct reader_pool *pool, bool *open)
{
	size_t which;

	lock_take(&pool->lock);
	while ((which = find_idle(pool)) == LEDGER_READERS_MAX)
		lock_condition_wait(&pool->returned, &pool->lock);
	pool->readers[which].busy = true;
	*open = pool->readers[which].open;
	lock_release(&pool->lock);
	return which;
}

void reader_pool_return(struct reader_pool *pool, size_t which, bool usable)
{
	lock_take(&pool->lock);
	pool->readers[which].open = usable && !pool->readers[which].stale;
	if (!pool->readers[which].open)
		pool->close(pool->owner, which, true);
	pool->readers[which].busy = pool->readers[which].stale = false;
	lock_condition_signal(&pool->returned);
	lock_release(&pool->lock);
}

void reader_pool_renew(struct reader_pool *pool)
{
	lock_take(&pool->lock);
	for (size_t i = 0; i < LEDGER_READERS_MAX; i++) {
		if (pool->readers[i].busy) {
			pool->readers[i].stale = true;
			continue;
		}
		pool->close(pool->owner, i, true);
		pool->readers[i].open = false;
	}
	lock_release(&pool->lock);
}
