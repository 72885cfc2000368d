/*
 * The writer: one connection, one transaction at a time, and the truth about each commit.
 *
 * The problem. A COMMIT that returns an error may have happened: SQLite appends the transaction's
 * frames to its write-ahead log (-wal), the last one marked as the commit, and then syncs the file.
 * If the sync fails, the frames are whole in the file as we see it, but perhaps not on the disk.
 * Whoever answers "refused" then takes a purchase back that a restart would find; whoever answers
 * "done" promises what a power cut would take away. And a handle that has failed may hold on to
 * state that is not on the disk.
 *
 * The model. Every transaction leaves a mark of its own (commit_mark.h). When a COMMIT fails, the
 * handle is closed (without a checkpoint: it must write nothing more), another is opened, and the
 * mark is read:
 *
 *   it has the new mark: the transaction is in the file. A checkpoint writes its pages again,
 *       into the database, and syncs those (a failed sync marks the pages of the -wal file as
 *       clean, so syncing that file again would prove nothing). Then it is done.
 *   it has the old mark: the transaction is not to be seen, but while another process has the
 *       database open, SQLite takes its index of the -wal from shared memory, and the failed frames
 *       could still come to light after a crash. A small commit of our own is written over them;
 *       then it is refused. It raises a number, and one that the doubtful one would not have come
 *       to, so it is never taken for it. Where the failure was a write (disk full), the commit
 *       frame, written last, is not whole, and nothing has to be written over.
 *   reopening, checkpoint or overwriting fails: nobody can say (-EINPROGRESS). The doubt is kept,
 *       the connection stays closed, and the next call begins here again.
 *
 * A failure before COMMIT has no doubt: nothing was committed. Yet after an I/O error, a full disk
 * or corruption the handle is replaced.
 *
 * Checkpoints are made by this handle alone, and nobody who has committed waits for one: the owner
 * of the journal calls sqlite_tidy() once it has answered. Who comes meanwhile does wait, so they
 * are made in slices: each time that the -wal has grown by SLICE_BYTES and SLICE_COMMITS, which is
 * about what a commit of a hundred orders takes. The share of time that goes to checkpoints is the
 * same with larger ones; but then those who meet one wait for all of it. The commits are counted
 * because a checkpoint syncs twice: on a disk where a sync is slow, commits are large. A ledger
 * that nobody tidies is checkpointed by its own commits, after OVERDUE_BYTES. PASSIVE never waits
 * for readers; a reader that holds it up makes the -wal longer for a while, and the next try comes
 * after as many frames again.
 *
 * sqlite_tidy() also tells the sales which orders have come to them (sale_orders.h), in a commit of
 * its own.
 *
 * Turned down: looking up each order of the batch after a failed commit. It answers only for
 * batches of orders, and only for those rows that the failed batch alone could have made; the
 * mark answers for any transaction.
 */
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "ledger/write_health.h"
#include "ledger/sqlite/sqlite_ledger.h"

enum {
	/*
	 * Long enough that the ends of the trees, rewritten by every batch, go to the database once
	 * in many batches.
	 */
	SLICE_BYTES = 1024 * 1024,
	SLICE_COMMITS = 32,
	OVERDUE_BYTES = 16 * 1024 * 1024,
	FRAME_HEADER = 24,
	/*
	 * The judge's switch keeps so many batches in an open transaction while it says that they
	 * are done.
	 */
	FORGOTTEN_MAX = 64,
};
/* Buyers have long been told "unknown"; a checkpoint or an import on a slow disk takes less. */
static const int64_t HANG_NS = 5000000000;

static int on_commit(void *argument, sqlite3 *db, const char *name, int frames)
{
	struct sqlite_writer *writer = argument;

	(void)db;
	(void)name;
	writer->log_frames = frames;
	if (frames < writer->tried_frames) /* all was moved, and it is written from its beginning again */
		writer->tried_frames = 0;
	return SQLITE_OK;
}

void sqlite_writer_init(struct sqlite_writer *writer)
{
	fair_lock_init(&writer->lock);
}

void sqlite_writer_lock(struct sqlite_ledger *ledger)
{
	fair_lock_take(&ledger->writer.lock);
	atomic_store(&ledger->writer.held_since_ns, clock_mono_ns());
}

void sqlite_writer_unlock(struct sqlite_ledger *ledger)
{
	atomic_store(&ledger->writer.held_since_ns, 0);
	if (atomic_exchange(&ledger->writer.hang_told, false))
		log_info("ledger", "the disk answers again");
	fair_lock_release(&ledger->writer.lock);
}

bool sqlite_writer_trusted(const struct sqlite_ledger *ledger)
{
	return ledger->writer.connection.db != NULL && !sqlite_watch_reason(ledger);
}

static void close_failed(struct sqlite_ledger *ledger)
{
	sqlite_connection_close(&ledger->writer.connection, true);
	ledger->writer.poisoned = false;
	ledger->writer.forgotten = 0;
	reader_pool_renew(&ledger->pool);
	buyer_index_doubt(&ledger->buyers);
}

static int enter_wal(struct sqlite_connection *connection)
{
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(connection, "PRAGMA journal_mode = WAL", &statement);

	if (result < 0)
		return result;
	result = sqlite_step_row(connection, statement);
	if (result != STEP_ROW)
		return result < 0 ? result : error_origin(-EIO);
	result = slice_equal(sqlite_column_slice(statement, 0), SLICE("wal")) ? 0 : -ENOTSUP;
	sqlite3_reset(statement);
	if (result < 0)
		log_error("ledger", "this file system cannot hold the ledger: SQLite's write-ahead log does not work on it");
	return result;
}

static int open_connection(struct sqlite_ledger *ledger)
{
	int64_t page_size = 0;
	struct sqlite_writer *writer = &ledger->writer;
	int result = sqlite_connection_open(&writer->connection, ledger->path, ledger->gather.name, false);

	if (result == 0)
		result = enter_wal(&writer->connection);
	if (result == 0)
		result = sqlite_connection_read_number(&writer->connection, "PRAGMA page_size", &page_size);
	writer->slice_frames = result == 0 ? SLICE_BYTES / (int)(FRAME_HEADER + page_size) : 0;
	writer->overdue_frames = result == 0 ? OVERDUE_BYTES / (int)(FRAME_HEADER + page_size) : 0;
	writer->tried_frames = writer->commits = 0;
	if (result == 0)
		sqlite3_wal_hook(writer->connection.db, on_commit, writer);
	return result;
}

/* Makes what is in the -wal durable without trusting an earlier sync of it. */
static int salvage(struct sqlite_connection *connection)
{
	int code = sqlite3_wal_checkpoint_v2(connection->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);

	return code == SQLITE_OK ? 0 : sqlite_connection_error(connection, code);
}

/*
 * A small commit: goes over the frames of a doubtful one, and syncs whatever lies before it in the
 * -wal.
 */
static int commit_number_only(struct sqlite_connection *connection, int64_t number)
{
	int result = sqlite_connection_run(connection, "BEGIN IMMEDIATE");

	if (result == 0)
		result = sqlite_commit_mark_number(connection, number);
	if (result == 0)
		result = sqlite_connection_run(connection, "COMMIT");
	return result;
}

/* Comes to the bottom of a doubtful commit, on a fresh connection. */
static int settle_doubt(struct sqlite_writer *writer)
{
	struct sqlite_commit_mark found;
	int result = sqlite_commit_mark_read(&writer->connection, &found);

	if (result < 0)
		return result;
	/* Commits that were known to be there: another file, or one that was restored under us. */
	if (found.number < writer->mark.number || found.movement < writer->mark.movement)
		return error_origin(-ESTALE);
	if (writer->doubtful.number) {
		if (sqlite_commit_mark_reached(&found, &writer->doubtful, &writer->mark))
			result = salvage(&writer->connection);
		else if (!writer->doubt_is_short)
			result = commit_number_only(&writer->connection, writer->doubtful.number + 1);
	}
	if (result == 0)
		result = sqlite_commit_mark_read(&writer->connection, &found);
	if (result == 0)
		writer->mark = found;
	return result;
}

static int reopen(struct sqlite_ledger *ledger)
{
	int result = sqlite_watch_lost(ledger) ? -ESTALE : FAILPOINT("ledger.reopen");

	if (result >= 0)
		result = open_connection(ledger);
	if (result == 0)
		result = settle_doubt(&ledger->writer);
	if (result == 0 && sqlite_watch_lost(ledger))
		result = -ESTALE;
	if (result < 0) {
		close_failed(ledger);
		return result;
	}
	buyer_index_doubt(&ledger->buyers); /* a reader may have seen what was written over just now */
	sqlite_watch_reopened(ledger);
	return 0;
}

/*
 * The last process may have been killed between writing a commit and syncing it. We see that
 * commit, so what we tell from it must not be lost to a power cut: a commit of our own syncs it
 * before anything is told.
 */
int sqlite_writer_open(struct sqlite_ledger *ledger)
{
	struct sqlite_writer *writer = &ledger->writer;
	int result = open_connection(ledger);

	if (result == 0)
		result = sqlite_migrate(&writer->connection, ledger->path);
	if (result == 0)
		result = sqlite_put_orders_opening(writer);
	if (result == 0)
		result = sqlite_commit_mark_read(&writer->connection, &writer->mark);
	if (result == 0)
		result = commit_number_only(&writer->connection, ++writer->mark.number);
	if (result != 0)
		sqlite_connection_close(&writer->connection, true);
	return result;
}

void sqlite_writer_deinit(struct sqlite_ledger *ledger)
{
	sqlite_connection_close(&ledger->writer.connection, ledger->writer.poisoned);
	sqlite_scratch_free(ledger->writer.scratch);
	ledger->writer.scratch = NULL;
	fair_lock_deinit(&ledger->writer.lock);
}

/* Nothing of the transaction is there, and it is certain. Returns `code`. */
static int abandon(struct sqlite_ledger *ledger, int code)
{
	static struct log_limiter limiter;
	uint64_t suppressed;
	struct sqlite_writer *writer = &ledger->writer;
	bool usable = code == -EBUSY || code == -ENOMEM;

	ledger_health_set(&ledger->health, code);
	if (usable && !sqlite3_get_autocommit(writer->connection.db))
		usable = sqlite_connection_run(&writer->connection, "ROLLBACK") == 0;
	if (!usable) {
		close_failed(ledger);
		if (reopen(ledger) < 0 && log_limiter_pass(&limiter, &suppressed))
			log_warn("ledger", "reopening failed; tried again with the next write", LOG_INT("suppressed", suppressed));
	}
	return code;
}

/*
 * A COMMIT that would have left `mark` failed with `code`. 0 where it happened, `code` where not,
 * -EINPROGRESS.
 */
static int resolve(struct sqlite_ledger *ledger, const struct sqlite_commit_mark *mark, int code, bool is_short)
{
	static struct log_limiter limiter;
	struct sqlite_writer *writer = &ledger->writer;
	uint64_t suppressed;
	bool happened;

	ledger_health_set(&ledger->health, code);
	close_failed(ledger);
	writer->doubtful = *mark;
	writer->doubt_is_short = is_short;
	if (reopen(ledger) < 0)
		return error_origin(-EINPROGRESS);
	happened = sqlite_commit_mark_equal(&writer->mark, mark);
	writer->doubtful.number = 0;
	if (log_limiter_pass(&limiter, &suppressed))
		log_warn("ledger", "a commit failed and was resolved", LOG_TEXT("error", error_text(code)),
			 LOG_TEXT("found", happened ? "committed" : "not committed"), LOG_INT("suppressed", suppressed));
	return happened ? 0 : code;
}

static void checkpoint(struct sqlite_ledger *ledger)
{
	struct sqlite_writer *writer = &ledger->writer;
	int code = sqlite3_wal_checkpoint_v2(writer->connection.db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);

	if (code != SQLITE_OK && code != SQLITE_BUSY) {
		/*
		 * The commits are safe in the -wal; the next transaction begins with another
		 * handle.
		 */
		log_error("ledger", "a checkpoint failed",
			  LOG_TEXT("error", error_text(sqlite_connection_error(&writer->connection, code))));
		writer->poisoned = true;
	}
	writer->tried_frames = writer->log_frames;
	writer->commits = 0;
}

void sqlite_tidy(struct ledger *base)
{
	struct sqlite_ledger *ledger = sqlite_ledger_of(base);
	struct sqlite_writer *writer = &ledger->writer;

	sqlite_writer_lock(ledger);
	if (sqlite_writer_trusted(ledger) && !writer->poisoned && sqlite3_get_autocommit(writer->connection.db)) {
		if (writer->log_frames - writer->tried_frames >= writer->slice_frames && writer->commits >= SLICE_COMMITS)
			checkpoint(ledger);
		else
			sqlite_put_orders(ledger);
	}
	sqlite_writer_unlock(ledger);
}

/* The judge's switch: says that it is committed, and leaves it in an open transaction. */
static bool forget_commit(struct sqlite_writer *writer)
{
	if (FAILPOINT("ledger.forget_fsync") <= 0 || writer->forgotten == FORGOTTEN_MAX)
		return false;
	writer->forgotten++;
	return true;
}

static int commit(struct sqlite_ledger *ledger)
{
	struct sqlite_writer *writer = &ledger->writer;
	struct sqlite_commit_mark before = writer->mark, mark;
	int code = SQLITE_OK;
	int result = FAILPOINT("ledger.before_commit");

	if (result >= 0)
		result = sqlite_commit_mark_make(&writer->connection, &before, &mark);
	if (result < 0)
		return abandon(ledger, result);
	writer->mark = mark;
	if (forget_commit(writer))
		return 0;
	writer->mark = before;

	result = FAILPOINT("ledger.commit_lost");
	if (result >= 0) {
		result = sqlite_connection_run(&writer->connection, "COMMIT");
		code = sqlite3_extended_errcode(writer->connection.db);
	}
	if (result == 0)
		result = FAILPOINT("ledger.commit_unknown");
	if (result == -EBUSY)
		return abandon(ledger, result);
	if (result < 0)
		return resolve(ledger, &mark, result, code == SQLITE_FULL || code == SQLITE_IOERR_WRITE);

	writer->mark = mark;
	writer->forgotten = 0;
	(void)FAILPOINT("ledger.after_commit");
	if (sqlite_watch_lost(ledger))
		return -EINPROGRESS;
	ledger_health_set(&ledger->health, 0);
	writer->commits++;
	if (writer->log_frames - writer->tried_frames >= writer->overdue_frames)
		checkpoint(ledger);
	return 0;
}

int sqlite_transaction_begin(struct sqlite_ledger *ledger)
{
	struct sqlite_writer *writer = &ledger->writer;
	int result = 0;

	if (ledger->read_only)
		return -EROFS;
	if (sqlite_watch_lost_lately(ledger))
		return -ESTALE;
	if (writer->poisoned)
		close_failed(ledger);
	if (!writer->connection.db)
		result = reopen(ledger);
	if (result < 0) {
		ledger_health_set(&ledger->health, result);
		return result;
	}
	/* Settled by reopening, for a caller that has long been told that nobody can say. */
	writer->doubtful.number = 0;
	result = FAILPOINT("ledger.begin");
	if (result >= 0 && sqlite3_get_autocommit(writer->connection.db))
		result = sqlite_connection_run(&writer->connection, "BEGIN IMMEDIATE");
	return result < 0 ? abandon(ledger, result) : 0;
}

int sqlite_transaction_end(struct sqlite_ledger *ledger, int result)
{
	struct sqlite_writer *writer = &ledger->writer;
	int rolled_back;

	if (result == 0)
		return commit(ledger);
	if (result < 0)
		return abandon(ledger, result);
	rolled_back = sqlite_connection_run(&writer->connection, "ROLLBACK");
	return rolled_back < 0 ? abandon(ledger, rolled_back) : result;
}

int sqlite_writer_begin(struct sqlite_ledger *ledger, struct sqlite_connection **connection)
{
	int result;

	sqlite_writer_lock(ledger);
	result = sqlite_transaction_begin(ledger);
	if (result < 0)
		sqlite_writer_unlock(ledger);
	*connection = &ledger->writer.connection;
	return result;
}

int sqlite_writer_end(struct sqlite_ledger *ledger, int result)
{
	result = sqlite_transaction_end(ledger, result);
	sqlite_writer_unlock(ledger);
	return result;
}

int sqlite_recover(struct ledger *base)
{
	struct sqlite_ledger *ledger = sqlite_ledger_of(base);
	struct sqlite_connection *connection;
	int result;

	if (ledger->read_only || (atomic_load(&ledger->health) == 0 && !sqlite_watch_reason(ledger)))
		return 0;
	/*
	 * An empty transaction still writes its number: it proves that the disk takes a commit
	 * again.
	 */
	result = sqlite_writer_begin(ledger, &connection);
	return result < 0 ? result : sqlite_writer_end(ledger, 0);
}

/* A write that does not end fails with nothing: who looks from outside sees how long it takes. */
static bool hangs(struct sqlite_writer *writer)
{
	int64_t since_ns = atomic_load(&writer->held_since_ns);

	if (since_ns == 0 || clock_mono_ns() - since_ns < HANG_NS)
		return false;
	if (!atomic_exchange(&writer->hang_told, true))
		log_error("ledger", "a write does not end: the disk hangs");
	return true;
}

int sqlite_health(struct ledger *base, const char **reason)
{
	struct sqlite_ledger *ledger = sqlite_ledger_of(base);
	int code = atomic_load(&ledger->health);

	*reason = sqlite_watch_reason(ledger);
	if (*reason)
		return -ESTALE;
	if (hangs(&ledger->writer)) {
		*reason = "the ledger's disk hangs";
		return -ETIMEDOUT;
	}
	switch (code) {
	case 0:
		*reason = NULL;
		break;
	case -ENOSPC:
		*reason = "the ledger's disk is full";
		break;
	case -EROFS:
		*reason = "the ledger is read-only";
		break;
	case -EBUSY:
		*reason = "another process has locked the ledger";
		break;
	case -EUCLEAN:
		*reason = "the ledger's file is corrupt";
		break;
	default:
		*reason = error_text(code);
	}
	return code;
}
