/*
 * When something that failed is tried again: later each time, and never at the same moment for all
 * processes that lost the same server (exponential, with jitter). One owner.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * How long to wait before jitter, which takes up to half of it: after the first failure, and at the
 * most.
 */
struct backoff_range {
	int64_t first_ns, most_ns;
};

struct backoff {
	int64_t delay_ns;      /* before jitter; 0: nothing has failed since the last success */
	int64_t not_before_ns; /* clock_mono_ns() of the next try */
	int code;              /* what the last try came to */
};

/* One more failure in a row, which came to `code`: how long to wait now. */
int64_t backoff_fail(struct backoff *backoff, const struct backoff_range *range, int code);
/* Takes note of a try: a negative result is a failure, any other ends the row. Returns `result`. */
int backoff_note(struct backoff *backoff, const struct backoff_range *range, int result);
/* 0: it is time to try; or what the last try came to. */
int backoff_check(const struct backoff *backoff);
/* Anything from half of `ns` to all of it. */
int64_t backoff_jitter(int64_t ns);

static inline void backoff_reset(struct backoff *backoff)
{
	*backoff = (struct backoff){0};
}

static inline bool backoff_failed(const struct backoff *backoff)
{
	return backoff->delay_ns > 0;
}
