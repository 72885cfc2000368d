/*
 * Names in order with a value each: the shape of a keyspace, of a hash, of a sorted set's members.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include "text/slice.h"

struct sim_entry {
	struct slice name; /* the table's own */
	void *value;
};

struct sim_table {
	struct sim_entry *entries; /* by name, as bytes compare */
	size_t count, capacity;
};

/* Where it is; NULL: it is not there. */
struct sim_entry *sim_table_find(const struct sim_table *table, struct slice name);
/* The same, made where it is missing, with the value NULL. */
struct sim_entry *sim_table_put(struct sim_table *table, struct slice name);
/* Without its value, which the caller has freed. */
void sim_table_remove(struct sim_table *table, struct sim_entry *entry);
void sim_table_deinit(struct sim_table *table, void (*free_value)(void *value));

/* malloc'd; there is memory, or the test ends. */
void *sim_alloc(size_t size);
struct slice sim_copy(struct slice text); /* with a NUL behind its end */
/* As bytes, and the shorter one first. */
int sim_compare(struct slice a, struct slice b);
