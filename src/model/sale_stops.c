#include "model/sale_stops.h"

#include <string.h>

static uint32_t kept_of(const struct sale_stops *stops)
{
	return stops->count < SALE_STOPS_KEPT ? stops->count : SALE_STOPS_KEPT;
}

void sale_stops_add(struct sale_stops *stops, const struct uuid *request)
{
	if (stops->count >= SALE_STOPS_KEPT)
		memmove(&stops->requests[0], &stops->requests[1], (SALE_STOPS_KEPT - 1) * sizeof(stops->requests[0]));
	stops->count++;
	stops->requests[kept_of(stops) - 1] = *request;
}

struct slice sale_stops_bytes(const struct sale_stops *stops)
{
	return (struct slice){(const char *)stops->requests, kept_of(stops) * sizeof(stops->requests[0])};
}

void sale_stops_read(struct sale_stops *stops, uint32_t count, uint32_t answered, struct slice requests)
{
	*stops = (struct sale_stops){.count = count, .answered = answered};
	if (requests.size && requests.size == sale_stops_bytes(stops).size)
		memcpy(stops->requests, requests.data, requests.size);
}

static bool is_among(const struct uuid *requests, uint32_t count, const struct uuid *request)
{
	for (uint32_t i = 0; i < count; i++)
		if (uuid_equal(&requests[i], request))
			return true;
	return false;
}

bool sale_stops_has(const struct sale_stops *stops, const struct uuid *request)
{
	return is_among(stops->requests, kept_of(stops), request);
}

bool sale_release_answers(const struct sale_release *release, const struct sale_stops *stops)
{
	const uint32_t kept = kept_of(stops);
	const uint32_t known = release->stops > stops->answered ? release->stops : stops->answered;
	const uint32_t unknown = stops->count > known ? stops->count - known : 0;

	if (unknown > kept)
		return false;
	for (uint32_t i = kept - unknown; i < kept; i++)
		if (!is_among(release->before, release->before_count, &stops->requests[i]))
			return false;
	return true;
}
