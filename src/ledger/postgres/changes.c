/*
 * The feed of what happened. Several processes write here, so a movement with a higher number may
 * be committed before one with a lower: a reader that went on behind the higher one would never see
 * the lower. So it is given movements up to a horizon alone, below which nobody writes any more.
 *
 * Who writes movements has a lock on their table, from before it draws its first number until its
 * commit can be seen. So: L, the last number that was drawn, is read from the sequence, and after
 * that who has such a lock. Nobody: all who have drawn a number up to L have ended, and a snapshot
 * that is taken after this look sees what they wrote. Somebody: L is a candidate, and becomes the
 * horizon with the first look that finds none of them. Those who have come since draw numbers above
 * it. (A transaction is known by its virtual id, which a server never gives out twice in its life.)
 *
 * A new connection knows no horizon and no candidate: behind it may be another server, which gives
 * numbers out anew that it had not received from the one before.
 *
 * Turned down: the ids of a snapshot in place of the locks. Its xmax is one above the newest
 * transaction that has ended, not the next one to begin, so one that runs may have that very id and
 * is overlooked (tests/contract/ledger_suite_shared.c found it); and any transaction of the whole
 * server would hold the feed. A transaction's id in each row (8 bytes a row, and an order within a
 * sale that is not the stock's). A lock that writers share and the reader takes (it waits for the
 * slowest, and who comes after waits for it). Numbers that are drawn at the commit (a row that all
 * writers queue for).
 */
#include "ledger/change_rows.h"
#include "ledger/postgres/postgres_ledger.h"

#define MOVEMENT_COLUMNS                                                                                                         \
	"number, at_ms, cause, sale, lot, coalesce(order_id, movement_id), withdrawn, epoch, hold_expires_at_ms, actor, reason," \
	" on_hand, -held, -confirmed, left_units, refund"

static const char select_last[] = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM movements_number_seq";
/* $1: the candidate's. Whether one of them is there still; all that are there. */
static const char select_writers[] =
	"SELECT coalesce(bool_or(virtualtransaction = ANY(string_to_array($1, ' '))), false), coalesce(string_agg(virtualtransaction, ' '), '')"
	" FROM pg_locks WHERE locktype = 'relation' AND relation = 'penstock.movements'::regclass AND mode = 'RowExclusiveLock' AND granted"
	" AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
static const char select_row[] = "SELECT " MOVEMENT_COLUMNS " FROM movements WHERE number = $1";
/* $4: the horizon. */
static const char select_rows[] =
	"SELECT " PG_ORDER_COLUMNS ", sales.id, items.sku, sales.currency, orders.buyer_units, orders.limit_per_buyer, movement.*"
	" FROM (SELECT " MOVEMENT_COLUMNS
	", order_id FROM movements WHERE number > $1 AND number <= $4 AND at_ms >= $2 AND " CHANGE_ROWS
	"  ORDER BY number LIMIT $3) AS movement"
	"  (number, at_ms, cause, sale, lot, id, withdrawn, epoch, hold_expires_at_ms, actor, reason, on_hand, held, confirmed, left_units, refund, order_id)"
	" LEFT JOIN orders ON orders.sale = movement.sale AND orders.id = movement.order_id" PG_ORDER_PAYMENT
	" LEFT JOIN lots ON lots.sale = movement.sale AND lots.place = movement.lot"
	" LEFT JOIN sales ON sales.number = movement.sale LEFT JOIN items ON items.number = lots.item ORDER BY movement.number";
/* Of who asks for a time ($2): the last of all that were looked at. */
static const char select_end[] =
	"SELECT " MOVEMENT_COLUMNS " FROM movements WHERE $2::bigint > 0 AND number > $1 AND number <= $3 AND " CHANGE_ROWS
	" ORDER BY number DESC LIMIT 1";

enum { SALE_NAME = PG_ORDER_COLUMN_COUNT, SKU, CURRENCY, BUYER_UNITS, LIMIT_PER_BUYER, MOVEMENT };
enum { BEGAN, CURSOR, ROWS, END, ENDED, TRIP };

static struct change_row read_row(const PGresult *result, int row, int first)
{
	struct change_row read = {
		.number = pg_get_int(result, row, first),
		.at_ms = pg_get_int(result, row, first + 1),
		.cause = pg_get_int(result, row, first + 2),
		.sale = (uint32_t)pg_get_int(result, row, first + 3),
		.lot = (uint32_t)pg_get_int(result, row, first + 4),
		.withdrawn = (uint32_t)pg_get_int(result, row, first + 6),
		.epoch = (uint32_t)pg_get_int(result, row, first + 7),
		.hold_expires_at_ms = pg_get_int(result, row, first + 8),
		.on_hand = (uint32_t)pg_get_int(result, row, first + 11),
		.held = (uint32_t)pg_get_int(result, row, first + 12),
		.confirmed = (uint32_t)pg_get_int(result, row, first + 13),
		.left = (uint32_t)pg_get_int(result, row, first + 14),
	};

	pg_get_uuid(result, row, first + 5, &read.id);
	return read;
}

static int read_change(const PGresult *result, int row, struct ledger_change *change)
{
	struct change_row read = read_row(result, row, MOVEMENT);

	if (PQgetisnull(result, row, SALE_NAME) || PQgetisnull(result, row, SKU))
		return error_origin(-EUCLEAN);
	pg_order_read(result, row, &change->order);
	change->order.sale = read.sale;
	change->order.lot = read.lot;
	pg_get_text(result, row, SALE_NAME, change->order.sale_id, sizeof(change->order.sale_id));
	pg_get_text(result, row, SKU, change->order.sku, sizeof(change->order.sku));
	pg_get_text(result, row, CURRENCY, change->order.currency, sizeof(change->order.currency));
	change->buyer_units = (uint32_t)pg_get_int(result, row, BUYER_UNITS);
	change->limit_per_buyer = (uint32_t)pg_get_int(result, row, LIMIT_PER_BUYER);
	pg_get_text(result, row, MOVEMENT + 9, change->actor, sizeof(change->actor));
	pg_get_text(result, row, MOVEMENT + 10, change->reason, sizeof(change->reason));
	pg_get_text(result, row, MOVEMENT + 15, change->refund, sizeof(change->refund));
	return change_row_read(&read, change);
}

/* 0, LEDGER_NOT_FOUND: the cursor is another ledger's, or negative. */
static int take_rows(PGresult *const results[static TRIP], const struct ledger_cursor *after, struct ledger_change *changes,
		     size_t *count, struct ledger_cursor *next)
{
	int end = 0;

	*next = *after;
	if (after->number) {
		struct change_row row;

		if (PQntuples(results[CURSOR]) != 1)
			return LEDGER_NOT_FOUND;
		row = read_row(results[CURSOR], 0, 0);
		if (change_row_mark(&row) != after->mark)
			return LEDGER_NOT_FOUND;
	}
	for (int row = 0; row < PQntuples(results[ROWS]) && end == 0; row++) {
		end = read_change(results[ROWS], row, &changes[*count]);
		*count += end == 0;
	}
	if (*count) {
		*next = changes[*count - 1].at;
	} else if (PQntuples(results[END]) == 1) {
		struct change_row last = read_row(results[END], 0, 0);

		*next = (struct ledger_cursor){last.number, change_row_mark(&last)};
	}
	return end;
}

/* Looks how far the feed may be read now; what is read must be a later snapshot's. */
static int move_horizon(struct pg_connection *connection, struct pg_horizon *horizon)
{
	struct pg_params params = {0};
	PGresult *results[2];
	struct slice writers;
	bool held;
	int64_t last;
	int end;

	pg_put_text(&params, slice_of(horizon->writers));
	pg_add(connection, select_last, NULL);
	pg_add(connection, select_writers, &params);
	end = pg_outcome(pg_run(connection, results), -EIO);
	if (end < 0)
		return end;
	last = pg_get_int(results[0], 0, 0);
	held = pg_get_int(results[1], 0, 0) != 0;
	writers = pg_get_slice(results[1], 0, 1);
	if (!held && horizon->candidate > horizon->safe)
		horizon->safe = horizon->candidate;
	if (writers.size == 0 && last > horizon->safe)
		horizon->safe = last;
	/* So many that there is no room for them: the next look finds fewer, or others. */
	if (!held && writers.size < sizeof(horizon->writers)) {
		horizon->candidate = last;
		memcpy(horizon->writers, writers.data, writers.size);
		horizon->writers[writers.size] = '\0';
	}
	pg_clear(results, 2);
	return 0;
}

static int read_changes(struct pg_reader *reader, const struct ledger_change_filter *filter, struct ledger_change *changes,
			size_t max, size_t *count, struct ledger_cursor *next)
{
	struct pg_connection *connection = &reader->connection;
	struct pg_params cursor = {0}, params = {0}, all = {0};
	PGresult *results[TRIP];
	int end = move_horizon(connection, &reader->horizon);

	if (end < 0)
		return end;
	pg_put_int(&cursor, filter->after.number);
	pg_put_int(&params, filter->after.number);
	pg_put_int(&params, filter->since_ms);
	pg_put_int(&params, (int64_t)max);
	pg_put_int(&params, reader->horizon.safe);
	pg_put_int(&all, filter->after.number);
	pg_put_int(&all, filter->since_ms);
	pg_put_int(&all, reader->horizon.safe);
	pg_add(connection, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", NULL);
	pg_add(connection, select_row, &cursor);
	pg_add(connection, select_rows, &params);
	pg_add(connection, select_end, &all);
	pg_add(connection, "COMMIT", NULL);
	end = pg_outcome(pg_run(connection, results), -EIO);
	if (end < 0)
		return end;
	end = take_rows(results, &filter->after, changes, count, next);
	pg_clear(results, TRIP);
	return end;
}

int postgres_changes(struct ledger *base, const struct ledger_change_filter *filter, struct ledger_change *changes, size_t max,
		     size_t *count, struct ledger_cursor *next)
{
	struct postgres_ledger *ledger = postgres_ledger_of(base);
	struct pg_reader *reader;
	int end = -ENOTCONN;

	/* As often as a connection may have died while it lay idle. */
	for (int tries = 0; tries <= LEDGER_READERS_MAX && end == -ENOTCONN; tries++) {
		*count = 0;
		end = pg_reader_begin(ledger, &reader);
		if (end < 0)
			return end;
		end = pg_reader_end(ledger, reader, read_changes(reader, filter, changes, max, count, next));
	}
	return end;
}
