#include "drain/backoff.h"

#include "base/random.h"

enum { DOUBLINGS_MAX = 6 };
static const int64_t FIRST_NS = 100000000;
static const int64_t LAST_NS =
	5000000000; /* a database that is back is noticed within so long, and one that is away is asked 20 times a minute */

int64_t backoff_jitter(int64_t ns)
{
	return ns - (int64_t)(random_u64() % (uint64_t)(ns / 2 + 1));
}

int64_t backoff_next(struct backoff *backoff)
{
	int64_t ns = FIRST_NS << backoff->failures;

	if (backoff->failures < DOUBLINGS_MAX)
		backoff->failures++;
	return backoff_jitter(ns < LAST_NS ? ns : LAST_NS);
}
