/*
 * The audit: every promise recomputed from the rows, in one read transaction, so that a running writer does not blur it. It trusts no balance and
 * no constraint: what the writer keeps up to date is held against the sum of what it has written down.
 *
 *   P1  for every lot, the units of its live orders, and its balance, against what was allocated and not withdrawn; orders of no lot
 *   P2  every order's movements (exactly one that reserved it; their sum is what its state says) and every movement's order
 *   P3  every buyer's live units in a sale against the limit that they were granted under; every key's orders
 *   P4  every lot's and item's balance against the sum of its movements; no balance below zero
 *   and the hash chain of the operator log
 */
#include <stdarg.h>
#include <stdio.h>
#include "ledger/sqlite_private.h"

__attribute__((format(printf, 2, 3))) static void note(struct ledger_audit *audit, const char *format, ...)
{
	va_list arguments;

	if (audit->first[0])
		return;
	va_start(arguments, format);
	vsnprintf(audit->first, sizeof(audit->first), format, arguments);
	va_end(arguments);
}

static long long number(sqlite3_stmt *statement, int column)
{
	return (long long)sqlite3_column_int64(statement, column);
}

static const char *text(sqlite3_stmt *statement, int column)
{
	const char *value = (const char *)sqlite3_column_text(statement, column);

	return value ? value : "";
}

/* Runs `sql` and hands each row over. */
static int each_row(struct connection *connection, const char *sql, void (*row)(sqlite3_stmt *, struct ledger_audit *),
		    struct ledger_audit *audit)
{
	sqlite3_stmt *statement;
	int result = connection_prepare(connection, sql, &statement);

	if (result < 0)
		return result;
	while ((result = step_row(connection, statement)) == STEP_ROW)
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
	int64_t count = number(statement, 1);

	audit->orders += count;
	switch (number(statement, 0)) {
	case ORDER_HELD:
		audit->held = count;
		break;
	case ORDER_CONFIRMED:
		audit->confirmed = count;
		break;
	case ORDER_CANCELLED:
		audit->cancelled = count;
		break;
	case ORDER_EXPIRED:
		audit->expired = count;
		break;
	default:
		audit->p2_broken += count;
		note(audit, "P2: %lld orders are in a state that does not exist (%lld)", (long long)count, number(statement, 0));
	}
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

/* One of a lot's balances against what it must be. */
static bool differs(sqlite3_stmt *statement, struct ledger_audit *audit, const char *what, int balance, int must_be, const char *by)
{
	if (number(statement, balance) == number(statement, must_be))
		return false;
	note(audit, "P4: lot %s of sale %s says %lld units %s, but its %s come to %lld", text(statement, 1), text(statement, 0),
	     number(statement, balance), what, by, number(statement, must_be));
	return true;
}

static void lots_row(sqlite3_stmt *statement, struct ledger_audit *audit)
{
	long long allocated = number(statement, 2), held = number(statement, 3), confirmed = number(statement, 4);
	long long withdrawn = number(statement, 5), live = number(statement, 6) + number(statement, 7);
	bool broken;

	audit->units_allocated += allocated;
	audit->units_held += held;
	audit->units_confirmed += confirmed;
	audit->units_withdrawn += withdrawn;
	audit->units_available += allocated - held - confirmed - withdrawn;
	if (live > allocated - withdrawn || held + confirmed > allocated - withdrawn) {
		audit->p1_broken++;
		note(audit, "P1: lot %s of sale %s has %lld units in live orders (%lld by balance), but only %lld to sell",
		     text(statement, 1), text(statement, 0), live, held + confirmed, allocated - withdrawn);
	}
	broken = held < 0 || confirmed < 0 || withdrawn < 0;
	if (broken)
		note(audit, "P4: lot %s of sale %s has a balance below zero", text(statement, 1), text(statement, 0));
	broken |= differs(statement, audit, "held", 3, 6, "orders");
	broken |= differs(statement, audit, "confirmed", 4, 7, "orders");
	broken |= differs(statement, audit, "allocated", 2, 8, "movements");
	broken |= differs(statement, audit, "held", 3, 9, "movements");
	broken |= differs(statement, audit, "confirmed", 4, 10, "movements");
	broken |= differs(statement, audit, "withdrawn", 5, 11, "movements");
	audit->p4_broken += broken;
}

static const char lotless_sql[] = "SELECT sale, lot, count(*) FROM (SELECT sale, lot FROM orders"
				  " UNION ALL SELECT sale, lot FROM movements WHERE sale IS NOT NULL)"
				  " WHERE (sale, lot) NOT IN (SELECT sale, place FROM lots) GROUP BY sale, lot";

static void lotless_row(sqlite3_stmt *statement, struct ledger_audit *audit)
{
	audit->p1_broken++;
	note(audit, "P1: there is no lot %lld of sale %lld, but %lld orders or movements of it", number(statement, 1),
	     number(statement, 0), number(statement, 2));
}

/* --- P2 --- */

/* Orders and their movements side by side, by id: what an order's state says, less what its movements say, must come to nothing. */
static const char books_sql[] =
	"SELECT hex(id), sum(orders), sum(reserves), sum(held), sum(confirmed), min(sale) = max(sale) AND min(lot) = max(lot) FROM ("
	" SELECT id, 1 AS orders, 0 AS reserves, iif(state = 1, quantity, 0) AS held, iif(state = 2, quantity, 0) AS confirmed, sale, lot"
	"  FROM orders"
	" UNION ALL"
	" SELECT order_id, 0, cause = 5, -held, -confirmed, sale, lot FROM movements WHERE order_id IS NOT NULL)"
	" GROUP BY id HAVING sum(orders) <> 1 OR sum(reserves) <> 1 OR sum(held) <> 0 OR sum(confirmed) <> 0"
	" OR min(sale) <> max(sale) OR min(lot) <> max(lot)";

static void books_row(sqlite3_stmt *statement, struct ledger_audit *audit)
{
	audit->p2_broken++;
	if (number(statement, 1) == 0)
		note(audit, "P2: order %s has movements, but no row", text(statement, 0));
	else if (number(statement, 2) == 0)
		note(audit, "P2: order %s has no movement that reserved its units", text(statement, 0));
	else if (number(statement, 2) > 1)
		note(audit, "P2: order %s was reserved %lld times", text(statement, 0), number(statement, 2));
	else if (!number(statement, 5))
		note(audit, "P2: order %s and its movements are of different lots", text(statement, 0));
	else
		note(audit, "P2: the state of order %s is not what its movements say", text(statement, 0));
}

/* --- P3 --- */

static const char buyers_sql[] =
	"SELECT coalesce(sales.id, 'sale ' || o.sale), o.buyer, o.units, o.most FROM"
	" (SELECT sale, buyer, sum(quantity) AS units, max(limit_per_buyer) AS most FROM orders WHERE state IN (1, 2)"
	"  GROUP BY sale, buyer HAVING sum(quantity) > max(limit_per_buyer)) AS o LEFT JOIN sales ON sales.number = o.sale";

static void buyers_row(sqlite3_stmt *statement, struct ledger_audit *audit)
{
	audit->p3_broken++;
	note(audit, "P3: buyer %s has %lld live units of sale %s, above the limit of %lld", text(statement, 1),
	     number(statement, 2), text(statement, 0), number(statement, 3));
}

static const char keys_sql[] =
	"SELECT orders.sale, orders.buyer, idempotency_keys.key, count(*) FROM idempotency_keys"
	" LEFT JOIN orders ON orders.id = idempotency_keys.order_id"
	" GROUP BY orders.sale, orders.buyer, idempotency_keys.key HAVING count(*) > 1 OR orders.sale IS NULL";

static void keys_row(sqlite3_stmt *statement, struct ledger_audit *audit)
{
	audit->p3_broken++;
	if (sqlite3_column_type(statement, 0) == SQLITE_NULL)
		note(audit, "P3: an idempotency key has no order: %s", text(statement, 2));
	else
		note(audit, "P3: one idempotency key of buyer %s has %lld orders: %s", text(statement, 1), number(statement, 3),
		     text(statement, 2));
}

/* --- P4, the items' half --- */

static const char items_sql[] =
	"SELECT items.sku, items.on_hand, coalesce(m.on_hand, 0) FROM items"
	" LEFT JOIN (SELECT item, sum(on_hand) AS on_hand FROM movements WHERE item IS NOT NULL GROUP BY item) AS m"
	" ON m.item = items.number WHERE items.on_hand < 0 OR items.on_hand <> coalesce(m.on_hand, 0)";

static void items_row(sqlite3_stmt *statement, struct ledger_audit *audit)
{
	audit->p4_broken++;
	note(audit, "P4: item %s says %lld units on hand, but its movements come to %lld", text(statement, 0),
	     number(statement, 1), number(statement, 2));
}

static int run(struct connection *connection, struct ledger_audit *audit)
{
	static const struct {
		const char *sql;
		void (*row)(sqlite3_stmt *, struct ledger_audit *);
	} steps[] = {
		{counts_sql, counts_row}, {states_sql, states_row}, {lots_sql, lots_row}, {lotless_sql, lotless_row},
		{books_sql, books_row},   {buyers_sql, buyers_row}, {keys_sql, keys_row}, {items_sql, items_row},
	};
	int result = connection_run(connection, "BEGIN");

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && result == 0; i++)
		result = each_row(connection, steps[i].sql, steps[i].row, audit);
	if (result == 0)
		result = log_verify(connection, &audit->log_rows, &audit->log_broken, audit->first, sizeof(audit->first));
	return result < 0 ? result : connection_run(connection, "COMMIT");
}

int sqlite_audit(struct ledger *base, struct ledger_audit *audit)
{
	struct sqlite_ledger *ledger = sqlite_ledger_of(base);
	struct reader *reader;
	int result = reader_begin(ledger, &reader);

	*audit = (struct ledger_audit){0};
	if (result < 0)
		return result;
	return reader_end(ledger, reader, run(&reader->connection, audit));
}
