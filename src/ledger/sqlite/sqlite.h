/* The ledger in a SQLite file. See port/ledger.h. */
#pragma once

#include "port/ledger.h"

/*
 * flags: enum ledger_open_flags; the lease is a flock on PATH-lease, and never shared (-ENOTSUP).
 * 0, LEDGER_LEASE_HELD, LEDGER_TOO_NEW, or negative.
 */
int ledger_sqlite_open(struct ledger **ledger, const char *path, int flags) MUST_CHECK;
/*
 * The same in a SQLite VFS of that name, whose files are none of the kernel's: the simulation's, in
 * memory. They have no lease file and are not watched, so the caller sees to it that one process at
 * a time has them. NULL: the usual one.
 */
int ledger_sqlite_open_on(struct ledger **ledger, const char *path, int flags, const char *vfs) MUST_CHECK;
