#include "orders.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/clock.h"

enum { LOTS = 5 };

static struct uuid_generator generator;
static uint64_t buyers;

double wall_us(void)
{
	return (double)clock_mono_ns() / 1e3;
}

void check(const char *what, int result)
{
	if (result == 0)
		return;
	fprintf(stderr, "%s: %s: %d\n", program_invocation_short_name, what, result);
	exit(1);
}

void *must_have(void *memory)
{
	check("memory", memory ? 0 : -ENOMEM);
	return memory;
}

uint32_t make_sale(struct ledger *ledger)
{
	struct ledger_actor actor = {.name = SLICE("bench"), .now_ms = clock_wall_ms()};
	struct sale *sale = must_have(calloc(1, sizeof(*sale) + LOTS * sizeof(sale->lots[0])));
	uint32_t lot, number;

	snprintf(sale->id, sizeof(sale->id), "bench");
	snprintf(sale->name, sizeof(sale->name), "Bench");
	snprintf(sale->currency, sizeof(sale->currency), "EUR");
	sale->limit_per_buyer = 1;
	sale->opens_at_ms = sale->closes_at_ms = SALE_NO_TIME;
	sale->lot_count = LOTS;
	for (uint32_t i = 0; i < LOTS; i++) {
		struct ledger_item item = {.name = "Item", .on_hand = UNITS_MAX};

		snprintf(item.sku, sizeof(item.sku), "SKU-%u", i);
		check("item", ledger->ops->item_create(ledger, &item, &actor));
		snprintf(sale->lots[i].sku, sizeof(sale->lots[i].sku), "SKU-%u", i);
		sale->lots[i].allocated = UNITS_MAX;
	}
	check("sale", ledger->ops->sale_create(ledger, sale, &actor, &lot));
	number = sale->number;
	free(sale);
	return number;
}

void fill(struct event *events, char (*names)[BUYER_SIZE], struct ledger_entry *entries, size_t count, uint32_t sale)
{
	static const char key[] = "1c3a4b0e-5a1f-4c8e-9d0a-0123456789ab";
	static const char trace[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
	int64_t now_ms = clock_wall_ms();

	for (size_t i = 0; i < count; i++) {
		int size = snprintf(names[i], BUYER_SIZE, "buyer-%llu", (unsigned long long)++buyers);

		events[i] = (struct event){.kind = EVENT_RESERVED,
					   .sale = sale,
					   .epoch = 1,
					   .lot = (uint32_t)(buyers % LOTS),
					   .quantity = 1,
					   .buyer_units = 1,
					   .limit_per_buyer = 1,
					   .id = uuid_make(&generator, now_ms, sale),
					   .at_ms = now_ms,
					   .hold_expires_at_ms = now_ms + 120000,
					   .buyer = {names[i], (size_t)size},
					   .key = {key, sizeof(key) - 1},
					   .actor = {names[i], (size_t)size},
					   .trace = {trace, sizeof(trace) - 1}};
		entries[i] = (struct ledger_entry){&events[i], -1};
	}
}
