/*
 * The transaction of a row of the operator log that belongs to no other change. A call of the port,
 * see ledger_ops. Private to the adapters.
 */
#pragma once

#include "port/ledger.h"

int log_transaction_append(struct ledger *ledger, const struct ledger_actor *actor, enum log_action action, struct slice subject,
			   struct slice detail_json);
