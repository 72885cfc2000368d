#include "stock/sale_registry.h"

#include <stdlib.h>

void sale_registry_init(struct sale_registry *registry, _Atomic int64_t *memory)
{
	reader_gate_init(&registry->gate);
	for (int i = 0; i < SALE_REGISTRY_PAGES; i++)
		atomic_init(&registry->pages[i], NULL);
	atomic_init(&registry->end, 0);
	registry->memory = memory;
}

void sale_registry_deinit(struct sale_registry *registry)
{
	uint32_t number = 0;
	void *left = sale_registry_next(registry, &number);

	ASSERT(left == NULL);
	for (int i = 0; i < SALE_REGISTRY_PAGES; i++)
		free(atomic_exchange(&registry->pages[i], NULL));
	reader_gate_deinit(&registry->gate);
}

void *sale_registry_next(struct sale_registry *registry, uint32_t *number)
{
	uint32_t end = atomic_load(&registry->end);

	while (*number < end) {
		void *sale;

		if (!atomic_load(&registry->pages[*number >> SALE_REGISTRY_PAGE_BITS])) {
			*number = (*number | (SALE_REGISTRY_PAGE - 1)) + 1;
			continue;
		}
		sale = sale_registry_find(registry, *number);
		if (sale)
			return sale;
		++*number;
	}
	return NULL;
}

/* Before the sale can be seen, so that who knows of it meets it on a walk. */
static void raise_end(struct sale_registry *registry, uint32_t number)
{
	uint32_t end = atomic_load(&registry->end);

	while (end <= number && !atomic_compare_exchange_weak(&registry->end, &end, number + 1))
		continue;
}

int sale_registry_make_room(struct sale_registry *registry, uint32_t number)
{
	_Atomic(struct sale_registry_page *) *place = &registry->pages[number >> SALE_REGISTRY_PAGE_BITS];
	struct sale_registry_page *page, *none = NULL;

	ASSERT(number <= UUID_TAG_MAX);
	if (atomic_load(place))
		return 0;
	page = calloc(1, sizeof(*page));
	if (!page)
		return error_origin(-ENOMEM);
	if (atomic_compare_exchange_strong(place, &none, page))
		atomic_fetch_add(registry->memory, (int64_t)sizeof(*page));
	else
		free(page); /* another thread was first */
	return 0;
}

void *sale_registry_swap(struct sale_registry *registry, uint32_t number, void *sale)
{
	struct sale_registry_page *page = atomic_load(&registry->pages[number >> SALE_REGISTRY_PAGE_BITS]);

	if (!page)
		return NULL;
	if (sale)
		raise_end(registry, number);
	return atomic_exchange(&page->sales[number & (SALE_REGISTRY_PAGE - 1)], sale);
}
