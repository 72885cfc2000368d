#include "recovery/rebuild.h"

#include <stdlib.h>
#include "base/clock.h"
#include "base/log.h"
#include "core/preheat.h"

enum {
	SALES_PAGE = 256,
	ORDERS_PAGE = 4096, /* 3 MiB of rows at a time; freed when done */
};

int rebuild_begin(struct ledger *ledger, struct stock *stock, struct sale *sale, uint32_t above)
{
	int r = ledger->ops->sale_raise_epoch(ledger, sale->number, above, &sale->epoch);

	if (r)
		return r > 0 ? error_origin(-ESTALE) : r;
	return preheat_begin(stock, sale, sale->epoch);
}

/*
 * Every live sale goes into the catalog; those that were armed get an empty stock that waits for
 * their orders.
 */
static int begin_sales(struct ledger *ledger, struct stock *stock, struct sale_catalog *catalog, int64_t live_since_ms)
{
	struct sale *page[SALES_PAGE];
	uint32_t after = 0;
	size_t count;
	int r;

	do {
		r = ledger->ops->sales(ledger, after, live_since_ms, page, SALES_PAGE, &count);
		for (size_t i = 0; r == 0 && i < count; i++) {
			after = page[i]->number;
			if (sale_in_stock(page[i]))
				r = rebuild_begin(ledger, stock, page[i], 0);
			if (r == 0) {
				r = sale_catalog_put(catalog, page[i]);
				page[i] = NULL;
			}
		}
		for (size_t i = 0; i < count; i++)
			if (r && page[i])
				free(page[i]);
	} while (r == 0 && count == SALES_PAGE);
	return r;
}

static void to_load(const struct ledger_order *order, int64_t now_ms, struct stock_load *load)
{
	int64_t left_ms = order->hold_expires_at_ms - now_ms;

	*load = (struct stock_load){
		.id = order->id,
		.lot = order->lot,
		.quantity = order->quantity,
		.first_quantity = order->first_quantity,
		.state = order->state,
		.buyer = slice_of(order->buyer),
		.key = slice_of(order->key),
		.hold_expires_at_ms = order->hold_expires_at_ms,
		.first_hold_expires_at_ms = order->first_hold_expires_at_ms,
		.hold_left_ns = left_ms > 0 ? left_ms * 1000000 : 0,
		.paid = slice_of(order->payment.reference),
		.labels = labels_fingerprint(&(struct labels){slice_of(order->reference), slice_of(order->metadata)}),
	};
}

/* --- One sale --- */

struct sale_loading {
	struct stock *stock;
	struct stock_load *loads; /* ORDERS_PAGE */
	size_t orders;
	int64_t held[LOTS_MAX], confirmed[LOTS_MAX], withdrawn[LOTS_MAX];
};

static int load_part(struct sale_loading *loading, const struct sale *sale, const struct ledger_order *orders, size_t count)
{
	int64_t now_ms = clock_wall_ms(), now_ns = clock_mono_ns();

	for (size_t i = 0; i < count; i++) {
		const struct ledger_order *order = &orders[i];

		if (order->lot >= sale->lot_count)
			return error_origin(-EUCLEAN);
		to_load(order, now_ms, &loading->loads[i]);
		loading->loads[i].hold_left_ns -= (int64_t)(count - i); /* of those that end at once, the older ones first */
		loading->withdrawn[order->lot] += order->withdrawn;
		loading->held[order->lot] += order->state == ORDER_HELD ? order->quantity : 0;
		loading->confirmed[order->lot] += order->state == ORDER_CONFIRMED ? order->quantity : 0;
	}
	loading->orders += count;
	return loading->stock->ops->preheat_load(loading->stock, sale->number, loading->loads, count, now_ns);
}

static int load_page(void *context, const struct ledger_snapshot *snapshot, const struct ledger_order *orders, size_t count)
{
	int r = 0;

	for (size_t done = 0, size; done < count && r >= 0; done += size) {
		size = count - done < ORDERS_PAGE ? count - done : ORDERS_PAGE;
		r = load_part(context, snapshot->sale, orders + done, size);
	}
	return r < 0 ? r : 0;
}

static bool lot_agrees(const struct sale *sale, uint32_t place, const struct sale_loading *loading)
{
	const struct sale_lot *lot = &sale->lots[place];

	if (loading->held[place] == lot->held && loading->confirmed[place] == lot->confirmed &&
	    loading->withdrawn[place] == lot->withdrawn)
		return true;
	log_error("recovery",
		  "the ledger's orders are not what it keeps as their sum: the sale stays fenced; run `penstock audit` (operations: A sale stays fenced)",
		  LOG_TEXT("sale", sale->id), LOG_TEXT("sku", lot->sku), LOG_INT("held", loading->held[place]),
		  LOG_INT("kept_held", lot->held), LOG_INT("confirmed", loading->confirmed[place]),
		  LOG_INT("kept_confirmed", lot->confirmed), LOG_INT("withdrawn", loading->withdrawn[place]),
		  LOG_INT("kept_withdrawn", lot->withdrawn));
	return false;
}

/* All lots are looked at, so that each that is wrong is said. 0 or -EUCLEAN. */
static int compare(const struct ledger_snapshot *snapshot, struct sale_loading *loading)
{
	const struct sale *sale = snapshot->sale;
	bool agree = true;

	for (size_t i = 0; i < snapshot->withdrawal_count; i++) {
		if (snapshot->withdrawals[i].lot >= sale->lot_count)
			return error_origin(-EUCLEAN);
		loading->withdrawn[snapshot->withdrawals[i].lot] += snapshot->withdrawals[i].units;
	}
	for (uint32_t i = 0; i < sale->lot_count; i++)
		agree &= lot_agrees(sale, i, loading);
	return agree ? 0 : error_origin(-EUCLEAN);
}

/* So that one that is asked for again is known. */
static int load_withdrawals(struct stock *stock, const struct ledger_snapshot *snapshot)
{
	size_t count = snapshot->withdrawal_count;
	struct stock_withdrawn *withdrawals;
	int r;

	if (count == 0)
		return 0;
	withdrawals = calloc(count, sizeof(*withdrawals));
	if (!withdrawals)
		return error_origin(-ENOMEM);
	for (size_t i = 0; i < count; i++)
		withdrawals[i] = (struct stock_withdrawn){snapshot->withdrawals[i].movement, snapshot->withdrawals[i].lot,
							  snapshot->withdrawals[i].units};
	r = stock->ops->preheat_withdrawals(stock, snapshot->sale->number, withdrawals, count);
	free(withdrawals);
	return r;
}

int rebuild_load_sale(struct ledger *ledger, struct stock *stock, uint32_t number, struct ledger_snapshot *snapshot, size_t *orders)
{
	struct sale_loading loading = {.stock = stock, .loads = calloc(ORDERS_PAGE, sizeof(*loading.loads))};
	int r;

	*orders = 0;
	*snapshot = (struct ledger_snapshot){0};
	if (!loading.loads)
		return error_origin(-ENOMEM);
	r = ledger->ops->sale_snapshot(ledger, number, snapshot, load_page, &loading);
	free(loading.loads);
	*orders = loading.orders;
	if (r > 0)
		return error_origin(-ESTALE);
	if (r == -EUCLEAN) /* a file that cannot be read is not one whose rows contradict each other */
		return error_origin(-EIO);
	if (r == 0)
		r = compare(snapshot, &loading);
	return r == 0 ? load_withdrawals(stock, snapshot) : r;
}

static int load_and_arm(struct ledger *ledger, struct stock *stock, uint32_t number, size_t *orders)
{
	struct ledger_snapshot snapshot;
	int r = rebuild_load_sale(ledger, stock, number, &snapshot, orders);

	if (r == 0)
		r = preheat_arm(stock, snapshot.sale);
	if (r == -ERANGE)
		log_error("recovery",
			  "the ledger's orders of a sale exceed its units or its limit per buyer: the sale stays fenced; run `penstock audit`"
			  " (operations: A sale stays fenced)",
			  LOG_TEXT("sale", snapshot.sale->id));
	ledger_snapshot_deinit(&snapshot);
	return r;
}

bool rebuild_is_held(int code)
{
	return code == -EUCLEAN || code == -ERANGE;
}

int rebuild_load(struct ledger *ledger, struct stock *stock, const struct sale_table *table, struct rebuild_result *result)
{
	int first = 0;

	*result = (struct rebuild_result){0};
	for (size_t i = 0; i < sale_table_count(table); i++) {
		const struct sale *sale = sale_table_at(table, i)->sale;
		size_t orders;
		int r;

		if (!sale_in_stock(sale))
			continue;
		r = load_and_arm(ledger, stock, sale->number, &orders);
		if (r < 0 && !rebuild_is_held(r))
			return r;
		result->orders += r == 0 ? orders : 0;
		result->sales += r == 0;
		result->held += r < 0;
		if (first == 0)
			first = r;
	}
	return first;
}

int rebuild_stock(struct ledger *ledger, struct stock *stock, struct sale_catalog *catalog, int64_t live_since_ms,
		  struct rebuild_result *result)
{
	const struct sale_table *table;
	int r;

	*result = (struct rebuild_result){0};
	r = begin_sales(ledger, stock, catalog, live_since_ms);
	if (r < 0)
		return r;
	table = sale_catalog_ref(catalog);
	r = rebuild_load(ledger, stock, table, result);
	sale_table_unref(table);
	return rebuild_is_held(r) ? 0 : r;
}
