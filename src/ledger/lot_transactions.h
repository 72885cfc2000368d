/*
 * Transactions of a sale's lots: units that come out of their items, and go back. Private to the
 * adapters.
 */
#pragma once

#include "ledger/transaction.h"

/* --- Calls of the port, see ledger_ops --- */

int lot_transaction_set(struct ledger *ledger, const struct sale *sale, const struct sale_lot *lots, uint32_t count,
			const struct ledger_actor *actor, uint32_t *lot);
int lot_transaction_add(struct ledger *ledger, uint32_t sale, uint32_t lot, uint32_t units, const struct uuid *movement,
			const struct ledger_actor *actor);
int lot_transaction_arm(struct ledger *ledger, const struct sale *sale, uint32_t epoch);

/* --- For transactions of sales --- */

/*
 * A new lot takes its units out of its item. LEDGER_NOT_FOUND (item), LEDGER_NOT_ENOUGH,
 * LEDGER_CONSTRAINT (two lots of one item).
 */
int lot_insert(struct transaction *transaction, uint32_t sale, uint32_t place, struct sale_lot *lot,
	       const struct ledger_actor *actor) MUST_CHECK;
/* What nobody has of a sale's lots goes back to its items. */
int lot_return_all(struct transaction *transaction, uint32_t sale, const struct ledger_actor *actor) MUST_CHECK;
