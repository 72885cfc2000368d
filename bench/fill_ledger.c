/*
 * A ledger with a past: fill_ledger FILE ORDERS makes FILE anew, with an open sale "s" of one lot
 * and so many held orders, each of another buyer and with another key. The holds last for an hour,
 * so that a server started on it soon remembers all of it.
 *
 * fill_ledger FILE ORDERS ENDED: the sale is a year old, its orders are spread over that year, and
 * beside it lie so many orders of ten sales that ended in the course of it with nothing left.
 *
 * fill_ledger FILE ORDERS over: the holds have run out already, all at once.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/log.h"
#include "ledger/sqlite/sqlite.h"

enum { BATCH = 4096, HOLD_SECONDS = 3600, TEXT_SIZE = 40, ENDED_SALES = 10 };
#define YEAR_MS (365 * INT64_C(86400000))

static void check(const char *what, int result)
{
	if (result == 0)
		return;
	fprintf(stderr, "fill_ledger: %s: %d\n", what, result);
	exit(1);
}

/* A sale as it is made, and its orders. */
struct past {
	char id[16];
	uint32_t number, epoch, hold_seconds;
	int64_t units, first_ms, last_ms; /* of the orders */
	size_t orders;
};

static uint32_t epoch_of(struct ledger *ledger, uint32_t number)
{
	struct sale *sale;
	uint32_t epoch;

	check("sale", ledger->ops->sale_get(ledger, number, SLICE_NULL, &sale));
	epoch = sale->epoch;
	free(sale);
	return epoch;
}

static struct ledger_actor actor_at(int64_t now_ms)
{
	return (struct ledger_actor){.name = SLICE("bench"), .now_ms = now_ms};
}

static void make_sale(struct ledger *ledger, struct past *past)
{
	struct ledger_actor actor = actor_at(past->first_ms);
	struct ledger_item item = {.name = "Item", .on_hand = past->units};
	struct sale *sale = calloc(1, sizeof(*sale) + sizeof(sale->lots[0]));
	uint32_t lot;

	if (!sale)
		exit(1);
	snprintf(item.sku, sizeof(item.sku), "%s", past->id);
	snprintf(sale->id, sizeof(sale->id), "%s", past->id);
	snprintf(sale->name, sizeof(sale->name), "Sale");
	snprintf(sale->currency, sizeof(sale->currency), "EUR");
	sale->price_minor = 17900;
	sale->limit_per_buyer = 1;
	sale->hold_seconds = past->hold_seconds;
	sale->opens_at_ms = sale->closes_at_ms = SALE_NO_TIME;
	sale->lot_count = 1;
	snprintf(sale->lots[0].sku, sizeof(sale->lots[0].sku), "%s", past->id);
	sale->lots[0].allocated = past->units;
	check("item", ledger->ops->item_create(ledger, &item, &actor));
	check("sale", ledger->ops->sale_create(ledger, sale, &actor, &lot));
	past->number = sale->number;
	free(sale);
	check("arm", ledger->ops->sale_move(ledger, past->number, SALE_ARM, &actor));
	check("open", ledger->ops->sale_move(ledger, past->number, SALE_START, &actor));
	past->epoch = epoch_of(ledger, past->number);
}

static void fill(struct ledger *ledger, const struct past *past, struct uuid_generator *ids, size_t first, size_t count)
{
	static struct event events[BATCH];
	static struct ledger_entry entries[BATCH];
	static char buyers[BATCH][TEXT_SIZE], keys[BATCH][TEXT_SIZE];
	int64_t length_ms = past->last_ms - past->first_ms, step_ms = past->orders ? length_ms / (int64_t)past->orders : 0;

	for (size_t i = 0; i < count; i++) {
		int64_t at_ms = past->first_ms + (int64_t)(first + i) * step_ms;
		int buyer = snprintf(buyers[i], TEXT_SIZE, "filled-%zu", first + i),
		    key = snprintf(keys[i], TEXT_SIZE, "key-%zu", first + i);

		events[i] = (struct event){.kind = EVENT_RESERVED,
					   .sale = past->number,
					   .epoch = past->epoch,
					   .quantity = 1,
					   .buyer_units = 1,
					   .limit_per_buyer = 1,
					   .id = uuid_make(ids, at_ms, past->number),
					   .at_ms = at_ms,
					   .hold_expires_at_ms = past->hold_seconds ? at_ms + past->hold_seconds * INT64_C(1000) : 0,
					   .buyer = {buyers[i], (size_t)buyer},
					   .key = {keys[i], (size_t)key},
					   .actor = {buyers[i], (size_t)buyer}};
		entries[i] = (struct ledger_entry){&events[i], -1};
	}
	check("apply", ledger->ops->apply(ledger, entries, count));
	ledger->ops->tidy(ledger);
	for (size_t i = 0; i < count; i++)
		check("outcome", entries[i].outcome);
}

static void make(struct ledger *ledger, struct past *past)
{
	struct uuid_generator ids = {0};

	make_sale(ledger, past);
	for (size_t done = 0; done < past->orders; done += BATCH)
		fill(ledger, past, &ids, done, past->orders - done < BATCH ? past->orders - done : BATCH);
}

/* Sales one after the other through the year, each sold to its last unit and ended. */
static void make_ended(struct ledger *ledger, size_t orders, int64_t since_ms)
{
	for (int i = 0; i < ENDED_SALES; i++) {
		int64_t length_ms = YEAR_MS / (ENDED_SALES + 2); /* the last one ended long enough ago */
		struct past past = {.orders = orders / ENDED_SALES,
				    .units = (int64_t)(orders / ENDED_SALES),
				    .first_ms = since_ms + i * length_ms,
				    .last_ms = since_ms + (i + 1) * length_ms};
		struct ledger_actor actor = actor_at(past.last_ms);

		snprintf(past.id, sizeof(past.id), "ended-%d", i);
		make(ledger, &past);
		check("end", ledger->ops->sale_move(ledger, past.number, SALE_END, &actor));
	}
}

int main(int count, char **arguments)
{
	int64_t now_ms = clock_wall_ms();
	struct past sale = {.id = "s", .hold_seconds = HOLD_SECONDS, .units = UNITS_MAX, .first_ms = now_ms, .last_ms = now_ms};
	struct ledger *ledger;
	size_t ended;
	bool over;

	if (count != 3 && count != 4) {
		fprintf(stderr, "usage: fill_ledger FILE ORDERS [ENDED | over]\n");
		return 2;
	}
	log_set_level(LOG_WARN);
	sale.orders = (size_t)atol(arguments[2]);
	check("open", ledger_sqlite_open(&ledger, arguments[1], LEDGER_OPEN_LEASE));
	over = count == 4 && strcmp(arguments[3], "over") == 0;
	ended = count == 4 && !over ? (size_t)atol(arguments[3]) : 0;
	if (over)
		sale.first_ms = sale.last_ms = now_ms - 2 * HOLD_SECONDS * INT64_C(1000);
	if (ended) {
		sale.first_ms = now_ms - YEAR_MS;
		sale.hold_seconds = 0;
	}
	make(ledger, &sale);
	if (ended)
		make_ended(ledger, ended, sale.first_ms);
	ledger->ops->free(ledger);
	return 0;
}
