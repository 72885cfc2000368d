/*
 * A start whose services are away. What waits for them is alive and not ready, says why, and tells
 * everybody else to ask again: on the process's own listeners, until it takes them over.
 *
 * Waited for is what another try may mend by itself: a service that does not answer, or that is
 * starting. What it says to us (a password that is wrong, a database that is not there, a topic
 * that cannot keep a promise) is for a person: the start ends.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/address.h"
#include "base/error.h"
#include "metrics/metrics.h"

enum waiting_service { WAITING_LEDGER, WAITING_JOURNAL, WAITING_STOCK };
enum { WAITING_STOPPED = 1 }; /* it was told to stop before it began */

/* All borrowed. */
struct waiting_start {
	/* Opens what is not open yet; *service: the one that it came to. 0 or negative, logged. */
	int (*open)(void *context, enum waiting_service *service);
	void *context;
	const struct listen_list *operators; /* /health, /metrics and the probes */
	const struct listen_list *buyers;    /* the probes alone; NULL: there are none */
	const struct metrics *metrics;
	bool (*told)(int64_t wait_ns); /* rests so long at most; true: told to stop */
};

/* What another try may mend; the rest is for a person. */
bool waiting_is_for(int r);
/*
 * Opens, and tries again every second while a service is away. 0, WAITING_STOPPED, or negative: for
 * a person.
 */
int waiting_run(const struct waiting_start *start) MUST_CHECK;
