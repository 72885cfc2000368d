/*
 * Migrations: the steps that lead from an empty schema to this program's tables, each with its row
 * in schema_migrations. A step that has been taken is never changed: its hash is kept, and a ledger
 * made by another text of the same number is refused.
 *
 * Looking and stepping are one transaction under a lock, so that of several processes that start at
 * once, one steps and the others find it done.
 *
 * Before the first step of a ledger that has some, whoever writes to it is turned out, as by
 * another lease: gates and drains of an older schema find in their next transaction that nothing of
 * theirs may be committed any more, and say that they must be restarted. First, for a transaction
 * that is on its way has its row locked: once the rows are gone there is none, so the steps wait
 * for no writer, and no writer waits for them with anything in its hands.
 */
#include <stdlib.h>
#include "base/clock.h"
#include "base/log.h"
#include "embedded_migrations.h"
#include "ledger/postgres/postgres_ledger.h"

enum { SCRIPT_MAX = 1024 * 1024 };

/* A step may write all orders anew: some minutes for ten million. */
enum { MIGRATE_MS = 3600 * 1000 };

static const char create_table[] =
	"CREATE TABLE IF NOT EXISTS schema_migrations ("
	"number integer PRIMARY KEY, name text NOT NULL, hash text NOT NULL, applied_at_ms bigint NOT NULL);\n";

/* Whether the answer to a question begins with t. 1, 0, or negative. */
static int ask(struct pg_connection *connection, const char *sql)
{
	PGresult *result;
	int end = pg_script(connection, sql, &result), yes;

	if (end < 0)
		return end;
	yes = PQntuples(result) == 1 && PQgetvalue(result, 0, 0)[0] == 't';
	PQclear(result);
	return yes;
}

/* 1: the schema has a ledger's tables, 0: it has none at all. */
static int has_tables(struct pg_connection *connection)
{
	int ours = ask(connection, "SELECT to_regclass('penstock.schema_migrations') IS NOT NULL"), any;

	if (ours != 0)
		return ours;
	any = ask(connection, "SELECT EXISTS (SELECT FROM pg_class WHERE relnamespace = to_regnamespace('penstock'))");
	if (any <= 0)
		return any;
	log_error("ledger", "the database has a schema `penstock`, but no ledger in it");
	return -EUCLEAN;
}

/* Whether the migrations that the ledger has are those of this program. *count: how many it has. */
static int compare(struct pg_connection *connection, size_t *count)
{
	char hash[SHA256_TEXT_SIZE];
	PGresult *result;
	int end = pg_script(connection, "SELECT number, hash FROM schema_migrations ORDER BY number", &result);

	*count = 0;
	if (end < 0)
		return end;
	for (int row = 0; row < PQntuples(result) && end == 0; row++) {
		if (*count == embedded_migrations_postgres_count) {
			log_error("ledger", "the ledger was made by a newer program",
				  LOG_INT("known_migrations", embedded_migrations_postgres_count));
			end = LEDGER_TOO_NEW;
			break;
		}
		sha256_hex(slice_of(embedded_migrations_postgres[*count].sql), hash);
		if (strcmp(PQgetvalue(result, row, 1), hash) != 0) {
			log_error("ledger", "a migration of the ledger is not the one of this program",
				  LOG_TEXT("migration", PQgetvalue(result, row, 0)));
			end = -EUCLEAN;
		}
		++*count;
	}
	PQclear(result);
	return end;
}

static int apply_migration(struct pg_connection *connection, const struct embedded_migration *migration)
{
	char hash[SHA256_TEXT_SIZE];
	struct buffer script;
	int end;

	sha256_hex(slice_of(migration->sql), hash);
	buffer_init(&script, SCRIPT_MAX);
	buffer_append_text(&script, create_table);
	buffer_append_text(&script, migration->sql);
	buffer_printf(&script, "\n;INSERT INTO schema_migrations VALUES (%d, '%s', '%s', %lld)", migration->number,
		      migration->name, hash, (long long)clock_wall_ms());
	buffer_append(&script, "", 1);
	end = script.failed ? error_origin(-ENOMEM) : pg_script(connection, script.data, NULL);
	buffer_deinit(&script);
	if (end == 0)
		log_info("ledger", "migration applied", LOG_INT("number", migration->number), LOG_TEXT("name", migration->name));
	return end;
}

/* In a transaction, under the lock. 0, LEDGER_TOO_NEW, or negative. */
static int migrate(struct pg_connection *connection)
{
	size_t applied = 0;
	int result = has_tables(connection);

	if (result > 0) {
		result = compare(connection, &applied);
	} else if (result == 0) {
		/* The right to make a schema is only needed where it is missing. */
		result = ask(connection, "SELECT to_regnamespace('penstock') IS NULL");
		if (result > 0)
			result = pg_script(connection, "CREATE SCHEMA penstock", NULL);
	}
	if (result == 0 && applied > 1 && applied < embedded_migrations_postgres_count) {
		log_warn("ledger",
			 "the ledger is brought up to this program's tables: gates and drains of older programs write nothing more");
		result = pg_script(connection, "DELETE FROM writers; UPDATE commits SET lease = lease + 1", NULL);
	}
	for (size_t i = applied; i < embedded_migrations_postgres_count && result == 0; i++)
		result = apply_migration(connection, &embedded_migrations_postgres[i]);
	if (result == 0 && applied == 0)
		log_info("ledger", "there was no ledger in this database: a new, empty one was made");
	return result;
}

int pg_migrate(struct pg_connection *connection)
{
	int64_t timeout_ns = connection->timeout_ns;
	int ended, result;

	connection->timeout_ns = MIGRATE_MS * INT64_C(1000000);
	/* Whoever is before us at it has his time, and our connection's clock is longer. */
	result = pg_script(connection, "BEGIN; SET LOCAL lock_timeout = 4000; SELECT pg_advisory_xact_lock(8099000947049456493)",
			   NULL);
	if (result == 0)
		result = migrate(connection);
	connection->timeout_ns = timeout_ns;
	if (!connection->handle)
		return result;
	ended = pg_script(connection, result == 0 ? "COMMIT" : "ROLLBACK", NULL);
	return result == 0 ? ended : result;
}

int pg_schema_check(struct pg_connection *connection)
{
	size_t applied = 0;
	int result = has_tables(connection);

	if (result == 0) {
		log_error("ledger", "the database has no ledger");
		return -EUCLEAN;
	}
	if (result > 0)
		result = compare(connection, &applied);
	if (result == 0 && applied < embedded_migrations_postgres_count) {
		log_error("ledger", "the ledger is older than this program; serving from it once brings it up to date");
		return -ENOTSUP;
	}
	return result;
}
