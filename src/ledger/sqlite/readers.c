#include "ledger/sqlite/private.h"

void sqlite_readers_init(struct sqlite_reader_pool *pool)
{
	lock_init(&pool->lock);
	lock_condition_init(&pool->returned);
}

void sqlite_readers_deinit(struct sqlite_reader_pool *pool)
{
	for (size_t i = 0; i < SQLITE_READERS_MAX; i++) {
		ASSERT(!pool->readers[i].busy);
		sqlite_connection_close(&pool->readers[i].connection, false);
	}
	lock_condition_deinit(&pool->returned);
	lock_deinit(&pool->lock);
}

/* An idle reader, an open one if there is one; NULL while all are out. */
static struct sqlite_reader *find_idle(struct sqlite_reader_pool *pool)
{
	struct sqlite_reader *idle = NULL;

	for (size_t i = 0; i < SQLITE_READERS_MAX; i++) {
		struct sqlite_reader *reader = &pool->readers[i];

		if (reader->busy)
			continue;
		if (reader->connection.db)
			return reader;
		if (!idle)
			idle = reader;
	}
	return idle;
}

int sqlite_reader_begin(struct sqlite_ledger *ledger, struct sqlite_reader **out)
{
	struct sqlite_reader_pool *pool = &ledger->pool;
	struct sqlite_reader *reader;
	int result = 0;

	lock_take(&pool->lock);
	while (!(reader = find_idle(pool)))
		lock_condition_wait(&pool->returned, &pool->lock);
	reader->busy = true;
	reader->stale = false;
	lock_release(&pool->lock);

	if (!reader->connection.db && sqlite_watch_reason(ledger))
		result = -ESTALE;
	else if (!reader->connection.db)
		result = sqlite_connection_open(&reader->connection, ledger->path, true);
	if (result < 0)
		return sqlite_reader_end(ledger, reader, result);
	*out = reader;
	return 0;
}

int sqlite_reader_end(struct sqlite_ledger *ledger, struct sqlite_reader *reader, int result)
{
	struct sqlite_reader_pool *pool = &ledger->pool;

	lock_take(&pool->lock);
	if (result < 0 || reader->stale)
		sqlite_connection_close(&reader->connection, true);
	reader->busy = false;
	lock_condition_signal(&pool->returned);
	lock_release(&pool->lock);
	return result;
}

void sqlite_readers_renew(struct sqlite_reader_pool *pool)
{
	lock_take(&pool->lock);
	for (size_t i = 0; i < SQLITE_READERS_MAX; i++) {
		struct sqlite_reader *reader = &pool->readers[i];

		if (reader->busy)
			reader->stale = true;
		else
			sqlite_connection_close(&reader->connection, true);
	}
	lock_release(&pool->lock);
}
