/*
 * Which of the purchases that have waited too long are turned away, and when they are told to come
 * back. What is late is late for nobody's fault: it would be answered later still, and so would all
 * behind it, so most of it gets a quick answer. Every OVERLOAD_DECIDED-th is decided all the same:
 * a gate that has no time but for refusals still sells.
 *
 * Those who were turned away are a queue of their own, kept as a number: it grows by one with each,
 * and shrinks at the rate at which purchases were decided of late. Who joins it is told to come
 * back when it is his turn. So they come back as fast as they can be served, and not together.
 *
 * Of one gate thread, which alone calls.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
	OVERLOAD_DECIDED = 16,
	OVERLOAD_RETRY_MS_MIN = 1000, /* also while the rate is not known yet */
	OVERLOAD_RETRY_MS_MAX = 60000,
};

struct overload {
	int64_t last_ns;  /* when somebody was turned away last; 0: never */
	int64_t since_ns; /* since when `decided` is counted */
	uint64_t decided; /* purchases that went to the stock */
	double rate;      /* decided a second, of the time before; 0: not known yet */
	double queue;     /* turned away, and it was not their turn yet */
	unsigned late;    /* purchases that had waited too long */
};

/* A purchase goes to the stock. */
static inline void overload_decided(struct overload *overload)
{
	overload->decided++;
}
/*
 * One that has waited too long: true where it is turned away, and may ask again after
 * *retry_after_ms; else it is decided all the same.
 */
bool overload_turns_away(struct overload *overload, int64_t now_ns, int64_t *retry_after_ms);
