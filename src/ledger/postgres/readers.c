#include "ledger/postgres/private.h"

void pg_readers_init(struct pg_reader_pool *pool)
{
	lock_init(&pool->lock);
	lock_condition_init(&pool->returned);
}

void pg_readers_deinit(struct pg_reader_pool *pool)
{
	for (size_t i = 0; i < PG_READERS_MAX; i++) {
		ASSERT(!pool->readers[i].busy);
		pg_close(&pool->readers[i].connection);
	}
	lock_condition_deinit(&pool->returned);
	lock_deinit(&pool->lock);
}

/* An idle reader, a connected one if there is one; NULL while all are out. */
static struct pg_reader *find_idle(struct pg_reader_pool *pool)
{
	struct pg_reader *idle = NULL;

	for (size_t i = 0; i < PG_READERS_MAX; i++) {
		struct pg_reader *reader = &pool->readers[i];

		if (reader->busy)
			continue;
		if (reader->connection.handle)
			return reader;
		if (!idle)
			idle = reader;
	}
	return idle;
}

/* Not under the pool's lock: others read on while one connects. */
static int connect_reader(struct postgres_ledger *ledger, struct pg_reader *reader)
{
	struct pg_reader_pool *pool = &ledger->pool;
	int result;

	lock_take(&pool->lock);
	result = pg_backoff_check(&pool->backoff);
	lock_release(&pool->lock);
	if (result < 0)
		return result;
	result = pg_open(&reader->connection, ledger->url, true);
	lock_take(&pool->lock);
	pg_backoff_note(&pool->backoff, result);
	lock_release(&pool->lock);
	return result;
}

int pg_reader_begin(struct postgres_ledger *ledger, struct pg_reader **out)
{
	struct pg_reader_pool *pool = &ledger->pool;
	struct pg_reader *reader;
	int result = 0;

	lock_take(&pool->lock);
	while (!(reader = find_idle(pool)))
		lock_condition_wait(&pool->returned, &pool->lock);
	reader->busy = true;
	lock_release(&pool->lock);
	if (!reader->connection.handle)
		result = connect_reader(ledger, reader);
	if (result < 0)
		return pg_reader_end(ledger, reader, result);
	*out = reader;
	return 0;
}

int pg_reader_end(struct postgres_ledger *ledger, struct pg_reader *reader, int result)
{
	struct pg_reader_pool *pool = &ledger->pool;

	/* In a transaction still, or broken: of no more use. */
	if (reader->connection.handle && (result < 0 || PQtransactionStatus(reader->connection.handle) != PQTRANS_IDLE))
		pg_close(&reader->connection);
	lock_take(&pool->lock);
	reader->busy = false;
	lock_condition_signal(&pool->returned);
	lock_release(&pool->lock);
	return result;
}

int pg_read_snapshot(struct postgres_ledger *ledger, const char *const *sql, const struct pg_params *params, size_t count,
		     PGresult **results)
{
	PGresult *all[PG_TRIP_MAX];
	struct pg_reader *reader;
	int result = -ENOTCONN;

	ASSERT(count + 2 <= PG_TRIP_MAX);
	/* A connection may have died while it lay idle: as often as there may be such, and once on a fresh one. */
	for (int tries = 0; tries <= PG_READERS_MAX && result == -ENOTCONN; tries++) {
		result = pg_reader_begin(ledger, &reader);
		if (result < 0)
			return result;
		pg_add(&reader->connection, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", NULL);
		for (size_t i = 0; i < count; i++)
			pg_add(&reader->connection, sql[i], params ? &params[i] : NULL);
		pg_add(&reader->connection, "COMMIT", NULL);
		result = pg_reader_end(ledger, reader, pg_outcome(pg_run(&reader->connection, all), -EIO));
	}
	if (result < 0)
		return result;
	PQclear(all[0]);
	PQclear(all[count + 1]);
	memcpy(results, all + 1, count * sizeof(*results));
	return 0;
}

int pg_read(struct postgres_ledger *ledger, const char *sql, const struct pg_params *params, PGresult **result)
{
	struct pg_reader *reader;
	int end = -ENOTCONN;

	for (int tries = 0; tries <= PG_READERS_MAX && end == -ENOTCONN; tries++) {
		end = pg_reader_begin(ledger, &reader);
		if (end < 0)
			return end;
		end = pg_reader_end(ledger, reader, pg_outcome(pg_query(&reader->connection, sql, params, result), -EIO));
	}
	return end;
}
