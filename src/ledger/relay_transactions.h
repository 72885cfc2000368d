/*
 * The transactions of relays of the feed. Calls of the port, see ledger_ops. Private to the
 * adapters.
 */
#pragma once

#include "port/ledger.h"

int relay_transaction_put(struct ledger *ledger, struct ledger_relay *relay);
int relay_transaction_skip(struct ledger *ledger, struct slice name, struct slice change, const struct ledger_actor *actor,
			   struct slice detail_json);
