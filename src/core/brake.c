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

	/* None: nobody has touched it, or what was stopped was dropped since. */
	return sale_catalog_brake(catalog, sale, stock->ops->brake_of(stock, sale, &brake) ? meaning(&brake) : SALE_BRAKE_NONE);
}

enum sale_state brake_state(struct stock *stock, const struct sale *sale)
{
	struct stock_brake brake;

	return stock->ops->brake_of(stock, sale->number, &brake) ? sale_brake_state(sale->state, sale->opened, meaning(&brake))
								 : sale->state;
}

/*
 * It was stopped after its opening time, maybe before the ledger had it opened: it was open by
 * then.
 */
static bool was_open(const struct sale *sale, const struct stock_brake *brake)
{
	return brake->stopped && sale->opens_at_ms != SALE_NO_TIME && brake->at_ms >= sale->opens_at_ms;
}

int brake_write(struct stock *stock, struct ledger *ledger, const struct sale *sale)
{
	static const struct slice clock_name = {"clock", 5};
	struct stock_brake brake;
	struct ledger_actor actor, opener;
	int r = 0;

	if (!stock->ops->brake_of(stock, sale->number, &brake) || !brake.pending)
		return 0;
	actor = (struct ledger_actor){
		.kind = ACTOR_OPERATOR, .name = slice_of(brake.actor), .trace = slice_of(brake.trace), .now_ms = brake.at_ms};
	opener = (struct ledger_actor){.kind = ACTOR_CLOCK, .name = clock_name, .now_ms = brake.at_ms};
	if (was_open(sale, &brake))
		r = ledger->ops->sale_move(ledger, sale->number, SALE_START, &opener); /* where it is armed */
	if (r >= 0)
		r = ledger->ops->sale_move(ledger, sale->number, brake.stopped ? SALE_PAUSE : SALE_RESUME, &actor);
	if (r < 0)
		return r;
	if (r != LEDGER_DONE && r != LEDGER_ALREADY)
		log_warn("sales", "the ledger has no use for an operator's stop or its release: the sale is over",
			 LOG_TEXT("sale", sale->id), LOG_INT("outcome", r));
	stock->ops->brake_written(stock, sale->number, brake.serial);
	return 0;
}
