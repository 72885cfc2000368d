/*
 * Bytes on their way from one end of a connection to the other: they arrive in order, each not
 * before its time.
 */
#pragma once

#include "text/buffer.h"

struct sim_parcel {
	size_t size;
	int64_t at_ns; /* by the server's monotonic clock */
};

struct sim_way {
	struct buffer bytes;
	struct sim_parcel *parcels;
	size_t count, capacity;
};

void sim_way_init(struct sim_way *way);
void sim_way_deinit(struct sim_way *way);
void sim_way_put(struct sim_way *way, const char *data, size_t size, int64_t at_ns);
/* What is to arrive first, by that moment, goes to `out`; false: nothing is. */
bool sim_way_take(struct sim_way *way, int64_t now_ns, struct buffer *out);
/* When the first of it arrives; INT64_MAX: there is none. */
int64_t sim_way_next(const struct sim_way *way);
void sim_way_clear(struct sim_way *way);
