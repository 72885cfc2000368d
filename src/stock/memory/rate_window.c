#include "stock/memory/rate_window.h"

enum { NS_PER_MS = 1000000 };

uint32_t rate_window_stamp(int64_t now_ns)
{
	return (uint32_t)((uint64_t)(now_ns + NS_PER_MS - 1) / NS_PER_MS);
}

int64_t rate_window_wait_ms(const struct rate_window *window, uint32_t stamp, int64_t now_ns)
{
	int32_t age_ms = (int32_t)((uint32_t)((uint64_t)now_ns / NS_PER_MS) - stamp); /* below zero: a thread that was ahead */

	return (int64_t)window->window_ms - age_ms;
}

bool rate_window_counts(const struct rate_window *window, uint32_t stamp, int64_t now_ns)
{
	return rate_window_wait_ms(window, stamp, now_ns) > 0;
}

uint32_t rate_window_prune(const struct rate_window *window, uint32_t *stamps, uint32_t count, int64_t now_ns)
{
	uint32_t gone = 0;

	while (gone < count && !rate_window_counts(window, stamps[gone], now_ns))
		gone++;
	for (uint32_t i = gone; i < count; i++)
		stamps[i - gone] = stamps[i];
	return count - gone;
}

void rate_window_insert(uint32_t *stamps, uint32_t count, int64_t now_ns)
{
	uint32_t stamp = rate_window_stamp(now_ns);

	for (; count > 0 && (int32_t)(stamps[count - 1] - stamp) > 0; count--)
		stamps[count] = stamps[count - 1];
	stamps[count] = stamp;
}

uint32_t rate_window_remove(uint32_t *stamps, uint32_t count, uint32_t stamp)
{
	uint32_t at = count;

	while (at > 0 && stamps[at - 1] != stamp)
		at--;
	if (at == 0)
		return count;
	for (; at < count; at++)
		stamps[at - 1] = stamps[at];
	return count - 1;
}
