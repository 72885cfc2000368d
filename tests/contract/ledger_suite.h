/* What every ledger must do, as port/ledger.h says, run against an adapter. */
#pragma once

#include "contract/ledger_kit.h"

struct ledger_suite_adapter {
	const char *name;
	void *(*place_new)(void); /* somewhere for one empty ledger */
	/* Opens what is there, for writing. 0, or as the adapter's own. */
	int (*open)(void *place, struct ledger **ledger);
	void (*place_free)(void *place);
};

/* The number of failed tests. */
int ledger_suite_run(const struct ledger_suite_adapter *adapter);

/* --- For the suite's own files --- */

/* The state of each test. */
struct ledger_fixture {
	void *place;
	struct kit kit;
};

int ledger_suite_set_up(void **state);
int ledger_suite_tear_down(void **state);
/* Closes and opens again: what is left must be what was there. */
void ledger_suite_restart(struct ledger_fixture *fixture);

int ledger_suite_drain_run(const char *name);
int ledger_suite_snapshot_run(const char *name);
int ledger_suite_changes_run(const char *name);
int ledger_suite_import_run(const char *name);
int ledger_suite_pay_run(const char *name);
int ledger_suite_reduce_run(const char *name);
int ledger_suite_labels_run(const char *name);
int ledger_suite_stops_run(const char *name);
int ledger_suite_who_run(const char *name);
int ledger_suite_turns_run(const char *name);
