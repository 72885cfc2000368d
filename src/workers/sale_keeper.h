/*
 * The thread that keeps the sales: the clock opens and closes them, what ended ones have left goes
 * back (sale_control_care()). Where the ledger is shared it also stands for election, since one
 * process alone may care, and follows what the others change, so that every gate shows the same
 * sales within a turn or two; while the ledger is away, what the stock has kept. Who does not reach
 * the stock or the journal for some seconds does not stand: another may reach them.
 */
#pragma once

#include "base/lane.h"
#include "workers/leadership.h"
#include "workers/sale_turn.h"

struct sale_keeper;

struct sale_keeper_settings {
	struct ledger *ledger; /* borrowed, like all here */
	struct stock *stock;
	struct leadership *leadership;
	struct sale_turn *sales;
	struct sale_catalog *catalog;
	int64_t retention_ms; /* sales that ended longer ago are not shown again */
	bool shared;          /* other processes write to this ledger: they are followed, and the election counts */
	uint64_t change;      /* shared: what was loaded already (catalog_load()) */
	/*
	 * Of a process that started while the ledger was away, else NULL: called with `context`
	 * until it has come to 0, once the ledger can be asked, before its word is taken over. What
	 * the stock has kept is shown until then; behind -EINVAL nothing is.
	 */
	int (*meet_ledger)(void *context);
	void *context;
};

/* 0 or -ENOMEM. */
int sale_keeper_new(struct sale_keeper **keeper, const struct sale_keeper_settings *settings) MUST_CHECK;
int sale_keeper_start(struct sale_keeper *keeper) MUST_CHECK;
/* Before the journal's worker is stopped. May be repeated. */
void sale_keeper_stop(struct sale_keeper *keeper);
void sale_keeper_free(struct sale_keeper *keeper); /* NULL is fine */
