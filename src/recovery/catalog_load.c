#include "recovery/catalog_load.h"

#include <stdbool.h>
#include <stdlib.h>

enum { PAGE = 64 };

static bool is_shown(struct sale_catalog *catalog, uint32_t number)
{
	const struct sale_table *table = sale_catalog_ref(catalog);
	bool shown = sale_table_find_number(table, number) != NULL;

	sale_table_unref(table);
	return shown;
}

/* It has left the stock, and nobody brings it back for what is told of it now. */
static bool is_past(struct sale_catalog *catalog, const struct sale *sale, int64_t live_since_ms)
{
	return sale->state == SALE_ENDED && sale->ended_at_ms < live_since_ms && !is_shown(catalog, sale->number);
}

/*
 * A stock that others share too takes no grant under an epoch that it was not told of, so it is
 * told before any buyer meets the sale here: behind that, the first would hear that the sale is
 * fenced. What it answers is not of interest: whoever keeps house asks it again and again. Of a
 * sale that is past it hears nothing: it would wait for that to be built again, and an order of it
 * would be refunded never.
 */
static void tell_stock(struct sale_catalog *catalog, struct stock *stock, struct sale *const *page, size_t count, int64_t live_since_ms)
{
	struct stock_refresh told[PAGE];
	size_t known = 0;

	for (size_t i = 0; i < count; i++)
		if (sale_in_stock(page[i]) && page[i]->epoch > 0 && !is_past(catalog, page[i], live_since_ms))
			told[known++] = (struct stock_refresh){
				.sale = page[i]->number, .epoch = page[i]->epoch, .lot_count = page[i]->lot_count};
	if (known)
		stock->ops->refresh(stock, told, known);
}

/* What the ledger says is kept for those who cannot ask it. */
static void keep(struct sale_catalog *catalog, struct stock *stock, struct sale *const *page, size_t count, int64_t live_since_ms)
{
	const struct sale *kept[PAGE];
	size_t known = 0;

	for (size_t i = 0; i < count; i++)
		if (sale_in_stock(page[i]) && page[i]->epoch > 0 && !is_past(catalog, page[i], live_since_ms))
			kept[known++] = page[i];
	if (known)
		stock->ops->keep(stock, kept, known);
}

/*
 * Takes the page's sales over, whatever comes. One that ended before then is put only where it is
 * shown: it has something left still.
 */
static int put_page(struct sale_catalog *catalog, struct stock *stock, struct sale **page, size_t count, int64_t live_since_ms,
		    uint64_t *change)
{
	int r = 0;

	tell_stock(catalog, stock, page, count, live_since_ms);
	keep(catalog, stock, page, count, live_since_ms);
	for (size_t i = 0; i < count; i++) {
		struct sale *sale = page[i];
		uint64_t number = sale->change;

		if (r == 0 && sale->state == SALE_DELETED)
			r = sale_catalog_remove(catalog, sale->number);
		if (r < 0 || sale->state == SALE_DELETED || is_past(catalog, sale, live_since_ms))
			free(sale);
		else
			r = sale_catalog_put(catalog, sale);
		if (r == 0 && number > *change)
			*change = number;
	}
	return r;
}

int catalog_load(struct ledger *ledger, struct stock *stock, struct sale_catalog *catalog, int64_t live_since_ms, uint64_t *change)
{
	struct sale *page[PAGE];
	uint32_t after = 0;
	uint64_t later = 0;
	size_t count;
	int r;

	*change = 0;
	do {
		/*
		 * Only the first page's numbers are below all that is changed while the others are
		 * read.
		 */
		uint64_t *highest = after == 0 ? change : &later;

		r = ledger->ops->sales(ledger, after, live_since_ms, page, PAGE, &count);
		if (r == 0 && count) {
			after = page[count - 1]->number;
			r = put_page(catalog, stock, page, count, INT64_MIN, highest);
		}
	} while (r == 0 && count == PAGE);
	return r;
}

int catalog_follow(struct ledger *ledger, struct stock *stock, struct sale_catalog *catalog, int64_t live_since_ms, uint64_t *change)
{
	struct sale *page[PAGE];
	size_t count;
	int r;

	do {
		sale_catalog_looks(catalog, true);
		r = ledger->ops->sales_changed(ledger, *change, page, PAGE, &count);
		sale_catalog_looks(catalog, false);
		if (r == 0)
			r = put_page(catalog, stock, page, count, live_since_ms, change);
	} while (r == 0 && count == PAGE);
	return r;
}

/* True: what the stock has kept of this sale is newer than what is shown. */
static bool is_news(struct sale_catalog *catalog, const struct sale *sale)
{
	const struct sale_table *table = sale_catalog_ref(catalog);
	const struct sale_entry *present = sale_table_find_number(table, sale->number);
	bool news = !present || present->sale->epoch < sale->epoch ||
		    (present->sale->epoch == sale->epoch && present->sale->change < sale->change);

	sale_table_unref(table);
	return news;
}

int catalog_recall(struct stock *stock, struct sale_catalog *catalog, uint32_t number)
{
	struct sale *sale;
	int r = stock->ops->recall(stock, number, &sale);

	if (r)
		return r;
	if (!sale_in_stock(sale) || !is_news(catalog, sale)) {
		free(sale);
		return 0;
	}
	tell_stock(catalog, stock, &sale, 1, INT64_MIN);
	return sale_catalog_put_recalled(catalog, sale);
}

int catalog_recall_all(struct stock *stock, struct sale_catalog *catalog)
{
	uint32_t numbers[PAGE], after = 0;
	size_t count;
	int r;

	do {
		r = stock->ops->kept(stock, after, numbers, PAGE, &count);
		for (size_t i = 0; i < count && r >= 0; i++)
			r = catalog_recall(stock, catalog, numbers[i]);
		after = count ? numbers[count - 1] : after;
	} while (r >= 0 && count == PAGE);
	return r < 0 ? r : 0;
}
