#include "base/clock.h"
#include "base/random.h"
#include "ledger/postgres/postgres_ledger.h"

enum { DELAY_MIN_NS = 50000000, DELAY_MAX_NS = 1000000000 };

int pg_backoff_check(const struct pg_backoff *backoff)
{
	return backoff->code < 0 && clock_mono_ns() < backoff->not_before_ns ? backoff->code : 0;
}

int pg_backoff_note(struct pg_backoff *backoff, int result)
{
	int64_t delay_ns = backoff->delay_ns * 2;

	if (result >= 0) {
		*backoff = (struct pg_backoff){0};
		return result;
	}
	delay_ns = delay_ns < DELAY_MIN_NS ? DELAY_MIN_NS : delay_ns > DELAY_MAX_NS ? DELAY_MAX_NS : delay_ns;
	backoff->delay_ns = delay_ns;
	backoff->code = result;
	/* Anything from half of it to all of it: gates that lost the same server must not come back in step. */
	backoff->not_before_ns = clock_mono_ns() + delay_ns / 2 + (int64_t)(random_u64() % (uint64_t)(delay_ns / 2));
	return result;
}
