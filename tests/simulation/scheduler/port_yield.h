/*
 * Ports whose calls yield before and after: each is a place where another thread may run, and where
 * a node may be killed or paused. They change the adapter's own table of calls, so what else its
 * users read of it stays where it is; free() undoes it. Of any thread, before the port is used.
 *
 * `shielded`: the thread holds a shield within the call (scheduler.h), for an adapter with locks or
 * sessions that a killed node must not leave behind: SQLite's.
 *
 * The source is made of the ports' headers by tools/make-port-yield.
 */
#pragma once

#include "port/journal.h"
#include "port/journal_reader.h"
#include "port/ledger.h"
#include "port/stock.h"

void port_yield_journal(struct journal *journal, bool shielded);
void port_yield_journal_reader(struct journal_reader *reader, bool shielded);
void port_yield_ledger(struct ledger *ledger, bool shielded);
void port_yield_stock(struct stock *stock, bool shielded);
