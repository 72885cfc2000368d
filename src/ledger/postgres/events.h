/* The writing of events, which apply() and drain() share. Private to them. */
#pragma once

#include "ledger/postgres/rows.h"

struct pg_events {
	struct postgres_ledger *ledger;
	struct ledger_entry *entries;
	size_t count;
	const struct ledger_drain *drain; /* NULL: apply() */
};

/* --- apply.c --- */

/*
 * Under the writer's lock: all of it in one transaction. 0: committed; PG_MOVED: nothing is there,
 * another drain was faster; or negative.
 */
int pg_events_write(const struct pg_events *events) MUST_CHECK;

/* --- drain.c --- */

/* Adds the statement that moves the positions. Returns how many. */
size_t pg_drain_add_positions(const struct pg_events *events);
/* Makes the dead letters of a batch that has been judged. 0 or -ENOMEM. */
int pg_drain_add_dead_letters(const struct pg_events *events) MUST_CHECK;
