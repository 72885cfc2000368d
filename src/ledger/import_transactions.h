/*
 * The transaction that makes many items and sales, or none. A call of the port, see ledger_ops.
 * Private to the adapters.
 */
#pragma once

#include "port/ledger.h"

int import_transaction(struct ledger *ledger, struct ledger_import *import, const struct ledger_actor *actor);
