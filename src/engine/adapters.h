/*
 * The adapters behind the ports, by URL: the one place that names them. A new one is a new file in
 * its folder and a line here.
 */
#pragma once

#include "config/settings.h"
#include "port/journal.h"
#include "port/journal_reader.h"
#include "port/ledger.h"
#include "port/stock.h"

/*
 * Checks that the URLs of stock, journal and ledger go together. 0, or -EINVAL with what is wrong
 * and what would be right in *reason.
 */
int adapters_check(const struct settings *settings, const char **reason) MUST_CHECK;
/*
 * Between the journal and the ledger there is something to drain: not where the journal is the
 * ledger's own commit.
 */
bool adapters_drained(const struct settings *settings);
/* The same for a drain, to which the stock is nothing. */
int adapters_check_drain(const struct settings *settings, const char **reason) MUST_CHECK;
/* Several processes may write to this ledger: gates that have their stock in common, drains. */
bool adapters_shared(const struct settings *settings);

/*
 * flags: enum ledger_open_flags. 0, a positive enum ledger_outcome (lease held, too new), or
 * negative; -EINVAL: no such kind of ledger; -ENOSYS: this program was built without it.
 */
int adapters_open_ledger(const char *url, int flags, struct ledger **ledger) MUST_CHECK;
/*
 * The ledger of a process that serves or drains, as the settings have it. 0 or negative: the log
 * said why.
 */
int adapters_open_own_ledger(const struct settings *settings, struct ledger **ledger) MUST_CHECK;
/*
 * The same, where gates can sell without it for a while (adapters_outlives_ledger()): asks nobody
 * now. 0 or negative.
 */
int adapters_open_ledger_later(const struct settings *settings, struct ledger **ledger) MUST_CHECK;
/*
 * What a gate sells is in the stock, and what it has sold in the journal: it needs no ledger
 * meanwhile.
 */
bool adapters_outlives_ledger(const struct settings *settings);
/*
 * The ledger is borrowed by a journal that is in it; another may be opened without. 0 or negative:
 * the log said why.
 */
int adapters_open_journal(const struct settings *settings, struct ledger *ledger, struct journal **journal) MUST_CHECK;
/*
 * Holds the journal against the ledger, before its first append or once the ledger can be asked:
 * the same log, not shorter, spread over as many partitions as the ledger says. The stock is told
 * which, for gates that cannot ask. 0 or negative: the log said why; -EINVAL: no waiting mends it.
 * `used`: events were appended already, so it cannot be spread otherwise any more.
 */
int adapters_check_journal(const struct settings *settings, struct ledger *ledger, struct journal *journal, struct stock *stock,
			   bool used) MUST_CHECK;
/*
 * The same by the stock's word alone. 0; -ENOENT: the stock does not say; or negative: the log said
 * why.
 */
int adapters_check_journal_by_stock(struct journal *journal, struct stock *stock) MUST_CHECK;
int adapters_open_stock(const struct settings *settings, struct stock **stock) MUST_CHECK;
/* The other end of the journal, of settings that are drained. 0 or negative: the log said why. */
int adapters_open_reader(const struct settings *settings, struct journal_reader **reader) MUST_CHECK;
