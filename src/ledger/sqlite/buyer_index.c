#include "ledger/sqlite/buyer_index.h"

#include <stdlib.h>
#include <string.h>
#include "base/array.h"
#include "base/random.h"
#include "ledger/rules.h"

enum {
	CHUNK_MIN = 64,     /* orders: the first chunk; each next one is twice as large */
	CHUNK_MAX = 4096,   /* some milliseconds to read */
	BITS_AN_ORDER = 16, /* of those PROBES are set: one chunk in two thousand is read in vain */
	PROBES = 5,
	SLICE = 100000, /* a tenth of a second */
};

struct buyer_chunk {
	uint32_t count, capacity;
	struct uuid last; /* the highest id in it */
	uint64_t *bits;
};

void buyer_index_init(struct buyer_index *index)
{
	*index = (struct buyer_index){.movement = -1, .slice = SLICE};
	lock_init(&index->lock);
}

/* Lock held. */
static void forget(struct buyer_index *index)
{
	for (size_t i = 0; i < index->count; i++)
		free(index->chunks[i].bits);
	free(index->chunks);
	index->chunks = NULL;
	index->count = index->room = 0;
	index->movement = -1;
	index->is_whole = false;
	index->end = (struct uuid){{0}};
}

void buyer_index_deinit(struct buyer_index *index)
{
	forget(index);
	lock_deinit(&index->lock);
}

void buyer_index_doubt(struct buyer_index *index)
{
	atomic_store(&index->in_doubt, true);
}

/* The first chunk that does not end before this order. */
static size_t place_of(const struct buyer_index *index, const struct uuid *id)
{
	size_t low = 0, high = index->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (uuid_compare(&index->chunks[middle].last, id) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int append_chunk(struct buyer_index *index, uint32_t capacity)
{
	struct buyer_chunk chunk = {.capacity = capacity};

	if (array_fit(&index->chunks, &index->room, index->count + 1, sizeof(*index->chunks)))
		return error_origin(-ENOMEM);
	chunk.bits = calloc(capacity * BITS_AN_ORDER / 64, sizeof(*chunk.bits));
	if (!chunk.bits)
		return error_origin(-ENOMEM);
	index->chunks[index->count++] = chunk;
	return 0;
}

/* The bit of a probe; capacities are powers of two. */
static uint32_t bit_of(const struct buyer_chunk *chunk, uint64_t hash, uint32_t probe)
{
	return ((uint32_t)hash + probe * ((uint32_t)(hash >> 32) | 1)) & (chunk->capacity * BITS_AN_ORDER - 1);
}

static int add(struct buyer_index *index, const struct uuid *id, struct slice buyer)
{
	uint64_t hash = siphash64(&index->key, buyer.data, buyer.size);
	size_t at = place_of(index, id);
	struct buyer_chunk *chunk;
	int result = 0;

	/* Above all: into the last chunk, while there is room. */
	if (at == index->count) {
		const struct buyer_chunk *last = at > 0 ? &index->chunks[at - 1] : NULL;
		uint32_t capacity = !last ? CHUNK_MIN : last->capacity < CHUNK_MAX ? 2 * last->capacity : CHUNK_MAX;

		if (last && last->count < last->capacity)
			at--;
		else
			result = append_chunk(index, capacity);
		if (result < 0)
			return result;
		index->chunks[at].last = *id;
	}
	chunk = &index->chunks[at];
	chunk->count++;
	for (uint32_t i = 0; i < PROBES; i++)
		chunk->bits[bit_of(chunk, hash, i) / 64] |= UINT64_C(1) << bit_of(chunk, hash, i) % 64;
	return 0;
}

static bool may_have(const struct buyer_chunk *chunk, uint64_t hash)
{
	for (uint32_t i = 0; i < PROBES; i++)
		if (!(chunk->bits[bit_of(chunk, hash, i) / 64] >> bit_of(chunk, hash, i) % 64 & 1))
			return false;
	return true;
}

static bool is_covered(const struct buyer_index *index, const struct uuid *id)
{
	return index->is_whole || uuid_compare(id, &index->end) <= 0;
}

/* Orders that came since the last list, by their movements. */
static int add_new(struct buyer_index *index, struct sqlite_connection *connection)
{
	sqlite3_stmt *statement;
	int added = 0, result = sqlite_connection_prepare(connection,
							  "SELECT orders.id, orders.buyer FROM movements CROSS JOIN orders"
							  " ON orders.id = movements.order_id"
							  " WHERE movements.number > ?1 AND movements.cause = ?2",
							  &statement);

	if (result < 0)
		return result;
	sqlite_bind_int(statement, 1, index->movement);
	sqlite_bind_int(statement, 2, ledger_event_cause(EVENT_RESERVED));
	while (added == 0 && (result = sqlite_step_row(connection, statement)) == STEP_ROW) {
		struct uuid id;

		sqlite_column_uuid(statement, 0, &id);
		if (is_covered(index, &id)) /* the others have their turn */
			added = add(index, &id, sqlite_column_slice(statement, 1));
	}
	sqlite3_reset(statement);
	return added < 0 ? added : result;
}

/* One slice more. */
static int add_slice(struct buyer_index *index, struct sqlite_connection *connection)
{
	size_t count = 0;
	sqlite3_stmt *statement;
	int added = 0, result = sqlite_connection_prepare(
			       connection, "SELECT id, buyer FROM orders WHERE id > ?1 ORDER BY id LIMIT ?2", &statement);

	if (result < 0)
		return result;
	sqlite_bind_uuid(statement, 1, &index->end);
	sqlite_bind_int(statement, 2, (int64_t)index->slice);
	while (added == 0 && (result = sqlite_step_row(connection, statement)) == STEP_ROW) {
		sqlite_column_uuid(statement, 0, &index->end);
		added = add(index, &index->end, sqlite_column_slice(statement, 1));
		count++;
	}
	sqlite3_reset(statement);
	if (added < 0 || result < 0)
		return added < 0 ? added : result;
	index->is_whole = count < index->slice;
	return 0;
}

/*
 * Lock held. Of two lists at once one may have an older snapshot than the filters know of: that has
 * nothing for them, and no slice is made of it, for what is newer lies in none.
 */
static int catch_up(struct buyer_index *index, struct sqlite_connection *connection)
{
	int64_t movement;
	int result = sqlite_connection_read_number(connection, "SELECT coalesce(max(number), 0) FROM movements", &movement);

	if (result < 0 || movement < index->movement)
		return result;
	if (index->movement < 0)
		random_bytes(&index->key, sizeof(index->key));
	else if (movement > index->movement)
		result = add_new(index, connection);
	if (result == 0)
		index->movement = movement;
	if (result == 0 && !index->is_whole)
		result = add_slice(index, connection);
	if (result < 0)
		forget(index); /* half of it was added: it is read anew */
	return result;
}

static int collect(const struct buyer_index *index, const struct ledger_order_filter *filter, struct buyer_range **ranges, size_t *count)
{
	uint64_t hash = siphash64(&index->key, filter->buyer.data, filter->buyer.size);
	struct buyer_range *found = calloc(index->count + 1, sizeof(*found));

	if (!found)
		return error_origin(-ENOMEM);
	for (size_t i = 0; i < index->count; i++) {
		const struct buyer_chunk *chunk = &index->chunks[i];

		if (uuid_compare(&chunk->last, &filter->after) <= 0 || !may_have(chunk, hash))
			continue;
		if (i > 0)
			found[*count].from = index->chunks[i - 1].last;
		found[(*count)++].until = chunk->last;
	}
	if (!index->is_whole) { /* what has no filters yet */
		found[*count].from = index->end;
		memset(&found[(*count)++].until, 0xff, sizeof(found->until));
	}
	*ranges = found;
	return 0;
}

int buyer_index_find(struct buyer_index *index, struct sqlite_connection *connection, const struct ledger_order_filter *filter,
		     struct buyer_range **ranges, size_t *count)
{
	int result;

	*count = 0;
	lock_take(&index->lock);
	if (atomic_exchange(&index->in_doubt, false))
		forget(index);
	result = catch_up(index, connection);
	if (result == 0)
		result = collect(index, filter, ranges, count);
	lock_release(&index->lock);
	return result;
}
