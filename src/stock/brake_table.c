#include "stock/brake_table.h"

#include <stdlib.h>
#include <string.h>
#include "base/array.h"

struct brake_entry {
	uint32_t sale;
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

bool brake_table_get(struct brake_table *table, uint32_t sale, struct stock_brake *brake)
{
	struct brake_entry *entry;

	brake_clear(brake);
	lock_take(&table->lock);
	entry = find(table, sale);
	if (entry)
		copy(brake, &entry->brake);
	lock_release(&table->lock);
	return entry != NULL;
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
 * Another change has the number: what is known here was made while the stock could not be reached.
 * The stock's is the one that all hear of, and the ledger has ours.
 */
static bool is_overtaken(const struct stock_brake *known, const struct stock_brake *there)
{
	return known->serial == there->serial && known->written >= known->serial && known->count > 0 && there->count > 0 &&
	       !uuid_equal(&known->changes[known->count - 1].request, &there->changes[there->count - 1].request);
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
	if (entry && (entry->brake.serial < brake->serial || is_overtaken(&entry->brake, brake)))
		replace(&entry->brake, brake);
	else if (entry && entry->brake.serial == brake->serial && entry->brake.written < brake->written)
		entry->brake.written = brake->written;
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
	lock_release(&table->lock);
	return outcome;
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
