#include "stock/brake_table.h"

#include <stdlib.h>

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
	if (table->count == table->room) {
		size_t room = table->room ? 2 * table->room : 8;
		struct brake_entry *grown = realloc(table->entries, room * sizeof(*grown));

		if (!grown)
			return NULL;
		table->entries = grown;
		table->room = room;
	}
	table->entries[table->count] = (struct brake_entry){.sale = sale};
	return &table->entries[table->count++];
}

bool brake_table_get(struct brake_table *table, uint32_t sale, struct stock_brake *brake)
{
	struct brake_entry *entry;

	*brake = (struct stock_brake){0};
	lock_take(&table->lock);
	entry = find(table, sale);
	if (entry)
		*brake = entry->brake;
	lock_release(&table->lock);
	return entry != NULL;
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
	if (entry && entry->brake.serial < brake->serial)
		entry->brake = *brake;
	else if (entry && entry->brake.serial == brake->serial && !brake->pending)
		entry->brake.pending = false;
	lock_release(&table->lock);
	return entry ? 0 : error_origin(-ENOMEM);
}

void brake_table_written(struct brake_table *table, uint32_t sale, uint32_t serial)
{
	struct brake_entry *entry;

	lock_take(&table->lock);
	entry = find(table, sale);
	if (entry && entry->brake.serial == serial)
		entry->brake.pending = false;
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
