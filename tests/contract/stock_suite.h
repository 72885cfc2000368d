/*
 * The behaviour suite of the stock port: every adapter must pass it. An adapter's test names its
 * factory and runs the suite; what is asked of a stock here is what port/stock.h promises, nothing
 * about how it is made.
 */
#pragma once

#include "port/stock.h"

struct stock_factory {
	const char *name;
	/*
	 * A new, empty stock with room for `outbox_max` entries in its outbox. 0 or negative. Freed
	 * by its ops->free().
	 */
	int (*make)(struct stock **stock, size_t outbox_max);
	/*
	 * Sets the clock of a stock that has one of its own, which then stands; NULL: it has none.
	 */
	void (*set_clock)(struct stock *stock, int64_t now_ms);
	/* Another process' view of the stock that was made last; NULL: none shares it. */
	int (*join)(struct stock **stock, size_t outbox_max);
};

/* Returns the number of failed tests, as cmocka does. */
int stock_suite_run(const struct stock_factory *factory);
