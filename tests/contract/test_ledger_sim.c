/*
 * The ledger's contract, held by the simulation's server, and by SQLite on the disk in memory that
 * it uses.
 */
#include <stdlib.h>
#include "base/log.h"
#include "contract/ledger_suite.h"
#include "contract/ledger_suite_shared.h"
#include "simulation/ledger/ledger_disk.h"
#include "simulation/ledger/ledger_sim.h"

static void *sim_new(void)
{
	return ledger_sim_new(NULL, 1);
}

static int open_sim(void *place, struct ledger **ledger)
{
	return ledger_sim_open(place, ledger, LEDGER_OPEN_LEASE);
}

static int open_sim_shared(void *place, struct ledger **ledger)
{
	return ledger_sim_open(place, ledger, LEDGER_OPEN_SHARED);
}

static void sim_free(void *place)
{
	ledger_sim_free(place);
}

static void *disk_new(void)
{
	return ledger_disk_new(1);
}

static int open_disk(void *place, struct ledger **ledger)
{
	return ledger_disk_open(ledger, place, LEDGER_OPEN_LEASE);
}

static void disk_free(void *place)
{
	memory_disk_free(place);
}

static int open_as(void *place, int flags, struct ledger **ledger)
{
	return ledger_sim_open(place, ledger, flags);
}

static void end_sessions(void *place)
{
	ledger_sim_end_sessions(place, NULL);
}

int main(void)
{
	static const struct ledger_shared_adapter shared = {"ledger: simulated, several", sim_new, open_as, end_sessions, sim_free};
	static const struct ledger_suite_adapter adapters[] = {
		{"ledger: simulated", sim_new, open_sim, sim_free},
		{"ledger: simulated, shared", sim_new, open_sim_shared, sim_free},
		{"ledger: sqlite in memory", disk_new, open_disk, disk_free},
	};
	int failed = 0;

	log_set_level(LOG_OFF);
	for (size_t i = 0; i < sizeof(adapters) / sizeof(adapters[0]); i++)
		failed += ledger_suite_run(&adapters[i]);
	return failed + ledger_suite_shared_run(&shared);
}
