/* What every journal must do, as port/journal.h says, run against an adapter. */
#pragma once

#include "port/journal.h"
#include "port/ledger.h"

struct journal_suite_adapter {
	const char *name;
	/*
	 * A fresh journal, and the ledger that its events end in, with the kit's sale
	 * (contract/ledger_kit.h) in it.
	 */
	void *(*place_new)(struct journal **journal, struct ledger **ledger);
	void (*place_free)(void *place); /* with both */
};

/* The number of failed tests. */
int journal_suite_run(const struct journal_suite_adapter *adapter);
