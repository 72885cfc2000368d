#include "simulation/redis/way.h"

#include <stdlib.h>
#include <string.h>
#include "base/assertion.h"

enum { BYTES_MAX = 1 << 30 };

void sim_way_init(struct sim_way *way)
{
	*way = (struct sim_way){0};
	buffer_init(&way->bytes, BYTES_MAX);
}

void sim_way_deinit(struct sim_way *way)
{
	buffer_deinit(&way->bytes);
	free(way->parcels);
}

void sim_way_put(struct sim_way *way, const char *data, size_t size, int64_t at_ns)
{
	if (way->count == way->capacity) {
		way->capacity = way->capacity ? way->capacity * 2 : 4;
		way->parcels = realloc(way->parcels, way->capacity * sizeof(*way->parcels));
		ASSERT(way->parcels);
	}
	if (way->count > 0 && way->parcels[way->count - 1].at_ns > at_ns)
		at_ns = way->parcels[way->count - 1].at_ns; /* no byte overtakes another */
	way->parcels[way->count++] = (struct sim_parcel){size, at_ns};
	buffer_append(&way->bytes, data, size);
	ASSERT(!way->bytes.failed);
}

int64_t sim_way_next(const struct sim_way *way)
{
	return way->count > 0 ? way->parcels[0].at_ns : INT64_MAX;
}

bool sim_way_take(struct sim_way *way, int64_t now_ns, struct buffer *out)
{
	size_t size;

	if (sim_way_next(way) > now_ns)
		return false;
	size = way->parcels[0].size;
	buffer_append(out, way->bytes.data, size);
	buffer_consume(&way->bytes, size);
	way->count--;
	memmove(way->parcels, way->parcels + 1, way->count * sizeof(*way->parcels));
	return true;
}

void sim_way_clear(struct sim_way *way)
{
	buffer_clear(&way->bytes);
	way->count = 0;
}
