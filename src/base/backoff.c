#include "base/backoff.h"

#include "base/clock.h"
#include "base/random.h"

int64_t backoff_jitter(int64_t ns)
{
	return ns - (int64_t)(random_u64() % (uint64_t)(ns / 2 + 1));
}

int64_t backoff_fail(struct backoff *backoff, const struct backoff_range *range, int code)
{
	int64_t delay_ns = backoff->delay_ns * 2, wait_ns;

	delay_ns = delay_ns < range->first_ns ? range->first_ns : delay_ns > range->most_ns ? range->most_ns : delay_ns;
	wait_ns = backoff_jitter(delay_ns);
	*backoff = (struct backoff){delay_ns, clock_mono_ns() + wait_ns, code};
	return wait_ns;
}

int backoff_note(struct backoff *backoff, const struct backoff_range *range, int result)
{
	if (result < 0)
		(void)backoff_fail(backoff, range, result);
	else
		backoff_reset(backoff);
	return result;
}

int backoff_check(const struct backoff *backoff)
{
	return backoff_failed(backoff) && clock_mono_ns() < backoff->not_before_ns ? backoff->code : 0;
}
