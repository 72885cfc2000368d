/* The ledger in a PostgreSQL database, 12 or newer. See port/ledger.h. */
#pragma once

#include "port/ledger.h"

/*
 * url: as libpq takes it ("postgresql://user@host/database?sslmode=verify-full"); PGPASSFILE and
 * its other settings hold too. The tables are in the schema `penstock`, made where it is missing.
 * flags: enum ledger_open_flags; the lease is an advisory lock of that database, taken shared or
 * alone. 0, LEDGER_LEASE_HELD, LEDGER_TOO_NEW, or negative.
 */
int ledger_postgres_open(struct ledger **ledger, const char *url, int flags) MUST_CHECK;
