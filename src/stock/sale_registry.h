/*
 * The sales of a stock by number, in two levels of atomic pointers: a look-up is two reads,
 * whatever the number of sales. Pages are made when needed (32 KiB for 4,096 numbers) and stay.
 * What a sale is, is the stock's own. A reader is inside the gate (reader_gate.h) while it looks up
 * and uses a sale.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>
#include "base/error.h"
#include "base/uuid.h"
#include "stock/reader_gate.h"

enum { SALE_REGISTRY_PAGE_BITS = 12, SALE_REGISTRY_PAGE = 1 << SALE_REGISTRY_PAGE_BITS };
enum { SALE_REGISTRY_PAGES = (UUID_TAG_MAX + 1) >> SALE_REGISTRY_PAGE_BITS };

struct sale_registry_page {
	_Atomic(void *) sales[SALE_REGISTRY_PAGE];
};

struct sale_registry {
	struct reader_gate gate;
	_Atomic(struct sale_registry_page *) pages[SALE_REGISTRY_PAGES];
	_Atomic uint32_t end;    /* behind the highest number that ever had a sale: a walk ends there */
	_Atomic int64_t *memory; /* bytes are counted here */
};

void sale_registry_init(struct sale_registry *registry, _Atomic int64_t *memory);
void sale_registry_deinit(struct sale_registry *registry); /* asserts that it is empty */

/* Inside the gate. NULL where there is none. */
static inline void *sale_registry_find(struct sale_registry *registry, uint32_t number)
{
	struct sale_registry_page *page;

	if (number > UUID_TAG_MAX)
		return NULL;
	page = atomic_load(&registry->pages[number >> SALE_REGISTRY_PAGE_BITS]);
	return page ? atomic_load(&page->sales[number & (SALE_REGISTRY_PAGE - 1)]) : NULL;
}

/*
 * Inside the gate. The sale with the least number >= *number, which is set to it; NULL where there
 * is none.
 */
void *sale_registry_next(struct sale_registry *registry, uint32_t *number);

/* Makes sure that this number has a page. 0 or -ENOMEM. */
int sale_registry_make_room(struct sale_registry *registry, uint32_t number) MUST_CHECK;
/*
 * Puts `sale` (NULL: nothing) in the place of `number`, after sale_registry_make_room(); returns
 * what was there.
 */
void *sale_registry_swap(struct sale_registry *registry, uint32_t number, void *sale);
