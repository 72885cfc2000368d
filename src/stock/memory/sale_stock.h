/*
 * One sale in memory: its lots, its buyers and orders in shards, and its place in the stock's
 * calendar. Private to the memory stock; any thread calls, from inside the registry's gate. See
 * memory.c for the whole picture and the order of the locks.
 */
#pragma once

#include <stdalign.h>
#include "base/lock.h"
#include "base/siphash.h"
#include "port/stock.h"
#include "stock/memory/buyer_book.h"
#include "stock/buyer_filter.h"
#include "stock/memory/calendar.h"
#include "stock/memory/deadline_heap.h"
#include "stock/memory/lot_units.h"
#include "stock/memory/movement_log.h"
#include "stock/memory/outbox.h"
#include "stock/memory/payment_book.h"

/*
 * Shards of a sale. The work under a shard's lock is well under a microsecond of the five that a
 * request costs a gate thread, so sixteen threads on one sale leave a shard free nine times out of
 * ten.
 */
enum { SALE_SHARD_BITS = 4, SALE_SHARDS = 1 << SALE_SHARD_BITS };

/* What all sales of a stock share. */
struct stock_common {
	struct siphash_key buyer_key, key_key, id_key; /* random, of this process */
	struct outbox *outbox;
	struct calendar calendar;
	_Atomic int64_t memory; /* bytes of what is not a sale's own */
};

struct sale_shard {
	alignas(64) struct lock lock; /* its book and holds */
	struct buyer_book book;
	struct deadline_heap holds;  /* exactly the orders that are held, durable and not settling */
	_Atomic int64_t earliest_ns; /* of `holds`, published under the lock */
};

/* Where an order is: by its id, in a shard of its own choosing. */
struct sale_directory {
	alignas(64) struct lock lock; /* taken under a shard's lock, or alone */
	struct slot_index places;     /* record << SALE_SHARD_BITS | shard */
};

enum sale_stock_state { SALE_STOCK_LOADING, SALE_STOCK_ARMED, SALE_STOCK_RETIRED };

struct sale_stock {
	struct calendar_seat seat; /* first member */
	struct stock_common *common;
	struct stock_rules rules;
	struct rate_window rate;
	_Atomic int state;
	uint64_t version_base; /* versions go on where the sale's former stock ended, so that an old latch never fits a new stock */
	atomic_bool stopped;   /* by an operator */
	atomic_bool over_limit; /* a loaded buyer has more than the limit */
	_Atomic int64_t memory;
	struct buyer_filter filter;
	struct lock movement_lock; /* allocated and withdrawn units; taken alone */
	struct movement_log movements;
	struct lot_units *lots;
	struct payment_book payments;
	struct sale_directory directories[SALE_SHARDS];
	struct sale_shard shards[SALE_SHARDS];
};

/* Holds whose deadline is not after cutoff_ns have run out. */
struct sale_expiry {
	int64_t cutoff_ns, now_ns, now_ms;
};

/* A request's names as fingerprints. */
struct sale_names {
	struct hash128 buyer, key;
	uint64_t id_hash;
	bool has_key;
};

int sale_stock_new(struct sale_stock **sale, struct stock_common *common, const struct stock_rules *rules) MUST_CHECK;
/* Nobody is inside the gate with it any more. */
void sale_stock_free(struct sale_stock *sale);

struct hash128 sale_names_buyer(const struct stock_common *common, uint32_t sale, struct slice buyer);
/* labels: labels_fingerprint(). They change that half of the key's that it is not found by. */
struct sale_names sale_names_make(const struct stock_common *common, uint32_t sale, struct slice buyer, struct slice key,
				  uint64_t labels, const struct uuid *id);
/* The fingerprint of a payment's reference. */
struct hash128 sale_stock_reference(const struct sale_stock *sale, struct slice reference);
/* Hints to the processor, each of which reads what the one before has asked for. No lock needed. */
void sale_stock_prefetch(struct sale_stock *sale);
void sale_stock_prefetch_shard(struct sale_stock *sale, const struct sale_names *names, uint32_t lot);
void sale_stock_prefetch_slots(struct sale_stock *sale, const struct sale_names *names);

static inline struct sale_shard *sale_stock_shard(struct sale_stock *sale, struct hash128 buyer)
{
	return &sale->shards[buyer.high & (SALE_SHARDS - 1)];
}

/* The order with this id, its shard locked; NULL (and nothing locked) where there is none. */
struct order_record *sale_stock_locate(struct sale_stock *sale, const struct uuid *id, struct sale_shard **shard, uint32_t *number);
/* The same of the order that an event is of, at once where the event says its place. */
struct order_record *sale_stock_locate_event(struct sale_stock *sale, const struct event *event, struct sale_shard **shard,
					     uint32_t *number);
/* Where an order is, as a grant's event says it (stock_place): never 0. */
uint32_t sale_stock_place(const struct sale_stock *sale, const struct sale_shard *shard, uint32_t number);
bool sale_stock_directory_add(struct sale_stock *sale, uint64_t id_hash, struct sale_shard *shard, uint32_t number);
void sale_stock_directory_remove(struct sale_stock *sale, uint64_t id_hash, struct sale_shard *shard, uint32_t number);
void sale_stock_tell(const struct order_record *record, struct stock_order *order);
/* The shard's heap may have a new earliest deadline. Its lock is held. */
void sale_stock_publish(struct sale_stock *sale, struct sale_shard *shard);

/* Pre-heat. */
int sale_stock_load(struct sale_stock *sale, const struct stock_load *order, const struct sale_names *names, int64_t now_ns);
int sale_stock_arm(struct sale_stock *sale, const int64_t *allocated, const int64_t *withdrawn);

/* sale_reserve.c: the purchase decision of one item; its sale is armed. */
void sale_stock_reserve(struct sale_stock *sale, struct stock_reserve *item, const struct sale_names *names);

/* sale_settle.c: what becomes of an order. */
void sale_stock_settle(struct sale_stock *sale, struct stock_settle *item);
void sale_stock_find(struct sale_stock *sale, struct stock_find *item);
void sale_stock_orders(struct sale_stock *sale, struct stock_orders *item);
/* The shard's lock is held. Adds to the item what its buyer has. */
void sale_stock_tell_newest(const struct sale_shard *shard, uint32_t buyer, struct stock_orders *item);
size_t sale_stock_expire(struct sale_stock *sale, const struct sale_expiry *expiry, struct event *out, size_t max, bool *outbox_full);

/* sale_end.c: what becomes of an event. */
enum stock_ack sale_stock_acknowledge(struct sale_stock *sale, const struct event *event);
/* Whether nothing of it is left. */
bool sale_stock_compensate(struct sale_stock *sale, const struct event *event);
/* So many units leave a live order; its shard is locked, its state still what it was. */
void sale_stock_give_back(struct sale_stock *sale, const struct order_record *record, uint32_t quantity, enum units_to to);

/*
 * sale_pay.c: a confirm's payment; the order's shard is locked. Whether it lets the confirm go on,
 * STOCK_DONE. *pays: the order has none, and takes it.
 */
enum stock_outcome sale_stock_decide_payment(struct sale_stock *sale, const struct order_record *record,
					     struct stock_settle *item, bool *pays);
/* The reference is the order's from now on. STOCK_DONE, or what has come in between. */
enum stock_outcome sale_stock_take_payment(struct sale_stock *sale, const struct order_record *record, struct stock_settle *item);

/* sale_movement.c: units that come and go by an operator. */
void sale_stock_allocate(struct sale_stock *sale, uint32_t lot, int64_t allocated);
int sale_stock_load_withdrawals(struct sale_stock *sale, const struct stock_withdrawn *withdrawals, size_t count);
int sale_stock_withdraw(struct sale_stock *sale, struct stock_withdrawal *withdrawal);
enum stock_ack sale_stock_acknowledge_withdrawal(struct sale_stock *sale, const struct event *event);
bool sale_stock_compensate_withdrawal(struct sale_stock *sale, const struct event *event);
void sale_stock_snapshot(struct sale_stock *sale, struct stock_lot_state *lots);

/* Looks at up to `max` buyers of each shard and forgets rate windows that have passed. */
void sale_stock_sweep(struct sale_stock *sale, int64_t now_ns, uint32_t max);
void sale_stock_count(struct sale_stock *sale, struct stock_totals *totals);
