/* The ledger in a SQLite file. See port/ledger.h. */
#pragma once

#include "port/ledger.h"

/*
 * flags: enum ledger_open_flags; the lease is a flock on PATH-lease, and never shared (-ENOTSUP).
 * 0, LEDGER_LEASE_HELD, LEDGER_TOO_NEW, or negative.
 */
int ledger_sqlite_open(struct ledger **ledger, const char *path, int flags) MUST_CHECK;
