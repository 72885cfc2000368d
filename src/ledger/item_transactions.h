/*
 * Transactions of items: what is in the warehouse. Calls of the port, see ledger_ops. Private to
 * the adapters.
 */
#pragma once

#include "ledger/transaction.h"

int item_transaction_create(struct ledger *ledger, const struct ledger_item *item, const struct ledger_actor *actor);
/* As a part of a transaction. */
int item_transaction_insert(struct transaction *transaction, const struct ledger_item *item,
			    const struct ledger_actor *actor) MUST_CHECK;
int item_transaction_receive(struct ledger *ledger, struct slice sku, int64_t units, const struct uuid *movement,
			     const struct ledger_actor *actor, int64_t *on_hand);
int item_transaction_adjust(struct ledger *ledger, struct slice sku, int64_t units, struct slice reason,
			    const struct uuid *movement, const struct ledger_actor *actor, int64_t *on_hand);
