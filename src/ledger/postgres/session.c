/*
 * The writer's session and the lease.
 *
 * The problem. With the stock in memory only one process may sell from a ledger. A lock on a server
 * is held by a session, and a session can end without its client knowing (a cable, a failover,
 * pg_terminate_backend), or go on without its client (the other end of the same cable): a commit
 * that we gave up may still be made by a server process that has not heard of it.
 *
 * The model, in two halves:
 *
 *   An advisory lock keeps others out while we live. It is taken by the session that writes, so who
 *       has the lock on a new session knows that no session that had it before is left: whatever
 *       that one was doing is done or undone, and the number in `commits` is final. If it is our
 *       own old session that still has it, it is ended (pg_terminate_backend).
 *   A number keeps us out once another has come in. Each process that opens the ledger raises
 *       commits.lease, and every transaction begins with take_commit(), which holds our number
 *       against it under the row's lock. A process that slept through everything, whose session a
 *       pooler has swapped, or whose lock a person has taken away, commits nothing. Who comes back
 *       to find another number has lost the lease for good, even if nobody has it now: another has
 *       sold in between, and our stock does not know what.
 *
 * A shared lease (LEDGER_OPEN_SHARED) is the same in both halves, but for a number for each:
 *
 *   The advisory lock is taken shared, so those who share keep out who wants it alone, and the
 *       reverse. It does not prove that our own old session has ended: a second lock does, one that
 *       only we take.
 *   Each has a row of its own in `writers` with the number that its transactions raise: one row for
 *       all would make them wait for each other's commits. Who opens alone deletes the rows and
 *       raises commits.lease; who opens shared raises it over one who was alone. So either commits
 *       nothing once the other has come in, and finds out for good when it connects again. Among
 *       those who share, the lease's number stays.
 *
 * What is seen on a new session may be on the server's own disk alone: a commit that was waiting
 * for a replica when its session ended. So nothing is told from it before a small commit of our own
 * has come through behind it, replicas and all. (With a shared lease that goes for what others have
 * committed, too, at any time: apply.c.)
 *
 * Turned down: looking into pg_locks in every transaction (it locks the server's whole lock table
 * to look); a lease with a term (a clock to agree on, and a sale that stops when it is not
 * renewed).
 */
#include <stdio.h>
#include <stdlib.h>
#include "base/failpoint.h"
#include "base/log.h"
#include "ledger/postgres/postgres_ledger.h"

/*
 * The advisory locks' keys: "penstock" in ASCII; and of each writer who shares, a pair: "penw" and
 * its row in `writers` (join_writers() takes it first).
 */
#define LEASE_KEY "8099000947049456491"
#define WRITER_CLASS "1885695607"

static int64_t text_int(const PGresult *result, int column)
{
	return strtoll(PQgetvalue(result, 0, column), NULL, 10);
}

/* Says what the server's settings mean for the promises, and mends what a session can mend. */
static int check_settings(struct pg_writer *writer)
{
	PGresult *result;
	int end = pg_script(&writer->connection,
			    "SELECT pg_backend_pid(), (SELECT (extract(epoch FROM backend_start) * 1000000)::bigint FROM pg_stat_activity"
			    " WHERE pid = pg_backend_pid()), current_setting('synchronous_commit'), current_setting('fsync'),"
			    " current_setting('full_page_writes'), current_setting('transaction_read_only')",
			    &result);
	bool asynchronous;

	if (end < 0)
		return end;
	writer->session = text_int(result, 0);
	writer->since = text_int(result, 1);
	asynchronous = strcmp(PQgetvalue(result, 0, 2), "off") == 0;
	if (!writer->told_settings && asynchronous)
		log_warn("ledger",
			 "synchronous_commit is off on this server: it is turned on for our own commits, or an accepted order could be lost");
	if (!writer->told_settings && strcmp(PQgetvalue(result, 0, 3), "on") != 0)
		log_error("ledger", "fsync is off on this server: a crash of its machine loses accepted orders");
	if (!writer->told_settings && strcmp(PQgetvalue(result, 0, 4), "on") != 0)
		log_warn("ledger", "full_page_writes is off on this server: a power cut can tear its pages");
	if (strcmp(PQgetvalue(result, 0, 5), "on") == 0)
		end = -EROFS;
	PQclear(result);
	writer->told_settings = true;
	if (end == 0 && asynchronous)
		end = pg_script(&writer->connection, "SET synchronous_commit = on", NULL);
	return end;
}

/* Waits a little for whoever is just about to end. 0, LEDGER_LEASE_HELD, or negative. */
static int lock_lease(struct pg_connection *connection, bool shared)
{
	PGresult *result;
	int end = pg_script(connection,
			    shared ? "SELECT pg_try_advisory_lock_shared(" LEASE_KEY ")" : "SELECT pg_try_advisory_lock(" LEASE_KEY ")",
			    &result);
	bool taken;

	if (end < 0)
		return end;
	taken = PQgetvalue(result, 0, 0)[0] == 't';
	PQclear(result);
	if (taken)
		return 0;
	/*
	 * A process that was killed a moment ago: the server sees it soon. Under the session's
	 * lock_timeout.
	 */
	end = pg_script(connection,
			shared ? "SELECT pg_advisory_lock_shared(" LEASE_KEY ")" : "SELECT pg_advisory_lock(" LEASE_KEY ")", NULL);
	return end == -EBUSY ? LEDGER_LEASE_HELD : end;
}

/*
 * Our old session may still be there: on the other side of a dead connection, or in the middle of
 * its last statement.
 */
static int end_old_session(struct pg_writer *writer, int64_t session, int64_t since)
{
	char sql[256];

	if (!session)
		return 0;
	snprintf(sql, sizeof(sql),
		 "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = %lld"
		 " AND (extract(epoch FROM backend_start) * 1000000)::bigint = %lld",
		 (long long)session, (long long)since);
	return pg_script(&writer->connection, sql, NULL);
}

const char *pg_take_number_sql(const struct postgres_ledger *ledger)
{
	return ledger->shared ? "SELECT take_turn($1, $2)" : "SELECT take_commit($1, $2)";
}

/* The lease's number, and that of our last commit. */
static int read_numbers(struct postgres_ledger *ledger, int64_t *lease, int64_t *number)
{
	static const char alone[] = "SELECT lease, number FROM commits WHERE $1 = 0";
	static const char shared[] = "SELECT lease, writers.number FROM commits LEFT JOIN writers ON writers.id = $1";
	struct pg_params params = {0};
	PGresult *result;
	int end;

	pg_put_int(&params, ledger->shared ? ledger->writer.id : 0);
	end = pg_query(&ledger->writer.connection, ledger->shared ? shared : alone, &params, &result);
	if (end != 0)
		return end < 0 ? end : error_origin(-EIO);
	if (PQntuples(result) == 1) {
		*lease = pg_get_int(result, 0, 0);
		*number = pg_get_int_or(result, 0, 1, PG_NOBODY_KNOWS);
	} else {
		end = error_origin(-EUCLEAN);
	}
	PQclear(result);
	return end;
}

/* A commit of our own: when it is durable, whatever was committed before it is. */
static int commit_number_only(struct postgres_ledger *ledger, int64_t number)
{
	struct pg_writer *writer = &ledger->writer;
	struct pg_params params = {0};
	int end;

	pg_put_int(&params, ledger->shared ? writer->id : writer->lease);
	pg_put_int(&params, number);
	end = pg_do(&writer->connection, pg_take_number_sql(ledger), &params);
	if (end == 0)
		writer->commit_number = number;
	return end > 0 ? -EBUSY : end;
}

/* Our number, or our part in one. */
static int take_lease(struct postgres_ledger *ledger)
{
	struct pg_writer *writer = &ledger->writer;
	PGresult *result;
	int end = pg_query(&writer->connection, ledger->shared ? "SELECT * FROM open_shared()" : "SELECT * FROM open_alone()",
			   NULL, &result);

	if (end != 0)
		return end < 0 ? end : error_origin(-EIO);
	writer->lease = pg_get_int(result, 0, 0);
	writer->id = ledger->shared ? pg_get_int(result, 0, 1) : 0;
	writer->commit_number = ledger->shared ? 0 : pg_get_int(result, 0, 1);
	PQclear(result);
	return 0;
}

/*
 * Waits until no older session of ours is left, where the lease's own lock does not say so. 0 or
 * negative.
 */
static int lock_own(struct postgres_ledger *ledger)
{
	char sql[128];

	if (!ledger->shared)
		return 0;
	snprintf(sql, sizeof(sql), "SELECT pg_advisory_lock(" WRITER_CLASS ", %lld)", (long long)ledger->writer.id);
	return pg_script(&ledger->writer.connection, sql, NULL);
}

/*
 * Our row has been swept out while we had no session: what the last commit came to, nobody knows.
 */
static int join_again(struct postgres_ledger *ledger)
{
	struct pg_writer *writer = &ledger->writer;
	PGresult *result;
	int end = pg_query(&writer->connection, "SELECT join_writers()", NULL, &result);

	if (end != 0)
		return end < 0 ? end : error_origin(-EIO);
	writer->id = pg_get_int(result, 0, 0);
	PQclear(result);
	return commit_number_only(ledger, 1);
}

/* On a new session with its locks. 0 or negative. */
static int take_lease_back(struct postgres_ledger *ledger)
{
	struct pg_writer *writer = &ledger->writer;
	struct pg_params params = {0};
	int64_t lease = 0, number = 0;
	int end = read_numbers(ledger, &lease, &number);

	if (end < 0)
		return end;
	if (lease != writer->lease) {
		log_error("ledger", "another process has had the lease of this ledger: this one sells no more; restart it",
			  LOG_INT("lease", writer->lease), LOG_INT("now", lease));
		atomic_store(&writer->lease_lost, true);
		return -EBUSY;
	}
	writer->found_number = number;
	if (number == PG_NOBODY_KNOWS)
		return join_again(ledger);
	pg_put_int(&params, writer->id);
	end = ledger->shared ? pg_do(&writer->connection, "UPDATE writers SET seen = now() WHERE id = $1", &params) : 0;
	return end == 0 ? commit_number_only(ledger, number + 1) : end < 0 ? end : -EBUSY;
}

int pg_session_begin(struct postgres_ledger *ledger)
{
	struct pg_writer *writer = &ledger->writer;
	int end = pg_open(&writer->connection, ledger->url, false);

	if (end == -ENOTCONN && pg_is_refused(ledger->url))
		end = error_origin(-EACCES);
	if (end == 0)
		end = check_settings(writer);
	if (end == 0)
		end = lock_lease(&writer->connection, ledger->shared);
	if (end == 0)
		end = pg_migrate(&writer->connection);
	if (end == 0)
		end = take_lease(ledger);
	if (end != 0)
		pg_close(&writer->connection);
	else
		atomic_store(&writer->joined, true);
	return end;
}

int pg_session_resume(struct postgres_ledger *ledger)
{
	struct pg_writer *writer = &ledger->writer;
	int64_t session = writer->session, since = writer->since;
	int end = FAILPOINT("ledger.reopen");

	ASSERT(!writer->connection.handle);
	if (end >= 0)
		end = pg_open(&writer->connection, ledger->url, false);
	if (end == 0)
		end = check_settings(writer);
	if (end == 0)
		end = end_old_session(writer, session, since);
	if (end == 0)
		end = lock_lease(&writer->connection, ledger->shared);
	if (end == LEDGER_LEASE_HELD)
		end = -EBUSY;
	if (end == 0)
		end = lock_own(ledger);
	if (end == 0)
		end = take_lease_back(ledger);
	if (end < 0) {
		pg_close(&writer->connection);
		/*
		 * If the next try needs to end it, the old session is still the one that we had the
		 * lease on.
		 */
		writer->session = session;
		writer->since = since;
	}
	return end;
}

void pg_session_end(struct postgres_ledger *ledger)
{
	struct pg_writer *writer = &ledger->writer;
	struct pg_params params = {0};

	pg_put_int(&params, writer->id);
	if (ledger->shared && writer->connection.handle && writer->id &&
	    pg_do(&writer->connection, "DELETE FROM writers WHERE id = $1", &params) != 0)
		log_debug("ledger", "our row of the writers stays until it is swept out");
	pg_close(&writer->connection);
}
