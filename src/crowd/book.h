/*
 * The crowd's memory of what it was told, and the judge of it. Every purchase (one buyer, one
 * Idempotency-Key) has one entry; every answer is held against the entry at once (P3, P5), and the
 * whole book against the ledger at the end (P1, P2, P3, P5: see verdict.h).
 *
 * When is a purchase resolved? An answer that speaks of the order (202, or a refusal that the stock
 * or the sale gave) resolves it. An answer that speaks only of the moment (503,
 * address-rate-limited, request-in-flight) leaves it as it was: after a lost connection nobody
 * knows whether the order exists, and only an answer of the first kind to the same key may tell.
 *
 * Plain data, no I/O, no clock: the caller says what time it is. One owner.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "base/uuid.h"
#include "crowd/answer.h"
#include "crowd/tally.h"
#include "model/order.h"

enum told { TOLD_NOTHING = 0, TOLD_ACCEPTED = 1, TOLD_REFUSED = 2 };

struct purchase {
	struct uuid order;                        /* TOLD_ACCEPTED: and what was told with it */
	uint64_t body;                            /* hash of the whole 202 body */
	int64_t placed_at_ms, hold_expires_at_ms; /* hold 0: none */
	int64_t open_since_ns;                    /* 0: no attempt has an unknown end; else since when */
	uint32_t buyer;                           /* index */
	uint16_t lot;                             /* index into the crowd's SKUs */
	uint16_t tries;                           /* attempts begun */
	uint8_t told;                             /* enum told */
	uint8_t told_state;                       /* enum order_state of the 202 */
	bool confirm_told;                        /* the operator was told that it is confirmed */
	bool confirm_late;                        /* … that it came too late */
	bool retried, seen;                       /* seen: the ledger has it (verdict) */
};

enum { PROMISES = 6, FAULT_TEXT_SIZE = 320 };
/* By promise, 1 to 5; [0] is unused. */
struct faults {
	uint64_t counts[PROMISES];
	char first[PROMISES][FAULT_TEXT_SIZE];
};
void book_faults_add(struct faults *faults, int promise, const char *format, ...) __attribute__((format(printf, 3, 4)));
void book_faults_merge(struct faults *into, const struct faults *from);
uint64_t book_faults_total(const struct faults *faults);

enum { BOOK_RUN_SIZE = 16, BOOK_NAME_SIZE = 48 };
struct book {
	char run[BOOK_RUN_SIZE]; /* stands in every buyer's name and key, so that rehearsals do not meet */
	const char *sale;        /* borrowed */
	const char *const *skus; /* borrowed */
	size_t sku_count;
	uint32_t quantity;
	size_t people, buyers; /* buyers below `people` are people, the others are bots */
	struct purchase *purchases;
	size_t count, capacity;
	uint64_t replays; /* 202 to a key that had one */
	struct faults faults;
};
/* 0 or -ENOMEM. */
int book_init(struct book *book, size_t capacity) MUST_CHECK;
void book_deinit(struct book *book); /* may be repeated */
uint32_t book_add(struct book *book, uint32_t buyer, uint16_t lot);
void book_buyer_name(const struct book *book, uint32_t buyer, char name[static BOOK_NAME_SIZE]);
void book_key(const struct book *book, uint32_t purchase, char key[static BOOK_NAME_SIZE]);
/* The purchase that a key of ours names; false where it is none. */
bool book_find_key(const struct book *book, struct slice key, uint32_t *purchase);

/* What is to be done after an answer. */
enum book_next {
	BOOK_SETTLED = 0, /* nothing more: this attempt has its answer */
	BOOK_AGAIN = 1,   /* the outcome of the purchase is still open (or the answer asks to come again) */
};
/*
 * An answer to an attempt at `purchase`. after_accept: when this attempt was sent, a 202 for the
 * same key had been received. *kind: how to count it. `now_ns`: any clock that never falls.
 */
enum book_next book_answer(struct book *book, uint32_t purchase, bool after_accept, const struct answer *answer, int64_t now_ns,
			   enum tally_kind *kind);
/* The connection was lost; `sent`: the server may have read the request. */
void book_lost(struct book *book, uint32_t purchase, bool sent, int64_t now_ns);
/* An answer to a confirmation. BOOK_AGAIN: its end is open. */
enum book_next book_confirm_answer(struct book *book, uint32_t purchase, const struct answer *answer);
/* Gave up on an open purchase: P5 is broken. */
void book_abandon(struct book *book, uint32_t purchase, const char *why);
