/* The ledger's contract, held by PostgreSQL. */
#include "contract/ledger_suite.h"
#include "base/log.h"
#include "contract/postgres_place.h"
#include "ledger/postgres/postgres.h"

static void *place_new(void)
{
	return postgres_place_new();
}

static int open_place(void *place, struct ledger **ledger)
{
	return ledger_postgres_open(ledger, ((struct postgres_place *)place)->url, LEDGER_OPEN_LEASE);
}

static void place_free(void *place)
{
	postgres_place_free(place);
}

int main(void)
{
	static const struct ledger_suite_adapter adapter = {"ledger: postgres", place_new, open_place, place_free};

	log_set_level(LOG_OFF);
	return ledger_suite_run(&adapter);
}
