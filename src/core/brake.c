#include "core/brake.h"

#include <stdio.h>
#include "base/log.h"
#include "base/sha256.h"

/* What the release at a place of the history answers. */
static struct sale_release release_at(const struct stock_brake *brake, uint32_t place)
{
	struct sale_release release = {.stops = brake->changes[place].stops};

	for (uint32_t i = 0; i < place; i++)
		if (brake->changes[i].stopped)
			release.before[release.before_count++] = brake->changes[i].request;
	return release;
}

/* What was dropped is behind all of its history: that says nothing any more. */
static struct sale_brake meaning(const struct stock_brake *brake)
{
	const uint32_t newest = brake->count - 1;

	if (brake->stopped)
		return (struct sale_brake){.word = SALE_BRAKE_STOP};
	if (brake->count == 0 || brake->changes[newest].serial < brake->serial)
		return (struct sale_brake){.word = SALE_BRAKE_NONE};
	return (struct sale_brake){.word = SALE_BRAKE_GO, .release = release_at(brake, newest)};
}

/* None: nobody has touched it, or what was stopped was dropped since. */
static struct sale_brake look(struct stock *stock, uint32_t sale)
{
	struct stock_brake brake;

	return stock->ops->brake_of(stock, sale, &brake) ? meaning(&brake) : (struct sale_brake){.word = SALE_BRAKE_NONE};
}

int brake_set(struct stock *stock, struct sale_catalog *catalog, uint32_t sale, bool stopped, uint32_t stops,
	      const struct ledger_actor *actor)
{
	struct stock_brake_change change = {.stopped = stopped, .at_ms = actor->now_ms, .stops = stops};
	struct uuid_generator ids = {0};
	int outcome, r;

	change.request = actor->request ? actor->request->id : uuid_make(&ids, actor->now_ms, sale);
	snprintf(change.actor, sizeof(change.actor), "%.*s", (int)actor->name.size, actor->name.data ? actor->name.data : "");
	snprintf(change.trace, sizeof(change.trace), "%.*s", (int)actor->trace.size, actor->trace.data ? actor->trace.data : "");
	outcome = stock->ops->brake(stock, sale, &change);
	if (outcome != STOCK_DONE && outcome != STOCK_REPLAY)
		log_warn("sales", "the stock cannot be told of an operator's stop or its release", LOG_INT("sale", sale),
			 LOG_TEXT("wanted", stopped ? "stop" : "go on"));
	r = brake_follow(stock, catalog, sale);
	return r < 0 ? r : outcome;
}

int brake_follow(struct stock *stock, struct sale_catalog *catalog, uint32_t sale)
{
	const struct sale_brake brake = look(stock, sale);

	return sale_catalog_brake(catalog, sale, &brake);
}

bool brake_has_lost(struct stock *stock, uint32_t sale, const struct uuid *request)
{
	struct stock_brake brake;

	return stock->ops->brake_of(stock, sale, &brake) && stock_brake_has_lost(&brake, request);
}

enum sale_state brake_state(struct stock *stock, const struct sale *sale)
{
	const struct sale_brake brake = look(stock, sale->number);

	return sale_brake_state(sale, sale->state, &brake);
}

bool brake_is_in_row(struct stock *stock, const struct sale *shown, enum sale_state in_row)
{
	struct stock_brake brake;

	return shown->state == in_row && (!stock->ops->brake_of(stock, shown->number, &brake) || !stock_brake_pending(&brake));
}

/*
 * It was stopped after its opening time, maybe before the ledger had it opened: it was open by
 * then.
 */
static bool was_open(const struct sale *sale, const struct stock_brake_change *change)
{
	return change->stopped && sale->opens_at_ms != SALE_NO_TIME && change->at_ms >= sale->opens_at_ms;
}

/* What the body of a request is known by that has none. */
static struct uuid no_body(void)
{
	uint8_t hash[SHA256_SIZE];

	sha256(SLICE(""), hash);
	return uuid_of_hash(hash);
}

/*
 * It held, and its operator was told so; then the sale ended before the ledger had heard of it. Who
 * did it is written down all the same. 0 or negative.
 */
static int log_late(struct ledger *ledger, const struct sale *sale, const struct stock_brake_change *change,
		    const struct ledger_actor *actor)
{
	int r = ledger->ops->log_append(ledger, actor, change->stopped ? ACTION_SALE_PAUSE : ACTION_SALE_RESUME,
					slice_of(sale->id), SLICE("{}"));

	return r == LEDGER_REPEATED ? 0 : r;
}

/*
 * Its request is kept with it: of several processes that tell the ledger of it one does. 0 or
 * negative.
 */
static int write_change(struct ledger *ledger, const struct sale *sale, const struct stock_brake *brake, uint32_t place)
{
	const struct stock_brake_change *change = &brake->changes[place];
	const struct sale_release release = release_at(brake, place);
	static const struct slice clock_name = {"clock", 5};
	struct ledger_request request = {.id = change->request, .body = no_body()};
	const struct ledger_actor actor = {.kind = ACTOR_OPERATOR,
					   .name = slice_of(change->actor),
					   .trace = slice_of(change->trace),
					   .now_ms = change->at_ms,
					   .request = &request};
	const struct ledger_actor opener = {.kind = ACTOR_CLOCK, .name = clock_name, .now_ms = change->at_ms};
	int r = 0;

	if (was_open(sale, change))
		r = ledger->ops->sale_move(ledger, sale->number, SALE_START, &opener); /* where it is armed */
	if (r >= 0)
		r = change->stopped ? ledger->ops->sale_move(ledger, sale->number, SALE_PAUSE, &actor)
				    : ledger->ops->sale_release(ledger, sale->number, &release, &actor);
	if (r < 0)
		return r;
	if (r == LEDGER_CONFLICT) {
		log_info("sales", "a sale stays paused: it may have been stopped after its release was made",
			 LOG_TEXT("sale", sale->id), LOG_TEXT("released_by", change->actor));
		return 0;
	}
	if (r == LEDGER_DONE || r == LEDGER_ALREADY || r == LEDGER_REPEATED)
		return 0;
	log_warn("sales", "the ledger has no use for an operator's stop or its release: the sale is over",
		 LOG_TEXT("sale", sale->id), LOG_INT("outcome", r));
	return log_late(ledger, sale, change, &actor);
}

/* The sale's state is what the newest said; the log lacks those that nobody remembers any more. */
static void say_dropped(const struct sale *sale, const struct stock_brake *brake)
{
	uint32_t first = brake->count ? brake->changes[0].serial : brake->serial;

	if (first > brake->written + 1)
		log_warn("sales",
			 "stops and releases are missing in the operator log: there were more of them than the stock remembers",
			 LOG_TEXT("sale", sale->id), LOG_INT("dropped", first - brake->written - 1));
}

int brake_write(struct stock *stock, struct ledger *ledger, const struct sale *sale)
{
	struct stock_brake brake;
	uint32_t written;
	int r = 0;

	if (!stock->ops->brake_of(stock, sale->number, &brake) || !stock_brake_pending(&brake))
		return 0;
	written = brake.written;
	for (uint32_t i = 0; i < brake.count && r == 0; i++) {
		if (brake.changes[i].serial <= brake.written)
			continue;
		r = write_change(ledger, sale, &brake, i);
		if (r == 0)
			written = brake.changes[i].serial;
	}
	if (written > brake.written || r == 0) {
		say_dropped(sale, &brake);
		stock->ops->brake_written(stock, sale->number, r == 0 ? brake.serial : written);
	}
	return r;
}
