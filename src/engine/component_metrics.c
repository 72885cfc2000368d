#include "engine/component_metrics.h"

static double read_stock(void *context)
{
	struct stock *stock = context;
	const char *reason;

	return stock->ops->health(stock, &reason) == 0;
}

static double read_journal(void *context)
{
	struct journal *journal = context;
	const char *reason;

	return journal->ops->health(journal, &reason) == 0;
}

static double read_ledger(void *context)
{
	struct ledger *ledger = context;
	const char *reason;

	return ledger->ops->health(ledger, &reason) == 0;
}

static double read_drain(void *context)
{
	struct drain_state state;

	drain_look(context, &state);
	return state.reason[0] == '\0';
}

static void add(struct metrics *metrics, const char *labels, double (*read)(void *context), void *context)
{
	metrics_reader(metrics, "gauge", "penstock_component_up", "1 where this part is well, as /health says it.", labels, read,
		       context);
}

void components_register_gate(struct metrics *metrics, struct stock *stock, struct journal *journal, struct ledger *ledger)
{
	add(metrics, "component=\"stock\"", read_stock, stock);
	add(metrics, "component=\"journal\"", read_journal, journal);
	add(metrics, "component=\"ledger\"", read_ledger, ledger);
}

void components_register_drain(struct metrics *metrics, struct drain *drain, struct ledger *ledger)
{
	add(metrics, "component=\"drain\"", read_drain, drain);
	add(metrics, "component=\"ledger\"", read_ledger, ledger);
}

static double read_total(void *context)
{
	const struct stock_figure *figure = context;
	struct stock_totals totals = {0};

	figure->stock->ops->totals(figure->stock, &totals);
	return (double)*(const int64_t *)((const char *)&totals + figure->offset);
}

void components_register_stock(struct metrics *metrics, struct stock *stock, struct stock_figure figures[static STOCK_FIGURES])
{
	static const char units[] = "penstock_stock_units", units_help[] = "Units in the stock, over all its sales.";
	static const struct {
		const char *name, *help, *labels;
		size_t offset;
	} known[STOCK_FIGURES] = {
		{units, units_help, "state=\"available\"", offsetof(struct stock_totals, available)},
		{units, units_help, "state=\"held\"", offsetof(struct stock_totals, held)},
		{units, units_help, "state=\"confirmed\"", offsetof(struct stock_totals, confirmed)},
		{units, units_help, "state=\"withdrawn\"", offsetof(struct stock_totals, withdrawn)},
		{"penstock_stock_buyers", "Buyers remembered.", NULL, offsetof(struct stock_totals, buyers)},
		{"penstock_stock_orders", "Orders remembered.", NULL, offsetof(struct stock_totals, orders)},
		{"penstock_stock_outbox_entries", "Events granted and not yet known to be in the journal.", NULL,
		 offsetof(struct stock_totals, outbox)},
		{"penstock_stock_unreadable_entries", "Entries of the stock's outbox that were met and could not be read.", NULL,
		 offsetof(struct stock_totals, unreadable)},
		{"penstock_stock_memory_bytes", "Memory of the stock.", NULL, offsetof(struct stock_totals, memory_bytes)},
	};

	for (size_t i = 0; i < STOCK_FIGURES; i++) {
		figures[i] = (struct stock_figure){stock, known[i].offset};
		metrics_reader(metrics, "gauge", known[i].name, known[i].help, known[i].labels, read_total, &figures[i]);
	}
}
