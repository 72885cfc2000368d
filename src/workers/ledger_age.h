/*
 * How old the ledger is that a drain fills: the thread that asks the journal where it ends and the
 * ledger how far it has come, once a second, so that whoever reads the ledger can be told. Times
 * are this process's own: of two machines' clocks none is compared.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "port/journal.h"
#include "port/ledger.h"

struct ledger_age;

struct ledger_age_state {
	int64_t as_of_ms;    /* wall; the ledger has all that the journal had then; 0: since before this process began */
	int64_t lag_records; /* in the journal and not in the ledger, when it was looked at last */
	int64_t rate;        /* records a second that the ledger has taken of late */
};

/* journal: one that is not in the ledger. Borrowed. 0 or negative. */
int ledger_age_new(struct ledger_age **age, struct journal *journal, struct ledger *ledger) MUST_CHECK;
int ledger_age_start(struct ledger_age *age) MUST_CHECK;
/* Any thread. */
struct ledger_age_state ledger_age_look(struct ledger_age *age);
/* One look, on the caller's thread: for tests. */
void ledger_age_turn(struct ledger_age *age);
void ledger_age_stop(struct ledger_age *age); /* may be repeated */
void ledger_age_free(struct ledger_age *age); /* NULL is fine */
