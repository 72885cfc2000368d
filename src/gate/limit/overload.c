#include "gate/limit/overload.h"

static const int64_t CALM_NS = 1000000000;   /* without a refusal for so long: what was counted before says nothing */
static const int64_t WINDOW_NS = 1000000000; /* of the rate */
static const int64_t FIRST_NS = 100000000;   /* and of the first one */

static void begin(struct overload *overload, int64_t now_ns)
{
	overload->since_ns = now_ns;
	overload->decided = 0;
}

/* The rate is what was decided in the last whole window, and at first in a part of one. */
static void measure(struct overload *overload, int64_t now_ns)
{
	int64_t elapsed_ns = now_ns - overload->since_ns;

	if (elapsed_ns < (overload->rate > 0 ? WINDOW_NS : FIRST_NS) || overload->decided == 0)
		return;
	overload->rate = (double)overload->decided * 1e9 / (double)elapsed_ns;
	begin(overload, now_ns);
}

static int64_t join(struct overload *overload, int64_t now_ns)
{
	double served = overload->rate * (double)(now_ns - overload->last_ns) / 1e9, turn_ms;

	overload->queue = overload->queue > served ? overload->queue - served + 1 : 1;
	if (overload->rate <= 0)
		return OVERLOAD_RETRY_MS_MIN;
	turn_ms = overload->queue * 1000 / overload->rate;
	if (turn_ms > OVERLOAD_RETRY_MS_MAX)
		return OVERLOAD_RETRY_MS_MAX;
	return turn_ms < OVERLOAD_RETRY_MS_MIN ? OVERLOAD_RETRY_MS_MIN : (int64_t)turn_ms;
}

bool overload_turns_away(struct overload *overload, int64_t now_ns, int64_t *retry_after_ms)
{
	if (overload->late++ % OVERLOAD_DECIDED == OVERLOAD_DECIDED - 1)
		return false;
	if (overload->last_ns == 0 || now_ns - overload->last_ns > CALM_NS) {
		begin(overload, now_ns);
		overload->rate = overload->queue = 0;
	}
	measure(overload, now_ns);
	*retry_after_ms = join(overload, now_ns);
	overload->last_ns = now_ns;
	return true;
}
