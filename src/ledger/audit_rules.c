#include "ledger/audit_rules.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 2, 3))) static void note(struct ledger_audit *audit, const char *format, ...)
{
	va_list arguments;

	if (audit->first[0])
		return;
	va_start(arguments, format);
	vsnprintf(audit->first, sizeof(audit->first), format, arguments);
	va_end(arguments);
}

void audit_state(struct ledger_audit *audit, int64_t state, int64_t orders)
{
	audit->orders += orders;
	switch (state) {
	case ORDER_HELD:
		audit->held = orders;
		break;
	case ORDER_CONFIRMED:
		audit->confirmed = orders;
		break;
	case ORDER_CANCELLED:
		audit->cancelled = orders;
		break;
	case ORDER_EXPIRED:
		audit->expired = orders;
		break;
	default:
		audit->p2_broken += orders;
		note(audit, "P2: %lld orders are in a state that does not exist (%lld)", (long long)orders, (long long)state);
	}
}

/* One of a lot's balances against what it must be. */
static bool differs(struct ledger_audit *audit, const struct audit_lot *lot, const char *what, int64_t balance, int64_t must_be,
		    const char *by)
{
	if (balance == must_be)
		return false;
	note(audit, "P4: lot %s of sale %s says %lld units %s, but its %s come to %lld", lot->sku, lot->sale, (long long)balance,
	     what, by, (long long)must_be);
	return true;
}

void audit_lot(struct ledger_audit *audit, const struct audit_lot *lot)
{
	int64_t balance = lot->held + lot->confirmed, live = lot->orders_held + lot->orders_confirmed;
	int64_t to_sell = lot->allocated - lot->withdrawn;
	bool broken;

	audit->units_allocated += lot->allocated;
	audit->units_held += lot->held;
	audit->units_confirmed += lot->confirmed;
	audit->units_withdrawn += lot->withdrawn;
	audit->units_available += to_sell - balance;
	if (live > to_sell || balance > to_sell) {
		audit->p1_broken++;
		note(audit, "P1: lot %s of sale %s has %lld units in live orders (%lld by balance), but only %lld to sell",
		     lot->sku, lot->sale, (long long)live, (long long)balance, (long long)to_sell);
	}
	broken = lot->held < 0 || lot->confirmed < 0 || lot->withdrawn < 0;
	if (broken)
		note(audit, "P4: lot %s of sale %s has a balance below zero", lot->sku, lot->sale);
	broken |= differs(audit, lot, "held", lot->held, lot->orders_held, "orders");
	broken |= differs(audit, lot, "confirmed", lot->confirmed, lot->orders_confirmed, "orders");
	broken |= differs(audit, lot, "allocated", lot->allocated, lot->moved_allocated, "movements");
	broken |= differs(audit, lot, "held", lot->held, lot->moved_held, "movements");
	broken |= differs(audit, lot, "confirmed", lot->confirmed, lot->moved_confirmed, "movements");
	broken |= differs(audit, lot, "withdrawn", lot->withdrawn, lot->moved_withdrawn, "movements");
	audit->p4_broken += broken;
}

void audit_lotless(struct ledger_audit *audit, int64_t sale, int64_t lot, int64_t rows)
{
	audit->p1_broken++;
	note(audit, "P1: there is no lot %lld of sale %lld, but %lld orders or movements of it", (long long)lot, (long long)sale,
	     (long long)rows);
}

void audit_books(struct ledger_audit *audit, const struct audit_books *books)
{
	audit->p2_broken++;
	if (books->rows == 0)
		note(audit, "P2: order %s has movements, but no row", books->order);
	else if (books->reserves == 0)
		note(audit, "P2: order %s has no movement that reserved its units", books->order);
	else if (books->reserves > 1)
		note(audit, "P2: order %s was reserved %lld times", books->order, (long long)books->reserves);
	else if (!books->one_lot)
		note(audit, "P2: order %s and its movements are of different lots", books->order);
	else
		note(audit, "P2: the state of order %s is not what its movements say", books->order);
}

void audit_listed(struct ledger_audit *audit, int64_t found, int64_t listed)
{
	int64_t orders = found != audit->orders ? found : listed, astray = audit->orders - orders;

	if (astray == 0)
		return;
	audit->p2_broken += astray < 0 ? -astray : astray;
	note(audit, "P2: %lld orders are found by their sales, but there are %lld", (long long)orders, (long long)audit->orders);
}

void audit_dead_letter(struct ledger_audit *audit, int64_t number, struct slice json)
{
	if (!event_may_be_purchase(json))
		return;
	audit->p2_broken++;
	audit->dead_purchases++;
	note(audit, "P2: dead letter %lld may be a purchase that its buyer was told of: see `penstock replay`", (long long)number);
}

void audit_buyer(struct ledger_audit *audit, const char *sale, const char *buyer, int64_t units, int64_t limit)
{
	audit->p3_broken++;
	note(audit, "P3: buyer %s has %lld live units of sale %s, above the limit of %lld", buyer, (long long)units, sale,
	     (long long)limit);
}

void audit_key(struct ledger_audit *audit, const char *buyer, const char *key, int64_t orders)
{
	audit->p3_broken++;
	note(audit, "P3: one idempotency key of buyer %s has %lld orders: %s", buyer, (long long)orders, key);
}

void audit_unequal(struct ledger_audit *audit, const struct ledger_unequal_lot *lot)
{
	bool oversold = ledger_lot_oversold(lot);

	audit->p1_broken += oversold;
	audit->unequal_p1 += oversold;
	audit->p4_broken += !oversold;
	audit->unequal_p4 += !oversold;
	note(audit,
	     "%s: lot %s of sale %s was armed with %lld held, %lld confirmed and %lld withdrawn units, but the ledger has %lld, %lld and %lld"
	     " at the barrier of epoch %u",
	     oversold ? "P1" : "P4", lot->sku, lot->sale_id, (long long)lot->armed_held, (long long)lot->armed_confirmed,
	     (long long)lot->armed_withdrawn, (long long)lot->held, (long long)lot->confirmed, (long long)lot->withdrawn, lot->epoch);
}

void audit_item(struct ledger_audit *audit, const char *sku, int64_t on_hand, int64_t moved)
{
	audit->p4_broken++;
	note(audit, "P4: item %s says %lld units on hand, but its movements come to %lld", sku, (long long)on_hand, (long long)moved);
}

void audit_gone(struct ledger_audit *audit, int64_t units, int64_t astray)
{
	audit->units_gone = units;
	audit->p4_broken += astray;
	if (astray)
		note(audit, "P4: %lld movements of orders have withdrawn other units than left the order", (long long)astray);
}

void audit_damage(struct ledger_audit *audit, const char *said)
{
	if (strcmp(said, "ok") == 0)
		return;
	audit->p2_broken++;
	note(audit, "P2: the ledger's file is damaged: %s", said);
}
