/*
 * What both adapters do with a batch of events beyond judging each: leaving out those that break a
 * constraint, and saying so. Private to the adapters.
 */
#pragma once

#include "port/ledger.h"

/*
 * Applies a range of events, all of it or nothing. 0; *broken: nothing is there, for some event of
 * the range breaks a constraint; or what ends the whole batch, which is passed up.
 */
typedef int event_range(void *context, struct ledger_entry *entries, size_t count, bool *broken);

/*
 * Applies the range in halves, down to the events that break a constraint by themselves: their
 * outcome is LEDGER_CONSTRAINT. 0, or what `apply` came to.
 */
int event_batch_halve(event_range *apply, void *context, struct ledger_entry *entries, size_t count) MUST_CHECK;
/* Says what the last line has kept out. */
void event_batch_log_violations(const struct ledger_entry *entries, size_t count);
