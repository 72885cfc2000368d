/*
 * The audit: every promise recomputed from the rows, in one read transaction, so that a running
 * writer does not blur it. It trusts no balance and no constraint: what the writer keeps up to date
 * is held against the sum of what it has written down. What makes a promise broken is in
 * audit_rules.h; here are the sums. The hash chain of the operator log is followed in the same
 * transaction.
 */
#include "ledger/audit_rules.h"
#include "ledger/sqlite/sqlite_ledger.h"

static int64_t number(sqlite3_stmt *statement, int column)
{
	return sqlite3_column_int64(statement, column);
}

static const char *text(sqlite3_stmt *statement, int column)
{
	const char *value = (const char *)sqlite3_column_text(statement, column);

	return value ? value : "";
}

/* Runs `sql` and hands each row over. */
static int each_row(struct sqlite_connection *connection, const char *sql, void (*row)(sqlite3_stmt *, struct ledger_audit *),
		    struct ledger_audit *audit)
{
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(connection, sql, &statement);

	if (result < 0)
		return result;
	while ((result = sqlite_step_row(connection, statement)) == STEP_ROW)
		row(statement, audit);
	return result;
}

static const char counts_sql[] = "SELECT (SELECT count(*) FROM sales), (SELECT count(*) FROM lots), (SELECT count(*) FROM movements),"
				 " (SELECT count(*) FROM dead_letters)";

static void counts_row(sqlite3_stmt *statement, struct ledger_audit *audit)
{
	audit->sales = number(statement, 0);
	audit->lots = number(statement, 1);
	audit->movements = number(statement, 2);
	audit->dead_letters = number(statement, 3);
}

static const char states_sql[] = "SELECT state, count(*) FROM orders GROUP BY state";

static void states_row(sqlite3_stmt *statement, struct ledger_audit *audit)
{
	audit_state(audit, number(statement, 0), number(statement, 1));
}

/* --- P1 and the lots' half of P4 --- */

static const char lots_sql[] =
	"SELECT coalesce(sales.id, 'sale ' || lots.sale), coalesce(items.sku, 'item ' || lots.item),"
	" lots.allocated, lots.held, lots.confirmed, lots.withdrawn,"
	" coalesce(o.held, 0), coalesce(o.confirmed, 0),"
	" coalesce(m.allocated, 0), coalesce(m.held, 0), coalesce(m.confirmed, 0), coalesce(m.withdrawn, 0)"
	" FROM lots LEFT JOIN sales ON sales.number = lots.sale LEFT JOIN items ON items.number = lots.item"
	" LEFT JOIN (SELECT sale, lot, sum(quantity) FILTER (WHERE state = 1) AS held,"
	"   sum(quantity) FILTER (WHERE state = 2) AS confirmed FROM orders GROUP BY sale, lot) AS o"
	"   ON o.sale = lots.sale AND o.lot = lots.place"
	" LEFT JOIN (SELECT sale, lot, sum(allocated) AS allocated, sum(held) AS held, sum(confirmed) AS confirmed,"
	"   sum(withdrawn) AS withdrawn FROM movements WHERE sale IS NOT NULL GROUP BY sale, lot) AS m"
	"   ON m.sale = lots.sale AND m.lot = lots.place"
	" ORDER BY lots.sale, lots.place";

static void lots_row(sqlite3_stmt *statement, struct ledger_audit *audit)
{
	const struct audit_lot lot = {
		.sale = text(statement, 0),
		.sku = text(statement, 1),
		.allocated = number(statement, 2),
		.held = number(statement, 3),
		.confirmed = number(statement, 4),
		.withdrawn = number(statement, 5),
		.orders_held = number(statement, 6),
		.orders_confirmed = number(statement, 7),
		.moved_allocated = number(statement, 8),
		.moved_held = number(statement, 9),
		.moved_confirmed = number(statement, 10),
		.moved_withdrawn = number(statement, 11),
	};

	audit_lot(audit, &lot);
}

static const char lotless_sql[] = "SELECT sale, lot, count(*) FROM (SELECT sale, lot FROM orders"
				  " UNION ALL SELECT sale, lot FROM movements WHERE sale IS NOT NULL)"
				  " WHERE (sale, lot) NOT IN (SELECT sale, place FROM lots) GROUP BY sale, lot";

static void lotless_row(sqlite3_stmt *statement, struct ledger_audit *audit)
{
	audit_lotless(audit, number(statement, 0), number(statement, 1), number(statement, 2));
}

/* --- P2 --- */

/*
 * Orders and their movements side by side, by id: what an order's state says, less what its
 * movements say, must come to nothing.
 */
static const char books_sql[] =
	"SELECT hex(id), sum(orders), sum(reserves), sum(held), sum(confirmed), min(sale) = max(sale) AND min(lot) = max(lot) FROM ("
	" SELECT id, 1 AS orders, 0 AS reserves, iif(state = 1, quantity, 0) AS held, iif(state = 2, quantity, 0) AS confirmed, sale, lot,"
	"  coalesce(withdrawn_units, 0) AS withdrawn FROM orders"
	" UNION ALL"
	" SELECT order_id, 0, cause = 5, -held, -confirmed, sale, lot, -withdrawn FROM movements WHERE order_id IS NOT NULL)"
	" GROUP BY id HAVING sum(orders) <> 1 OR sum(reserves) <> 1 OR sum(held) <> 0 OR sum(confirmed) <> 0 OR sum(withdrawn) <> 0"
	" OR min(sale) <> max(sale) OR min(lot) <> max(lot)";

static void books_row(sqlite3_stmt *statement, struct ledger_audit *audit)
{
	const struct audit_books books = {text(statement, 0), number(statement, 1), number(statement, 2), number(statement, 5)};

	audit_books(audit, &books);
}

/*
 * What the sales' rows come to, and the movements whose orders are not in them yet: see
 * sale_orders.h. First those that a reader finds, each once: an order's id in a row of its own
 * sale, in its turn, above the end of the row before and not above the end of its own.
 */
static const char listed_sql[] =
	"WITH RECURSIVE places(at) AS (SELECT 1 UNION ALL SELECT at + 16 FROM places WHERE at < 16 * 63),"
	" late(orders) AS (SELECT count(*) FROM movements WHERE number > (SELECT movement FROM sale_orders_end) AND cause = 5)"
	" SELECT (SELECT orders FROM late) + (SELECT count(*) FROM"
	"   (SELECT sale, ids, last, lag(last, 1, x'') OVER (PARTITION BY sale ORDER BY last) AS before FROM sale_orders) AS listed"
	"   CROSS JOIN places CROSS JOIN orders ON orders.id = substr(ids, at, 16) AND orders.sale = listed.sale"
	"   WHERE at < length(ids) AND id > before AND id <= last AND (at = 1 OR id > substr(ids, at - 16, 16))),"
	" (SELECT orders FROM late) + (SELECT coalesce(sum(length(ids)), 0) / 16 FROM sale_orders)";

static void listed_row(sqlite3_stmt *statement, struct ledger_audit *audit)
{
	audit_listed(audit, number(statement, 0), number(statement, 1));
}

static const char dead_sql[] = "SELECT number, event FROM dead_letters ORDER BY number";

static void dead_row(sqlite3_stmt *statement, struct ledger_audit *audit)
{
	audit_dead_letter(audit, number(statement, 0), sqlite_column_slice(statement, 1));
}

/* --- P3 --- */

static const char buyers_sql[] =
	"SELECT coalesce(sales.id, 'sale ' || o.sale), o.buyer, o.units, o.most FROM"
	" (SELECT sale, buyer, sum(quantity) AS units, max(limit_per_buyer) AS most FROM orders WHERE state IN (1, 2)"
	"  GROUP BY sale, buyer HAVING sum(quantity) > max(limit_per_buyer)) AS o LEFT JOIN sales ON sales.number = o.sale";

static void buyers_row(sqlite3_stmt *statement, struct ledger_audit *audit)
{
	audit_buyer(audit, text(statement, 0), text(statement, 1), number(statement, 2), number(statement, 3));
}

static const char keys_sql[] = "SELECT buyer, key, count(*) FROM orders WHERE key IS NOT NULL"
			       " GROUP BY sale, buyer, key HAVING count(*) > 1";

static void keys_row(sqlite3_stmt *statement, struct ledger_audit *audit)
{
	audit_key(audit, text(statement, 0), text(statement, 1), number(statement, 2));
}

/* --- P4, the items' half --- */

static const char items_sql[] =
	"SELECT items.sku, items.on_hand, coalesce(m.on_hand, 0) FROM items"
	" LEFT JOIN (SELECT item, sum(on_hand) AS on_hand FROM movements WHERE item IS NOT NULL GROUP BY item) AS m"
	" ON m.item = items.number WHERE items.on_hand < 0 OR items.on_hand <> coalesce(m.on_hand, 0)";

static void items_row(sqlite3_stmt *statement, struct ledger_audit *audit)
{
	audit_item(audit, text(statement, 0), number(statement, 1), number(statement, 2));
}

/* Units that leave an order and are withdrawn: all are on hand, or gone. */
static const char gone_sql[] =
	"SELECT coalesce(sum(withdrawn - on_hand), 0), count(*) FILTER (WHERE withdrawn <> -(held + confirmed) OR on_hand NOT IN (0, withdrawn))"
	" FROM movements WHERE order_id IS NOT NULL AND (withdrawn <> 0 OR on_hand <> 0)";

static void gone_row(sqlite3_stmt *statement, struct ledger_audit *audit)
{
	audit_gone(audit, number(statement, 0), number(statement, 1));
}

/* --- Payments --- */

static const char payments_sql[] = "SELECT count(*) FROM (SELECT 1 FROM payments GROUP BY reference HAVING count(*) > 1)";

static void payments_row(sqlite3_stmt *statement, struct ledger_audit *audit)
{
	audit->shared_payments = number(statement, 0);
}

/* --- What a rebuild has armed --- */

static void unequal_row(sqlite3_stmt *statement, struct ledger_audit *audit)
{
	struct ledger_unequal_lot lot;

	sqlite_unequal_lot_read(statement, &lot);
	audit_unequal(audit, &lot);
}

/* --- The file itself --- */

static const char damage_sql[] = "PRAGMA quick_check(1)";

static void damage_row(sqlite3_stmt *statement, struct ledger_audit *audit)
{
	audit_damage(audit, text(statement, 0));
}

static int sqlite_audit_run(struct sqlite_connection *connection, struct ledger_audit *audit)
{
	static const struct {
		const char *sql;
		void (*row)(sqlite3_stmt *, struct ledger_audit *);
	} steps[] = {
		{counts_sql, counts_row},   {states_sql, states_row}, {lots_sql, lots_row},
		{lotless_sql, lotless_row}, {books_sql, books_row},   {buyers_sql, buyers_row},
		{keys_sql, keys_row},       {items_sql, items_row},   {sqlite_unequal_lots_sql, unequal_row},
		{damage_sql, damage_row},   {dead_sql, dead_row},     {payments_sql, payments_row},
		{gone_sql, gone_row},       {listed_sql, listed_row},
	};
	int result = sqlite_connection_run(connection, "BEGIN");

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && result == 0; i++)
		result = each_row(connection, steps[i].sql, steps[i].row, audit);
	if (result == 0)
		result = sqlite_log_verify(connection, &audit->log_rows, &audit->log_broken, audit->first, sizeof(audit->first));
	return result < 0 ? result : sqlite_connection_run(connection, "COMMIT");
}

int sqlite_audit(struct ledger *base, struct ledger_audit *audit)
{
	struct sqlite_ledger *ledger = sqlite_ledger_of(base);
	struct sqlite_reader *reader;
	int result = sqlite_reader_begin(ledger, &reader);

	*audit = (struct ledger_audit){0};
	if (result < 0)
		return result;
	return sqlite_reader_end(ledger, reader, sqlite_audit_run(&reader->connection, audit));
}

int sqlite_payments_shared(struct ledger *base, int64_t *count)
{
	struct sqlite_ledger *ledger = sqlite_ledger_of(base);
	struct ledger_audit audit = {0};
	struct sqlite_reader *reader;
	int result = sqlite_reader_begin(ledger, &reader);

	if (result < 0)
		return result;
	result = sqlite_reader_end(ledger, reader, each_row(&reader->connection, payments_sql, payments_row, &audit));
	*count = audit.shared_payments;
	return result;
}
