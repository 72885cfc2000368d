#include "adapters.h"

#include "journal/direct.h"
#include "ledger/postgres.h"
#include "ledger/sqlite.h"
#include "stock/memory.h"

static const char *after_scheme(const char *url, const char *scheme)
{
	size_t size = strlen(scheme);

	return strncmp(url, scheme, size) == 0 ? url + size : NULL;
}

static bool is_postgres(const char *url)
{
	return after_scheme(url, "postgresql://") || after_scheme(url, "postgres://");
}

static bool is_sqlite(const char *url)
{
	const char *path = after_scheme(url, "sqlite:");

	return path && *path;
}

static bool is_redis(const char *url)
{
	return after_scheme(url, "redis://") || after_scheme(url, "rediss://") || after_scheme(url, "redis+sentinel://");
}

static bool is_kafka(const char *url)
{
	return after_scheme(url, "kafka://");
}

bool adapters_shared(const struct settings *settings)
{
	return is_redis(settings->stock.url);
}

int adapters_check(const struct settings *settings, const char **reason)
{
	const char *stock = settings->stock.url, *journal = settings->journal.url, *ledger = settings->ledger.url;

	*reason = NULL;
	if (strcmp(stock, "memory:") != 0 && !is_redis(stock))
		*reason = "stock.url: there are the stocks memory:, redis://HOST:PORT/DB and redis+sentinel://HOST:PORT,.../NAME, and no other";
	else if (strcmp(journal, "direct:") != 0 && !is_kafka(journal))
		*reason = "journal.url: there are the journals direct: and kafka://HOST:PORT,.../TOPIC, and no other";
	else if (!is_postgres(ledger) && !is_sqlite(ledger))
		*reason = "ledger.url: there are the ledgers sqlite:PATH and postgresql://..., and no other; set ledger.url = sqlite:penstock.db";
	else if (is_redis(stock) && !is_postgres(ledger))
		*reason = "stock.url: a stock in Redis is shared by several gates, and a SQLite file is not: set ledger.url = postgresql://...";
	else if (is_kafka(journal) && !is_redis(stock))
		*reason = "journal.url: a journal in Kafka goes with a stock in Redis: set stock.url = redis://..., or journal.url = direct:";
	else if (settings->identity.mode == IDENTITY_HEADER && settings->gate.trusted_proxies.count == 0)
		*reason = "identity.mode = header takes the buyer's name from trusted proxies alone; list them in gate.trusted_proxies";
	return *reason ? -EINVAL : 0;
}

int adapters_open_ledger(const char *url, int flags, struct ledger **ledger)
{
	if (is_postgres(url))
		return ledger_postgres_open(ledger, url, flags);
	if (!is_sqlite(url))
		return -EINVAL;
	return ledger_sqlite_open(ledger, after_scheme(url, "sqlite:"), flags);
}

int adapters_open_journal(const struct settings *settings, struct ledger *ledger, struct journal **journal)
{
	if (is_kafka(settings->journal.url))
		return -ENOTSUP;
	return journal_direct_new(journal, ledger);
}

int adapters_open_stock(const struct settings *settings, struct stock **stock)
{
	if (is_redis(settings->stock.url))
		return -ENOTSUP;
	return stock_memory_new(stock, (size_t)settings->stock.outbox_max);
}
