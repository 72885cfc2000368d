/*
 * What several processes on one ledger must be able to count on, as port/ledger.h says, here as
 * several handles: the lease, the epochs, the drain's positions, the election. Run against an
 * adapter.
 */
#pragma once

#include "port/ledger.h"

struct ledger_shared_adapter {
	const char *name;
	void *(*place_new)(void); /* somewhere for one empty ledger */
	/* flags: enum ledger_open_flags. 0, or as the adapter's own. */
	int (*open)(void *place, int flags, struct ledger **ledger);
	/*
	 * All sessions that handles have, without a word to them. They have ended when it returns.
	 */
	void (*end_sessions)(void *place);
	void (*place_free)(void *place);
};

/* The number of failed tests. */
int ledger_suite_shared_run(const struct ledger_shared_adapter *adapter);
