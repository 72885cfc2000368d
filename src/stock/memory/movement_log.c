#include "stock/memory/movement_log.h"

#include <stdlib.h>

void movement_log_init(struct movement_log *log, _Atomic int64_t *memory)
{
	*log = (struct movement_log){.memory = memory};
}

void movement_log_deinit(struct movement_log *log)
{
	atomic_fetch_sub(log->memory, (int64_t)(log->room * sizeof(*log->movements)));
	free(log->movements);
	movement_log_init(log, log->memory);
}

struct movement *movement_log_find(struct movement_log *log, const struct uuid *id)
{
	for (uint32_t i = 0; i < log->count; i++)
		if (uuid_equal(&log->movements[i].id, id))
			return &log->movements[i];
	return NULL;
}

static int grow(struct movement_log *log)
{
	uint32_t room = log->room ? 2 * log->room : 8;
	struct movement *movements = realloc(log->movements, room * sizeof(*movements));

	if (!movements)
		return -1;
	atomic_fetch_add(log->memory, (int64_t)((room - log->room) * sizeof(*movements)));
	log->movements = movements;
	log->room = room;
	return 0;
}

struct movement *movement_log_new(struct movement_log *log, const struct uuid *id)
{
	struct movement *movement;

	if (log->count < MOVEMENT_LOG_MAX) {
		if (log->count == log->room && grow(log) < 0)
			return NULL;
		movement = &log->movements[log->count++];
	} else {
		movement = &log->movements[log->next];
		if (movement->outbox)
			return NULL;
		log->next = (log->next + 1) % MOVEMENT_LOG_MAX;
	}
	*movement = (struct movement){.id = *id};
	return movement;
}

void movement_log_forget(struct movement_log *log, struct movement *movement)
{
	(void)log;
	*movement = (struct movement){0}; /* a null id is nobody's: the place is used again when the ring comes round */
}
