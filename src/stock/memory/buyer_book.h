/*
 * The buyer book: one shard's memory of who has bought what with which key, and of who asks how
 * often. No locks: its shard has one.
 *
 * Names are not kept but their fingerprints, 128 bits of SipHash under a key that nobody outside
 * knows. Two of a million buyers share one with a chance of 10^12 / 2^129, about 10^-27; keys are
 * compared only within one buyer, so half of a key's fingerprint finds it; the other half is that
 * of the key with what the purchase was labelled with, and says whether it is the same request.
 *
 * An order is 68 bytes, a buyer 28. A buyer's first CHAIN_MAX orders hang in a chain, which is all
 * that an honest buyer ever has; more (a buyer who places and cancels all day) are found through an
 * index by key, so nobody can make a look-up long. They hang behind the chain, newest first, for
 * who asks for the newest.
 *
 * The rate window counts grants alone: what was refused consumes nothing, and a grant that is
 * undone gives its place back. So nothing is kept of a buyer without an order. The first grant in a
 * window is kept in the buyer's record; only who buys again gets a log, and the sweep takes it back
 * when the window has passed.
 */
#pragma once

#include <stdbool.h>
#include "base/siphash.h"
#include "port/stock.h"
#include "stock/memory/rate_window.h"
#include "stock/memory/record_arena.h"
#include "stock/memory/slot_index.h"

enum { BUYER_BOOK_CHAIN_MAX = 8 };

struct order_record {
	struct uuid id;
	struct hash128 key; /* where has_key */
	int64_t hold_expires_at_ms;
	int64_t first_hold_expires_at_ms : 54;      /* a time that can be written has far fewer */
	uint64_t first_quantity : 10;               /* as granted */
	uint32_t buyer;                             /* its record */
	uint32_t next;                              /* of the same buyer */
	uint32_t outbox;                            /* entry; 0: none */
	uint32_t hold_position;                     /* in the heap of deadlines; 0: not there */
	unsigned lot : 8, quantity : 10, state : 3; /* quantity 0: a free record */
	unsigned durable : 1, settling : 1, has_key : 1, spilled : 1, counted : 1;
} __attribute__((packed, aligned(4)));

struct buyer_record {
	struct hash128 name;
	uint32_t first; /* order in the chain */
	uint32_t rate;  /* a stamp, or the number of a log; see the flags */
	uint16_t live;  /* units in live orders */
	uint8_t chained;
	unsigned used : 1, rate_one : 1, rate_log : 1, spilled : 1;
} __attribute__((packed, aligned(4)));

struct buyer_book {
	struct record_arena buyers, orders, logs;
	struct slot_index by_name, by_key;
	uint32_t sweep_hand;
	_Atomic uint32_t buyer_count, order_count; /* written under the lock, read by anyone */
};

void buyer_book_init(struct buyer_book *book, const struct rate_window *rate, _Atomic int64_t *memory);
void buyer_book_deinit(struct buyer_book *book);

static inline struct buyer_record *buyer_book_buyer(const struct buyer_book *book, uint32_t buyer)
{
	return (struct buyer_record *)record_arena_at(&book->buyers, buyer);
}

static inline struct order_record *buyer_book_order(const struct buyer_book *book, uint32_t order)
{
	return (struct order_record *)record_arena_at(&book->orders, order);
}

static inline uint32_t buyer_book_hash(struct hash128 name)
{
	return (uint32_t)(name.low >> 32);
}

uint32_t buyer_book_find(const struct buyer_book *book, struct hash128 name); /* 0: unknown */
uint32_t buyer_book_add(struct buyer_book *book, struct hash128 name);        /* 0: no memory */
/* The end of a request: a buyer without an order is dropped. */
void buyer_book_leave(struct buyer_book *book, uint32_t buyer);

/* Grants left in the window; UINT32_MAX where there is no limit. buyer 0: one that is not known. */
uint32_t buyer_book_rate_left(const struct buyer_book *book, const struct rate_window *rate, uint32_t buyer, int64_t now_ns);
/* After how long there is one again, where none is left. */
int64_t buyer_book_rate_wait_ms(const struct buyer_book *book, const struct rate_window *rate, uint32_t buyer, int64_t now_ns);
/* Makes room for one grant more, where some are left. False: no memory. */
bool buyer_book_rate_book(struct buyer_book *book, uint32_t buyer);
/* Counts a grant that room was made for. Its stamp. */
uint32_t buyer_book_rate_count(struct buyer_book *book, uint32_t buyer, int64_t now_ns);
/* A counted grant never was: its place is free again. */
void buyer_book_rate_return(struct buyer_book *book, uint32_t buyer, uint32_t stamp);

/* By key.low: whether key.high is the same is for the caller to see. */
uint32_t buyer_book_find_key(const struct buyer_book *book, uint32_t buyer, struct hash128 key); /* 0: none */
/*
 * A record for an order of this buyer with this key (NULL: none), linked to nothing yet; 0: no
 * memory.
 */
uint32_t buyer_book_order_new(struct buyer_book *book, uint32_t buyer, const struct hash128 *key);
void buyer_book_order_link(struct buyer_book *book, uint32_t order); /* cannot fail */
/*
 * All orders of the buyer's chain, and the newest of those behind it: the newest
 * BUYER_BOOK_CHAIN_MAX of all are among them, in no order. Returns how many, at most twice as many.
 * *more: there are others.
 */
uint32_t buyer_book_newest(const struct buyer_book *book, uint32_t buyer, uint32_t *orders, bool *more);
/* Forgets an order, linked or not. */
void buyer_book_order_forget(struct buyer_book *book, uint32_t order);

/* Looks at the next `max` buyers and forgets windows that have passed. */
void buyer_book_sweep(struct buyer_book *book, const struct rate_window *rate, int64_t now_ns, uint32_t max);
