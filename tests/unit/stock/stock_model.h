/*
 * Property test: thousands of random operations on a stock and on a plain model of what the port
 * promises (arrays, no cleverness). After every step the outcome and the counters must be the
 * model's. Where several processes may share the stock, two do, and take turns. The seed is
 * printed; PENSTOCK_TEST_SEED repeats a run.
 */
#pragma once

#include "contract/stock_suite.h"

void stock_model_run(const struct stock_factory *factory, int steps);
