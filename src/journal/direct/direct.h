/* The journal that is the ledger's own commit: group commit, the acknowledgement is the COMMIT. */
#pragma once

#include "port/journal.h"
#include "port/ledger.h"

/* The ledger is borrowed. 0 or -ENOMEM. */
int journal_direct_new(struct journal **journal, struct ledger *ledger) MUST_CHECK;
