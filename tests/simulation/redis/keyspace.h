/* What a database has: strings, hashes and sorted sets by key, some with an end. */
#pragma once

#include <stdint.h>
#include "simulation/redis/table.h"

enum sim_type { SIM_STRING, SIM_HASH, SIM_ZSET };

struct sim_member {
	double score;
	struct slice name; /* the one in `fields` */
};

struct sim_value {
	enum sim_type type;
	int64_t ends_ms;           /* wall; 0: never */
	struct slice text;         /* a string's; its own */
	struct sim_table fields;   /* a hash's: slices; a sorted set's: scores */
	struct sim_member *sorted; /* a sorted set's, by score and then by name: as many as there are fields */
	size_t capacity;
};

/* NULL where it is not there, or is over by now. */
struct sim_value *sim_find(struct sim_table *keys, struct slice key, int64_t now_ms);
struct sim_value *sim_make(struct sim_table *keys, struct slice key, enum sim_type type);
/* Whether it was there. */
bool sim_delete(struct sim_table *keys, struct slice key, int64_t now_ms);
void sim_forget_all(struct sim_table *keys);
/* The whole of it again. */
struct sim_table sim_keys_copy(const struct sim_table *keys);

void sim_set_text(struct sim_value *value, struct slice text);
/* Whether the field is new. */
bool sim_hash_set(struct sim_value *hash, struct slice field, struct slice text);
/* False where it is not there. */
bool sim_hash_get(const struct sim_value *hash, struct slice field, struct slice *text);
void sim_hash_forget(struct sim_table *fields);
bool sim_hash_remove(struct sim_value *hash, struct slice field);
bool sim_zset_add(struct sim_value *zset, struct slice member, double score);
bool sim_zset_remove(struct sim_value *zset, struct slice member);
