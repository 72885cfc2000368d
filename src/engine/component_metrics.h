/*
 * Each part's health as a figure, penstock_component_up{component}: 1 where /health says UP, else
 * 0. So an alert fires for a service that is away also while nobody buys.
 */
#pragma once

#include <stddef.h>
#include "drain/drain.h"
#include "metrics/metrics.h"
#include "port/journal.h"
#include "port/ledger.h"
#include "port/stock.h"

enum { STOCK_FIGURES = 9 };
/* A field of struct stock_totals. */
struct stock_figure {
	struct stock *stock;
	size_t offset;
};

/* The stock's totals; `figures` lives as long as the metrics. */
void components_register_stock(struct metrics *metrics, struct stock *stock, struct stock_figure figures[static STOCK_FIGURES]);
/* Before any metrics_cells_new(). All are borrowed. Out of memory aborts, as in metrics.h. */
void components_register_gate(struct metrics *metrics, struct stock *stock, struct journal *journal, struct ledger *ledger);
void components_register_drain(struct metrics *metrics, struct drain *drain, struct ledger *ledger);
