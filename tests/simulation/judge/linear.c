#include "simulation/judge/linear.h"

#include <stdlib.h>
#include <string.h>
#include "base/assertion.h"

enum { WORDS = LINEAR_EVENTS / 64, MEMORY_BITS = 16, MEMORY = 1 << MEMORY_BITS, WAYS_MAX = MEMORY / 2 };

struct mask {
	uint64_t words[WORDS];
};

struct search {
	const struct linear_event *events;
	size_t count, done, most, stuck;
	int64_t free[LINEAR_LOTS], has[LINEAR_BUYERS];
	struct mask mask;
	size_t ways;
	struct mask *memory; /* open addressing; `used` says which places are taken */
	bool *used;
};

static bool is_done(const struct search *search, size_t event)
{
	return search->mask.words[event / 64] >> event % 64 & 1;
}

static void flip(struct search *search, size_t event, bool forward)
{
	const struct linear_event *its = &search->events[event];
	int64_t sign = forward ? 1 : -1;

	search->mask.words[event / 64] ^= UINT64_C(1) << event % 64;
	search->free[its->lot] += sign * its->units;
	search->has[its->buyer] += sign * its->buyer_units;
	search->done += forward ? 1 : (size_t)-1;
}

static bool is_lawful(const struct search *search, const struct linear_event *event)
{
	if (event->free_below && search->free[event->lot] - event->spare >= event->free_below)
		return false;
	if (event->buyer_above >= 0 && search->has[event->buyer] + event->spare <= event->buyer_above)
		return false;
	if (event->limit && search->has[event->buyer] + event->buyer_units > event->limit)
		return false;
	return event->units >= 0 || search->free[event->lot] + event->units >= 0;
}

static bool changes_nothing(const struct linear_event *event)
{
	return event->units == 0 && event->buyer_units == 0;
}

/* Whether this state was met before; from now on it was. */
static bool met(struct search *search)
{
	uint64_t hash = 1469598103934665603u;
	size_t place;

	for (size_t i = 0; i < WORDS; i++)
		hash = (hash ^ search->mask.words[i]) * 0x9e3779b97f4a7c15u, hash ^= hash >> 29;
	for (place = hash % MEMORY; search->used[place]; place = (place + 1) % MEMORY)
		if (memcmp(&search->memory[place], &search->mask, sizeof(search->mask)) == 0)
			return true;
	search->used[place] = true;
	search->memory[place] = search->mask;
	search->ways++;
	return false;
}

/*
 * No event may take effect behind the end of another one that has not. The first whose span ends.
 */
static int64_t earliest_end(const struct search *search, size_t *which)
{
	int64_t end = INT64_MAX;

	*which = search->count;
	for (size_t i = 0; i < search->count; i++)
		if (!is_done(search, i) && (*which == search->count || search->events[i].to_ns < end)) {
			end = search->events[i].to_ns;
			*which = i;
		}
	return end;
}

static enum linear_end go_on(struct search *search);

/* One after the other, each with all that may follow. */
static enum linear_end branch(struct search *search, int64_t end)
{
	for (size_t i = 0; i < search->count; i++) {
		const struct linear_event *event = &search->events[i];
		enum linear_end result;

		if (is_done(search, i) || event->from_ns > end || !is_lawful(search, event))
			continue;
		flip(search, i, true);
		result = go_on(search);
		if (result != LINEAR_NO)
			return result;
		flip(search, i, false);
	}
	return LINEAR_NO;
}

static enum linear_end go_on(struct search *search)
{
	size_t first;
	int64_t end;

	if (search->done == search->count)
		return LINEAR_YES;
	if (met(search))
		return LINEAR_NO;
	if (search->ways >= WAYS_MAX)
		return LINEAR_TOO_LONG;
	end = earliest_end(search, &first);
	if (search->done >= search->most) {
		search->most = search->done;
		search->stuck = first;
	}
	/* A refusal that is lawful now goes first. */
	for (size_t i = 0; i < search->count; i++) {
		const struct linear_event *event = &search->events[i];
		enum linear_end result;

		if (is_done(search, i) || !changes_nothing(event) || event->from_ns > end || !is_lawful(search, event))
			continue;
		flip(search, i, true);
		result = go_on(search);
		if (result == LINEAR_NO)
			flip(search, i, false);
		return result;
	}
	return branch(search, end);
}

enum linear_end linear_check(const struct linear_event *events, size_t count, const int64_t *free_units, size_t *stuck)
{
	struct search search = {.events = events, .count = count};
	enum linear_end result;

	*stuck = 0;
	if (count > LINEAR_EVENTS)
		return LINEAR_TOO_LONG;
	for (size_t i = 0; i < count; i++) {
		ASSERT(events[i].lot < LINEAR_LOTS);
		ASSERT(events[i].buyer < LINEAR_BUYERS);
	}
	memcpy(search.free, free_units, sizeof(search.free));
	search.memory = malloc(MEMORY * sizeof(*search.memory));
	search.used = calloc(MEMORY, sizeof(*search.used));
	ASSERT(search.memory);
	ASSERT(search.used);
	result = go_on(&search);
	*stuck = search.stuck;
	free(search.memory);
	free(search.used);
	return result;
}
