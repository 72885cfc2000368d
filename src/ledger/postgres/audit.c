/*
 * The audit: every promise recomputed from the rows, in one read transaction, so that a running
 * writer does not blur it. It trusts no balance and no constraint: what the writer keeps up to date
 * is held against the sum of what it has written down. What makes a promise broken is in
 * audit_rules.h; here are the sums. The hash chain of the operator log is followed in the same
 * transaction.
 */
#include <stdio.h>
#include "ledger/audit_rules.h"
#include "ledger/postgres/postgres_ledger.h"

enum { LOG_PAGE = 10000 };

/* A column as text, until the next one of the same row's `place`. */
static const char *text(const PGresult *result, int row, int column, int place)
{
	static _Thread_local char texts[3][NAME_MAX_BYTES + 1];

	pg_get_text(result, row, column, texts[place], sizeof(texts[place]));
	return texts[place];
}

static const char counts_sql[] = "SELECT (SELECT count(*) FROM sales), (SELECT count(*) FROM lots), (SELECT count(*) FROM movements),"
				 " (SELECT count(*) FROM dead_letters)";

static void counts_row(const PGresult *result, int row, struct ledger_audit *audit)
{
	audit->sales = pg_get_int(result, row, 0);
	audit->lots = pg_get_int(result, row, 1);
	audit->movements = pg_get_int(result, row, 2);
	audit->dead_letters = pg_get_int(result, row, 3);
}

static const char states_sql[] = "SELECT state, count(*) FROM orders GROUP BY state";

static void states_row(const PGresult *result, int row, struct ledger_audit *audit)
{
	audit_state(audit, pg_get_int(result, row, 0), pg_get_int(result, row, 1));
}

/* --- P1 and the lots' half of P4 --- */

static const char lots_sql[] =
	"SELECT coalesce(sales.id, 'sale ' || lots.sale), coalesce(items.sku, 'item ' || lots.item),"
	" lots.allocated, lots.held, lots.confirmed, lots.withdrawn,"
	" coalesce(o.held, 0)::bigint, coalesce(o.confirmed, 0)::bigint, coalesce(m.allocated, 0)::bigint, coalesce(m.held, 0)::bigint,"
	" coalesce(m.confirmed, 0)::bigint, coalesce(m.withdrawn, 0)::bigint"
	" FROM lots LEFT JOIN sales ON sales.number = lots.sale LEFT JOIN items ON items.number = lots.item"
	" LEFT JOIN (SELECT sale, lot, sum(quantity) FILTER (WHERE state = 1) AS held,"
	"   sum(quantity) FILTER (WHERE state = 2) AS confirmed FROM orders GROUP BY sale, lot) AS o"
	"   ON o.sale = lots.sale AND o.lot = lots.place"
	" LEFT JOIN (SELECT sale, lot, sum(allocated) AS allocated, sum(held) AS held, sum(confirmed) AS confirmed,"
	"   sum(withdrawn) AS withdrawn FROM movements WHERE sale IS NOT NULL GROUP BY sale, lot) AS m"
	"   ON m.sale = lots.sale AND m.lot = lots.place"
	" ORDER BY lots.sale, lots.place";

static void lots_row(const PGresult *result, int row, struct ledger_audit *audit)
{
	const struct audit_lot lot = {
		.sale = text(result, row, 0, 0),
		.sku = text(result, row, 1, 1),
		.allocated = pg_get_int(result, row, 2),
		.held = pg_get_int(result, row, 3),
		.confirmed = pg_get_int(result, row, 4),
		.withdrawn = pg_get_int(result, row, 5),
		.orders_held = pg_get_int(result, row, 6),
		.orders_confirmed = pg_get_int(result, row, 7),
		.moved_allocated = pg_get_int(result, row, 8),
		.moved_held = pg_get_int(result, row, 9),
		.moved_confirmed = pg_get_int(result, row, 10),
		.moved_withdrawn = pg_get_int(result, row, 11),
	};

	audit_lot(audit, &lot);
}

static const char lotless_sql[] =
	"SELECT sale, lot, count(*) FROM (SELECT sale, lot FROM orders"
	" UNION ALL SELECT sale, lot FROM movements WHERE sale IS NOT NULL) AS rows"
	" WHERE NOT EXISTS (SELECT FROM lots WHERE lots.sale = rows.sale AND lots.place = rows.lot) GROUP BY sale, lot";

static void lotless_row(const PGresult *result, int row, struct ledger_audit *audit)
{
	audit_lotless(audit, pg_get_int(result, row, 0), pg_get_int(result, row, 1), pg_get_int(result, row, 2));
}

/* --- P2 --- */

/*
 * Orders and their movements side by side, by id: what an order's state says, less what its
 * movements say, must come to nothing.
 */
static const char books_sql[] =
	"SELECT id::text, sum(orders), sum(reserves), min(sale) = max(sale) AND min(lot) = max(lot) FROM ("
	" SELECT id, 1 AS orders, 0 AS reserves, CASE state WHEN 1 THEN quantity ELSE 0 END AS held,"
	"  CASE state WHEN 2 THEN quantity ELSE 0 END AS confirmed, sale, lot, coalesce(withdrawn_units, 0) AS withdrawn FROM orders"
	" UNION ALL"
	" SELECT order_id, 0, (cause = 5)::integer, -held, -confirmed, sale, lot, -withdrawn FROM movements WHERE order_id IS NOT NULL) AS rows"
	" GROUP BY id HAVING sum(orders) <> 1 OR sum(reserves) <> 1 OR sum(held) <> 0 OR sum(confirmed) <> 0 OR sum(withdrawn) <> 0"
	" OR min(sale) <> max(sale) OR min(lot) <> max(lot)";

static void books_row(const PGresult *result, int row, struct ledger_audit *audit)
{
	const struct audit_books books = {text(result, row, 0, 0), pg_get_int(result, row, 1), pg_get_int(result, row, 2),
					  pg_get_int(result, row, 3) != 0};

	audit_books(audit, &books);
}

static const char dead_sql[] = "SELECT number, event FROM dead_letters ORDER BY number";

static void dead_row(const PGresult *result, int row, struct ledger_audit *audit)
{
	audit_dead_letter(audit, pg_get_int(result, row, 0), pg_get_slice(result, row, 1));
}

/* --- P3 --- */

static const char buyers_sql[] =
	"SELECT coalesce(sales.id, 'sale ' || o.sale), o.buyer, o.units, o.most FROM"
	" (SELECT sale, buyer, sum(quantity) AS units, max(limit_per_buyer) AS most FROM orders WHERE state IN (1, 2)"
	"  GROUP BY sale, buyer HAVING sum(quantity) > max(limit_per_buyer)) AS o LEFT JOIN sales ON sales.number = o.sale";

static void buyers_row(const PGresult *result, int row, struct ledger_audit *audit)
{
	audit_buyer(audit, text(result, row, 0, 0), text(result, row, 1, 1), pg_get_int(result, row, 2), pg_get_int(result, row, 3));
}

static const char keys_sql[] = "SELECT buyer, key, count(*) FROM orders WHERE key IS NOT NULL"
			       " GROUP BY sale, buyer, key HAVING count(*) > 1";

static void keys_row(const PGresult *result, int row, struct ledger_audit *audit)
{
	audit_key(audit, text(result, row, 0, 0), text(result, row, 1, 1), pg_get_int(result, row, 2));
}

/* --- P4, the items' half --- */

static const char items_sql[] =
	"SELECT items.sku, items.on_hand, coalesce(m.on_hand, 0)::bigint FROM items"
	" LEFT JOIN (SELECT item, sum(on_hand) AS on_hand FROM movements WHERE item IS NOT NULL GROUP BY item) AS m"
	" ON m.item = items.number WHERE items.on_hand < 0 OR items.on_hand <> coalesce(m.on_hand, 0)";

static void items_row(const PGresult *result, int row, struct ledger_audit *audit)
{
	audit_item(audit, text(result, row, 0, 0), pg_get_int(result, row, 1), pg_get_int(result, row, 2));
}

/* Units that leave an order and are withdrawn: all are on hand, or gone. */
static const char gone_sql[] =
	"SELECT coalesce(sum(withdrawn - on_hand), 0)::bigint, count(*) FILTER (WHERE withdrawn <> -(held + confirmed) OR on_hand NOT IN (0, withdrawn))"
	" FROM movements WHERE order_id IS NOT NULL AND (withdrawn <> 0 OR on_hand <> 0)";

static void gone_row(const PGresult *result, int row, struct ledger_audit *audit)
{
	audit_gone(audit, pg_get_int(result, row, 0), pg_get_int(result, row, 1));
}

/* --- What a rebuild has armed --- */

static void unequal_row(const PGresult *result, int row, struct ledger_audit *audit)
{
	struct ledger_unequal_lot lot;

	pg_unequal_lot_read(result, row, &lot);
	audit_unequal(audit, &lot);
}

/* --- The operator log --- */

static const char log_sql[] = "SELECT number, at_ms, actor, action, subject, detail, trace, hash FROM operator_log"
			      " WHERE number > $1 ORDER BY number LIMIT $2";

static int follow_page(const PGresult *result, struct log_follower *follower)
{
	struct log_fields row;
	int end = 0;

	for (int i = 0; i < PQntuples(result) && end == 0; i++) {
		row = (struct log_fields){pg_get_int(result, i, 0),   pg_get_int(result, i, 1),   pg_get_slice(result, i, 2),
					  pg_get_slice(result, i, 3), pg_get_slice(result, i, 4), pg_get_slice(result, i, 5),
					  pg_get_slice(result, i, 6)};
		end = log_follow(follower, &row, pg_get_slice(result, i, 7));
	}
	return end;
}

static int verify_log(struct pg_connection *connection, struct ledger_audit *audit)
{
	struct log_follower follower;
	struct pg_log_head head;
	PGresult *result;
	int end, rows;

	log_follow_start(&follower, audit->first, sizeof(audit->first));
	do {
		struct pg_params params = {0};

		pg_put_int(&params, follower.last);
		pg_put_int(&params, LOG_PAGE);
		end = pg_outcome(pg_query(connection, log_sql, &params, &result), -EIO);
		if (end < 0)
			return end;
		rows = PQntuples(result);
		end = follow_page(result, &follower);
		PQclear(result);
	} while (end == 0 && rows == LOG_PAGE);
	if (end == 0)
		end = pg_outcome(pg_query(connection, pg_log_head_sql, NULL, &result), -EIO);
	if (end < 0)
		return end;
	pg_log_head_read(result, &head);
	PQclear(result);
	log_follow_end(&follower, head.number);
	audit->log_rows = follower.rows;
	audit->log_broken = follower.broken;
	return 0;
}

/* --- Payments --- */

static const char payments_sql[] = "SELECT count(*) FROM (SELECT FROM payments GROUP BY reference HAVING count(*) > 1) AS shared";

static void payments_row(const PGresult *result, int row, struct ledger_audit *audit)
{
	audit->shared_payments = pg_get_int(result, row, 0);
}

/* --- --- */

static int pg_audit_run(struct pg_connection *connection, struct ledger_audit *audit)
{
	static const struct {
		const char *sql;
		void (*row)(const PGresult *, int, struct ledger_audit *);
	} steps[] = {
		{counts_sql, counts_row},     {states_sql, states_row},
		{lots_sql, lots_row},         {lotless_sql, lotless_row},
		{books_sql, books_row},       {buyers_sql, buyers_row},
		{keys_sql, keys_row},         {items_sql, items_row},
		{dead_sql, dead_row},         {pg_unequal_lots_sql, unequal_row},
		{payments_sql, payments_row}, {gone_sql, gone_row},
	};
	PGresult *result;
	int end = pg_outcome(pg_do(connection, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", NULL), -EIO);

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && end == 0; i++) {
		end = pg_outcome(pg_query(connection, steps[i].sql, NULL, &result), -EIO);
		for (int row = 0; end == 0 && row < PQntuples(result); row++)
			steps[i].row(result, row, audit);
		PQclear(result);
	}
	if (end == 0)
		end = verify_log(connection, audit);
	return end < 0 ? end : pg_outcome(pg_do(connection, "COMMIT", NULL), -EIO);
}

int postgres_audit(struct ledger *base, struct ledger_audit *audit)
{
	struct postgres_ledger *ledger = postgres_ledger_of(base);
	struct pg_reader *reader;
	int result = -ENOTCONN;

	for (int tries = 0; tries <= LEDGER_READERS_MAX && result == -ENOTCONN; tries++) {
		*audit = (struct ledger_audit){0};
		result = pg_reader_begin(ledger, &reader);
		if (result < 0)
			return result;
		result = pg_reader_end(ledger, reader, pg_audit_run(&reader->connection, audit));
	}
	return result;
}

int postgres_payments_shared(struct ledger *base, int64_t *count)
{
	PGresult *result;
	int end = pg_read(postgres_ledger_of(base), PG_TRIP_ROWS, payments_sql, NULL, &result);

	if (end < 0)
		return end;
	*count = pg_get_int(result, 0, 0);
	PQclear(result);
	return 0;
}
