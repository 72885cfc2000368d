/* What every ledger must do, as port/ledger.h says, run against an adapter. */
#pragma once

#include "port/ledger.h"

struct ledger_suite_adapter {
	const char *name;
	void *(*place_new)(void); /* somewhere for one empty ledger */
	/* Opens what is there, for writing. 0, or as the adapter's own. */
	int (*open)(void *place, struct ledger **ledger);
	void (*place_free)(void *place);
};

/* The number of failed tests. */
int ledger_suite_run(const struct ledger_suite_adapter *adapter);
