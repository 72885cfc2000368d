#include "stock/brake_table.h"

#include <stdlib.h>
#include <string.h>
#include "base/array.h"

struct brake_entry {
	uint32_t sale;
	uint32_t own_from; /* serial of the first change that was made here and may not be in the stock; 0: none */
	uint32_t told;     /* the ledger has all up to this one, whether or not the stock has heard of that */
	struct stock_brake brake;
};

void brake_table_init(struct brake_table *table)
{
	*table = (struct brake_table){0};
	lock_init(&table->lock);
}

void brake_table_deinit(struct brake_table *table)
{
	free(table->entries);
	lock_deinit(&table->lock);
}

/* Under the lock. */
static struct brake_entry *find(struct brake_table *table, uint32_t sale)
{
	for (size_t i = 0; i < table->count; i++)
		if (table->entries[i].sale == sale)
			return &table->entries[i];
	return NULL;
}

/* Under the lock. */
static struct brake_entry *add(struct brake_table *table, uint32_t sale)
{
	if (array_fit(&table->entries, &table->room, table->count + 1, sizeof(*table->entries)))
		return NULL;
	table->entries[table->count] = (struct brake_entry){.sale = sale};
	return &table->entries[table->count++];
}

void brake_clear(struct stock_brake *brake)
{
	memset(brake, 0, offsetof(struct stock_brake, changes));
}

/* Most have few changes, and one that nobody has touched has none. */
static void copy(struct stock_brake *to, const struct stock_brake *from)
{
	memcpy(to, from, offsetof(struct stock_brake, changes) + from->count * sizeof(from->changes[0]));
}

/* Under the lock. */
static bool are_by_ledger(const struct brake_entry *entry)
{
	const struct stock_brake *known = &entry->brake;

	if (!known->stopped || entry->own_from == 0 || entry->told < known->serial)
		return false;
	for (uint32_t i = known->count; i > 0 && known->changes[i - 1].stopped; i--)
		if (known->changes[i - 1].serial < entry->own_from)
			return false;
	return true;
}

bool brake_table_get(struct brake_table *table, uint32_t sale, struct stock_brake *brake)
{
	bool by_ledger;

	return brake_table_look(table, sale, brake, &by_ledger);
}

bool brake_table_look(struct brake_table *table, uint32_t sale, struct stock_brake *brake, bool *by_ledger)
{
	struct brake_entry *entry;

	brake_clear(brake);
	lock_take(&table->lock);
	entry = find(table, sale);
	if (entry)
		copy(brake, &entry->brake);
	*by_ledger = entry && are_by_ledger(entry);
	lock_release(&table->lock);
	return entry != NULL;
}

bool brake_same_newest(const struct stock_brake *known, const struct stock_brake *there)
{
	return known->serial == there->serial && known->count > 0 && known->count == there->count &&
	       uuid_equal(&known->changes[known->count - 1].request, &there->changes[there->count - 1].request);
}

const struct stock_brake_change *brake_find(const struct stock_brake *brake, const struct uuid *request)
{
	for (uint32_t i = 0; i < brake->count; i++)
		if (uuid_equal(&brake->changes[i].request, request))
			return &brake->changes[i];
	return NULL;
}

static void lose(struct stock_brake *brake, const struct uuid *request)
{
	if (stock_brake_has_lost(brake, request))
		return;
	if (brake->lost_count == STOCK_BRAKE_CHANGES)
		memmove(&brake->lost[0], &brake->lost[1], --brake->lost_count * sizeof(brake->lost[0]));
	brake->lost[brake->lost_count++] = *request;
}

static void replace(struct stock_brake *known, const struct stock_brake *there)
{
	for (uint32_t i = 0; i < known->count; i++)
		if (!brake_find(there, &known->changes[i].request))
			lose(known, &known->changes[i].request);
	known->serial = there->serial;
	known->written = there->written;
	known->stopped = there->stopped;
	known->count = there->count;
	memcpy(known->changes, there->changes, there->count * sizeof(there->changes[0]));
}

/*
 * What is known here was made while the stock could not be reached, and the ledger has it: another
 * change has the number, or somebody has let the sale go on there. The stock's is the one that all
 * hear of.
 */
static bool is_overtaken(const struct brake_entry *entry, const struct stock_brake *there)
{
	const struct stock_brake *known = &entry->brake;
	const struct uuid *newest = there->count ? &there->changes[there->count - 1].request : NULL;

	if (!newest || known->count == 0)
		return false;
	if (known->serial == there->serial && known->written >= known->serial)
		return !uuid_equal(&known->changes[known->count - 1].request, newest);
	return are_by_ledger(entry) && !there->stopped && !brake_find(known, newest);
}

int brake_table_learn(struct brake_table *table, uint32_t sale, const struct stock_brake *brake)
{
	struct brake_entry *entry;

	if (brake->serial == 0)
		return 0;
	lock_take(&table->lock);
	entry = find(table, sale);
	if (!entry)
		entry = add(table, sale);
	if (entry && (entry->brake.serial < brake->serial || is_overtaken(entry, brake))) {
		replace(&entry->brake, brake);
		entry->own_from = entry->told = 0;
	} else if (entry && entry->brake.serial == brake->serial && entry->brake.written < brake->written)
		entry->brake.written = brake->written;
	if (entry && brake_same_newest(&entry->brake, brake))
		entry->own_from = 0; /* the stock has them after all */
	lock_release(&table->lock);
	return entry ? 0 : error_origin(-ENOMEM);
}

static void append(struct stock_brake *brake, const struct stock_brake_change *change)
{
	if (brake->count == STOCK_BRAKE_CHANGES) {
		lose(brake, &brake->changes[0].request);
		memmove(&brake->changes[0], &brake->changes[1], --brake->count * sizeof(brake->changes[0]));
	}
	brake->serial++;
	brake->stopped = change->stopped;
	brake->changes[brake->count] = *change;
	brake->changes[brake->count++].serial = brake->serial;
}

int brake_table_change(struct brake_table *table, uint32_t sale, const struct stock_brake_change *change)
{
	struct brake_entry *entry;
	int outcome = STOCK_DONE;

	lock_take(&table->lock);
	entry = find(table, sale);
	if (!entry)
		entry = add(table, sale);
	if (!entry)
		outcome = STOCK_FULL;
	else if (brake_find(&entry->brake, &change->request))
		outcome = STOCK_REPLAY;
	else
		append(&entry->brake, change);
	if (outcome == STOCK_DONE && entry->own_from == 0)
		entry->own_from = entry->brake.serial;
	lock_release(&table->lock);
	return outcome;
}

void brake_table_told(struct brake_table *table, uint32_t sale, uint32_t serial)
{
	struct brake_entry *entry;

	lock_take(&table->lock);
	entry = find(table, sale);
	if (entry && entry->told < serial && serial <= entry->brake.serial)
		entry->told = serial;
	lock_release(&table->lock);
}

void brake_table_written(struct brake_table *table, uint32_t sale, uint32_t serial)
{
	struct brake_entry *entry;

	lock_take(&table->lock);
	entry = find(table, sale);
	if (entry && entry->brake.written < serial && serial <= entry->brake.serial)
		entry->brake.written = serial;
	lock_release(&table->lock);
}

void brake_table_forget(struct brake_table *table, uint32_t sale)
{
	struct brake_entry *entry;

	lock_take(&table->lock);
	entry = find(table, sale);
	if (entry)
		*entry = table->entries[--table->count];
	lock_release(&table->lock);
}
