/*
 * The drain's side of the ledger: a batch of the journal and the positions behind it in one
 * transaction (rule 6). A position moves only from where the drain found it, so each record counts
 * once, whoever reads it how often.
 *
 * Positions are read behind the beginning of a transaction, where a commit whose outcome was
 * unknown has been settled: what is read is final, and durable.
 */
#include <stdio.h>
#include "ledger/dead_letter.h"
#include "ledger/event_batch.h"
#include "ledger/sqlite/apply.h"

/* Whether the position was where it was thought to be, and is now moved. 1, 0, or negative. */
static int move(struct sqlite_connection *connection, const struct ledger_progress *progress)
{
	sqlite3_stmt *update, *insert;
	int result = sqlite_connection_prepare(
		connection, "UPDATE journal_offsets SET next = ?3, mark = ?4 WHERE partition = ?1 AND next = ?2", &update);

	if (result == 0)
		result = sqlite_connection_prepare(
			connection, "INSERT INTO journal_offsets (partition, next, mark) VALUES (?1, ?2, ?3)", &insert);
	if (result < 0)
		return result;
	sqlite_bind_int(update, 1, progress->partition);
	sqlite_bind_int(update, 2, progress->from);
	sqlite_bind_int(update, 3, progress->to);
	sqlite_bind_int(update, 4, (int64_t)progress->mark);
	result = sqlite_step_once(connection, update);
	if (result != 0)
		return result < 0 ? result : error_origin(-EIO);
	if (sqlite3_changes(connection->db) > 0)
		return 1;
	if (progress->from != 0)
		return 0;
	sqlite_bind_int(insert, 1, progress->partition);
	sqlite_bind_int(insert, 2, progress->to);
	sqlite_bind_int(insert, 3, (int64_t)progress->mark);
	result = sqlite_step_once(connection, insert);
	return result < 0 ? result : result == STEP_DONE;
}

int sqlite_drain_move(struct sqlite_connection *connection, const struct ledger_drain *drain)
{
	int moved = 1;

	for (size_t i = 0; i < drain->progress_count && moved == 1; i++)
		moved = move(connection, &drain->progress[i]);
	return moved < 0 ? moved : moved ? 0 : LEDGER_STALE_POSITION;
}

static int write_dead_letter(void *context, struct slice json, const char *reason)
{
	struct apply *apply = context;

	return sqlite_dead_letter_write(&apply->transaction.base, json, reason, apply->drain->now_ms);
}

int sqlite_drain(struct ledger *base, struct ledger_drain *drain)
{
	struct sqlite_ledger *ledger = sqlite_ledger_of(base);
	struct apply apply = {.transaction = {{&sqlite_transaction_rows}, &ledger->writer.connection}, .drain = drain};
	int result;

	sqlite_writer_lock(ledger);
	result = sqlite_scratch_fit(&ledger->writer.scratch, APPLY_LOTS_MAX * drain->count);
	apply.lots = ledger->writer.scratch;
	if (result == 0)
		result = sqlite_transaction_begin(ledger);
	if (result == 0) {
		result = sqlite_drain_move(apply.transaction.connection, drain);
		if (result == 0)
			result = sqlite_apply_batch(&apply, drain->entries, drain->count);
		if (result == 0)
			result = dead_letters_of_drain(drain, write_dead_letter, &apply);
		result = sqlite_transaction_end(ledger, result);
	}
	sqlite_writer_unlock(ledger);
	if (result == 0)
		event_batch_log_violations(drain->entries, drain->count);
	return result;
}

/* --- Whose rows these are --- */

/* In a transaction: 0 where it is this log, LEDGER_OTHER_LOG with *known, LEDGER_NOT_FOUND where none is written down, or negative. *partitions: 0 where
 * only their number is not. */
static int compare_log(struct sqlite_connection *connection, struct slice cluster, struct slice topic, uint32_t *partitions,
		       char **known)
{
	sqlite3_stmt *statement;
	struct slice have[2];
	int result = sqlite_connection_prepare(connection, "SELECT cluster, topic, partitions FROM journal", &statement);

	if (result < 0)
		return result;
	result = sqlite_step_row(connection, statement);
	if (result != STEP_ROW)
		return result < 0 ? result : LEDGER_NOT_FOUND;
	have[0] = sqlite_column_slice(statement, 0);
	have[1] = sqlite_column_slice(statement, 1);
	*partitions = (uint32_t)sqlite3_column_int64(statement, 2);
	result = 0;
	if (!slice_equal(have[0], cluster) || !slice_equal(have[1], topic)) {
		result = LEDGER_OTHER_LOG;
		if (asprintf(known, "%.*s %.*s", (int)have[0].size, have[0].data, (int)have[1].size, have[1].data) < 0) {
			*known = NULL;
			result = error_origin(-ENOMEM);
		}
	}
	sqlite3_reset(statement);
	return result;
}

static int write_log(struct sqlite_connection *connection, struct slice cluster, struct slice topic, uint32_t partitions)
{
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(connection,
					       "INSERT INTO journal (one, cluster, topic, partitions) VALUES (1, ?1, ?2, ?3)"
					       " ON CONFLICT DO UPDATE SET partitions = excluded.partitions",
					       &statement);

	if (result < 0)
		return result;
	sqlite_bind_text(statement, 1, cluster);
	sqlite_bind_text(statement, 2, topic);
	sqlite_bind_int(statement, 3, partitions);
	result = sqlite_step_once(connection, statement);
	return result == STEP_CONSTRAINT ? error_origin(-EIO) : result;
}

int sqlite_journal_identify(struct ledger *base, struct slice cluster, struct slice topic, uint32_t *partitions, char **known)
{
	struct sqlite_ledger *ledger = sqlite_ledger_of(base);
	struct sqlite_connection *connection;
	uint32_t fixed = 0;
	int result = sqlite_writer_begin(ledger, &connection);

	*known = NULL;
	if (result < 0)
		return result;
	result = compare_log(connection, cluster, topic, &fixed, known);
	if (result == LEDGER_NOT_FOUND || (result == 0 && fixed == 0))
		result = write_log(connection, cluster, topic, *partitions);
	else if (result == 0)
		*partitions = fixed;
	return sqlite_writer_end(ledger, result);
}

static int read_position(struct sqlite_connection *connection, uint32_t partition, int64_t *next, uint64_t *mark)
{
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(connection, "SELECT next, mark FROM journal_offsets WHERE partition = ?1", &statement);

	if (result < 0)
		return result;
	sqlite_bind_int(statement, 1, partition);
	result = sqlite_step_row(connection, statement);
	if (result != STEP_ROW)
		return result < 0 ? result : LEDGER_NOT_FOUND;
	*next = sqlite3_column_int64(statement, 0);
	*mark = (uint64_t)sqlite3_column_int64(statement, 1);
	sqlite3_reset(statement);
	return LEDGER_ALREADY;
}

int sqlite_journal_position(struct ledger *base, uint32_t partition, int64_t *next, uint64_t *mark)
{
	struct sqlite_ledger *ledger = sqlite_ledger_of(base);
	struct sqlite_connection *connection;
	int result = sqlite_writer_begin(ledger, &connection);

	if (result < 0)
		return result;
	/* Nothing is written: an outcome ends the transaction without a commit. */
	result = sqlite_writer_end(ledger, read_position(connection, partition, next, mark));
	return result == LEDGER_ALREADY ? LEDGER_DONE : result;
}

int sqlite_elect(struct ledger *base, bool candidate)
{
	(void)candidate;
	/* The lease is always exclusive. */
	return sqlite_ledger_of(base)->read_only ? -EROFS : LEDGER_DONE;
}
