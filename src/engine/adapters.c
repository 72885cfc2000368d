#include "engine/adapters.h"

#include <stdio.h>
#include <stdlib.h>
#include "built_in.h"
#include "journal/direct/direct.h"
#include "journal/kafka/reader.h"
#include "ledger/postgres/postgres.h"
#include "ledger/sqlite/sqlite.h"
#include "stock/memory/memory.h"
#include "stock/redis/redis.h"

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
	return is_redis(settings->stock.url) || is_kafka(settings->journal.url);
}

bool adapters_outlives_ledger(const struct settings *settings)
{
	return is_redis(settings->stock.url) && is_kafka(settings->journal.url) && is_postgres(settings->ledger.url);
}

bool adapters_drained(const struct settings *settings)
{
	return is_kafka(settings->journal.url);
}

static const char unplain[] =
	"stock.url, journal.url, ledger.url: one of them is not scheme://USER:PASSWORD@HOST:PORT/...; in a password @ is %40, : is %3A, / is %2F, and a space %20";

/*
 * What the settings of both, a gate and a drain, ask for and this program was built without; NULL:
 * nothing.
 */
static const char *left_out(const struct settings *settings)
{
	if (!PENSTOCK_WITH_KAFKA && is_kafka(settings->journal.url))
		return "journal.url: this penstock is built without the feature kafka (see `penstock version`); it has the journal direct:";
	if (!PENSTOCK_WITH_POSTGRES && is_postgres(settings->ledger.url))
		return "ledger.url: this penstock is built without the feature postgres (see `penstock version`); it has the ledger sqlite:PATH";
	return NULL;
}

int adapters_check(const struct settings *settings, const char **reason)
{
	const char *stock = settings->stock.url, *journal = settings->journal.url, *ledger = settings->ledger.url;

	*reason = NULL;
	if (!settings_url_is_plain(stock) || !settings_url_is_plain(journal) || !settings_url_is_plain(ledger)) {
		*reason = unplain;
		return -EINVAL;
	}
	if (is_redis(stock) && stock_redis_check_url(stock, reason) < 0)
		return -EINVAL;
	*reason = left_out(settings);
	if (*reason)
		return -EINVAL;
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

int adapters_check_drain(const struct settings *settings, const char **reason)
{
	*reason = NULL;
	if (!settings_url_is_plain(settings->journal.url) || !settings_url_is_plain(settings->ledger.url))
		*reason = unplain;
	else if (left_out(settings))
		*reason = left_out(settings);
	else if (!is_kafka(settings->journal.url))
		*reason = "journal.url: a drain reads kafka://HOST:PORT,.../TOPIC, and direct: needs no drain";
	else if (!is_postgres(settings->ledger.url))
		*reason = "ledger.url: a journal is drained into postgresql://...; set ledger.url to the gates' database";
	return *reason ? -EINVAL : 0;
}

int adapters_open_ledger(const char *url, int flags, struct ledger **ledger)
{
	if (!settings_url_is_plain(url))
		return -EINVAL;
	if (is_postgres(url))
		return ledger_postgres_open(ledger, url, flags);
	if (!is_sqlite(url))
		return -EINVAL;
	return ledger_sqlite_open(ledger, after_scheme(url, "sqlite:"), flags);
}

int adapters_open_own_ledger(const struct settings *settings, struct ledger **ledger)
{
	bool shared = adapters_shared(settings);
	int r = adapters_open_ledger(settings->ledger.url, shared ? LEDGER_OPEN_SHARED : LEDGER_OPEN_LEASE, ledger);
	char name[SETTINGS_URL_TEXT_SIZE];

	settings_url_text(settings->ledger.url, name);
	switch (r) {
	case LEDGER_LEASE_HELD:
		log_error("adapters",
			  shared ? "a penstock with its stock in memory uses this ledger, which is only right with a single one: stop it, or name another ledger.url"
				 : "another penstock uses this ledger: the stock in memory is only right with a single one. Stop it, or name another ledger.url",
			  LOG_TEXT("ledger", name));
		return -EBUSY;
	case LEDGER_TOO_NEW:
		log_error("adapters", "this ledger was written by a newer penstock: run that one, or restore a backup of before",
			  LOG_TEXT("ledger", name));
		return -EINVAL;
	}
	if (r < 0)
		log_error("adapters", "the ledger cannot be opened", LOG_TEXT("ledger", name), LOG_TEXT("error", error_text(r)));
	return r;
}

int adapters_open_ledger_later(const struct settings *settings, struct ledger **ledger)
{
	ASSERT(adapters_outlives_ledger(settings));
	return adapters_open_ledger(settings->ledger.url, LEDGER_OPEN_SHARED | LEDGER_OPEN_LATER, ledger);
}

static struct kafka_options kafka_options(const struct settings *settings)
{
	return (struct kafka_options){
		.url = settings->journal.url,
		.properties = settings->journal.kafka.properties,
		.partitions = (uint32_t)settings->journal.kafka.partitions,
		.replication = (uint32_t)settings->journal.kafka.replication,
		.min_insync = (uint32_t)settings->journal.kafka.min_insync,
		.retention_ms = settings->journal.kafka.retention_ns / 1000000,
		.ack_deadline_ns = settings->journal.ack_deadline_ns,
	};
}

static int say_kafka(int result, struct buffer *error)
{
	if (result < 0)
		log_error("adapters", "the journal cannot be used", LOG_SLICE("reason", buffer_slice(error)));
	buffer_deinit(error);
	return result;
}

/*
 * A log that was made anew under its old name is known by its length, unless it has grown again;
 * then the drain knows it by its records.
 */
static int check_length(struct ledger *ledger, struct journal *journal)
{
	int64_t ends[JOURNAL_PARTITIONS_MAX];
	uint32_t count;

	/* A log that does not answer now is no reason not to start. */
	if (journal->ops->ends(journal, ends, JOURNAL_PARTITIONS_MAX, &count) < 0)
		return 0;
	for (uint32_t i = 0; i < count; i++) {
		int64_t next;
		uint64_t mark;
		int r = ledger->ops->journal_position(ledger, i, &next, &mark);

		if (r < 0)
			return r;
		if (r == LEDGER_NOT_FOUND || ends[i] >= next)
			continue;
		/*
		 * While the gates sell and the drain writes, both have gone on since: only a log
		 * that ends there after the ledger was asked is shorter.
		 */
		if (journal->ops->ends(journal, ends, JOURNAL_PARTITIONS_MAX, &count) < 0 || ends[i] >= next)
			continue;
		log_error("adapters",
			  "the log is shorter than what the ledger was filled from: it was made anew, or has lost records, and no drain would read it",
			  LOG_INT("partition", i), LOG_INT("end", ends[i]), LOG_INT("ledger_has_read_to", next));
		return -EINVAL;
	}
	return 0;
}

/*
 * A gate that wrote to another log than the one its ledger is filled from would accept orders that
 * no drain ever sees.
 */
static int check_log(struct ledger *ledger, struct journal *journal, bool used)
{
	const char *cluster = journal_kafka_cluster(journal), *topic = journal_kafka_topic(journal);
	uint32_t partitions = journal_kafka_partitions(journal), has = partitions;
	char *known = NULL;
	int r = ledger->ops->journal_identify(ledger, slice_of(cluster), slice_of(topic), &partitions, &known);

	if (r == LEDGER_OTHER_LOG) {
		log_error("adapters",
			  "the ledger is filled from another log than journal.url names: name that one, or the ledger of this one",
			  LOG_TEXT("ledger_has", known ? known : ""), LOG_TEXT("cluster", cluster), LOG_TEXT("topic", topic));
		r = -EINVAL;
	}
	free(known);
	if (r != 0)
		return r;
	if (used && partitions != has) {
		log_error("adapters",
			  "the ledger has another number of partitions than the stock told, and events were spread by that",
			  LOG_TEXT("topic", topic), LOG_INT("ledger_has", partitions), LOG_INT("stock_told", has));
		return -EINVAL;
	}
	r = journal_kafka_fix(journal, partitions);
	if (r == 0)
		return 0;
	log_error("adapters", "the topic has fewer partitions than the ledger was filled from: it was made anew",
		  LOG_TEXT("topic", topic), LOG_INT("partitions", partitions), LOG_INT("topic_has", has));
	return -EINVAL;
}

static struct stock_log log_of(const struct journal *journal)
{
	struct stock_log log = {.partitions = journal_kafka_partitions(journal)};

	snprintf(log.cluster, sizeof(log.cluster), "%s", journal_kafka_cluster(journal));
	snprintf(log.topic, sizeof(log.topic), "%s", journal_kafka_topic(journal));
	return log;
}

int adapters_open_journal(const struct settings *settings, struct ledger *ledger, struct journal **journal)
{
	struct kafka_options options = kafka_options(settings);
	struct buffer error;

	if (!is_kafka(settings->journal.url))
		return journal_direct_new(journal, ledger);
	buffer_init(&error, 4096);
	return say_kafka(journal_kafka_open(journal, &options, &error), &error);
}

int adapters_check_journal(const struct settings *settings, struct ledger *ledger, struct journal *journal, struct stock *stock,
			   bool used)
{
	struct stock_log log;
	int r;

	if (!is_kafka(settings->journal.url))
		return 0;
	r = check_log(ledger, journal, used);
	if (r == 0)
		r = check_length(ledger, journal);
	if (r < 0)
		return r;
	log = log_of(journal);
	stock->ops->keep_log(stock, &log);
	return 0;
}

int adapters_check_journal_by_stock(struct journal *journal, struct stock *stock)
{
	struct stock_log log = log_of(journal), kept;
	int r = stock->ops->recall_log(stock, &kept);

	if (r == STOCK_UNKNOWN_SALE)
		return -ENOENT;
	if (r)
		return -ENOTCONN;
	if (strcmp(kept.cluster, log.cluster) != 0 || strcmp(kept.topic, log.topic) != 0) {
		log_warn("adapters",
			 "the stock was sold from with another log than journal.url names: the ledger must say which is right",
			 LOG_TEXT("stock_has", kept.topic), LOG_TEXT("topic", log.topic));
		return -ENOENT;
	}
	return journal_kafka_fix(journal, kept.partitions);
}

int adapters_open_reader(const struct settings *settings, struct journal_reader **reader)
{
	struct kafka_options options = kafka_options(settings);
	struct buffer error;

	ASSERT(adapters_drained(settings));
	buffer_init(&error, 4096);
	return say_kafka(journal_kafka_reader_open(reader, &options, &error), &error);
}

static int open_redis(const struct settings *settings, struct stock **stock)
{
	const int64_t usual_ns = 1000000000, half_ns = settings->journal.ack_deadline_ns / 2;
	const struct stock_redis_settings redis = {
		.url = settings->stock.url,
		.outbox_max = (size_t)settings->stock.outbox_max,
		/*
		 * A purchase waits for Redis and then for the journal, and must be told about
		 * within the deadline of both.
		 */
		.call_timeout_ns = half_ns < usual_ns ? half_ns : usual_ns,
		.connect_timeout_ns = half_ns < usual_ns ? half_ns : usual_ns,
		.force = settings->stock.redis.eviction == REDIS_EVICTION_ALLOW,
	};

	return stock_redis_open(stock, &redis);
}

int adapters_open_stock(const struct settings *settings, struct stock **stock)
{
	if (is_redis(settings->stock.url))
		return open_redis(settings, stock);
	return stock_memory_new(stock, (size_t)settings->stock.outbox_max);
}
