/*
 * The operator's movements of a sale (units added and withdrawn), so that a repeated one changes
 * nothing. Rare acts of people: the last MOVEMENT_LOG_MAX are remembered and found by looking
 * through them. Guarded by the sale's movement lock.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>
#include "base/uuid.h"

enum { MOVEMENT_LOG_MAX = 4096 };

struct movement {
	struct uuid id;
	uint32_t lot, quantity;
	uint32_t outbox; /* entry of a withdrawal on its way; 0: none */
};

struct movement_log {
	struct movement *movements; /* a ring once it is full */
	uint32_t count, room, next;
	_Atomic int64_t *memory;
};

void movement_log_init(struct movement_log *log, _Atomic int64_t *memory);
void movement_log_deinit(struct movement_log *log);
struct movement *movement_log_find(struct movement_log *log, const struct uuid *id); /* NULL: unknown; valid until the next new */
/* A zeroed place for this id; NULL when out of memory, or where the oldest is still on its way. */
struct movement *movement_log_new(struct movement_log *log, const struct uuid *id);
/* It never happened. */
void movement_log_forget(struct movement_log *log, struct movement *movement);
