#include "metrics/exemplar.h"

#include <string.h>
#include "base/clock.h"

static const int64_t BETWEEN_NS = 1000000000;

static unsigned place_of(uint64_t value)
{
	unsigned bit = 63 - (unsigned)__builtin_clzll(value | 1);

	return bit < EXEMPLAR_PLACES ? bit : EXEMPLAR_PLACES - 1;
}

/*
 * Each word is released behind the odd version: who reads one of them sees that version, or a later
 * one, when it looks again.
 */
static void put(struct exemplar_place *place, uint64_t value, const char *trace)
{
	uint64_t version = atomic_load_explicit(&place->version, memory_order_relaxed);

	atomic_store_explicit(&place->version, version + 1, memory_order_relaxed);
	atomic_store_explicit(&place->value, value, memory_order_release);
	atomic_store_explicit(&place->wall_ms, clock_wall_ms(), memory_order_release);
	for (int i = 0; i < EXEMPLAR_TRACE_SIZE / 8; i++) {
		uint64_t word;

		memcpy(&word, trace + 8 * i, 8);
		atomic_store_explicit(&place->trace[i], word, memory_order_release);
	}
	atomic_store_explicit(&place->version, version + 2, memory_order_release);
}

void exemplars_offer(struct exemplars *exemplars, uint64_t value, int64_t now_ns, const char *trace)
{
	struct exemplar_place *place = &exemplars->places[place_of(value)];

	if (now_ns < atomic_load_explicit(&place->next_ns, memory_order_relaxed))
		return;
	atomic_store_explicit(&place->next_ns, now_ns + BETWEEN_NS, memory_order_relaxed);
	put(place, value, trace);
}

/* False where there is none, or where the writer is at it: the next scrape has it. */
static bool get(const struct exemplar_place *place, struct exemplar *exemplar)
{
	uint64_t version = atomic_load_explicit(&place->version, memory_order_acquire);

	if (version == 0 || version % 2 == 1)
		return false;
	exemplar->value = atomic_load_explicit(&place->value, memory_order_acquire);
	exemplar->wall_ms = atomic_load_explicit(&place->wall_ms, memory_order_acquire);
	for (int i = 0; i < EXEMPLAR_TRACE_SIZE / 8; i++) {
		uint64_t word = atomic_load_explicit(&place->trace[i], memory_order_acquire);

		memcpy(exemplar->trace + 8 * i, &word, 8);
	}
	return atomic_load_explicit(&place->version, memory_order_relaxed) == version;
}

bool exemplars_find(const struct exemplars *exemplars, uint64_t above, uint64_t up_to, struct exemplar *newest)
{
	struct exemplar seen;
	bool found = false;

	for (unsigned i = place_of(above); i <= place_of(up_to); i++)
		if (get(&exemplars->places[i], &seen) && seen.value > above && seen.value <= up_to &&
		    (!found || seen.wall_ms > newest->wall_ms)) {
			*newest = seen;
			found = true;
		}
	return found;
}
