/*
 * The election: of all who share a ledger, one cares for its sales. An advisory lock has it, on a
 * session of its own: the writer's may be busy for seconds, and who is elected must find out soon
 * that its session has gone, for then another is elected.
 *
 * Who is silent is not elected for long: a process that is stopped, or sleeps with its machine,
 * would keep the lock and do nothing. So the server ends this session after some seconds in which
 * it was not asked (PostgreSQL 14; before, only that of a machine that is gone).
 *
 * It only saves work. What the elected one does is guarded by itself: an epoch that is raised twice
 * is raised twice, and a sale moves once.
 */
#include "base/log.h"
#include "ledger/postgres/postgres_ledger.h"

/* "penstock" in ASCII, and one: the key behind the lease's. */
#define KEY "8099000947049456492"
static const char try_lock[] = "SELECT pg_try_advisory_lock(" KEY ")", unlock[] = "SELECT pg_advisory_unlock(" KEY ")";

void pg_elector_init(struct pg_elector *elector)
{
	lock_init(&elector->lock);
}

void pg_elector_deinit(struct pg_elector *elector)
{
	pg_close(&elector->connection);
	lock_deinit(&elector->lock);
}

static void set_elected(struct pg_elector *elector, bool elected)
{
	if (elected != elector->elected)
		log_info("ledger", elected ? "this process cares for the sales" : "this process no longer cares for the sales");
	elector->elected = elected;
}

static int open_session(struct pg_connection *connection, const char *url)
{
	int end = pg_open(connection, url, false);

	if (end == 0 && PQserverVersion(connection->handle) >= 140000)
		end = pg_script(connection, "SET idle_session_timeout = '5s'", NULL);
	return end;
}

static int connect_elector(struct postgres_ledger *ledger)
{
	struct pg_elector *elector = &ledger->elector;
	int end;

	if (elector->connection.handle)
		return 0;
	end = backoff_check(&elector->backoff);
	return end < 0 ? end : backoff_note(&elector->backoff, &pg_retry, open_session(&elector->connection, ledger->url));
}

/* 1: we have it, 0: another has or may have, or negative. */
static int ask(struct pg_elector *elector, bool candidate)
{
	PGresult *result;
	int end, taken;

	/*
	 * Taking it again would count it twice; that the session answers says that it still has it.
	 */
	if (elector->elected || !candidate) {
		end = pg_do(&elector->connection, elector->elected && !candidate ? unlock : "SELECT 1", NULL);
		return end == 0 ? candidate : end < 0 ? end : error_origin(-EIO);
	}
	end = pg_query(&elector->connection, try_lock, NULL, &result);
	if (end != 0)
		return end < 0 ? end : error_origin(-EIO);
	taken = pg_get_int(result, 0, 0) != 0;
	PQclear(result);
	return taken;
}

static int elect(struct postgres_ledger *ledger, bool candidate)
{
	struct pg_elector *elector = &ledger->elector;
	int end = 0;

	/* Who can write no more must not stand in the way of who can. */
	if (atomic_load(&ledger->writer.lease_lost)) {
		pg_close(&elector->connection);
		set_elected(elector, false);
		return -EBUSY;
	}
	/*
	 * A session that has gone in silence is found out by the first question; the second is a
	 * fresh one's.
	 */
	for (int tries = 0; tries < 2; tries++) {
		end = connect_elector(ledger);
		if (end == 0)
			end = ask(elector, candidate);
		if (end < 0) {
			pg_close(&elector->connection);
			set_elected(elector, false);
		}
		if (end != -ENOTCONN)
			break;
	}
	if (end < 0)
		return end;
	set_elected(elector, end == 1);
	return end == 1 ? LEDGER_DONE : LEDGER_LEASE_HELD;
}

int postgres_elect(struct ledger *base, bool candidate)
{
	struct postgres_ledger *ledger = postgres_ledger_of(base);
	int result;

	if (ledger->read_only)
		return -EROFS;
	if (!ledger->shared)
		return LEDGER_DONE;
	result = atomic_load(&ledger->writer.joined) ? 0 : pg_writer_join(ledger);
	if (result < 0)
		return result;
	lock_take(&ledger->elector.lock);
	result = elect(ledger, candidate);
	lock_release(&ledger->elector.lock);
	/*
	 * Where the journal is elsewhere nothing may be written for long: this is then how its
	 * health is found out, both ways.
	 */
	if (result < 0 && result != -EBUSY)
		return pg_writer_failed(ledger, result);
	if (result >= 0)
		(void)!postgres_recover(base);
	return result;
}
