/*
 * The contracts of a journal, of a log and of its reader, held by the Kafka in the process
 * (simulation/journal), by virtual time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "base/log.h"
#include "contract/journal_log_suite.h"
#include "contract/journal_reader_suite.h"
#include "contract/journal_suite.h"
#include "contract/ledger_kit.h"
#include "contract/sqlite_place.h"
#include "ledger/sqlite/sqlite.h"
#include "simulation/journal/journal_sim.h"
#include "simulation/scheduler/scheduler.h"

struct place {
	struct journal_sim *sim;
	struct journal *journal;
	/* The suite's events are a ledger's. */
	struct sqlite_place *files;
	struct ledger *ledger;
};

static void *place_new(struct journal **journal, struct ledger **ledger)
{
	struct place *place = calloc(1, sizeof(*place));

	assert_non_null(place);
	place->sim = journal_sim_new(NULL, 1, LOG_PARTITIONS);
	*journal = place->journal = journal_sim_open(place->sim, 1000000000);
	place->files = sqlite_place_new();
	assert_int_equal(ledger_sqlite_open(&place->ledger, place->files->path, LEDGER_OPEN_LEASE), 0);
	*ledger = place->ledger;
	return place;
}

static void place_free(void *argument)
{
	struct place *place = argument;

	place->ledger->ops->free(place->ledger);
	sqlite_place_free(place->files);
	place->journal->ops->free(place->journal);
	journal_sim_free(place->sim);
	free(place);
}

/* As threads that take turns: every wait is over at once. */
static void run_suites(void *argument)
{
	int *failed = argument;

	*failed += journal_log_suite_run(&log_place_sim);
	*failed += journal_reader_suite_run(&log_place_sim);
}

int main(void)
{
	static const struct journal_suite_adapter adapter = {"journal: simulated", place_new, place_free};
	int failed;

	log_set_level(getenv("TEST_LOG") ? LOG_DEBUG : LOG_OFF);
	failed = journal_suite_run(&adapter);
	for (uint64_t seed = 1; seed <= 20; seed++)
		scheduler_run_alone(seed, run_suites, &failed);
	return failed;
}
