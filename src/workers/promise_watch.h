/*
 * The thread that looks in the ledger for what breaks a promise until somebody mends it, in gates
 * and drains alike:
 *
 *   dead letters that may be purchases which were told (P2), until each is replayed or forgotten
 *   lots that a rebuild has armed with other units than the drain found at its barrier (P1, P4),
 *   until the next rebuild. What was armed stands in the ledger, so it does not matter which gate
 *   has armed, whether it lives, nor which drain has passed the barrier
 *
 * It is said in the log when it changes, and kept where health and metrics look
 * (metrics/promises.h).
 */
#pragma once

#include "metrics/promises.h"
#include "port/ledger.h"

struct promise_watch;

/* All is borrowed. 0 or negative. */
int promise_watch_new(struct promise_watch **watch, struct ledger *ledger, struct promises *promises) MUST_CHECK;
int promise_watch_start(struct promise_watch *watch) MUST_CHECK;
/* One look. Blocks for as long as the ledger; where that cannot be read, what was known stands. */
void promise_watch_look(struct promise_watch *watch);
void promise_watch_stop(struct promise_watch *watch); /* may be repeated */
void promise_watch_free(struct promise_watch *watch); /* NULL is fine */
