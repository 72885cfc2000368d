#include "contract/ledger_kit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "base/clock.h"
#include "base/pause.h"

static const int64_t DRIVE_NS = 60000000000;

struct ledger_actor kit_actor(const struct kit *kit)
{
	return (struct ledger_actor){.name = SLICE("olga"),
				     .trace = SLICE("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
				     .now_ms = kit->now_ms};
}

void kit_stock(struct kit *kit, struct ledger *ledger)
{
	struct ledger_item item = {.name = "A thing", .on_hand = KIT_ON_HAND};
	struct ledger_actor actor;
	struct sale *sale = calloc(1, sizeof(*sale) + 2 * sizeof(sale->lots[0]));
	uint32_t lot;

	assert_non_null(sale);
	*kit = (struct kit){.ledger = ledger, .now_ms = KIT_NOW_MS};
	actor = kit_actor(kit);
	strcpy(item.sku, "SHIRT");
	assert_int_equal(ledger->ops->item_create(ledger, &item, &actor), LEDGER_DONE);
	strcpy(item.sku, "SHOE");
	assert_int_equal(ledger->ops->item_create(ledger, &item, &actor), LEDGER_DONE);
	strcpy(sale->id, "drop");
	strcpy(sale->name, "The \"drop\"");
	strcpy(sale->currency, "EUR");
	sale->price_minor = 17900;
	sale->limit_per_buyer = KIT_LIMIT;
	sale->rate_requests = 3;
	sale->rate_seconds = 60;
	sale->hold_seconds = KIT_HOLD_MS / 1000;
	sale->opens_at_ms = kit->now_ms + 5000;
	sale->closes_at_ms = SALE_NO_TIME;
	sale->created_at_ms = kit->now_ms;
	sale->ended_at_ms = SALE_NO_TIME;
	sale->lot_count = 2;
	strcpy(sale->lots[KIT_SHIRT].sku, "SHIRT");
	sale->lots[KIT_SHIRT].allocated = KIT_SHIRTS;
	strcpy(sale->lots[KIT_SHOE].sku, "SHOE");
	sale->lots[KIT_SHOE].allocated = KIT_SHOES;
	assert_int_equal(ledger->ops->sale_create(ledger, sale, &actor, &lot), LEDGER_DONE);
	kit->sale = sale->number;
	free(sale);
}

struct sale *kit_sale(struct kit *kit)
{
	struct sale *sale;

	assert_int_equal(kit->ledger->ops->sale_get(kit->ledger, kit->sale, SLICE_NULL, &sale), LEDGER_DONE);
	return sale;
}

struct uuid kit_id(struct kit *kit)
{
	return uuid_make(&kit->ids, kit->now_ms, kit->sale);
}

struct event kit_reserved(struct kit *kit, uint32_t lot, uint32_t quantity, const char *buyer)
{
	return (struct event){
		.kind = EVENT_RESERVED,
		.sale = kit->sale,
		.epoch = 1,
		.lot = lot,
		.quantity = quantity,
		.buyer_units = quantity,
		.limit_per_buyer = KIT_LIMIT,
		.id = kit_id(kit),
		.at_ms = kit->now_ms,
		.hold_expires_at_ms = kit->now_ms + KIT_HOLD_MS,
		.buyer = slice_of(buyer),
		.key = slice_of(buyer),
		.actor = slice_of(buyer),
		.trace = SLICE("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
	};
}

void kit_in_sale(struct kit *kit, struct event *event, uint32_t sale)
{
	event->sale = sale;
	event->id = uuid_make(&kit->ids, kit->now_ms, sale);
}

struct event kit_settled(struct kit *kit, enum event_kind kind, const struct event *reserved)
{
	return (struct event){
		.kind = kind,
		.sale = reserved->sale,
		.epoch = reserved->epoch,
		.quantity = kind == EVENT_CANCELLED || kind == EVENT_REFUNDED ? reserved->quantity : 0,
		.id = reserved->id,
		.at_ms = kit->now_ms,
		.hold_expires_at_ms = kind == EVENT_EXTENDED ? kit->now_ms + 2 * KIT_HOLD_MS : 0,
		.actor = kind == EVENT_EXPIRED ? SLICE("clock") : SLICE("olga"),
	};
}

struct event kit_withdrawn(struct kit *kit, uint32_t lot, uint32_t quantity)
{
	return (struct event){
		.kind = EVENT_WITHDRAWN,
		.sale = kit->sale,
		.epoch = 1,
		.lot = lot,
		.quantity = quantity,
		.id = kit_id(kit),
		.at_ms = kit->now_ms,
		.actor = SLICE("olga"),
	};
}

struct event kit_barrier(struct kit *kit, uint32_t epoch)
{
	return (struct event){.kind = EVENT_BARRIER,
			      .sale = kit->sale,
			      .epoch = epoch,
			      .id = kit_id(kit),
			      .at_ms = kit->now_ms,
			      .actor = SLICE("recovery")};
}

int kit_drain(struct kit *kit, int64_t from, struct ledger_entry *entries, size_t count)
{
	int64_t to = from + (int64_t)count;
	struct ledger_progress progress = {.from = from, .to = to, .mark = 10 * (uint64_t)to};
	struct ledger_drain drain = {
		.entries = entries, .count = count, .progress = &progress, .progress_count = 1, .now_ms = kit->now_ms};

	for (size_t i = 0; i < count; i++)
		entries[i].outcome = -1;
	return kit->ledger->ops->drain(kit->ledger, &drain);
}

void kit_assert_position(struct kit *kit, uint32_t partition, int64_t next)
{
	int64_t found = -1;
	uint64_t mark = 0;
	int result = kit->ledger->ops->journal_position(kit->ledger, partition, &found, &mark);

	assert_int_equal(result, next < 0 ? LEDGER_NOT_FOUND : LEDGER_DONE);
	assert_int_equal(found, next);
	if (next >= 0)
		assert_int_equal(mark, 10 * next);
}

uint32_t kit_big_sale(struct kit *kit, int64_t units)
{
	struct ledger_item item = {.sku = "BIG", .name = "Many", .on_hand = units};
	struct ledger_actor actor = kit_actor(kit);
	struct sale *sale = calloc(1, sizeof(*sale) + sizeof(sale->lots[0]));
	uint32_t lot, number;

	assert_non_null(sale);
	assert_int_equal(kit->ledger->ops->item_create(kit->ledger, &item, &actor), LEDGER_DONE);
	strcpy(sale->id, "big");
	strcpy(sale->name, "Big");
	strcpy(sale->currency, "EUR");
	sale->limit_per_buyer = KIT_LIMIT;
	sale->opens_at_ms = sale->closes_at_ms = SALE_NO_TIME;
	sale->lot_count = 1;
	strcpy(sale->lots[0].sku, "BIG");
	sale->lots[0].allocated = units;
	assert_int_equal(kit->ledger->ops->sale_create(kit->ledger, sale, &actor, &lot), LEDGER_DONE);
	number = sale->number;
	free(sale);
	return number;
}

int kit_apply(struct kit *kit, const struct event *event)
{
	struct ledger_entry entry = {event, -1};
	int result = kit->ledger->ops->apply(kit->ledger, &entry, 1);

	return result < 0 ? result : entry.outcome;
}

static bool try_again(int result, int64_t deadline_ns)
{
	bool refused = result == -EBUSY || result == -ETIMEDOUT || result == -ENOTCONN || result == -EINPROGRESS;

	if (!refused || clock_mono_ns() > deadline_ns)
		return false;
	pause_sleep(1000000);
	return true;
}

int kit_drive(struct kit *kit, struct ledger_entry *entries, size_t count)
{
	int64_t deadline_ns = clock_mono_ns() + DRIVE_NS;
	int result;

	do
		result = kit->ledger->ops->apply(kit->ledger, entries, count);
	while (try_again(result, deadline_ns));
	return result;
}

int kit_raise_epoch(struct kit *kit, uint32_t sale, uint32_t *epoch, uint32_t *tries)
{
	int64_t deadline_ns = clock_mono_ns() + DRIVE_NS;
	int result;

	*tries = 0;
	do {
		result = kit->ledger->ops->sale_raise_epoch(kit->ledger, sale, 0, epoch);
		++*tries;
	} while (try_again(result, deadline_ns));
	return result;
}

struct event kit_reserve(struct kit *kit, uint32_t lot, uint32_t quantity, const char *buyer)
{
	struct event event = kit_reserved(kit, lot, quantity, buyer);

	assert_int_equal(kit_apply(kit, &event), LEDGER_DONE);
	return event;
}

void kit_assert_lot(struct kit *kit, uint32_t lot, int64_t allocated, int64_t held, int64_t confirmed, int64_t withdrawn)
{
	struct sale *sale = kit_sale(kit);

	assert_int_equal(sale->lots[lot].allocated, allocated);
	assert_int_equal(sale->lots[lot].held, held);
	assert_int_equal(sale->lots[lot].confirmed, confirmed);
	assert_int_equal(sale->lots[lot].withdrawn, withdrawn);
	free(sale);
}

void kit_assert_item(struct kit *kit, const char *sku, int64_t on_hand, int64_t allocated)
{
	struct ledger_item item;

	assert_int_equal(kit->ledger->ops->item_get(kit->ledger, slice_of(sku), &item), LEDGER_DONE);
	assert_string_equal(item.sku, sku);
	assert_int_equal(item.on_hand, on_hand);
	assert_int_equal(item.allocated, allocated);
}

void kit_assert_order(struct kit *kit, const struct uuid *id, enum order_state state)
{
	struct ledger_order order;

	assert_int_equal(kit->ledger->ops->order_get(kit->ledger, id, &order), LEDGER_DONE);
	assert_int_equal(order.state, state);
}

void kit_assert_audit(struct kit *kit)
{
	struct ledger_audit audit;

	assert_int_equal(kit->ledger->ops->audit(kit->ledger, &audit), 0);
	assert_string_equal(audit.first, "");
	assert_int_equal(audit.p1_broken + audit.p2_broken + audit.p3_broken + audit.p4_broken + audit.log_broken, 0);
	assert_int_equal(audit.units_allocated,
			 audit.units_available + audit.units_held + audit.units_confirmed + audit.units_withdrawn);
}
