/*
 * What this process knows of the sales in Redis: told by refresh() and by the answers of calls,
 * asked by any thread without waiting. An entry is of one epoch; a newer one takes its place as a
 * whole, so that nothing of an old term is mixed into it. Entries are made by preheat_begin() and
 * refresh(), and go with drop(). Of a sale without an entry nothing is known, and its buyers may
 * all have orders.
 *
 * Answers come on several connections, out of order: a lot's revision, which rises with each
 * change, says which is newer.
 */
#pragma once

#include <stdatomic.h>
#include "base/lock.h"
#include "base/siphash.h"
#include "port/stock.h"
#include "stock/buyer_filter.h"
#include "stock/redis/wire.h"
#include "stock/sale_registry.h"

/*
 * The sale's time (functions/common.lua) as this process has measured it. Two bounds, each beyond
 * this machine's monotonic clock: the time has passed `least_ms` for certain (from when an answer
 * came), and not `most_ms` (from when it was asked for). Of some readings the times are kept, so
 * that a claim can name what this process has itself seen go by.
 */
enum { REDIS_READINGS = 32 };

struct redis_reading {
	int64_t mono_ms, time_ms;
};

struct redis_clock {
	_Atomic int64_t least_ms, most_ms;
	_Atomic int64_t next_ms;                       /* monotonic: when a reading is kept again */
	_Atomic int64_t off_ms;                        /* the wall clock of Redis beyond the sale's time */
	atomic_bool timed;                             /* there was a reading */
	struct redis_reading readings[REDIS_READINGS]; /* the sale's lock; the newest at reading_count - 1, modulo their number */
	unsigned reading_count;
};

enum redis_sale_state { REDIS_SALE_LOADING, REDIS_SALE_ARMED, REDIS_SALE_FENCED };

struct redis_lot {
	struct stock_lot_state state; /* the sale's lock */
	uint32_t revision;            /* the sale's lock */
	_Atomic uint64_t version;     /* 0: not armed */
};

struct redis_sale {
	uint32_t number, epoch;
	_Atomic uint32_t known; /* the newest epoch that this process's catalog has told, or that it has begun: never what an answer says */
	_Atomic uint32_t begun; /* the epoch that this process has begun itself; 0: none */
	_Atomic int state;
	atomic_bool dropped;                    /* to be forgotten by Redis too, as soon as it can be told */
	_Atomic int64_t deadline_ms, oldest_ms; /* in the sale's time; 0: none */
	struct redis_clock clock;
	_Atomic int64_t outbox, orders, buyers; /* at the last refresh */
	_Atomic uint64_t names_from;            /* so many bytes of the list of names are in the filter */
	atomic_bool names_complete;             /* it was read to its end at least once */
	_Atomic uint32_t doubts, settled; /* see changes.h: how often others may have changed it; as many as were looked into */
	_Atomic int64_t look_ns, ask_ns;  /* monotonic: when it is looked at, or asked about, whatever was heard */
	_Atomic int64_t known_ns;         /* monotonic; when the newest refresh that told all of it was sent; 0: none */
	struct buyer_filter filter;
	struct lock lock; /* the lots' states; a leaf, held for a copy */
	uint32_t lot_count;
	struct redis_lot lots[];
};

struct redis_sales {
	struct sale_registry registry;
	struct lock changing; /* one entry is put or taken out at a time; not from inside the gate */
	struct siphash_key name_key;
	_Atomic int64_t reading_ms; /* how far apart readings are kept: all of them reach back twice as far as a claim looks */
	_Atomic int64_t memory;
};

/* What a call must say of the sale. */
struct redis_look {
	uint32_t known, names_epoch, begun;
	uint64_t names_from;
	int64_t least_ms, most_ms; /* beyond the monotonic clock, where `timed` */
	bool timed;
};

void redis_sales_init(struct redis_sales *sales);
void redis_sales_deinit(struct redis_sales *sales);

struct redis_look redis_sales_look(struct redis_sales *sales, uint32_t number);
/* Makes an entry where there is none of this epoch or a newer. 0 or -ENOMEM. */
int redis_sales_expect(struct redis_sales *sales, uint32_t number, uint32_t epoch, uint32_t lot_count) MUST_CHECK;
/* The same, always new, and loading. */
int redis_sales_begin(struct redis_sales *sales, uint32_t number, uint32_t epoch, uint32_t lot_count) MUST_CHECK;
void redis_sales_forget(struct redis_sales *sales, uint32_t number);
/* Until an answer, or the catalog, says otherwise. */
void redis_sales_fence(struct redis_sales *sales, uint32_t number);
void redis_sales_hear_of(struct redis_sales *sales, uint32_t number, uint32_t epoch);
void redis_sales_add_buyer(struct redis_sales *sales, uint32_t number, struct slice buyer);
/* Inside the gate. The sale's time now, as far as it is known here: never more than it is. */
int64_t redis_sale_now_ms(const struct redis_sale *sale);
/* How far back claims look. */
void redis_sales_look_back(struct redis_sales *sales, int64_t age_ms);
/*
 * Inside the gate. The latest time of the sale that this process has seen at `before_ms`
 * (monotonic) or earlier; 0: none.
 */
int64_t redis_sale_seen_ms(struct redis_sale *sale, int64_t before_ms);

/* The head of every answer. */
struct redis_head {
	uint32_t epoch, limit;
	int64_t now_ms; /* the sale's time */
	bool foreign;   /* its epoch is one that the catalog has not told: nothing of the answer is learnt */
};
/* Reads the head and learns from it. False: the answer is malformed. */
bool redis_sales_learn(struct redis_sales *sales, uint32_t number, struct redis_reader *answer, struct redis_head *head);
/* Reads a chunk of names. True: there are more. */
bool redis_sales_learn_names(struct redis_sales *sales, uint32_t number, uint32_t epoch, struct redis_reader *answer);
/* Reads all lots. */
void redis_sales_learn_lots(struct redis_sales *sales, uint32_t number, uint32_t epoch, struct redis_reader *answer);
/*
 * All of it was told, by a refresh that was sent at sent_ns: counted from then on, for what was
 * decided after that may not be in it.
 */
void redis_sales_note_known(struct redis_sales *sales, uint32_t number, uint32_t epoch, int64_t sent_ns);
void redis_sales_learn_outbox(struct redis_sales *sales, uint32_t number, uint32_t epoch, int64_t oldest_ms);

/* For callers inside the gate. */
static inline struct redis_sale *redis_sales_find(struct redis_sales *sales, uint32_t number)
{
	return sale_registry_find(&sales->registry, number);
}
struct hash128 redis_sales_name(const struct redis_sales *sales, struct slice buyer);
