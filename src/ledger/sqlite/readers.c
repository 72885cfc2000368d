#include "ledger/sqlite/sqlite_ledger.h"

static void close_reader(void *owner, size_t which, bool in_doubt)
{
	struct sqlite_ledger *ledger = owner;

	sqlite_connection_close(&ledger->readers[which].connection, in_doubt);
}

void sqlite_readers_init(struct sqlite_ledger *ledger)
{
	reader_pool_init(&ledger->pool, close_reader, ledger);
}

int sqlite_reader_begin(struct sqlite_ledger *ledger, struct sqlite_reader **out)
{
	bool open;
	struct sqlite_reader *reader = &ledger->readers[reader_pool_take(&ledger->pool, &open)];
	int result = 0;

	if (!open && sqlite_watch_reason(ledger))
		result = -ESTALE;
	else if (!open)
		result = sqlite_connection_open(&reader->connection, ledger->path, ledger->vfs, true);
	if (result < 0)
		return sqlite_reader_end(ledger, reader, result);
	*out = reader;
	return 0;
}

int sqlite_read_begin(struct sqlite_ledger *ledger, const char *sql, struct sqlite_reader **reader, sqlite3_stmt **statement)
{
	int result = sqlite_reader_begin(ledger, reader);

	if (result < 0)
		return result;
	result = sqlite_connection_prepare(&(*reader)->connection, sql, statement);
	return result < 0 ? sqlite_reader_end(ledger, *reader, result) : 0;
}

int sqlite_reader_end(struct sqlite_ledger *ledger, struct sqlite_reader *reader, int result)
{
	reader_pool_return(&ledger->pool, (size_t)(reader - ledger->readers), result >= 0);
	return result;
}
