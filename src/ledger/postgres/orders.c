/*
 * Reading orders: one by its id, which ends in its sale's number, or many in the order of their
 * ids. Within a sale that is the order of the key: nothing is sorted, and a page begins where the
 * one before it ended. A page of all sales takes the first of each and sorts those. A buyer's
 * orders are found by filters that no order writes (004_shop.sql); a state looks at every order
 * behind `after`.
 */
#include "ledger/postgres/postgres_ledger.h"

#define ORDER_COLUMNS PG_ORDER_COLUMNS ", sales.id, items.sku, sales.currency"
#define ORDER_TABLES                                                             \
	" LEFT JOIN lots ON lots.sale = orders.sale AND lots.place = orders.lot" \
	" LEFT JOIN sales ON sales.number = orders.sale LEFT JOIN items ON items.number = lots.item" PG_ORDER_PAYMENT

static const char select_order[] = "SELECT " ORDER_COLUMNS " FROM orders" ORDER_TABLES " WHERE orders.sale = $2 AND orders.id = $1";
/*
 * The page first, its names after: whatever the planner thinks of the tables' sizes, it does not
 * join what it will not give.
 */
static const char select_orders[] =
	"SELECT " ORDER_COLUMNS " FROM (SELECT one.* FROM sales AS every CROSS JOIN LATERAL"
	" (SELECT * FROM orders WHERE sale = every.number AND id > $1 AND ($3 = 0 OR state = $3)"
	"  ORDER BY id LIMIT $2) AS one ORDER BY one.id LIMIT $2) AS orders" ORDER_TABLES " ORDER BY orders.id";
static const char select_of_sale[] =
	"SELECT " ORDER_COLUMNS " FROM (SELECT * FROM orders WHERE sale = $4 AND id > $1 AND ($3 = 0 OR state = $3)"
	" ORDER BY id LIMIT $2) AS orders" ORDER_TABLES " ORDER BY orders.id";

static const char select_of_buyer[] =
	"SELECT " ORDER_COLUMNS
	" FROM (SELECT * FROM orders_of_buyer($4) WHERE ($5 = 0 OR sale = $5) AND id > $1 AND ($3 = 0 OR state = $3)"
	" ORDER BY id LIMIT $2) AS orders" ORDER_TABLES " ORDER BY orders.id";

/* The few orders that a payment is for, found by its reference. */
static const char select_paid[] =
	"SELECT " ORDER_COLUMNS
	" FROM (SELECT orders.* FROM payments JOIN orders ON orders.sale = payments.sale AND orders.id = payments.order_id"
	" WHERE payments.reference = $6 AND ($7 = '' OR orders.reference = $7) AND ($5 = 0 OR orders.sale = $5) AND id > $1 AND ($3 = 0 OR state = $3) AND ($4 = '' OR buyer = $4)"
	" ORDER BY id LIMIT $2) AS orders" ORDER_TABLES " ORDER BY orders.id";
/* Those with the shop's own name: the same. */
static const char select_named[] =
	"SELECT " ORDER_COLUMNS
	" FROM (SELECT * FROM orders WHERE reference = $6 AND $7 = '' AND ($5 = 0 OR sale = $5) AND id > $1 AND ($3 = 0 OR state = $3)"
	" AND ($4 = '' OR buyer = $4) ORDER BY id LIMIT $2) AS orders" ORDER_TABLES " ORDER BY orders.id";

const char pg_orders_of_sale[] =
	"SELECT " PG_ORDER_COLUMNS " FROM (SELECT * FROM orders WHERE sale = $1 AND id > $2 ORDER BY id LIMIT $3)"
	" AS orders" PG_ORDER_PAYMENT " ORDER BY orders.id";

enum { PAYMENT_COLUMN = PG_ORDER_COLUMN_COUNT - 5 };

static void read_payment(const PGresult *result, int row, struct ledger_order *order)
{
	struct payment_row *payment = &order->payment;

	if (PQgetisnull(result, row, PAYMENT_COLUMN))
		return;
	pg_get_text(result, row, PAYMENT_COLUMN, payment->reference, sizeof(payment->reference));
	payment->amount =
		PQgetisnull(result, row, PAYMENT_COLUMN + 1) ? PAYMENT_NO_AMOUNT : pg_get_int(result, row, PAYMENT_COLUMN + 1);
	pg_get_text(result, row, PAYMENT_COLUMN + 2, payment->currency, sizeof(payment->currency));
	pg_get_text(result, row, PAYMENT_COLUMN + 3, payment->method, sizeof(payment->method));
	order->paid_at_ms = pg_get_int(result, row, PAYMENT_COLUMN + 4);
}

void pg_order_read(const PGresult *result, int row, struct ledger_order *order)
{
	*order = (struct ledger_order){0};
	pg_get_uuid(result, row, 0, &order->id);
	order->sale = (uint32_t)pg_get_int(result, row, 1);
	order->lot = (uint32_t)pg_get_int(result, row, 2);
	order->quantity = (uint32_t)pg_get_int(result, row, 3);
	order->epoch = (uint32_t)pg_get_int(result, row, 4);
	order->state = (enum order_state)pg_get_int(result, row, 5);
	order->placed_at_ms = pg_get_int(result, row, 6);
	order->changed_at_ms = pg_get_int(result, row, 7);
	order->hold_expires_at_ms = pg_get_int(result, row, 8);
	order->first_hold_expires_at_ms = pg_get_int(result, row, 9);
	pg_get_text(result, row, 10, order->buyer, sizeof(order->buyer));
	pg_get_text(result, row, 11, order->trace, sizeof(order->trace));
	pg_get_text(result, row, 12, order->key, sizeof(order->key));
	order->priced = !PQgetisnull(result, row, 13);
	order->unit_price = pg_get_int(result, row, 13);
	pg_get_text(result, row, 14, order->reference, sizeof(order->reference));
	pg_get_text(result, row, 15, order->metadata, sizeof(order->metadata));
	order->confirmed_at_ms = pg_get_int(result, row, 16);
	pg_get_text(result, row, 17, order->actor, sizeof(order->actor));
	pg_get_text(result, row, 18, order->reason, sizeof(order->reason));
	order->first_quantity = (uint32_t)pg_get_int(result, row, 19);
	order->withdrawn = (uint32_t)pg_get_int(result, row, 20);
	ledger_order_actor(order);
	read_payment(result, row, order);
}

/* With the names of sale and item. 0, or negative where the order's lot is not there. */
static int read_order(const PGresult *result, int row, struct ledger_order *order)
{
	if (PQgetisnull(result, row, PG_ORDER_COLUMN_COUNT) || PQgetisnull(result, row, PG_ORDER_COLUMN_COUNT + 1))
		return error_origin(-EUCLEAN);
	pg_order_read(result, row, order);
	pg_get_text(result, row, PG_ORDER_COLUMN_COUNT, order->sale_id, sizeof(order->sale_id));
	pg_get_text(result, row, PG_ORDER_COLUMN_COUNT + 1, order->sku, sizeof(order->sku));
	pg_get_text(result, row, PG_ORDER_COLUMN_COUNT + 2, order->currency, sizeof(order->currency));
	return 0;
}

int postgres_order_get(struct ledger *base, const struct uuid *id, struct ledger_order *order)
{
	struct pg_params params = {0};
	PGresult *result;
	int end;

	pg_put_uuid(&params, id);
	pg_put_int(&params, uuid_tag(id));
	end = pg_read(postgres_ledger_of(base), PG_TRIP_ROW, select_order, &params, &result);
	if (end < 0)
		return end;
	end = PQntuples(result) == 0 ? LEDGER_NOT_FOUND : read_order(result, 0, order);
	PQclear(result);
	return end;
}

static const char *statement_of(const struct ledger_order_filter *filter)
{
	if (filter->payment.size)
		return select_paid;
	if (filter->reference.size)
		return select_named;
	if (filter->buyer.size)
		return select_of_buyer;
	return filter->sale ? select_of_sale : select_orders;
}

int postgres_orders(struct ledger *base, const struct ledger_order_filter *filter, struct ledger_order *orders, size_t max,
		    size_t *count)
{
	bool indexed = filter->payment.size || filter->reference.size;
	struct pg_params params = {0};
	PGresult *result;
	int end;

	*count = 0;
	pg_put_uuid(&params, &filter->after);
	pg_put_int(&params, (int64_t)max);
	pg_put_int(&params, filter->state);
	if (filter->buyer.size || indexed)
		pg_put_text(&params, filter->buyer);
	if (filter->sale || filter->buyer.size || indexed)
		pg_put_int(&params, filter->sale);
	if (indexed)
		pg_put_text(&params, filter->payment.size ? filter->payment : filter->reference);
	if (indexed)
		pg_put_text(&params, filter->payment.size ? filter->reference : SLICE(""));
	end = pg_read(postgres_ledger_of(base), PG_TRIP_ROWS, statement_of(filter), &params, &result);
	if (end < 0)
		return end;
	for (int row = 0; row < PQntuples(result) && end == 0; row++) {
		end = read_order(result, row, &orders[*count]);
		*count += end == 0;
	}
	PQclear(result);
	return end;
}
