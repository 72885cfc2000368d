#include "recovery/rebuild.h"

#include <stdlib.h>
#include "base/clock.h"
#include "base/log.h"
#include "core/preheat.h"

enum {
	SALES_PAGE = 256,
	ORDERS_PAGE = 4096, /* 3 MiB of rows at a time; freed when done */
};

int rebuild_begin(struct ledger *ledger, struct stock *stock, struct sale *sale)
{
	int r = ledger->ops->sale_raise_epoch(ledger, sale->number, &sale->epoch);

	if (r)
		return r > 0 ? error_origin(-ESTALE) : r;
	return preheat_begin(stock, sale, sale->epoch);
}

/* Every live sale goes into the catalog; those that were armed get an empty stock that waits for their orders. */
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
			if (page[i]->state != SALE_DRAFT)
				r = rebuild_begin(ledger, stock, page[i]);
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
		.state = order->state,
		.buyer = slice_of(order->buyer),
		.key = slice_of(order->key),
		.hold_expires_at_ms = order->hold_expires_at_ms,
		.first_hold_expires_at_ms = order->first_hold_expires_at_ms,
		.hold_left_ns = left_ms > 0 ? left_ms * 1000000 : 0,
	};
}

/* Hands a page of orders to their sales, neighbours of one sale together. */
static int load_page(struct stock *stock, const struct sale_table *table, const struct ledger_order *orders, size_t count,
		     struct stock_load *loads, struct rebuild_result *result)
{
	int64_t now_ms = clock_wall_ms(), now_ns = clock_mono_ns();
	size_t start = 0;

	while (start < count) {
		uint32_t sale = orders[start].sale;
		const struct sale_entry *entry = sale_table_find_number(table, sale);
		size_t size = 0;
		int r;

		while (start + size < count && orders[start + size].sale == sale) {
			to_load(&orders[start + size], now_ms, &loads[size]);
			size++;
		}
		start += size;
		if (!entry || entry->sale->state == SALE_DRAFT)
			continue;
		r = stock->ops->preheat_load(stock, sale, loads, size, now_ns);
		if (r < 0)
			return r;
		result->orders += size;
	}
	return 0;
}

static int load_orders(struct ledger *ledger, struct stock *stock, const struct sale_table *table, int64_t oldest_ms,
		       struct rebuild_result *result)
{
	struct ledger_order *orders = calloc(ORDERS_PAGE, sizeof(*orders));
	struct stock_load *loads = calloc(ORDERS_PAGE, sizeof(*loads));
	struct ledger_order_filter filter = {.after = uuid_floor(oldest_ms)};
	size_t count = 0;
	int r = orders && loads ? 0 : error_origin(-ENOMEM);

	while (r == 0) {
		r = ledger->ops->orders(ledger, &filter, orders, ORDERS_PAGE, &count);
		if (r == 0 && count)
			r = load_page(stock, table, orders, count, loads, result);
		if (count < ORDERS_PAGE)
			break;
		filter.after = orders[count - 1].id;
	}
	free(orders);
	free(loads);
	return r;
}

/* All that can be: one sale whose orders are wrong does not keep the others from being sold. The first error. */
static int arm_sales(struct stock *stock, const struct sale_table *table, struct rebuild_result *result)
{
	int first = 0;

	for (size_t i = 0; i < sale_table_count(table); i++) {
		const struct sale *sale = sale_table_at(table, i)->sale;
		int r;

		if (sale->state == SALE_DRAFT)
			continue;
		r = preheat_arm(stock, sale);
		if (r == -ERANGE)
			log_error("recovery",
				  "the ledger's orders of a sale exceed its units or its limit per buyer: run `penstock audit`",
				  LOG_TEXT("sale", sale->id));
		if (r == 0)
			result->sales++;
		else if (first == 0)
			first = r;
	}
	return first;
}

int rebuild_load(struct ledger *ledger, struct stock *stock, const struct sale_table *table, struct rebuild_result *result)
{
	int64_t oldest_ms = INT64_MAX;
	size_t live = 0;
	int r = 0;

	*result = (struct rebuild_result){0};
	for (size_t i = 0; i < sale_table_count(table); i++) {
		const struct sale *sale = sale_table_at(table, i)->sale;

		if (sale->state == SALE_DRAFT)
			continue;
		live++;
		if (sale->created_at_ms < oldest_ms)
			oldest_ms = sale->created_at_ms;
	}
	if (live)
		r = load_orders(ledger, stock, table, oldest_ms, result);
	return r == 0 ? arm_sales(stock, table, result) : r;
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
	return r;
}
