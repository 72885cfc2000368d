#include "ledger/postgres/postgres_ledger.h"

const struct backoff_range pg_retry = {.first_ns = 50000000, .most_ns = 1000000000};

static void close_reader(void *owner, size_t which, bool in_doubt)
{
	struct postgres_ledger *ledger = owner;

	(void)in_doubt;
	pg_close(&ledger->readers[which].connection);
}

void pg_readers_init(struct postgres_ledger *ledger)
{
	reader_pool_init(&ledger->pool, close_reader, ledger);
	ledger->patience.health = &ledger->health;
}

void postgres_leave(struct ledger *base)
{
	atomic_store(&postgres_ledger_of(base)->patience.left, true);
}

/* Not under the pool's lock: others read on while one connects. */
static int connect_reader(struct postgres_ledger *ledger, struct pg_reader *reader)
{
	int result;

	lock_take(&ledger->pool.lock);
	result = backoff_check(&ledger->reading);
	lock_release(&ledger->pool.lock);
	if (result < 0)
		return result;
	reader->horizon = (struct pg_horizon){.writers = ""};
	result = pg_open(&reader->connection, ledger->url, true);
	reader->connection.patience = &ledger->patience;
	lock_take(&ledger->pool.lock);
	(void)backoff_note(&ledger->reading, &pg_retry, result);
	lock_release(&ledger->pool.lock);
	return result;
}

int pg_reader_begin(struct postgres_ledger *ledger, struct pg_reader **out)
{
	struct pg_reader *reader;
	bool open;
	int result;

	if (!ledger->read_only && !atomic_load(&ledger->writer.joined))
		return -ENOTCONN;
	reader = &ledger->readers[reader_pool_take(&ledger->pool, &open)];
	result = open ? 0 : connect_reader(ledger, reader);

	if (result < 0)
		return pg_reader_end(ledger, reader, result);
	/* Whoever had it before may have waited for a row alone. */
	pg_bound(&reader->connection, PG_TRIP_ROWS);
	*out = reader;
	return 0;
}

int pg_reader_end(struct postgres_ledger *ledger, struct pg_reader *reader, int result)
{
	/* In a transaction still, or broken: of no more use. */
	if (reader->connection.handle && (result < 0 || PQtransactionStatus(reader->connection.handle) != PQTRANS_IDLE))
		pg_close(&reader->connection);
	reader_pool_return(&ledger->pool, (size_t)(reader - ledger->readers), reader->connection.handle != NULL);
	return result;
}

int pg_read_snapshot(struct postgres_ledger *ledger, enum pg_trip trip, const char *const *sql, const struct pg_params *params,
		     size_t count, PGresult **results)
{
	PGresult *all[PG_TRIP_MAX];
	struct pg_reader *reader;
	int result = -ENOTCONN;

	ASSERT(count + 2 <= PG_TRIP_MAX);
	/*
	 * A connection may have died while it lay idle: as often as there may be such, and once on
	 * a fresh one.
	 */
	for (int tries = 0; tries <= LEDGER_READERS_MAX && result == -ENOTCONN; tries++) {
		result = pg_reader_begin(ledger, &reader);
		if (result < 0)
			return result;
		pg_bound(&reader->connection, trip);
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

int pg_read(struct postgres_ledger *ledger, enum pg_trip trip, const char *sql, const struct pg_params *params, PGresult **result)
{
	struct pg_reader *reader;
	int end = -ENOTCONN;

	for (int tries = 0; tries <= LEDGER_READERS_MAX && end == -ENOTCONN; tries++) {
		end = pg_reader_begin(ledger, &reader);
		if (end < 0)
			return end;
		pg_bound(&reader->connection, trip);
		end = pg_reader_end(ledger, reader, pg_outcome(pg_query(&reader->connection, sql, params, result), -EIO));
	}
	return end;
}
