#include "gate/sale_metrics.h"

#include <stdio.h>
#include <string.h>

enum { LABELS_SIZE = SALE_ID_MAX + SKU_MAX + 64 }; /* ids and SKUs have nothing to escape; outcomes are shorter than a SKU */

/* For each sale that is counted, with what `each` needs of it. */
static void for_each(struct gate *gate, struct metrics_samples *samples,
		     void (*each)(struct gate *gate, const struct sale *sale, struct metrics_samples *samples))
{
	const struct sale_table *table = sale_catalog_ref(gate->settings.catalog);
	struct sale_choice choice;

	sale_tally_choose(table, &choice);
	for (size_t i = 0; i < choice.count; i++)
		each(gate, choice.entries[i]->sale, samples);
	sale_table_unref(table);
}

static void say_units(struct gate *gate, const struct sale *sale, struct metrics_samples *samples)
{
	struct stock_lot_state lots[LOTS_MAX];
	char labels[LABELS_SIZE];

	if (!gate_lots(gate, sale, lots))
		return;
	for (uint32_t i = 0; i < sale->lot_count; i++) {
		const struct {
			const char *state;
			int64_t units;
		} figures[] = {
			{"available", lots[i].available},
			{"held", lots[i].held},
			{"confirmed", lots[i].confirmed},
			{"withdrawn", lots[i].withdrawn},
		};

		for (size_t j = 0; j < sizeof(figures) / sizeof(figures[0]); j++) {
			snprintf(labels, sizeof(labels), "sale=\"%s\",sku=\"%s\",state=\"%s\"", sale->id, sale->lots[i].sku,
				 figures[j].state);
			metrics_sample(samples, labels, (double)figures[j].units);
		}
	}
}

static const char *outcome_name(size_t outcome)
{
	if (outcome == OUTCOME_ACCEPTED)
		return "accepted";
	return outcome == OUTCOME_REPLAYED ? "replayed" : problem_code((enum problem)outcome);
}

/*
 * Most refusals never come to most sales: but for the three that do, each is there once it was
 * counted.
 */
static bool is_said(size_t outcome, uint64_t count)
{
	return count > 0 || outcome == OUTCOME_ACCEPTED || outcome == OUTCOME_REPLAYED || outcome == PROBLEM_SOLD_OUT;
}

static void say_purchases(struct gate *gate, const struct sale *sale, struct metrics_samples *samples)
{
	uint64_t counts[PURCHASE_OUTCOMES];
	char labels[LABELS_SIZE];

	sale_metrics_purchases(gate, sale->number, counts);
	for (size_t i = 0; i < PURCHASE_OUTCOMES; i++) {
		if (!is_said(i, counts[i]))
			continue;
		snprintf(labels, sizeof(labels), "sale=\"%s\",outcome=\"%s\"", sale->id, outcome_name(i));
		metrics_sample(samples, labels, (double)counts[i]);
	}
}

void sale_metrics_purchases(const struct gate *gate, uint32_t sale, uint64_t counts[PURCHASE_OUTCOMES])
{
	memset(counts, 0, PURCHASE_OUTCOMES * sizeof(counts[0]));
	for (size_t i = 0; i < gate->thread_count; i++)
		if (gate->threads[i].tally)
			sale_tally_add_up(gate->threads[i].tally, sale, counts);
}

static void render_units(void *context, struct metrics_samples *samples)
{
	for_each(context, samples, say_units);
}

static void render_purchases(void *context, struct metrics_samples *samples)
{
	for_each(context, samples, say_purchases);
}

static double read_left_out(void *context)
{
	struct gate *gate = context;
	const struct sale_table *table = sale_catalog_ref(gate->settings.catalog);
	struct sale_choice choice;

	sale_tally_choose(table, &choice);
	sale_table_unref(table);
	return (double)choice.left_out;
}

void sale_metrics_register(struct gate *gate)
{
	struct metrics *metrics = gate->settings.metrics;

	metrics_family(metrics, "gauge", "penstock_sale_units",
		       "Units of a sale that was armed and has not ended, by lot and state.", render_units, gate);
	metrics_family(metrics, "counter", "penstock_sale_purchases_total",
		       "Answers to purchases of a sale that was armed and has not ended, by outcome.", render_purchases, gate);
	metrics_reader(metrics, "gauge", "penstock_sales_left_out",
		       "Sales that were armed and have not ended, and have no metrics of their own: there are too many.", NULL,
		       read_left_out, gate);
}
