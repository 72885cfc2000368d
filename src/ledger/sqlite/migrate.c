/*
 * Migrations: the steps that lead from an empty file to this program's tables, each in one
 * transaction with its row in schema_migrations. A step that has been taken is never changed: its
 * hash is kept, and a ledger made by another text of the same number is refused.
 *
 * A step may write all orders anew. In one transaction that takes room twice: the pages go to the
 * -wal first, and from there into the database, which is no smaller for what was dropped. How long
 * and how much is said before it begins, and where the room is not there, nothing is begun: a disk
 * that fills up on the way would only be found out after minutes. Both figures are from the file's
 * size, on the safe side (docs/operations.md).
 *
 * The number of the schema stands in a row that every commit looks at (commit_numbers), so a
 * program of an older schema commits nothing more: commit_mark.c.
 */
#include <stdio.h>
#include <sys/statvfs.h>
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "embedded_migrations.h"
#include "ledger/sqlite/sqlite_ledger.h"

enum {
	REWRITES_FROM = 3,       /* the first step that does, */
	REWRITES_UNTIL = 4,      /* and the last one; what a step needs stays taken while the next one runs */
	COMMIT_NUMBERS_FROM = 3, /* the first step with that table */
	REWRITE_MIB_PER_S = 10,  /* of file, on a slow disk: 16 on two busy cores and a virtual one */
	SPACE_FACTOR = 3,        /* times the file: the -wal, and the new pages in the database */
	SAID_FROM_MIB = 16,      /* smaller files take a moment */
};

static const char create_table[] =
	"CREATE TABLE IF NOT EXISTS schema_migrations ("
	"number INTEGER PRIMARY KEY, name TEXT NOT NULL, hash TEXT NOT NULL, applied_at_ms INTEGER NOT NULL) STRICT";

/* 1: the file has a ledger's tables, 0: it has none at all. */
static int has_tables(struct sqlite_connection *connection)
{
	int64_t ours = 0, all = 0;
	int result = sqlite_connection_read_number(connection, "SELECT count(*) FROM sqlite_schema", &all);

	if (result == 0)
		result = sqlite_connection_read_number(connection,
						       "SELECT count(*) FROM sqlite_schema WHERE name = 'schema_migrations'", &ours);
	if (result < 0)
		return result;
	if (all && !ours) {
		log_error("ledger", "the file is a SQLite database, but not a ledger");
		return -EUCLEAN;
	}
	return all > 0;
}

/* Whether the migrations that the ledger has are those of this program. *count: how many it has. */
static int compare(struct sqlite_connection *connection, size_t *count)
{
	char hash[SHA256_TEXT_SIZE];
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(connection, "SELECT number, hash FROM schema_migrations ORDER BY number", &statement);

	*count = 0;
	if (result < 0)
		return result;
	while ((result = sqlite_step_row(connection, statement)) == STEP_ROW) {
		if (*count == embedded_migrations_sqlite_count) {
			sqlite3_reset(statement);
			log_error("ledger", "the ledger was made by a newer program",
				  LOG_INT("known_migrations", embedded_migrations_sqlite_count));
			return LEDGER_TOO_NEW;
		}
		sha256_hex(slice_of(embedded_migrations_sqlite[*count].sql), hash);
		if (!slice_equal(sqlite_column_slice(statement, 1), slice_of(hash))) {
			log_error("ledger", "a migration of the ledger is not the one of this program",
				  LOG_INT("migration", sqlite3_column_int64(statement, 0)));
			sqlite3_reset(statement);
			return -EUCLEAN;
		}
		++*count;
	}
	return result;
}

static int record(struct sqlite_connection *connection, const struct embedded_migration *migration)
{
	char hash[SHA256_TEXT_SIZE];
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(connection, "INSERT INTO schema_migrations VALUES (?1, ?2, ?3, ?4)", &statement);

	if (result < 0)
		return result;
	sha256_hex(slice_of(migration->sql), hash);
	sqlite_bind_int(statement, 1, migration->number);
	sqlite_bind_text(statement, 2, slice_of(migration->name));
	sqlite_bind_text(statement, 3, slice_of(hash));
	sqlite_bind_int(statement, 4, clock_wall_ms());
	return sqlite_step_once(connection, statement) == STEP_DONE ? 0 : error_origin(-EIO);
}

static int number_schema(struct sqlite_connection *connection, int64_t number)
{
	sqlite3_stmt *statement;
	int result;

	if (number < COMMIT_NUMBERS_FROM)
		return 0;
	result = sqlite_connection_prepare(connection, "UPDATE commit_numbers SET schema = ?1", &statement);
	if (result < 0)
		return result;
	sqlite_bind_int(statement, 1, number);
	return sqlite_step_once(connection, statement) == STEP_DONE ? 0 : error_origin(-EIO);
}

/* Free space where the file is. 0: nobody can say. */
static int64_t free_mib(const char *path)
{
	struct statvfs system;
	char folder[4096];
	char *slash;

	if (snprintf(folder, sizeof(folder), "%s", path) >= (int)sizeof(folder))
		return 0;
	slash = strrchr(folder, '/');
	snprintf(slash ? slash + 1 : folder, 2, ".");
	if (statvfs(folder, &system) < 0)
		return 0;
	return (int64_t)((uint64_t)system.f_bavail * system.f_frsize >> 20);
}

/* Says what the steps behind `applied` need. 0, -ENOSPC, or negative. */
static int announce(struct sqlite_connection *connection, const char *path, size_t applied)
{
	int64_t steps = applied < REWRITES_FROM ? REWRITES_UNTIL - REWRITES_FROM + 1 : REWRITES_UNTIL - (int64_t)applied;
	int64_t pages = 0, page_size = 0, mib, needed, free;
	int result = sqlite_connection_read_number(connection, "PRAGMA page_count", &pages);

	if (result == 0)
		result = sqlite_connection_read_number(connection, "PRAGMA page_size", &page_size);
	if (result < 0)
		return result;
	mib = (pages * page_size >> 20) + 1;
	needed = steps * SPACE_FACTOR * mib;
	free = free_mib(path);
	if (FAILPOINT("ledger.migrate_no_space") > 0)
		free = needed - 1;
	if (mib >= SAID_FROM_MIB)
		log_warn("ledger", "the ledger is brought up to this program's tables; until that is done nothing is served",
			 LOG_INT("seconds", 1 + steps * mib / REWRITE_MIB_PER_S), LOG_INT("needs_mib", needed),
			 LOG_INT("free_mib", free));
	if (free == 0 || free >= needed)
		return 0;
	log_error("ledger", "there is not the free space that bringing the ledger up to date needs: nothing was changed",
		  LOG_INT("needs_mib", needed), LOG_INT("free_mib", free));
	return error_origin(-ENOSPC);
}

static int apply_migration(struct sqlite_connection *connection, const struct embedded_migration *migration)
{
	int code, result = sqlite_connection_run(connection, "BEGIN IMMEDIATE");

	if (result < 0)
		return result;
	code = sqlite3_exec(connection->db, create_table, NULL, NULL, NULL);
	if (code == SQLITE_OK)
		code = sqlite3_exec(connection->db, migration->sql, NULL, NULL, NULL);
	result = code == SQLITE_OK ? record(connection, migration) : sqlite_connection_error(connection, code);
	if (result == 0)
		result = number_schema(connection, migration->number);
	if (result == 0)
		result = sqlite_connection_run(connection, "COMMIT");
	if (result == 0)
		log_info("ledger", "migration applied", LOG_INT("number", migration->number), LOG_TEXT("name", migration->name));
	return result;
}

int64_t sqlite_schema_number(void)
{
	return embedded_migrations_sqlite[embedded_migrations_sqlite_count - 1].number;
}

int sqlite_migrate(struct sqlite_connection *connection, const char *path)
{
	size_t applied = 0;
	int result = has_tables(connection);

	if (result > 0)
		result = compare(connection, &applied);
	if (result == 0 && applied > 0 && applied < REWRITES_UNTIL)
		result = announce(connection, path, applied);
	for (size_t i = applied; i < embedded_migrations_sqlite_count && result == 0; i++)
		result = apply_migration(connection, &embedded_migrations_sqlite[i]);
	return result;
}

int sqlite_schema_check(struct sqlite_connection *connection)
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
