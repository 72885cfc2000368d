#include "ledger/sqlite/apply_lots.h"

#include <stdlib.h>

/*
 * An open-addressing table over (sale, lot), and the order of first touch, so that writing goes
 * through what was touched only.
 */
struct apply_scratch {
	struct touched *slots;
	uint32_t *order;
	size_t capacity; /* of slots: a power of two, at least twice the events of the batch; `order` has half of it */
	size_t count;
	bool by_barrier;
};

void sqlite_scratch_free(struct apply_scratch *scratch)
{
	if (!scratch)
		return;
	free(scratch->slots);
	free(scratch->order);
	free(scratch);
}

int sqlite_scratch_fit(struct apply_scratch **scratch, size_t events)
{
	size_t capacity = 64;
	struct touched *slots;
	uint32_t *order;

	if (!*scratch && !(*scratch = calloc(1, sizeof(**scratch))))
		return error_origin(-ENOMEM);
	while (capacity < 2 * events)
		capacity *= 2;
	if (capacity <= (*scratch)->capacity)
		return 0;
	slots = calloc(capacity, sizeof(*slots));
	order = calloc(capacity / 2, sizeof(*order));
	if (!slots || !order) {
		free(slots);
		free(order);
		return error_origin(-ENOMEM);
	}
	free((*scratch)->slots);
	free((*scratch)->order);
	**scratch = (struct apply_scratch){.slots = slots, .order = order, .capacity = capacity};
	return 0;
}

void sqlite_scratch_clear(struct apply_scratch *scratch, bool by_barrier)
{
	for (size_t i = 0; i < scratch->count; i++)
		scratch->slots[scratch->order[i]].used = false;
	scratch->count = 0;
	scratch->by_barrier = by_barrier;
}

/*
 * The sums that are in the tables, of all lots of the sale; over them, of a lot that the batch has
 * changed so far, what they are with that.
 */
static int write_barrier_sums(struct sqlite_connection *connection, uint32_t sale, const struct touched *lot)
{
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(
		connection,
		"UPDATE lots SET barrier_held = held + ?3, barrier_confirmed = confirmed + ?4, barrier_withdrawn = withdrawn + ?5"
		" WHERE sale = ?1 AND (?2 IS NULL OR place = ?2)",
		&statement);

	if (result < 0)
		return result;
	sqlite_bind_int(statement, 1, sale);
	sqlite_bind_int_or_null(statement, 2, lot ? (int64_t)lot->lot : -1, -1);
	sqlite_bind_int(statement, 3, lot ? lot->held : 0);
	sqlite_bind_int(statement, 4, lot ? lot->confirmed : 0);
	sqlite_bind_int(statement, 5, lot ? lot->withdrawn : 0);
	result = sqlite_step_once(connection, statement);
	return result > 0 ? error_origin(-EIO) : result;
}

int sqlite_scratch_raise(struct apply_scratch *scratch, struct sqlite_connection *connection, uint32_t sale, uint32_t barrier)
{
	int result = write_barrier_sums(connection, sale, NULL);

	for (size_t i = 0; i < scratch->count && result == 0; i++) {
		struct touched *lot = &scratch->slots[scratch->order[i]];

		if (lot->sale != sale)
			continue;
		lot->barrier = barrier;
		if (scratch->by_barrier)
			lot->oldest = barrier;
		if (lot->held || lot->confirmed || lot->withdrawn)
			result = write_barrier_sums(connection, sale, lot);
	}
	return result;
}

static int read_lot(struct sqlite_connection *connection, bool by_barrier, struct touched *touched)
{
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(connection,
					       "SELECT sales.epoch, lots.item, sales.barrier FROM lots JOIN sales ON sales.number = lots.sale"
					       " WHERE lots.sale = ?1 AND lots.place = ?2",
					       &statement);

	if (result < 0)
		return result;
	sqlite_bind_int(statement, 1, touched->sale);
	sqlite_bind_int(statement, 2, touched->lot);
	result = sqlite_step_row(connection, statement);
	if (result < 0)
		return result;
	touched->exists = result == STEP_ROW;
	if (touched->exists) {
		touched->barrier = (uint32_t)sqlite3_column_int64(statement, 2);
		touched->oldest = by_barrier ? touched->barrier : (uint32_t)sqlite3_column_int64(statement, 0);
		touched->item = sqlite3_column_int64(statement, 1);
		sqlite3_reset(statement);
	}
	return 0;
}

int sqlite_scratch_touch(struct apply_scratch *lots, struct sqlite_connection *connection, uint32_t sale, uint32_t lot,
			 struct touched **out)
{
	uint64_t hash = ((uint64_t)sale << 32 | lot) * 0x9e3779b97f4a7c15u;
	size_t at = (hash >> 32) & (lots->capacity - 1);
	int result;

	while (lots->slots[at].used && (lots->slots[at].sale != sale || lots->slots[at].lot != lot))
		at = (at + 1) & (lots->capacity - 1);
	if (!lots->slots[at].used) {
		struct touched fresh = {.sale = sale, .lot = lot, .used = true};

		result = read_lot(connection, lots->by_barrier, &fresh);
		if (result < 0)
			return result;
		lots->slots[at] = fresh;
		lots->order[lots->count++] = (uint32_t)at;
	}
	*out = &lots->slots[at];
	return (*out)->exists ? 0 : LEDGER_NOT_FOUND;
}

int sqlite_scratch_write(struct apply_scratch *lots, struct sqlite_connection *connection)
{
	sqlite3_stmt *statement;
	int result = sqlite_connection_prepare(connection,
					       "UPDATE lots SET held = held + ?3, confirmed = confirmed + ?4, withdrawn = withdrawn + ?5"
					       " WHERE sale = ?1 AND place = ?2",
					       &statement);

	for (size_t i = 0; i < lots->count && result == 0; i++) {
		const struct touched *lot = &lots->slots[lots->order[i]];

		if (!lot->held && !lot->confirmed && !lot->withdrawn)
			continue;
		sqlite_bind_int(statement, 1, lot->sale);
		sqlite_bind_int(statement, 2, lot->lot);
		sqlite_bind_int(statement, 3, lot->held);
		sqlite_bind_int(statement, 4, lot->confirmed);
		sqlite_bind_int(statement, 5, lot->withdrawn);
		result = sqlite_step_once(connection, statement);
	}
	return result == STEP_CONSTRAINT ? LEDGER_CONSTRAINT : result;
}
