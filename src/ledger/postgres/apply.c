/*
 * Applying events: one transaction a batch, and as few round trips as can be.
 *
 *   The long way, two trips. What the batch needs to know is read (its lots, its ids, the end of
 *       the operator log), each event is judged and its rows are made in memory (batch.c), and all
 *       rows go out together with COMMIT: one statement a table, with an array for each column.
 *   The short way, one trip, for the common batch: purchases alone, of lots that are known from
 *       before. It assumes that no order is there yet and that the epochs are what they were, and
 *       the server checks both in the same transaction (check_epochs(), the primary key). Where it
 *       says no, nothing was done, and the batch goes the long way.
 *   Many new orders (a drain that has fallen behind) go by COPY, whichever way: its trips cost
 *     nothing beside the rows.
 *
 * Nobody may change between reading and commit what an event was judged by. Where the lease is ours
 * alone nobody can: every transaction begins by taking the row of `commits`. Where it is shared:
 *
 *   the epochs are held (hold_epochs()) before they are read, so raise_epoch() waits for our end:
 *       the stock that is built again behind it knows of everything that was let through before it.
 *       Without this a unit that it does not know of would be sold twice;
 *   orders are read FOR UPDATE, by id. One that is not there yet cannot be locked: two who drive
 *       the same event meet at its primary key; the second waits, and finds it there by the long
 *       way, or in halves;
 *   lots are only added to, and their rows locked by sale and place;
 *   and what others have committed may not be on their replicas yet when we see it. So a batch that
 *       finds everything there commits all the same before that is told: its commit is behind
 *       theirs.
 *
 * A drain is the same with three differences (drain.c): its positions move in the same transaction,
 * it judges by the sale's barrier, and what cannot be applied becomes a dead letter.
 *
 * What becomes of an event is event_judge()'s to say. Behind it lie the tables' own constraints,
 * the last line. One that fires says only that some event of the batch is bad: the batch is rolled
 * back and applied in halves, each in a savepoint, down to the one. This never happens in a program
 * that works, so it may cost what it likes.
 *
 * When the transaction fails, the caller must still be told the truth about each event: one that
 * was driven again may be there from before. So after a failure each is looked up (LEDGER_ALREADY,
 * or the failure; -EINPROGRESS where the ledger cannot be read).
 *
 * Turned down: COPY for all batches, which has no place in a pipeline: two more trips a table.
 * Microseconds a row, of a table like `orders` alone: one row 330 by arrays, 430 by COPY; 16 rows
 * 24 and 34; 256 rows 6.3 and 5.7; 1,024 rows 4.3 and 4.3; 4,096 rows 4.3 and 2.8; by way of a
 * staging table never better than either. Also a function on the server that judges: the rules
 * would be written twice, and once in another language.
 */
#include "base/failpoint.h"
#include "ledger/event_batch.h"
#include "ledger/postgres/events.h"

/* Judges every event; 0 or negative. */
static int judge_entries(struct pg_batch *batch, struct ledger_entry *entries, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		entries[i].outcome = pg_batch_apply(batch, entries[i].event);
		if (entries[i].outcome < 0)
			return entries[i].outcome;
	}
	pg_batch_finish(batch);
	return 0;
}

/* Empties the batch for what comes next of the work, and looks at that. */
static struct pg_makeup start(const struct pg_events *events, struct ledger_entry *entries, size_t count)
{
	struct pg_batch *batch = events->ledger->writer.batch;

	pg_batch_clear(batch, events->drain != NULL);
	return pg_rows_makeup(batch, entries, count);
}

/* Adds what the transaction begins with. Returns how many statements. */
static size_t add_opening(const struct pg_events *events)
{
	pg_add_begin(events->ledger);
	return events->drain ? 2 + pg_drain_add_positions(events) : 2;
}

/* --- The short way --- */

static bool may_go_short(struct pg_batch *batch, const struct pg_makeup *makeup, const struct pg_events *events)
{
	if (!makeup->purchases_only)
		return false;
	for (size_t i = 0; i < events->count; i++)
		if (!pg_batch_lot(batch, events->entries[i].event->sale, events->entries[i].event->lot))
			return false;
	return true;
}

/* 0: committed. PG_CONSTRAINT, PG_STALE: the long way. Otherwise as pg_transaction_commit(). */
static int go_short(const struct pg_events *events)
{
	struct postgres_ledger *ledger = events->ledger;
	struct pg_connection *connection = &ledger->writer.connection;
	struct pg_batch *batch = ledger->writer.batch;
	int result = judge_entries(batch, events->entries, events->count);

	if (result < 0)
		return pg_transaction_abandon(ledger, result);
	for (size_t i = 0; i < events->count; i++)
		if (events->entries[i].outcome != LEDGER_DONE)
			return PG_STALE;
	if (events->drain && (result = pg_drain_add_dead_letters(events)) < 0)
		return pg_transaction_abandon(ledger, result);
	add_opening(events);
	if (ledger->shared && !batch->by_barrier)
		pg_add_table(connection, "SELECT hold_epochs($1)", &batch->sales, 1);
	pg_add_table(connection, batch->by_barrier ? "SELECT check_barriers($1, $2)" : "SELECT check_epochs($1, $2)",
		     batch->epochs, EPOCH_COLUMNS);
	result = pg_transaction_settle(ledger, pg_rows_write(connection, batch));
	return result != 0 ? result : pg_transaction_commit(ledger);
}

/* --- The long way --- */

static int go_long(const struct pg_events *events, const struct pg_makeup *makeup)
{
	struct postgres_ledger *ledger = events->ledger;
	struct pg_batch *batch = ledger->writer.batch;
	int result;

	result = pg_transaction_settle(ledger, pg_rows_read(ledger, makeup, add_opening(events)));
	if (result != 0)
		return result;
	result = judge_entries(batch, events->entries, events->count);
	if (result == 0 && events->drain)
		result = pg_drain_add_dead_letters(events);
	if (result < 0)
		return pg_transaction_abandon(ledger, result);
	/*
	 * Nothing new: what is there already was durable before it could be seen, if it was we who
	 * wrote it.
	 */
	if (!events->drain && !ledger->shared && !pg_batch_wrote(batch))
		return pg_transaction_abandon(ledger, 0);
	result = pg_transaction_settle(ledger, pg_rows_write(&ledger->writer.connection, batch));
	return result != 0 ? result : pg_transaction_commit(ledger);
}

/* --- In halves --- */

/* In a transaction. 0, enum pg_end, or negative. */
static int apply_range(const struct pg_events *events, struct ledger_entry *entries, size_t count)
{
	struct postgres_ledger *ledger = events->ledger;
	struct pg_connection *connection = &ledger->writer.connection;
	struct pg_makeup makeup = start(events, entries, count);
	int result;

	pg_add(connection, "SAVEPOINT half", NULL);
	result = pg_rows_read(ledger, &makeup, 1);
	if (result == 0)
		result = judge_entries(ledger->writer.batch, entries, count);
	if (result != 0)
		return result;
	pg_rows_add(connection, ledger->writer.batch);
	pg_add(connection, "RELEASE half", NULL);
	return pg_run(connection, NULL);
}

/*
 * apply_range(), of which nothing stays where it breaks a constraint. 0, enum pg_end, or negative.
 */
static int try_once(const struct pg_events *events, struct ledger_entry *entries, size_t count)
{
	struct pg_connection *connection = &events->ledger->writer.connection;
	int result = apply_range(events, entries, count), undone;

	if (result != PG_CONSTRAINT)
		return result;
	pg_add(connection, "ROLLBACK TO half", NULL);
	pg_add(connection, "RELEASE half", NULL);
	undone = pg_run(connection, NULL);
	return undone != 0 ? undone : PG_CONSTRAINT;
}

/* An event_range. */
static int try_range(void *context, struct ledger_entry *entries, size_t count, bool *broken)
{
	const struct pg_events *events = context;
	int result = try_once(events, entries, count);

	/*
	 * Another gate that drives the same event may have committed it since it was looked for:
	 * that shows the second time.
	 */
	if (result == PG_CONSTRAINT && count == 1)
		result = try_once(events, entries, count);
	*broken = result == PG_CONSTRAINT;
	return *broken ? 0 : result;
}

static int go_in_halves(const struct pg_events *events)
{
	struct postgres_ledger *ledger = events->ledger;
	struct pg_connection *connection = &ledger->writer.connection;
	int result;

	add_opening(events);
	result = pg_transaction_run(ledger, NULL);
	if (result == 0)
		result = pg_transaction_settle(ledger, event_batch_halve(try_range, (void *)events, events->entries, events->count));
	if (result == 0 && events->drain) {
		pg_batch_clear(ledger->writer.batch, true);
		result = pg_drain_add_dead_letters(events);
		if (result < 0)
			return pg_transaction_abandon(ledger, result);
		pg_rows_add(connection, ledger->writer.batch);
	}
	return result != 0 ? result : pg_transaction_commit(ledger);
}

/* --- The batch --- */

/* One transaction. 0, enum pg_end, or negative. */
static int attempt(const struct pg_events *events)
{
	struct postgres_ledger *ledger = events->ledger;
	struct pg_makeup makeup;
	int result = pg_writer_ready(ledger);

	if (result == 0)
		result = FAILPOINT("ledger.begin");
	if (result < 0)
		return pg_writer_failed(ledger, result);
	makeup = start(events, events->entries, events->count);
	if (may_go_short(ledger->writer.batch, &makeup, events)) {
		result = go_short(events);
		if (result != PG_CONSTRAINT && result != PG_STALE)
			return result;
		makeup = start(events, events->entries, events->count);
	}
	result = go_long(events, &makeup);
	return result == PG_CONSTRAINT ? go_in_halves(events) : result;
}

int pg_events_write(const struct pg_events *events)
{
	struct postgres_ledger *ledger = events->ledger;
	int result = pg_batch_fit(&ledger->writer.batch, events->count);

	/*
	 * Again after a deadlock, and where a connection that had died in silence took the first
	 * try with it: nothing of that is there.
	 */
	for (int tries = 0; tries < PG_TRIES_MAX && result >= 0; tries++) {
		result = attempt(events);
		if (result == 0 || result == PG_MOVED || (result < 0 && (result != -ENOTCONN || tries > 0)))
			break;
		if (result == -ENOTCONN)
			result = PG_RETRY;
	}
	if (result > 0 && result != PG_MOVED)
		result = pg_writer_failed(ledger, -EBUSY);
	if (result == 0)
		event_batch_log_violations(events->entries, events->count);
	return result;
}

/*
 * Reads for look_up_all(), in a transaction whose commit makes sure of what it reads: the rows may
 * be another's.
 */
static bool read_again(const struct pg_events *events)
{
	struct postgres_ledger *ledger = events->ledger;
	struct pg_makeup makeup;

	if (!ledger->writer.batch || pg_writer_ready(ledger) != 0)
		return false;
	makeup = start(events, events->entries, events->count);
	if (!ledger->shared)
		return pg_rows_read(ledger, &makeup, 0) == 0;
	pg_add_begin(ledger);
	return pg_transaction_settle(ledger, pg_rows_read(ledger, &makeup, 2)) == 0 && pg_transaction_commit(ledger) == 0;
}

static void look_up_all(const struct pg_events *events, int code)
{
	bool read = code != -EINPROGRESS && read_again(events);

	for (size_t i = 0; i < events->count; i++) {
		struct ledger_entry *entry = &events->entries[i];

		entry->outcome = -EINPROGRESS;
		if (read) {
			struct event_facts facts = pg_batch_facts(events->ledger->writer.batch, entry->event);

			entry->outcome = event_is_there(entry->event, &facts) ? LEDGER_ALREADY : code;
		}
	}
}

int postgres_apply(struct ledger *base, struct ledger_entry *entries, size_t count)
{
	const struct pg_events events = {postgres_ledger_of(base), entries, count, NULL};
	int result;

	if (count == 0)
		return 0;
	pg_writer_lock(events.ledger);
	result = pg_events_write(&events);
	if (result < 0)
		look_up_all(&events, result);
	pg_writer_unlock(events.ledger);
	return result;
}
