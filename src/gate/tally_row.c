#include "gate/tally_row.h"

void tally_row_give(struct tally_row *row, uint32_t sale, size_t count)
{
	atomic_store_explicit(&row->sale, 0, memory_order_relaxed);
	if (!sale)
		return;
	for (size_t i = 0; i < count; i++)
		atomic_store_explicit(&row->counts[i], 0, memory_order_release);
	atomic_store_explicit(&row->sale, sale, memory_order_release);
}

void tally_row_add(struct tally_row *row, size_t place)
{
	uint64_t count = atomic_load_explicit(&row->counts[place], memory_order_relaxed);

	atomic_store_explicit(&row->counts[place], count + 1, memory_order_release);
}

uint32_t tally_row_sale(const struct tally_row *row)
{
	return atomic_load_explicit(&row->sale, memory_order_relaxed);
}

bool tally_row_read(const struct tally_row *row, uint32_t sale, uint64_t *counts, size_t count)
{
	if (atomic_load_explicit(&row->sale, memory_order_acquire) != sale)
		return false;
	for (size_t i = 0; i < count; i++)
		counts[i] = atomic_load_explicit(&row->counts[i], memory_order_acquire);
	return atomic_load_explicit(&row->sale, memory_order_relaxed) == sale;
}
