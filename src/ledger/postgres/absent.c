/* The ledger in PostgreSQL, of a build without it: its way in refuses. */
#include "ledger/postgres/postgres.h"

int ledger_postgres_open(struct ledger **ledger, const char *url, int flags)
{
	(void)ledger, (void)url, (void)flags;
	return -ENOSYS;
}
