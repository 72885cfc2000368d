/* The ledger in a SQLite file. See port/ledger.h. */
#pragma once

#include "port/ledger.h"

enum ledger_open_flags {
	LEDGER_OPEN_LEASE = 1,    /* take the exclusive lease (flock on PATH-lease), migrate, open for writing */
	LEDGER_OPEN_READ_ONLY = 2, /* look only: audit, listing; needs no lease */
};
/* 0, LEDGER_LEASE_HELD, LEDGER_TOO_NEW, or negative. */
int ledger_sqlite_open(struct ledger **ledger, const char *path, int flags) MUST_CHECK;
