/*
 * The writer: one session, one transaction at a time, and the truth about each commit.
 *
 * A COMMIT whose answer did not come may have happened. Every transaction raises the one number in
 * `commits`, or in our row of `writers` where the lease is shared; when the answer is lost, the
 * lease is taken on a new session (which proves that the old one has ended, see session.c) and the
 * number is read: the new number is there, or the transaction is not and never will be. Where there
 * is no new session to be had, nobody can say (-EINPROGRESS); who drives the same events again
 * finds their rows, or that there are none.
 *
 * What fails before COMMIT was sent has no doubt: nothing was committed. A connection that died
 * while nobody looked (the server was restarted) shows so; one new connection is tried at once, and
 * after that with growing pauses: a call never waits out a server that is away.
 *
 * Several may write at a time where the lease is shared. What each locks, it locks in this order,
 * so that deadlocks come from outside only; one that comes is retried whole, PG_TRIES_MAX times:
 *
 *   its own row of `writers`; positions of the journal, by partition; the end of the operator log;
 *     epochs (hold_epochs(), raise_epoch());
 *   orders, by id; the number of changes of sales (sale_changes); sales; lots, by sale and place;
 *     items.
 *
 * So operators' work is one at a time by the end of the log, which it needs anyway (its rows are a
 * chain); that goes for the items too, which nobody touches without it. Changes of sales are one at
 * a time by their number: what was read of a sale behind it stays so.
 */
#include "base/failpoint.h"
#include "base/log.h"
#include "ledger/write_health.h"
#include "ledger/postgres/batch.h"

void pg_writer_init(struct pg_writer *writer)
{
	fair_lock_init(&writer->lock);
}

void pg_writer_deinit(struct postgres_ledger *ledger)
{
	pg_session_end(ledger);
	pg_batch_free(ledger->writer.batch);
	ledger->writer.batch = NULL;
	fair_lock_deinit(&ledger->writer.lock);
}

void pg_writer_lock(struct postgres_ledger *ledger)
{
	fair_lock_take(&ledger->writer.lock);
}

void pg_writer_unlock(struct postgres_ledger *ledger)
{
	fair_lock_release(&ledger->writer.lock);
}

int pg_writer_failed(struct postgres_ledger *ledger, int code)
{
	ledger_health_set(&ledger->health, code);
	return code;
}

int pg_outcome(int end, int on_constraint)
{
	if (end <= 0)
		return end;
	return end == PG_CONSTRAINT ? on_constraint : end == PG_RETRY ? -EDEADLK : error_origin(-EIO);
}

int pg_writer_join(struct postgres_ledger *ledger)
{
	struct pg_writer *writer = &ledger->writer;
	int result;

	pg_writer_lock(ledger);
	result = atomic_load(&writer->joined) ? 0 : backoff_check(&writer->backoff);
	if (result == 0 && !atomic_load(&writer->joined)) {
		result = pg_session_begin(ledger);
		if (result == LEDGER_TOO_NEW)
			log_error("ledger", "this ledger was written by a newer penstock: this one cannot use it");
		result = result == LEDGER_LEASE_HELD ? -EBUSY : result > 0 ? -ENOTSUP : result;
		backoff_note(&writer->backoff, &pg_retry, result);
	}
	pg_writer_unlock(ledger);
	return result < 0 ? pg_writer_failed(ledger, result) : 0;
}

int pg_writer_ready(struct postgres_ledger *ledger)
{
	struct pg_writer *writer = &ledger->writer;
	int result = ledger->read_only ? -EROFS : !writer->joined ? -ENOTCONN : writer->lease_lost ? -EBUSY : 0;

	if (result == 0 && !writer->connection.handle) {
		result = backoff_check(&writer->backoff);
		if (result == 0)
			result = backoff_note(&writer->backoff, &pg_retry, pg_session_resume(ledger));
	}
	return result < 0 && !ledger->read_only ? pg_writer_failed(ledger, result) : result;
}

void pg_add_begin(struct postgres_ledger *ledger)
{
	struct pg_writer *writer = &ledger->writer;
	struct pg_params params = {0};

	pg_put_int(&params, ledger->shared ? writer->id : writer->lease);
	pg_put_int(&params, writer->commit_number + 1);
	pg_add(&writer->connection, "BEGIN", NULL);
	pg_add(&writer->connection, pg_take_number_sql(ledger), &params);
}

/* After the server has said no. */
static int roll_back(struct postgres_ledger *ledger, int end)
{
	struct pg_connection *connection = &ledger->writer.connection;
	int result = 0;

	if (connection->handle && PQtransactionStatus(connection->handle) != PQTRANS_IDLE)
		result = pg_do(connection, "ROLLBACK", NULL);
	if (result != 0)
		pg_close(connection);
	return end;
}

static int fenced(struct postgres_ledger *ledger)
{
	struct pg_writer *writer = &ledger->writer;

	/*
	 * The number may also be ahead of ours: a commit of our own that we gave up. A new session
	 * finds out.
	 */
	log_error("ledger", "the ledger does not take our number: is the lease another's?", LOG_INT("lease", writer->lease));
	pg_close(&writer->connection);
	return -EBUSY;
}

int pg_transaction_settle(struct postgres_ledger *ledger, int end)
{
	if (end == 0)
		return 0;
	if (end == PG_FENCED)
		return pg_writer_failed(ledger, fenced(ledger));
	roll_back(ledger, end);
	return end < 0 ? pg_writer_failed(ledger, end) : end;
}

int pg_transaction_run(struct postgres_ledger *ledger, PGresult **results)
{
	return pg_transaction_settle(ledger, pg_run(&ledger->writer.connection, results));
}

int pg_transaction_abandon(struct postgres_ledger *ledger, int result)
{
	roll_back(ledger, result);
	return result < 0 && result != -EDEADLK ? pg_writer_failed(ledger, result) : result;
}

/*
 * The answer to a COMMIT that would have made `number` did not come. 0 where it happened, `code`
 * where not, -EINPROGRESS.
 */
static int resolve(struct postgres_ledger *ledger, int64_t number, int code)
{
	struct pg_writer *writer = &ledger->writer;
	bool happened;

	ledger_health_set(&ledger->health, code);
	pg_close(&writer->connection);
	if (backoff_note(&writer->backoff, &pg_retry, pg_session_resume(ledger)) < 0 || writer->found_number == PG_NOBODY_KNOWS)
		return error_origin(-EINPROGRESS);
	happened = writer->found_number == number;
	log_warn("ledger", "a commit was lost on its way and was resolved", LOG_TEXT("error", error_text(code)),
		 LOG_TEXT("found", happened ? "committed" : "not committed"));
	if (happened)
		ledger_health_set(&ledger->health, 0);
	return happened ? 0 : code;
}

int pg_transaction_commit(struct postgres_ledger *ledger)
{
	struct pg_writer *writer = &ledger->writer;
	int64_t number = writer->commit_number + 1;
	int result = FAILPOINT("ledger.before_commit");

	if (result < 0) {
		/* What was added has not been sent, but libpq has it. */
		pg_close(&writer->connection);
		return pg_writer_failed(ledger, result);
	}
	result = FAILPOINT("ledger.commit_lost");
	if (result >= 0) {
		pg_add(&writer->connection, "COMMIT", NULL);
		result = pg_run(&writer->connection, NULL);
	} else {
		pg_close(&writer->connection);
	}
	if (result == 0)
		result = FAILPOINT("ledger.commit_unknown");
	if (result > 0 ||
	    (result < 0 && writer->connection.handle && PQtransactionStatus(writer->connection.handle) == PQTRANS_INERROR))
		return pg_transaction_settle(ledger, result);
	if (result < 0)
		return resolve(ledger, number, result);
	writer->commit_number = number;
	(void)FAILPOINT("ledger.after_commit");
	ledger_health_set(&ledger->health, 0);
	return 0;
}

/*
 * What every transaction begins with, and what this kind of work needs to be locked first. 0, enum
 * pg_end, or negative.
 */
static int begin_work(struct pg_work *work)
{
	PGresult *results[PG_TRIP_MAX];
	size_t count = 2;
	int end;

	pg_add_begin(work->ledger);
	if (work->logs) {
		pg_add(work->connection, pg_log_head_lock_sql, NULL);
		count++;
	}
	if (work->changes_sale) {
		pg_add(work->connection, "SELECT next_change()", NULL);
		count++;
	}
	end = pg_transaction_run(work->ledger, results);
	if (end != 0)
		return end;
	if (work->changes_sale)
		work->change = pg_get_int(results[count - 1], 0, 0);
	pg_clear(results, count);
	return 0;
}

/* Under the lock, with no transaction running: whether to try once more after what was found. */
static bool try_again(struct pg_work *work, int end)
{
	bool again = end == -EDEADLK && ++work->tries < PG_TRIES_MAX;

	if (end == -EDEADLK)
		work->result = again ? 0 : pg_writer_failed(work->ledger, -EBUSY);
	else
		work->result = end;
	return again;
}

bool pg_work_begin(struct pg_work *work)
{
	bool fresh = false;
	int end;

	if (work->over)
		return false;
	pg_writer_lock(work->ledger);
	work->connection = &work->ledger->writer.connection;
	for (;;) {
		end = pg_writer_ready(work->ledger);
		if (end == 0)
			end = FAILPOINT("ledger.begin");
		if (end < 0)
			break;
		end = begin_work(work);
		if (end == 0)
			return true;
		if (end == PG_RETRY && try_again(work, -EDEADLK))
			continue;
		/* It died while nobody looked: once more. */
		if (end != -ENOTCONN || fresh)
			break;
		fresh = true;
	}
	work->result = end == PG_RETRY ? -EBUSY : pg_outcome(end, -EIO);
	if (!work->ledger->read_only)
		pg_writer_failed(work->ledger, work->result);
	work->over = true;
	pg_writer_unlock(work->ledger);
	return false;
}

void pg_work_end(struct pg_work *work, int result)
{
	if (result == 0)
		result = pg_outcome(pg_transaction_commit(work->ledger), -EIO);
	else
		result = pg_transaction_abandon(work->ledger, result);
	work->over = !try_again(work, result);
	pg_writer_unlock(work->ledger);
}

int postgres_recover(struct ledger *base)
{
	struct pg_work work = {.ledger = postgres_ledger_of(base)};

	if (work.ledger->read_only || atomic_load(&work.ledger->health) == 0)
		return 0;
	/*
	 * An empty transaction still writes its number: it proves that the server takes a commit
	 * again.
	 */
	while (pg_work_begin(&work))
		pg_work_end(&work, 0);
	return work.result;
}

/* The server does that by itself. */
void postgres_tidy(struct ledger *base)
{
	(void)base;
}

int postgres_health(struct ledger *base, const char **reason)
{
	struct postgres_ledger *ledger = postgres_ledger_of(base);
	int code = atomic_load(&ledger->health);

	switch (code) {
	case 0:
		*reason = NULL;
		break;
	case -ENOTCONN:
		*reason = "the ledger's server is away";
		break;
	case -ETIMEDOUT:
		*reason = "the ledger's server does not answer in time";
		break;
	case -ENOSPC:
		*reason = "the ledger's disk is full";
		break;
	case -EROFS:
		*reason = "the ledger's server only reads: is it a standby?";
		break;
	case -EBUSY:
		*reason = ledger->shared && !atomic_load(&ledger->writer.lease_lost)
				  ? "others hold the ledger's rows or its lease for too long"
				  : "another process has the lease of the ledger";
		break;
	case -EUCLEAN:
		*reason = "the ledger is corrupt";
		break;
	default:
		*reason = error_text(code);
	}
	return code;
}
