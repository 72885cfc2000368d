/*
 * The writer's session and the lease.
 *
 * The problem. With the stock in memory only one process may sell from a ledger. A lock on a server is held by a session, and a session can end
 * without its client knowing (a cable, a failover, pg_terminate_backend), or go on without its client (the other end of the same cable): a commit
 * that we gave up may still be made by a server process that has not heard of it.
 *
 * The model, in two halves:
 *
 *   An advisory lock keeps others out while we live. It is taken by the session that writes, so who has the lock on a new session knows that no session that
 *       had it before is left: whatever that one was doing is done or undone, and the number in `commits` is final. If it is our own old session that
 *       still has it, it is ended (pg_terminate_backend).
 *   A number keeps us out once another has come in. Each process that opens the ledger raises commits.lease, and every transaction begins with
 *       take_commit(), which holds our number against it under the row's lock. A process that slept through everything, whose session a
 *       pooler has swapped, or whose lock a person has taken away, commits nothing. Who comes back to find another number has lost the lease for
 *       good, even if nobody has it now: another has sold in between, and our stock does not know what.
 *
 * What is seen on a new session may be on the server's own disk alone: a commit that was waiting for a replica when its session ended. So nothing is
 * told from it before a small commit of our own has come through behind it, replicas and all.
 *
 * Turned down: looking into pg_locks in every transaction (it locks the server's whole lock table to look); a lease with a term (a clock to agree
 * on, and a sale that stops when it is not renewed).
 */
#include <stdio.h>
#include <stdlib.h>
#include "base/failpoint.h"
#include "base/log.h"
#include "ledger/postgres_private.h"

/* The advisory lock's key: "penstock" in ASCII. */
#define LEASE_KEY "8099000947049456491"

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
static int lock_lease(struct pg_connection *connection)
{
	PGresult *result;
	int end = pg_script(connection, "SELECT pg_try_advisory_lock(" LEASE_KEY ")", &result);
	bool taken;

	if (end < 0)
		return end;
	taken = PQgetvalue(result, 0, 0)[0] == 't';
	PQclear(result);
	if (taken)
		return 0;
	/* A process that was killed a moment ago: the server sees it soon. Under the session's lock_timeout. */
	end = pg_script(connection, "SELECT pg_advisory_lock(" LEASE_KEY ")", NULL);
	return end == -EBUSY ? LEDGER_LEASE_HELD : end;
}

/* Our old session may still be there: on the other side of a dead connection, or in the middle of its last statement. */
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

static int read_commits(struct pg_connection *connection, int64_t *lease, int64_t *number)
{
	PGresult *result;
	int end = pg_query(connection, "SELECT lease, number FROM commits", NULL, &result);

	if (end != 0)
		return end < 0 ? end : error_origin(-EIO);
	if (PQntuples(result) == 1) {
		*lease = pg_get_int(result, 0, 0);
		*number = pg_get_int(result, 0, 1);
	} else {
		end = error_origin(-EUCLEAN);
	}
	PQclear(result);
	return end;
}

/* A commit of our own: when it is durable, whatever was committed before it is. */
static int commit_number_only(struct pg_writer *writer, int64_t number)
{
	struct pg_params params = {0};
	int end;

	pg_put_int(&params, writer->lease);
	pg_put_int(&params, number);
	end = pg_do(&writer->connection, "SELECT take_commit($1, $2)", &params);
	if (end == 0)
		writer->commit_number = number;
	return end > 0 ? -EBUSY : end;
}

static int take_number(struct pg_writer *writer)
{
	PGresult *result;
	int end = pg_query(&writer->connection,
			   "UPDATE commits SET lease = lease + 1, number = number + 1 RETURNING lease, number", NULL, &result);

	if (end != 0)
		return end < 0 ? end : error_origin(-EIO);
	if (PQntuples(result) == 1) {
		writer->lease = pg_get_int(result, 0, 0);
		writer->commit_number = pg_get_int(result, 0, 1);
	} else {
		end = error_origin(-EUCLEAN);
	}
	PQclear(result);
	return end;
}

int pg_session_begin(struct postgres_ledger *ledger)
{
	struct pg_writer *writer = &ledger->writer;
	int end = pg_open(&writer->connection, ledger->url, false);

	if (end == 0)
		end = check_settings(writer);
	if (end == 0)
		end = lock_lease(&writer->connection);
	if (end == 0)
		end = pg_migrate(&writer->connection);
	if (end == 0)
		end = take_number(writer);
	if (end != 0)
		pg_close(&writer->connection);
	return end;
}

int pg_session_resume(struct postgres_ledger *ledger)
{
	struct pg_writer *writer = &ledger->writer;
	int64_t session = writer->session, since = writer->since, lease = 0, number = 0;
	int end = FAILPOINT("ledger.reopen");

	ASSERT(!writer->connection.handle);
	if (end >= 0)
		end = pg_open(&writer->connection, ledger->url, false);
	if (end == 0)
		end = check_settings(writer);
	if (end == 0)
		end = end_old_session(writer, session, since);
	if (end == 0)
		end = lock_lease(&writer->connection);
	if (end == LEDGER_LEASE_HELD)
		end = -EBUSY;
	if (end == 0)
		end = read_commits(&writer->connection, &lease, &number);
	if (end == 0 && lease != writer->lease) {
		log_error("ledger", "another process has had the lease of this ledger: this one sells no more; restart it",
			  LOG_INT("lease", writer->lease), LOG_INT("now", lease));
		writer->lease_lost = true;
		end = -EBUSY;
	}
	if (end == 0)
		end = commit_number_only(writer, number + 1);
	if (end < 0) {
		pg_close(&writer->connection);
		/* If the next try needs to end it, the old session is still the one that we had the lease on. */
		writer->session = session;
		writer->since = since;
		return end;
	}
	writer->found_number = number;
	return 0;
}
