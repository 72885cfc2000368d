/*
 * What tests of a ledger share: a small warehouse with one sale, and events upon it. Asserts by
 * itself.
 */
#pragma once

#include "port/ledger.h"

enum {
	KIT_ON_HAND = 100, /* units of each item before the sale takes its own */
	KIT_SHIRT = 0,     /* lots */
	KIT_SHOE = 1,
	KIT_SHIRTS = 10, /* allocated */
	KIT_SHOES = 5,
	KIT_LIMIT = 3,
	KIT_HOLD_MS = 60000,
};
enum { KIT_NOW_MS = 1800000000 }; /* a moment in 1970: what the kit counts its time from */

struct kit {
	struct ledger *ledger;
	struct uuid_generator ids;
	int64_t now_ms;
	uint32_t sale; /* its number */
};

/* Makes items SHIRT and SHOE and the sale "drop" of both. */
void kit_stock(struct kit *kit, struct ledger *ledger);
struct ledger_actor kit_actor(const struct kit *kit); /* "olga", an operator */
struct sale *kit_sale(struct kit *kit);               /* as the ledger has it now; free() */
struct uuid kit_id(struct kit *kit);

/*
 * An event of epoch 1. Reserved: held, with a key made of the buyer's name; the buyer is a string
 * that outlives the event.
 */
struct event kit_reserved(struct kit *kit, uint32_t lot, uint32_t quantity, const char *buyer);
struct event kit_settled(struct kit *kit, enum event_kind kind, const struct event *reserved);
/* The same event in another sale: an id ends in its sale's number. */
void kit_in_sale(struct kit *kit, struct event *event, uint32_t sale);
struct event kit_withdrawn(struct kit *kit, uint32_t lot, uint32_t quantity);
struct event kit_barrier(struct kit *kit, uint32_t epoch);

/* Applies one event: its outcome, or what apply() failed with. */
int kit_apply(struct kit *kit, const struct event *event);
/*
 * Applies these events until the ledger takes the batch, for a minute at most: where several write,
 * who waits too long for another's commit (a disk, a machine that stands still) is refused or hears
 * nothing, and drives the same events again. LEDGER_ALREADY may be such a try of its own. What
 * apply() came to last.
 */
int kit_drive(struct kit *kit, struct ledger_entry *entries, size_t count);
/*
 * Raises the sale's epoch the same way, in so many tries: one of which nothing was heard may have
 * raised it, too.
 */
int kit_raise_epoch(struct kit *kit, uint32_t sale, uint32_t *epoch, uint32_t *tries);
/*
 * Drains these events, whose outcomes it writes: partition 0 moves from `from` by one a record, and
 * its mark is ten times its position.
 */
int kit_drain(struct kit *kit, int64_t from, struct ledger_entry *entries, size_t count);
/* Asserts where the drain is; -1: it was never there. */
void kit_assert_position(struct kit *kit, uint32_t partition, int64_t next);
/* A sale "big" of one lot of so many units; its number. */
uint32_t kit_big_sale(struct kit *kit, int64_t units);
/* Reserves and asserts that it is done. */
struct event kit_reserve(struct kit *kit, uint32_t lot, uint32_t quantity, const char *buyer);
/* Asserts a lot's balances. */
void kit_assert_lot(struct kit *kit, uint32_t lot, int64_t allocated, int64_t held, int64_t confirmed, int64_t withdrawn);
void kit_assert_item(struct kit *kit, const char *sku, int64_t on_hand, int64_t allocated);
void kit_assert_order(struct kit *kit, const struct uuid *id, enum order_state state);
/* Asserts that every promise holds. */
void kit_assert_audit(struct kit *kit);
