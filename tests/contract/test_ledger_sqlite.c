/* The ledger's contract, held by SQLite. */
#include "contract/ledger_suite.h"
#include "base/log.h"
#include "contract/sqlite_place.h"
#include "ledger/sqlite/sqlite.h"

static void *place_new(void)
{
	return sqlite_place_new();
}

static int open_place(void *place, struct ledger **ledger)
{
	return ledger_sqlite_open(ledger, ((struct sqlite_place *)place)->path, LEDGER_OPEN_LEASE);
}

static void place_free(void *place)
{
	sqlite_place_free(place);
}

int main(void)
{
	static const struct ledger_suite_adapter adapter = {"ledger: sqlite", place_new, open_place, place_free};

	log_set_level(LOG_OFF);
	return ledger_suite_run(&adapter);
}
