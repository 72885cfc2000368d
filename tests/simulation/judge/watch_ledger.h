/*
 * The judge's eyes on a ledger: plain SQL over a connection that is not the program's. Where the
 * journal is direct the ledger is the log as well, and every movement of it is a record.
 *
 * Nothing here yields. A connection of another time (a disk that lost its power, a server that was
 * restored) needs watch_ledger_release() before it is closed.
 */
#pragma once

#include <sqlite3.h>
#include "simulation/judge/judge.h"

struct watch_ledger;

struct watch_ledger *watch_ledger_new(struct judge *judge, bool is_log);
void watch_ledger_free(struct watch_ledger *watch); /* NULL is fine */
/* Tells the judge what was committed since. False: it cannot be read now; nothing was told. */
bool watch_ledger_look(struct watch_ledger *watch, sqlite3 *database);
/*
 * The ledger's end may be gone: it is told to the judge again, from its beginning. As
 * watch_ledger_look().
 */
bool watch_ledger_look_again(struct watch_ledger *watch, sqlite3 *database);
/* Its statements go. */
void watch_ledger_release(struct watch_ledger *watch);
/*
 * Where the ledger stands in each of so many partitions of the log; -1: it has read nothing of it.
 * Leaves a statement prepared.
 */
void watch_ledger_positions(sqlite3 *database, int64_t *positions, uint32_t partitions);
/* The numbers of the sales that are no drafts, each a bit. */
uint64_t watch_ledger_armed(sqlite3 *database);
/* How many sales are drafts. */
uint32_t watch_ledger_drafts(sqlite3 *database);
/*
 * Tells the judge how the sale stands in the end: `rest` has what is not the ledger's (sale, armed,
 * the stock of each lot, outbox), and is filled with what is.
 */
void watch_ledger_rest(struct watch_ledger *watch, sqlite3 *database, struct history_rest *rest);
