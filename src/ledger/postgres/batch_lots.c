/* The lots that a batch knows: a table by sale and place, kept from batch to batch. */
#include <stdlib.h>
#include "ledger/postgres/batch.h"

enum { LOTS_START = 64 };

static size_t lot_slot(const struct pg_batch *batch, uint32_t sale, uint32_t lot)
{
	uint64_t hash = ((uint64_t)sale << 32 | lot) * 0x9e3779b97f4a7c15u;
	size_t at = (hash >> 32) & (batch->lot_capacity - 1);

	while (batch->lots[at].used && (batch->lots[at].sale != sale || batch->lots[at].lot != lot))
		at = (at + 1) & (batch->lot_capacity - 1);
	return at;
}

void pg_batch_forget_lots(struct pg_batch *batch)
{
	free(batch->lots);
	free(batch->lot_order);
	batch->lots = NULL;
	batch->lot_order = NULL;
	batch->lot_capacity = batch->lot_count = 0;
}

static int grow_lots(struct pg_batch *batch)
{
	struct batch_lot *old = batch->lots;
	size_t capacity = batch->lot_capacity, wanted = capacity ? 2 * capacity : LOTS_START;
	size_t *order = realloc(batch->lot_order, wanted * sizeof(*order));

	if (order)
		batch->lot_order = order;
	batch->lots = order ? calloc(wanted, sizeof(*batch->lots)) : NULL;
	if (!batch->lots) {
		batch->lots = old;
		return error_origin(-ENOMEM);
	}
	batch->lot_capacity = wanted;
	for (size_t i = 0; i < capacity; i++)
		if (old[i].used)
			batch->lots[lot_slot(batch, old[i].sale, old[i].lot)] = old[i];
	free(old);
	return 0;
}

int pg_batch_know_lot(struct pg_batch *batch, const struct batch_lot *lot)
{
	int result = 2 * (batch->lot_count + 1) > batch->lot_capacity ? grow_lots(batch) : 0;
	size_t at;

	if (result < 0)
		return result;
	at = lot_slot(batch, lot->sale, lot->lot);
	batch->lot_count += !batch->lots[at].used;
	batch->lots[at] = *lot;
	batch->lots[at].used = true;
	return 0;
}

struct batch_lot *pg_batch_lot(struct pg_batch *batch, uint32_t sale, uint32_t lot)
{
	struct batch_lot *found = batch->lot_capacity ? &batch->lots[lot_slot(batch, sale, lot)] : NULL;

	return found && found->used ? found : NULL;
}

static int compare_lots(const void *left, const void *right, void *argument)
{
	const struct batch_lot *lots = argument, *a = &lots[*(const size_t *)left], *b = &lots[*(const size_t *)right];

	if (a->sale != b->sale)
		return a->sale < b->sale ? -1 : 1;
	return a->lot < b->lot ? -1 : a->lot > b->lot;
}

size_t pg_batch_sort_lots(struct pg_batch *batch)
{
	size_t count = 0;

	for (size_t i = 0; i < batch->lot_capacity; i++)
		if (batch->lots[i].used && (batch->lots[i].touched || batch->lots[i].met_barrier))
			batch->lot_order[count++] = i;
	if (count)
		qsort_r(batch->lot_order, count, sizeof(*batch->lot_order), compare_lots, batch->lots);
	return count;
}
