/*
 * The thread that keeps the stock: holds that run out, what other processes have done to a stock
 * that is shared, and a look at the promises that can be judged from memory. What it finds broken
 * is counted and logged as an error; the count must stay 0. It never touches the ledger, so nothing
 * that the ledger does keeps a hold from running out.
 */
#pragma once

#include "workers/message.h"
#include "core/sale_catalog.h"
#include "metrics/promises.h"

struct housekeeper;

struct housekeeper_settings {
	struct stock *stock; /* borrowed, like all here */
	struct sale_catalog *catalog;
	struct lane *journal_lane;
	struct lane *fenced_lane; /* gets the numbers of sales that must be rebuilt (workers/rebuilder.h); NULL where it is not shared */
	struct metrics *metrics;
	struct promises *promises;
	int64_t hold_grace_ns;
};

/* Registers its metrics; before any metrics_cells_new(). 0 or negative. */
int housekeeper_new(struct housekeeper **housekeeper, const struct housekeeper_settings *settings) MUST_CHECK;
int housekeeper_start(struct housekeeper *housekeeper) MUST_CHECK;
/*
 * Takes no new work and waits for what it sent to the journal: before the journal worker is
 * stopped. May be repeated.
 */
void housekeeper_stop(struct housekeeper *housekeeper);
/*
 * After the journal worker has stopped: until then its thread may still be in the lane that
 * expiries come back by.
 */
void housekeeper_free(struct housekeeper *housekeeper);
