#include "simulation/redis/table.h"

#include <stdlib.h>
#include <string.h>
#include "base/assertion.h"

void *sim_alloc(size_t size)
{
	void *memory = calloc(1, size ? size : 1);

	ASSERT(memory);
	return memory;
}

struct slice sim_copy(struct slice text)
{
	char *copy = sim_alloc(text.size + 1);

	if (text.size)
		memcpy(copy, text.data, text.size);
	return (struct slice){copy, text.size};
}

int sim_compare(struct slice a, struct slice b)
{
	size_t size = a.size < b.size ? a.size : b.size;
	int order = size ? memcmp(a.data, b.data, size) : 0;

	return order ? order : (a.size > b.size) - (a.size < b.size);
}

/* The first one that is not before `name`. */
static size_t place_of(const struct sim_table *table, struct slice name)
{
	size_t low = 0, high = table->count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (sim_compare(table->entries[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct sim_entry *sim_table_find(const struct sim_table *table, struct slice name)
{
	size_t at = place_of(table, name);

	return at < table->count && sim_compare(table->entries[at].name, name) == 0 ? &table->entries[at] : NULL;
}

struct sim_entry *sim_table_put(struct sim_table *table, struct slice name)
{
	size_t at = place_of(table, name);

	if (at < table->count && sim_compare(table->entries[at].name, name) == 0)
		return &table->entries[at];
	if (table->count == table->capacity) {
		table->capacity = table->capacity ? table->capacity * 2 : 8;
		table->entries = realloc(table->entries, table->capacity * sizeof(*table->entries));
		ASSERT(table->entries);
	}
	memmove(table->entries + at + 1, table->entries + at, (table->count - at) * sizeof(*table->entries));
	table->count++;
	table->entries[at] = (struct sim_entry){.name = sim_copy(name)};
	return &table->entries[at];
}

void sim_table_remove(struct sim_table *table, struct sim_entry *entry)
{
	size_t at = (size_t)(entry - table->entries);

	free((char *)entry->name.data);
	table->count--;
	memmove(entry, entry + 1, (table->count - at) * sizeof(*entry));
}

void sim_table_deinit(struct sim_table *table, void (*free_value)(void *value))
{
	for (size_t i = 0; i < table->count; i++) {
		free((char *)table->entries[i].name.data);
		free_value(table->entries[i].value);
	}
	free(table->entries);
	*table = (struct sim_table){0};
}
