/* Counters: what stocks sell from, and how many units there were at a moment. */
#include "simulation/judge/judge_state.h"

#include "base/assertion.h"

/*
 * What the lot's counter is from now on, as far as anybody can say: the least of those that count.
 */
static void step(struct judge *judge, const struct sale_book *sale, struct lot_book *lot, uint32_t place)
{
	int64_t available = -1;
	struct counter_step *last = lot->step_count ? &lot->steps[lot->step_count - 1] : NULL;

	for (uint32_t i = 0; i < HISTORY_NODES; i++) {
		const struct stock_book *stock = &sale->stocks[i];

		if (stock->armed && !stock->lost && stock->epoch >= sale->barrier &&
		    (available < 0 || stock->lots[place].available < available))
			available = stock->lots[place].available < 0 ? 0 : stock->lots[place].available;
	}
	if (last && last->available == available)
		return;
	lot->steps = judge_more(lot->steps, lot->step_count, &lot->step_room, sizeof(*lot->steps));
	lot->steps[lot->step_count++] = (struct counter_step){judge->now_ns, available};
}

int64_t judge_least_available(const struct judge *judge, const struct lot_book *lot, int64_t from_ns, int64_t to_ns)
{
	int64_t least = INT64_MAX;

	(void)judge;
	for (uint32_t i = lot->step_count; i-- > 0;) {
		const struct counter_step *its = &lot->steps[i];

		if (its->at_ns <= to_ns && its->available < least)
			least = its->available;
		if (its->at_ns <= from_ns)
			return least;
	}
	return -1; /* it was not known yet */
}

/* A stock that is shared changes all of a sale's counters in one step, so they add up at each. */
static void judge_sum(struct judge *judge, uint32_t number, uint32_t place, const struct history_stock_lot *lot)
{
	if (judge->terms.shared && lot->available + lot->held + lot->confirmed + lot->withdrawn != lot->allocated)
		judge_broken(judge, "p4-counter",
			     "sale %u lot %u: %lld available, %lld held, %lld confirmed, %lld withdrawn are not %lld", number,
			     place, (long long)lot->available, (long long)lot->held, (long long)lot->confirmed,
			     (long long)lot->withdrawn, (long long)lot->allocated);
}

void history_stock(struct judge *judge, uint32_t server, uint32_t number, uint32_t epoch, bool armed,
		   const struct history_stock_lot *lots, uint32_t lot_count)
{
	struct sale_book *sale = judge_sale(judge, number);
	struct stock_book *stock;

	ASSERT(server < HISTORY_NODES);
	if (!sale)
		return;
	stock = &sale->stocks[server];
	if (stock->lost && epoch <= stock->epoch)
		return;
	if (armed && epoch > stock->epoch) {
		stock->lost = false;
		sale->built_ns = judge->now_ns;
	}
	stock->armed = armed;
	if (armed)
		stock->epoch = epoch;
	for (uint32_t place = 0; place < lot_count && place < sale->terms.lot_count; place++) {
		stock->lots[place] = lots[place];
		if (armed && !stock->lost)
			judge_sum(judge, number, place, &lots[place]);
		step(judge, sale, &sale->lots[place], place);
		judge_oversold(judge, number, place);
	}
}

void history_stock_left(struct judge *judge, uint32_t server)
{
	ASSERT(server < HISTORY_NODES);
	for (uint32_t number = 1; number <= HISTORY_SALES; number++) {
		struct sale_book *sale = judge_sale(judge, number);

		if (!sale)
			continue;
		sale->stocks[server].lost = true;
		for (uint32_t other = 0; other < HISTORY_NODES; other++) /* a replica has what its master had */
			if (sale->stocks[other].epoch > sale->stocks[server].epoch)
				sale->stocks[server].epoch = sale->stocks[other].epoch;
		for (uint32_t place = 0; place < sale->terms.lot_count; place++)
			step(judge, sale, &sale->lots[place], place);
	}
}

void history_stock_lost(struct judge *judge, uint32_t server)
{
	judge->stock_lost_ns = judge->now_ns;
	history_stock_left(judge, server);
}
