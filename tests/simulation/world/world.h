/*
 * A world: a plan, carried out. The whole program runs in it (gates, their workers, drains), with
 * its services in the process and time that is virtual, one world at a time in a process. Clients
 * do as docs/http.md tells them to; faults come by the plan and end; then the world rests for a
 * minute, and all must be well.
 */
#pragma once

#include <stdio.h>
#include "simulation/world/plan.h"

struct world_result {
	char breach[1024]; /* "NAME: what"; empty: none */
	uint64_t steps, fingerprint;
	double virtual_s; /* how long the world lasted, by its own time */
	uint32_t requests, answers;
};

/*
 * What every world begins with, made once for all that a process forks: an empty ledger, and Redis'
 * functions as they are compiled.
 */
void world_prepare(void);
/* trace: NULL, or where every step is told; what the program logs goes to standard error then. */
void world_run(const struct plan *plan, FILE *trace, struct world_result *result);
