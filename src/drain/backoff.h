/* How long to wait before something that failed is tried again: exponential, with jitter, so that several drains do not knock together. */
#pragma once

#include <stdint.h>

struct backoff {
	unsigned failures; /* in a row */
};

/* One more failure: how long to wait now. From 50..100 ms, doubling, to 2.5..5 s. */
int64_t backoff_next(struct backoff *backoff);
static inline void backoff_reset(struct backoff *backoff)
{
	backoff->failures = 0;
}
/* Half of `ns` and a random part of the other half. */
int64_t backoff_jitter(int64_t ns);
