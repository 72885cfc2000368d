/*
 * Migrations: the steps that lead from an empty file to this program's tables, each in one transaction with its row in schema_migrations. A step
 * that has been taken is never changed: its hash is kept, and a ledger made by another text of the same number is refused.
 */
#include "base/clock.h"
#include "base/log.h"
#include "embedded_migrations.h"
#include "ledger/sqlite_private.h"

static const char create_table[] =
	"CREATE TABLE IF NOT EXISTS schema_migrations ("
	"number INTEGER PRIMARY KEY, name TEXT NOT NULL, hash TEXT NOT NULL, applied_at_ms INTEGER NOT NULL) STRICT";

/* 1: the file has a ledger's tables, 0: it has none at all. */
static int has_tables(struct connection *connection)
{
	int64_t ours = 0, all = 0;
	int result = connection_read_number(connection, "SELECT count(*) FROM sqlite_schema", &all);

	if (result == 0)
		result = connection_read_number(connection, "SELECT count(*) FROM sqlite_schema WHERE name = 'schema_migrations'",
						&ours);
	if (result < 0)
		return result;
	if (all && !ours) {
		log_error("ledger", "the file is a SQLite database, but not a ledger");
		return -EUCLEAN;
	}
	return all > 0;
}

/* Whether the migrations that the ledger has are those of this program. *count: how many it has. */
static int compare(struct connection *connection, size_t *count)
{
	char hash[SHA256_TEXT_SIZE];
	sqlite3_stmt *statement;
	int result = connection_prepare(connection, "SELECT number, hash FROM schema_migrations ORDER BY number", &statement);

	*count = 0;
	if (result < 0)
		return result;
	while ((result = step_row(connection, statement)) == STEP_ROW) {
		if (*count == embedded_migrations_sqlite_count) {
			sqlite3_reset(statement);
			log_error("ledger", "the ledger was made by a newer program",
				  LOG_INT("known_migrations", embedded_migrations_sqlite_count));
			return LEDGER_TOO_NEW;
		}
		sha256_hex(slice_of(embedded_migrations_sqlite[*count].sql), hash);
		if (!slice_equal(column_slice(statement, 1), slice_of(hash))) {
			log_error("ledger", "a migration of the ledger is not the one of this program",
				  LOG_INT("migration", sqlite3_column_int64(statement, 0)));
			sqlite3_reset(statement);
			return -EUCLEAN;
		}
		++*count;
	}
	return result;
}

static int record(struct connection *connection, const struct embedded_migration *migration)
{
	char hash[SHA256_TEXT_SIZE];
	sqlite3_stmt *statement;
	int result = connection_prepare(connection, "INSERT INTO schema_migrations VALUES (?1, ?2, ?3, ?4)", &statement);

	if (result < 0)
		return result;
	sha256_hex(slice_of(migration->sql), hash);
	bind_int(statement, 1, migration->number);
	bind_text(statement, 2, slice_of(migration->name));
	bind_text(statement, 3, slice_of(hash));
	bind_int(statement, 4, clock_wall_ms());
	return step_once(connection, statement) == STEP_DONE ? 0 : error_origin(-EIO);
}

static int apply_migration(struct connection *connection, const struct embedded_migration *migration)
{
	int code, result = connection_run(connection, "BEGIN IMMEDIATE");

	if (result < 0)
		return result;
	code = sqlite3_exec(connection->db, create_table, NULL, NULL, NULL);
	if (code == SQLITE_OK)
		code = sqlite3_exec(connection->db, migration->sql, NULL, NULL, NULL);
	result = code == SQLITE_OK ? record(connection, migration) : connection_error(connection, code);
	if (result == 0)
		result = connection_run(connection, "COMMIT");
	if (result == 0)
		log_info("ledger", "migration applied", LOG_INT("number", migration->number), LOG_TEXT("name", migration->name));
	return result;
}

int sqlite_migrate(struct connection *connection)
{
	size_t applied = 0;
	int result = has_tables(connection);

	if (result > 0)
		result = compare(connection, &applied);
	for (size_t i = applied; i < embedded_migrations_sqlite_count && result == 0; i++)
		result = apply_migration(connection, &embedded_migrations_sqlite[i]);
	return result;
}

int sqlite_schema_check(struct connection *connection)
{
	size_t applied = 0;
	int result = has_tables(connection);

	if (result == 0) {
		log_error("ledger", "the file is empty");
		return -EUCLEAN;
	}
	if (result > 0)
		result = compare(connection, &applied);
	if (result == 0 && applied < embedded_migrations_sqlite_count) {
		log_error("ledger", "the ledger is older than this program; serving from it once brings it up to date");
		return -ENOTSUP;
	}
	return result;
}
