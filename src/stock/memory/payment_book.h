/*
 * The payment book: which payment is which order's, in one sale. An order has one payment, and a
 * payment's reference one order. Of a reference its fingerprint is kept, as of buyers and keys; an
 * order that nobody has paid for costs nothing here.
 *
 * A payment is written down when its confirm goes out, so that of two that come at once one is
 * told; until the journal has it, it is pending. Any thread; the lock is a leaf, held under a
 * shard's.
 */
#pragma once

#include <stdbool.h>
#include "base/error.h"
#include "base/lock.h"
#include "base/siphash.h"
#include "base/uuid.h"
#include "stock/memory/record_arena.h"
#include "stock/memory/slot_index.h"

struct payment_book {
	struct lock lock;
	struct siphash_key id_key;
	struct record_arena records;
	struct slot_index by_reference, by_order;
};

/* What is known of an order and a reference. */
struct payment_standing {
	bool paid, same;    /* the order has a payment; it is this one */
	bool used, pending; /* another order has this one; its end is not known yet */
	struct uuid payer;  /* that order */
};

void payment_book_init(struct payment_book *book, const struct siphash_key *id_key, _Atomic int64_t *memory);
void payment_book_deinit(struct payment_book *book);
struct payment_standing payment_book_look(struct payment_book *book, const struct uuid *order, struct hash128 reference);
/*
 * As it stands; where the order has no payment and the reference no order, they are each other's
 * from now on, pending. 0 or -ENOMEM.
 */
int payment_book_take(struct payment_book *book, const struct uuid *order, struct hash128 reference,
		      struct payment_standing *standing) MUST_CHECK;
/* The journal has the order's payment. */
void payment_book_settle(struct payment_book *book, const struct uuid *order);
/* The order's payment was refused: it never was, unless the journal has it. */
void payment_book_forget(struct payment_book *book, const struct uuid *order);
/* Whether the order has a payment that the journal has. */
bool payment_book_is_paid(struct payment_book *book, const struct uuid *order);
