/*
 * A folder of its own for one SQLite ledger, and the raw file beside the adapter, for tests.
 * Asserts by itself.
 */
#pragma once

#include <sqlite3.h>

struct sqlite_place {
	char folder[64];
	char path[96]; /* of the database */
};

struct sqlite_place *sqlite_place_new(void);
void sqlite_place_free(struct sqlite_place *place); /* and everything in it */

/*
 * Runs SQL on a connection of its own, as a person with a shell would, without the tables'
 * constraints.
 */
void sqlite_place_run(const struct sqlite_place *place, const char *sql);
