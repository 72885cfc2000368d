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
