#include "simulation/redis/keyspace.h"

#include <stdlib.h>
#include <string.h>
#include "base/assertion.h"

static void free_text(void *value)
{
	struct slice *text = value;

	free((char *)text->data);
	free(text);
}

void sim_hash_forget(struct sim_table *fields)
{
	sim_table_deinit(fields, free_text);
}

static void free_value(void *pointer)
{
	struct sim_value *value = pointer;

	free((char *)value->text.data);
	sim_table_deinit(&value->fields, value->type == SIM_HASH ? free_text : free);
	free(value->sorted);
	free(value);
}

struct sim_value *sim_find(struct sim_table *keys, struct slice key, int64_t now_ms)
{
	struct sim_entry *entry = sim_table_find(keys, key);
	struct sim_value *value = entry ? entry->value : NULL;

	if (!value || value->ends_ms == 0 || value->ends_ms > now_ms)
		return value;
	free_value(value);
	sim_table_remove(keys, entry);
	return NULL;
}

struct sim_value *sim_make(struct sim_table *keys, struct slice key, enum sim_type type)
{
	struct sim_entry *entry = sim_table_put(keys, key);
	struct sim_value *value = sim_alloc(sizeof(*value));

	ASSERT(!entry->value);
	value->type = type;
	entry->value = value;
	return value;
}

bool sim_delete(struct sim_table *keys, struct slice key, int64_t now_ms)
{
	struct sim_entry *entry;

	if (!sim_find(keys, key, now_ms))
		return false;
	entry = sim_table_find(keys, key);
	free_value(entry->value);
	sim_table_remove(keys, entry);
	return true;
}

void sim_forget_all(struct sim_table *keys)
{
	sim_table_deinit(keys, free_value);
}

static struct sim_value *copy_of(const struct sim_value *value)
{
	struct sim_value *copy = sim_alloc(sizeof(*copy));

	copy->type = value->type;
	copy->ends_ms = value->ends_ms;
	if (value->type == SIM_STRING)
		copy->text = sim_copy(value->text);
	for (size_t i = 0; i < value->fields.count; i++) {
		const struct sim_entry *field = &value->fields.entries[i];

		if (value->type == SIM_HASH)
			sim_hash_set(copy, field->name, *(const struct slice *)field->value);
		else
			sim_zset_add(copy, field->name, *(const double *)field->value);
	}
	return copy;
}

struct sim_table sim_keys_copy(const struct sim_table *keys)
{
	struct sim_table copy = {0};

	for (size_t i = 0; i < keys->count; i++)
		sim_table_put(&copy, keys->entries[i].name)->value = copy_of(keys->entries[i].value);
	return copy;
}

void sim_set_text(struct sim_value *value, struct slice text)
{
	struct slice copy = sim_copy(text);

	free((char *)value->text.data);
	value->text = copy;
}

bool sim_hash_set(struct sim_value *hash, struct slice field, struct slice text)
{
	struct sim_entry *entry = sim_table_put(&hash->fields, field);
	bool fresh = !entry->value;

	if (!fresh)
		free_text(entry->value);
	entry->value = sim_alloc(sizeof(struct slice));
	*(struct slice *)entry->value = sim_copy(text);
	return fresh;
}

bool sim_hash_get(const struct sim_value *hash, struct slice field, struct slice *text)
{
	struct sim_entry *entry = sim_table_find(&hash->fields, field);

	if (!entry)
		return false;
	*text = *(struct slice *)entry->value;
	return true;
}

bool sim_hash_remove(struct sim_value *hash, struct slice field)
{
	struct sim_entry *entry = sim_table_find(&hash->fields, field);

	if (!entry)
		return false;
	free_text(entry->value);
	sim_table_remove(&hash->fields, entry);
	return true;
}

/* The first of `count` that is not before this one. */
static size_t place_of(const struct sim_value *zset, size_t count, double score, struct slice name)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = (low + high) / 2;
		const struct sim_member *there = &zset->sorted[middle];

		if (there->score < score || (there->score <= score && sim_compare(there->name, name) < 0))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* `count`: as many as there are sorted. */
static void unsort(struct sim_value *zset, size_t count, double score, struct slice name)
{
	size_t at = place_of(zset, count, score, name);

	ASSERT(at < count && sim_compare(zset->sorted[at].name, name) == 0);
	memmove(zset->sorted + at, zset->sorted + at + 1, (count - at - 1) * sizeof(*zset->sorted));
}

bool sim_zset_add(struct sim_value *zset, struct slice member, double score)
{
	struct sim_entry *entry = sim_table_put(&zset->fields, member);
	size_t count = zset->fields.count - 1, at;
	bool fresh = !entry->value;

	if (fresh)
		entry->value = sim_alloc(sizeof(double));
	else
		unsort(zset, count + 1, *(double *)entry->value, entry->name);
	if (count == zset->capacity) {
		zset->capacity = zset->capacity ? zset->capacity * 2 : 8;
		zset->sorted = realloc(zset->sorted, zset->capacity * sizeof(*zset->sorted));
		ASSERT(zset->sorted);
	}
	*(double *)entry->value = score;
	at = place_of(zset, count, score, entry->name);
	memmove(zset->sorted + at + 1, zset->sorted + at, (count - at) * sizeof(*zset->sorted));
	zset->sorted[at] = (struct sim_member){score, entry->name};
	return fresh;
}

bool sim_zset_remove(struct sim_value *zset, struct slice member)
{
	struct sim_entry *entry = sim_table_find(&zset->fields, member);

	if (!entry)
		return false;
	unsort(zset, zset->fields.count, *(double *)entry->value, entry->name);
	free(entry->value);
	sim_table_remove(&zset->fields, entry);
	return true;
}
