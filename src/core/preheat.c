#include "core/preheat.h"

int preheat_begin(struct stock *stock, const struct sale *sale, uint32_t epoch)
{
	const struct stock_rules rules = {
		.sale = sale->number,
		.epoch = epoch,
		.limit_per_buyer = sale->limit_per_buyer,
		.rate_requests = sale->rate_requests,
		.rate_seconds = sale->rate_seconds,
		.lot_count = sale->lot_count,
	};

	return stock->ops->preheat_begin(stock, &rules);
}

int preheat_arm(struct stock *stock, const struct sale *sale)
{
	int64_t allocated[LOTS_MAX], withdrawn[LOTS_MAX];

	stock->ops->keep(stock, &sale, 1); /* first: it is there as soon as the sale is armed, and says nothing before */
	for (uint32_t i = 0; i < sale->lot_count; i++) {
		allocated[i] = sale->lots[i].allocated;
		withdrawn[i] = sale->lots[i].withdrawn;
	}
	return stock->ops->arm(stock, sale->number, allocated, withdrawn);
}
