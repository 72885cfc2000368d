/*
 * A ledger with a past: fill_ledger FILE ORDERS makes FILE anew, with an open sale "s" of one lot and so many held orders, each of another buyer and
 * with another key. The holds last for an hour, so that a server started on it soon remembers all of it.
 */
#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/log.h"
#include "ledger/sqlite.h"

enum { BATCH = 4096, HOLD_SECONDS = 3600, TEXT_SIZE = 40 };

static void check(const char *what, int result)
{
	if (result == 0)
		return;
	fprintf(stderr, "fill_ledger: %s: %d\n", what, result);
	exit(1);
}

static uint32_t make_sale(struct ledger *ledger)
{
	struct ledger_actor actor = {SLICE("bench"), SLICE_NULL, clock_wall_ms()};
	struct ledger_item item = {.sku = "A", .name = "Item", .on_hand = UNITS_MAX};
	struct sale *sale = calloc(1, sizeof(*sale) + sizeof(sale->lots[0]));
	uint32_t lot, number;

	if (!sale)
		exit(1);
	snprintf(sale->id, sizeof(sale->id), "s");
	snprintf(sale->name, sizeof(sale->name), "Sale");
	snprintf(sale->currency, sizeof(sale->currency), "EUR");
	sale->limit_per_buyer = 1;
	sale->hold_seconds = HOLD_SECONDS;
	sale->opens_at_ms = sale->closes_at_ms = SALE_NO_TIME;
	sale->lot_count = 1;
	snprintf(sale->lots[0].sku, sizeof(sale->lots[0].sku), "A");
	sale->lots[0].allocated = UNITS_MAX;
	check("item", ledger->ops->item_create(ledger, &item, &actor));
	check("sale", ledger->ops->sale_create(ledger, sale, &actor, &lot));
	number = sale->number;
	free(sale);
	check("arm", ledger->ops->sale_move(ledger, number, SALE_ARM, &actor));
	check("open", ledger->ops->sale_move(ledger, number, SALE_START, &actor));
	return number;
}

static uint32_t epoch_of(struct ledger *ledger, uint32_t number)
{
	struct sale *sale;
	uint32_t epoch;

	check("sale", ledger->ops->sale_get(ledger, number, SLICE_NULL, &sale));
	epoch = sale->epoch;
	free(sale);
	return epoch;
}

static void fill(struct ledger *ledger, uint32_t sale, uint32_t epoch, size_t first, size_t count)
{
	static struct uuid_generator ids;
	static struct event events[BATCH];
	static struct ledger_entry entries[BATCH];
	static char buyers[BATCH][TEXT_SIZE], keys[BATCH][TEXT_SIZE];
	int64_t now_ms = clock_wall_ms();

	for (size_t i = 0; i < count; i++) {
		int buyer = snprintf(buyers[i], TEXT_SIZE, "early-%09zu", first + i);
		int key = snprintf(keys[i], TEXT_SIZE, "0193f0a0-7b6c-7000-9000-%012zu", first + i);

		events[i] = (struct event){.kind = EVENT_RESERVED,
					   .sale = sale,
					   .epoch = epoch,
					   .quantity = 1,
					   .buyer_units = 1,
					   .limit_per_buyer = 1,
					   .id = uuid_make(&ids, now_ms, sale),
					   .at_ms = now_ms,
					   .hold_expires_at_ms = now_ms + HOLD_SECONDS * INT64_C(1000),
					   .buyer = {buyers[i], (size_t)buyer},
					   .key = {keys[i], (size_t)key},
					   .actor = {buyers[i], (size_t)buyer}};
		entries[i] = (struct ledger_entry){&events[i], -1};
	}
	check("apply", ledger->ops->apply(ledger, entries, count));
	for (size_t i = 0; i < count; i++)
		check("outcome", entries[i].outcome);
}

int main(int count, char **arguments)
{
	size_t orders = count == 3 ? (size_t)atol(arguments[2]) : 0;
	struct ledger *ledger;
	uint32_t sale, epoch;

	if (count != 3) {
		fprintf(stderr, "usage: fill_ledger FILE ORDERS\n");
		return 2;
	}
	log_set_level(LOG_WARN);
	check("open", ledger_sqlite_open(&ledger, arguments[1], LEDGER_OPEN_LEASE));
	sale = make_sale(ledger);
	epoch = epoch_of(ledger, sale);
	for (size_t done = 0; done < orders; done += BATCH)
		fill(ledger, sale, epoch, done, orders - done < BATCH ? orders - done : BATCH);
	ledger->ops->free(ledger);
	return 0;
}
