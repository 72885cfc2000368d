/*
 * The election among the processes on one ledger: who cares for the sales and rebuilds their stock.
 * It is asked here alone, so that there is one rule of who is a candidate: a process that has
 * reached stock and journal within the last seconds (a service that starts again is not worth an
 * election), and one that sells, where processes of several versions share the stock. The ledger is
 * not looked at: who does not reach it is not elected by it.
 */
#pragma once

#include "metrics/metrics.h"
#include "port/journal.h"
#include "port/ledger.h"
#include "port/stock.h"

struct leadership;

struct leadership_settings {
	struct ledger *ledger; /* borrowed, like all here */
	struct stock *stock;
	struct journal *journal;
	struct metrics *metrics;
	bool shared; /* other processes write to this ledger; else this one is the leader always */
};

/* Registers its metric; before any metrics_cells_new(). 0 or -ENOMEM. */
int leadership_new(struct leadership **leadership, const struct leadership_settings *settings) MUST_CHECK;
void leadership_free(struct leadership *leadership); /* NULL is fine */
/* Whether this process was found to be the leader when the ledger was asked last. Any thread. */
bool leadership_held(const struct leadership *leadership);
/* Asks the ledger, where it is time to: a turn of the sale keeper's. */
void leadership_renew(struct leadership *leadership, int64_t now_ns);
/*
 * Asks it at once, for who has found something to do: as ledger.elect. Any thread that may block.
 */
int leadership_claim(struct leadership *leadership) MUST_CHECK;
