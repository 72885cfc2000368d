/*
 * How fast a drain may go: by the rate it was given, and by what the ledger's own latency says.
 * Pure functions of the time that they are told.
 *
 * The rate is exact. Credit is earned with time and spent by records, in whole billionths of a
 * record, so nothing is rounded away and no error adds up. It is spent in quanta of 20 ms: over any
 * half second a drain that has enough to read is within 5 % of its rate. What time earns is
 * bounded: 250 ms of it while there is work (so that a slow commit is made up for), and one quantum
 * while there is none or while the ledger fails (so that nothing bursts afterwards).
 *
 * The batch is found by additive increase and multiplicative decrease (Chiu and Jain, 1989), which
 * lets several drains share a database fairly: a commit under the target adds to it, one over the
 * target or a failure halves it. It grows only where it was what bounded the batch, and is halved
 * from what was really sent, as TCP's window is (RFC 7661, RFC 5681): a batch that was short for
 * another reason says nothing about larger ones. A small batch alone would not spare a ledger that
 * is slow for others' sake, for the next one would follow at once: so what a commit took over the
 * target is given back as rest.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pace_settings {
	int64_t rate;      /* records a second; 0: no limit. At most PACE_RATE_MAX */
	size_t batch_max;  /* records; at least 1 */
	int64_t target_ns; /* of one commit */
};
#define PACE_RATE_MAX INT64_C(10000000)

struct pace {
	struct pace_settings settings;
	int64_t credit; /* billionths of a record */
	int64_t at_ns;  /* up to when time has earned */
	int64_t rest_until_ns;
	size_t batch; /* records that the next batch may have, for the ledger's sake */
	bool idle;    /* time since at_ns was not spent working */
};

void pace_init(struct pace *pace, const struct pace_settings *settings, int64_t now_ns);
/* How many records may be read now. 0: none before *wait_ns have passed. */
size_t pace_ask(struct pace *pace, int64_t now_ns, int64_t *wait_ns);
/* So many were read; the time since pace_ask() was waiting for them. dry: there are no more. */
void pace_took(struct pace *pace, int64_t now_ns, size_t count, bool dry);
/* They were committed, in so much time. */
void pace_committed(struct pace *pace, int64_t now_ns, size_t count, int64_t commit_ns);
/*
 * They were not (0: there were none, something else failed). Their credit is spent: the attempt was
 * a load as well.
 */
void pace_failed(struct pace *pace, int64_t now_ns, size_t count);
