/*
 * Transactions of sales: making them, changing their terms, moving their state. Calls of the port,
 * see ledger_ops. Private to the adapters.
 */
#pragma once

#include "ledger/transaction.h"

int sale_transaction_create(struct ledger *ledger, struct sale *sale, const struct ledger_actor *actor, uint32_t *lot);
/* As a part of a transaction. *lot: which is refused. */
int sale_transaction_insert(struct transaction *transaction, struct sale *sale, const struct ledger_actor *actor,
			    uint32_t *lot) MUST_CHECK;
int sale_transaction_update(struct ledger *ledger, const struct sale *sale, const struct ledger_actor *actor);
int sale_transaction_move(struct ledger *ledger, uint32_t sale, enum sale_action action, const struct ledger_actor *actor);
int sale_transaction_release(struct ledger *ledger, uint32_t sale, const struct sale_release *release,
			     const struct ledger_actor *actor);
int sale_transaction_disarm(struct ledger *ledger, uint32_t sale, uint32_t epoch, const struct ledger_actor *actor);
int sale_transaction_raise_epoch(struct ledger *ledger, uint32_t sale, uint32_t above, uint32_t *epoch);
