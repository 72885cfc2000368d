/*
 * The drain's side of the ledger: a batch of the journal and the positions behind it in one
 * transaction (rule 6).
 *
 * A position moves only from where the drain found it. Of two drains that both believe to have a
 * partition (a group that shares it out anew, a process that slept), the second finds the row moved
 * and nothing of its batch stays, so each record counts once, whoever reads it how often. The first
 * statement moves the positions, so the row is locked before anything is read: the barrier that
 * events are judged by can only be raised by a batch of the same partition.
 *
 * Positions are read on the writer's session. A commit whose answer was lost is settled before that
 * session is there (session.c), so what is read is final, and durable.
 */
#include <stdio.h>
#include "base/failpoint.h"
#include "ledger/dead_letter.h"
#include "ledger/postgres/events.h"

size_t pg_drain_add_positions(const struct pg_events *events)
{
	struct pg_batch *batch = events->ledger->writer.batch;
	struct pg_array *columns = batch->positions;

	if (events->drain->progress_count == 0)
		return 0;
	for (size_t i = 0; i < POSITION_COLUMNS; i++)
		pg_array_clear(&columns[i]);
	for (size_t i = 0; i < events->drain->progress_count; i++) {
		const struct ledger_progress *progress = &events->drain->progress[i];

		pg_array_int(&columns[POSITION_PARTITION], progress->partition);
		pg_array_int(&columns[POSITION_FROM], progress->from);
		pg_array_int(&columns[POSITION_TO], progress->to);
		pg_array_int(&columns[POSITION_MARK], (int64_t)progress->mark);
	}
	pg_add_table(&events->ledger->writer.connection, "SELECT move_positions($1, $2, $3, $4)", columns, POSITION_COLUMNS);
	return 1;
}

struct dead_rows {
	struct pg_batch *batch;
	int64_t at_ms;
};

static int add_dead_letter(void *context, struct slice json, const char *reason)
{
	const struct dead_rows *rows = context;

	pg_batch_dead_letter(rows->batch, rows->at_ms, reason, json);
	return 0;
}

int pg_drain_add_dead_letters(const struct pg_events *events)
{
	struct dead_rows rows = {events->ledger->writer.batch, events->drain->now_ms};

	return dead_letters_of_drain(events->drain, add_dead_letter, &rows);
}

/*
 * Breaks rule 6 on purpose: the positions move in a transaction of their own, and then the rows are
 * written.
 */
static int write_apart(const struct pg_events *events)
{
	struct ledger_drain positions = {.progress = events->drain->progress, .progress_count = events->drain->progress_count};
	struct ledger_drain rows = *events->drain;
	int result = pg_events_write(&(struct pg_events){events->ledger, NULL, 0, &positions});

	rows.progress_count = 0;
	return result ? result : pg_events_write(&(struct pg_events){events->ledger, events->entries, events->count, &rows});
}

int postgres_drain(struct ledger *base, struct ledger_drain *drain)
{
	const struct pg_events events = {postgres_ledger_of(base), drain->entries, drain->count, drain};
	int result;

	pg_writer_lock(events.ledger);
	result = FAILPOINT("ledger.positions_apart") > 0 ? write_apart(&events) : pg_events_write(&events);
	pg_writer_unlock(events.ledger);
	return result == PG_MOVED ? LEDGER_STALE_POSITION : result;
}

/* --- Whose rows these are --- */

/* In a transaction: 0 where it is this log, LEDGER_OTHER_LOG with *known, or negative. */
static int compare_log(struct pg_connection *connection, struct slice cluster, struct slice topic, uint32_t *partitions, char **known)
{
	PGresult *result;
	struct slice have[2];
	int end = pg_outcome(pg_query(connection, "SELECT cluster, topic, partitions FROM journal", NULL, &result), -EIO);

	if (end < 0)
		return end;
	if (PQntuples(result) != 1) {
		PQclear(result);
		return error_origin(-EUCLEAN);
	}
	have[0] = pg_get_slice(result, 0, 0);
	have[1] = pg_get_slice(result, 0, 1);
	*partitions = (uint32_t)pg_get_int(result, 0, 2);
	if (!slice_equal(have[0], cluster) || !slice_equal(have[1], topic)) {
		end = LEDGER_OTHER_LOG;
		if (asprintf(known, "%.*s %.*s", (int)have[0].size, have[0].data, (int)have[1].size, have[1].data) < 0) {
			*known = NULL;
			end = error_origin(-ENOMEM);
		}
	}
	PQclear(result);
	return end;
}

int postgres_journal_identify(struct ledger *base, struct slice cluster, struct slice topic, uint32_t *partitions, char **known)
{
	/* What is there stays, but for a number that an older schema did not know. */
	static const char write_log[] =
		"INSERT INTO journal (one, cluster, topic, partitions) VALUES (1, $1, $2, $3) ON CONFLICT (one) DO UPDATE"
		" SET partitions = excluded.partitions WHERE journal.partitions = 0 AND journal.cluster = excluded.cluster"
		" AND journal.topic = excluded.topic";
	struct pg_work work = {.ledger = postgres_ledger_of(base)};
	struct pg_params params = {0};
	int end;

	*known = NULL;
	pg_put_text(&params, cluster);
	pg_put_text(&params, topic);
	pg_put_int(&params, *partitions);
	while (pg_work_begin(&work)) {
		end = pg_outcome(pg_do(work.connection, write_log, &params), -EIO);
		if (end == 0)
			end = compare_log(work.connection, cluster, topic, partitions, known);
		pg_work_end(&work, end);
	}
	return work.result;
}

/* On the writer's session. 0, LEDGER_NOT_FOUND, or negative. */
static int read_position(struct postgres_ledger *ledger, uint32_t partition, int64_t *next, uint64_t *mark)
{
	struct pg_params params = {0};
	PGresult *result;
	int end = -ENOTCONN;

	pg_put_int(&params, partition);
	for (int tries = 0; tries < 2 && end == -ENOTCONN; tries++) {
		end = pg_writer_ready(ledger);
		if (end < 0)
			return end;
		end = pg_outcome(pg_query(&ledger->writer.connection,
					  "SELECT next, mark FROM journal_offsets WHERE partition = $1", &params, &result),
				 -EIO);
	}
	if (end < 0)
		return end;
	if (PQntuples(result) == 0) {
		end = LEDGER_NOT_FOUND;
	} else {
		*next = pg_get_int(result, 0, 0);
		*mark = (uint64_t)pg_get_int(result, 0, 1);
	}
	PQclear(result);
	return end;
}

int postgres_journal_position(struct ledger *base, uint32_t partition, int64_t *next, uint64_t *mark)
{
	struct postgres_ledger *ledger = postgres_ledger_of(base);
	int result;

	pg_writer_lock(ledger);
	result = read_position(ledger, partition, next, mark);
	pg_writer_unlock(ledger);
	return result;
}
