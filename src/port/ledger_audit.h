/* What the audit of a ledger tells. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "model/limits.h"

/* Sums that the promises are judged by; one row per lot, and the broken rows by promise. */
struct ledger_audit {
	int64_t sales, lots, orders, held, confirmed, cancelled, expired;
	int64_t units_allocated, units_available, units_held, units_confirmed, units_withdrawn,
		units_gone; /* gone: withdrawn from an order, not on hand */
	int64_t movements, dead_letters, log_rows;
	int64_t dead_purchases; /* dead letters of purchases that may have been told (event_may_be_purchase()) */
	int64_t p1_broken; /* lots with more live units than allocated - withdrawn, by orders or by balance; armed with too few live ones */
	int64_t p2_broken; /* orders without their movement, a movement without its order, dead purchases */
	int64_t p3_broken; /* buyers above a sale's limit, keys with two orders */
	int64_t p4_broken; /* lots or items whose balance is not the sum of their movements; lots armed with other live units, not too few */
	int64_t unequal_p1, unequal_p4; /* of these, the lots that were armed with other units: the next rebuild mends them */
	int64_t log_broken;             /* rows of the operator log whose hash does not follow */
	int64_t shared_payments; /* payments' references that pay for several orders: no promise is broken by it, somebody has paid once for two */
	char first[512]; /* the first fault found, in words; empty: none */
};

/*
 * A lot whose stock was armed with other units than the ledger found where the barrier of the same
 * epoch lies in the journal.
 */
struct ledger_unequal_lot {
	char sale_id[SALE_ID_MAX + 1], sku[SKU_MAX + 1];
	uint32_t epoch;
	int64_t armed_held, armed_confirmed, armed_withdrawn;
	int64_t held, confirmed, withdrawn; /* the ledger's, at the barrier */
};
/*
 * Whether more of it is sold than there is (P1); else units of it are in no order and not for sale
 * (P4), or only their kinds differ.
 */
static inline bool ledger_lot_oversold(const struct ledger_unequal_lot *lot)
{
	return lot->armed_held + lot->armed_confirmed + lot->armed_withdrawn < lot->held + lot->confirmed + lot->withdrawn;
}
