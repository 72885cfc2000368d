/*
 * Opening and closing the PostgreSQL ledger, and the table of its calls. The design is told in
 * session.c, writer.c and apply.c.
 */
#include "ledger/postgres/postgres.h"

#include <stdlib.h>
#include "ledger/postgres/postgres_ledger.h"

static int open_read_only(struct postgres_ledger *ledger)
{
	struct pg_reader *reader;
	int result = pg_reader_begin(ledger, &reader);

	return result < 0 ? result : pg_reader_end(ledger, reader, pg_schema_check(&reader->connection));
}

static void ledger_free(struct ledger *base)
{
	struct postgres_ledger *ledger;

	if (!base)
		return;
	ledger = postgres_ledger_of(base);
	pg_elector_deinit(&ledger->elector);
	reader_pool_deinit(&ledger->pool);
	pg_writer_deinit(ledger);
	if (ledger->url)
		explicit_bzero(ledger->url, strlen(ledger->url)); /* it may have a password in it */
	free(ledger->url);
	free(ledger);
}

static const struct ledger_ops postgres_ops = {
	.name = "postgres",
	LEDGER_TRANSACTIONS,
	LEDGER_ADAPTER_TABLE(postgres),
	.leave = postgres_leave,
	.free = ledger_free,
};

int ledger_postgres_open(struct ledger **out, const char *url, int flags)
{
	struct postgres_ledger *ledger;
	int result;

	bool later = flags == (LEDGER_OPEN_SHARED | LEDGER_OPEN_LATER);

	if (flags != LEDGER_OPEN_LEASE && flags != LEDGER_OPEN_SHARED && flags != LEDGER_OPEN_READ_ONLY && !later)
		return error_origin(-EINVAL);
	ledger = calloc(1, sizeof(*ledger));
	if (!ledger)
		return error_origin(-ENOMEM);
	ledger->base = (struct sql_ledger){{&postgres_ops}, &pg_transaction_rows};
	ledger->read_only = flags == LEDGER_OPEN_READ_ONLY;
	ledger->shared = flags & LEDGER_OPEN_SHARED;
	pg_elector_init(&ledger->elector);
	pg_readers_init(ledger);
	pg_writer_init(&ledger->writer);
	ledger->url = strdup(url);
	if (!ledger->url)
		result = error_origin(-ENOMEM);
	else if (later)
		result = pg_writer_failed(ledger, -ENOTCONN) + ENOTCONN; /* well as soon as it has been reached */
	else
		result = ledger->read_only ? open_read_only(ledger) : pg_session_begin(ledger);
	if (result != 0) {
		ledger_free(&ledger->base.base);
		return result;
	}
	*out = &ledger->base.base;
	return 0;
}
