/*
 * The audit's judgement: what makes a promise broken, given the sums that an adapter has read out
 * of its rows. An adapter asks its database for sums (its SQL is its own) and hands each row over;
 * the counting, the words and the rules are the same everywhere.
 *
 *   P1  for every lot, the units of its live orders, and its balance, against what was allocated and not withdrawn; orders of no lot
 *   P2  every order's movements (exactly one that reserved it; their sum is what its state says) and every movement's order;
 *       as many orders as their sales have: a stock is built again from these
 *       dead letters of purchases that may have been told: nobody has that order until they are
 *         replayed;
 *       the database's own word that its file is whole: nobody knows what stood on a damaged page
 *   P3  every buyer's live units in a sale against the limit that they were granted under; every key's orders
 *   P4  every lot's and item's balance against the sum of its movements; no balance below zero; units that an order's movement has
 *         withdrawn are those that leave the order, and are on hand, all of them, or gone, and then
 *         counted
 *   P1, P4  the units that a rebuild has armed a lot with against those that the ledger has at its barrier: where fewer were armed as taken, more is sold
 *       than there is; where more, units are in no order and not for sale
 *
 * Texts are the caller's, needed during the call only. Private to the adapters.
 */
#pragma once

#include "port/ledger.h"

void audit_state(struct ledger_audit *audit, int64_t state, int64_t orders);

struct audit_lot {
	const char *sale, *sku;
	int64_t allocated, held, confirmed, withdrawn; /* the lot's balances */
	int64_t orders_held, orders_confirmed;         /* units, by its orders */
	int64_t moved_allocated, moved_held, moved_confirmed, moved_withdrawn;
};
void audit_lot(struct ledger_audit *audit, const struct audit_lot *lot);
/* Orders and movements of a lot that is not there. */
void audit_lotless(struct ledger_audit *audit, int64_t sale, int64_t lot, int64_t rows);

/*
 * An order whose rows do not come to one order, one reservation, and nothing between its state and
 * its movements.
 */
struct audit_books {
	const char *order;
	int64_t rows, reserves;
	bool one_lot;
};
void audit_books(struct ledger_audit *audit, const struct audit_books *books);
/*
 * After audit_state(): orders that are found by their sales, and how many ids the sales have. Each
 * must be as many as there are orders.
 */
void audit_listed(struct ledger_audit *audit, int64_t found, int64_t listed);
void audit_dead_letter(struct ledger_audit *audit, int64_t number, struct slice json);

void audit_buyer(struct ledger_audit *audit, const char *sale, const char *buyer, int64_t units, int64_t limit);
void audit_key(struct ledger_audit *audit, const char *buyer, const char *key, int64_t orders);
/* A lot that was armed with other units than the ledger has at the barrier. */
void audit_unequal(struct ledger_audit *audit, const struct ledger_unequal_lot *lot);
/*
 * Units that left orders and are not on hand; movements that have withdrawn others than left the
 * order, or sent them to two places.
 */
void audit_gone(struct ledger_audit *audit, int64_t units, int64_t astray);
void audit_item(struct ledger_audit *audit, const char *sku, int64_t on_hand, int64_t moved);
/* What the database says of its file; "ok": it is whole. */
void audit_damage(struct ledger_audit *audit, const char *said);
