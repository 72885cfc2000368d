#include "recovery/catalog_load.h"

#include <stdlib.h>

enum { PAGE = 64 };

/* Takes the page's sales over, whatever comes. */
static int put_page(struct sale_catalog *catalog, struct sale **page, size_t count, int64_t live_since_ms, uint64_t *change)
{
	int r = 0;

	for (size_t i = 0; i < count; i++) {
		struct sale *sale = page[i];
		uint64_t number = sale->change;

		if (r < 0 || (sale->state == SALE_ENDED && sale->ended_at_ms < live_since_ms))
			free(sale);
		else
			r = sale_catalog_put(catalog, sale);
		if (r == 0 && number > *change)
			*change = number;
	}
	return r;
}

int catalog_load(struct ledger *ledger, struct sale_catalog *catalog, int64_t live_since_ms, uint64_t *change)
{
	struct sale *page[PAGE];
	uint32_t after = 0;
	size_t count;
	int r;

	*change = 0;
	do {
		r = ledger->ops->sales(ledger, after, live_since_ms, page, PAGE, &count);
		if (r == 0 && count) {
			after = page[count - 1]->number;
			r = put_page(catalog, page, count, INT64_MIN, change);
		}
	} while (r == 0 && count == PAGE);
	return r;
}

int catalog_follow(struct ledger *ledger, struct sale_catalog *catalog, int64_t live_since_ms, uint64_t *change)
{
	struct sale *page[PAGE];
	size_t count;
	int r;

	do {
		r = ledger->ops->sales_changed(ledger, *change, page, PAGE, &count);
		if (r == 0)
			r = put_page(catalog, page, count, live_since_ms, change);
	} while (r == 0 && count == PAGE);
	return r;
}
