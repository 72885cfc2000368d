#include "core/brake.h"

#include <stdio.h>
#include "base/log.h"

static enum sale_brake meaning(const struct stock_brake *brake)
{
	if (brake->stopped)
		return SALE_BRAKE_STOP;
	return brake->pending ? SALE_BRAKE_GO : SALE_BRAKE_NONE;
}

int brake_set(struct stock *stock, struct sale_catalog *catalog, uint32_t sale, bool stopped, const struct ledger_actor *actor)
{
	struct stock_brake brake = {.stopped = stopped, .at_ms = actor->now_ms};
	int outcome, r;

	snprintf(brake.actor, sizeof(brake.actor), "%.*s", (int)actor->name.size, actor->name.data ? actor->name.data : "");
	snprintf(brake.trace, sizeof(brake.trace), "%.*s", (int)actor->trace.size, actor->trace.data ? actor->trace.data : "");
	outcome = stock->ops->brake(stock, sale, &brake);
	if (outcome != STOCK_DONE)
		log_warn("sales", "the stock cannot be told of an operator's stop or its release", LOG_INT("sale", sale),
			 LOG_TEXT("wanted", stopped ? "stop" : "go on"));
	r = brake_follow(stock, catalog, sale);
	return r < 0 ? r : outcome;
}

int brake_follow(struct stock *stock, struct sale_catalog *catalog, uint32_t sale)
{
	struct stock_brake brake;

	return stock->ops->brake_of(stock, sale, &brake) ? sale_catalog_brake(catalog, sale, meaning(&brake)) : 0;
}

enum sale_state brake_state(struct stock *stock, const struct sale *sale)
{
	struct stock_brake brake;

	return stock->ops->brake_of(stock, sale->number, &brake) ? sale_brake_state(sale->state, meaning(&brake)) : sale->state;
}

int brake_write(struct stock *stock, struct ledger *ledger, uint32_t sale)
{
	static const struct slice clock_name = {"clock", 5};
	struct stock_brake brake;
	struct ledger_actor actor, opener;
	int r;

	if (!stock->ops->brake_of(stock, sale, &brake) || !brake.pending)
		return 0;
	actor = (struct ledger_actor){
		.kind = ACTOR_OPERATOR, .name = slice_of(brake.actor), .trace = slice_of(brake.trace), .now_ms = brake.at_ms};
	opener = (struct ledger_actor){.kind = ACTOR_CLOCK, .name = clock_name, .now_ms = brake.at_ms};
	r = ledger->ops->sale_move(ledger, sale, brake.stopped ? SALE_PAUSE : SALE_RESUME, &actor);
	/* It was stopped after its opening time and before the ledger had it opened. */
	if (r == LEDGER_WRONG_STATE && brake.stopped && ledger->ops->sale_move(ledger, sale, SALE_START, &opener) == LEDGER_DONE)
		r = ledger->ops->sale_move(ledger, sale, SALE_PAUSE, &actor);
	if (r < 0)
		return r;
	if (r != LEDGER_DONE && r != LEDGER_ALREADY)
		log_warn("sales", "the ledger has no use for an operator's stop or its release: the sale is over",
			 LOG_INT("sale", sale), LOG_INT("outcome", r));
	stock->ops->brake_written(stock, sale, brake.serial);
	return 0;
}
